"""What a curation needs before it reads a shard: parameters that can be used, the metadata, and its indices."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mc2lib.errors import InputError, RunError
from mc2lib.io.curated_pool import PoolFiles
from mc2lib.io.files import file_digest, read_table
from mc2lib.io.lid_models import Engine
from mc2lib.io.match_store import open_indices, write_indices
from mc2lib.io.pools.open_pool import holds_images, read_batches
from mc2lib.io.pools.shards import PoolSource
from mc2lib.io.provenance import reuse_or_make, write_made
from mc2lib.params import CuratePool, MatchRules
from mc2lib.pipeline.curate.decontamination import hash_folder, write_hashes
from mc2lib.recipe.curation.algorithm import ALL, ENGLISH
from mc2lib.recipe.curation.perceptual_hash import FARTHEST
from mc2lib.recipe.curation.strategies import MetadataChoice
from mc2lib.schemas import METADATA

#: By what a limit is on, what a pool needs for it.
RATINGS = {
    "nsfw": "Add a column 'nsfw' or 'punsafe' (0 to 1) to the pool, or leave this limit out.",
    "faces": "Add a column 'face_bboxes' (a list of boxes) to the pool, or leave this limit out.",
}
CHANGED = "changed while the pool was being curated with it"
CHANGED_REMEDY = "Run again: shards matched with the old metadata will be matched again."


@dataclass(frozen=True)
class Setup:
    """What every shard is matched with.

    Args:
        out: the output folder.
        index: the folder of the indices, which runs on other pools may share.
        metadata: the folder of the lists.
        choices: what texts are matched with, of none, english, merged and own.
        lists: by language the length of its list; English is first, then as the lists are merged.
        stamps: names, sizes and times of the lists, in which a change shows.
        digests: by language that of its list's bytes.
        merged: how many entries the merged list has; 0 unless it is among `choices`.
        rules: of matching.
        params: of the run.
        lid_digest: of the language model.
        evaluation: the hash set of the evaluation to keep out, if any, and its digest.
    """

    out: Path
    index: Path
    metadata: Path
    choices: tuple[MetadataChoice, ...]
    lists: Mapping[str, int]
    stamps: tuple[tuple[str, int, int], ...]
    digests: Mapping[str, str]
    merged: int
    rules: MatchRules
    language: str
    lid_model: str | None
    lid_digest: str
    lid_engine: Engine
    lid_confidence: float
    nsfw: float | None
    faces: int | None
    evaluation: Path | None
    evaluation_digest: str
    evaluation_bits: int

    @property
    def files(self) -> PoolFiles:
        """What the strategies share in the output folder."""
        return PoolFiles(self.out)

    @property
    def merged_list(self) -> Path:
        """All lists as one (METADATA)."""
        return self.index / "merged.parquet"

    def sizes(self, choice: MetadataChoice) -> dict[str, int]:
        """By language the length of the list that its texts are matched with, or under `all` that of the one list."""
        if choice == "own":
            return dict(self.lists)
        return {} if choice == "none" else {ALL: self.lists[ENGLISH] if choice == "english" else self.merged}

    def list_paths(self, choice: MetadataChoice) -> dict[str, Path]:
        """The files of those lists."""
        if choice == "own":
            return {name: self.metadata / f"{name}.parquet" for name in self.lists}
        english = self.metadata / f"{ENGLISH}.parquet"
        return {} if choice == "none" else {ALL: english if choice == "english" else self.merged_list}

    def match_inputs(self) -> dict[str, Any]:
        """All that shapes a shard's matches, but for the shard, the code and which list it is matched with."""
        held = dataclasses.asdict(self)
        for name in ("out", "index", "metadata", "choices", "stamps", "merged", "lid_model", "evaluation", "lists"):
            del held[name]
        return held | {"lists": list(self.lists)}  # in their order


def prepare(
    metadata: Path,
    out: Path,
    params: CuratePool,
    choices: Sequence[MetadataChoice] = ("own",),
    languages: Sequence[str] | None = None,
    index: Path | None = None,
) -> Setup:
    """Read and check the metadata, and build the indices that are not there yet.

    Args:
        metadata: a folder with one <language>.parquet (METADATA) per language.
        out: the output folder.
        params: of the run.
        choices: what texts will be matched with.
        languages: whose lists are used, and their order in the merged list; by default all, English first.
        index: the folder of the indices; by default in `out`.

    Raises:
        InputError: there are no lists, or none of a language that is needed; a list is broken.
    """
    found = _list_languages(metadata)
    names = list(languages) if languages is not None else sorted(found, key=lambda name: (name != ENGLISH, name))
    if not names:
        remedy = "Name a folder with lists, or leave --metadata out."
        raise InputError(str(metadata), "no <language>.parquet here", remedy)
    needed = {*names, *([ENGLISH] if {"english", "merged"} & set(choices) else [])}
    for name in sorted(needed - set(found)):
        raise InputError(str(metadata / f"{name}.parquet"), "no such metadata", "Build this list first.")
    evaluation = _evaluation_hashes(params, PoolFiles(out))
    setup = Setup(
        out=out,
        index=index or PoolFiles(out).index,
        metadata=metadata,
        choices=tuple(choices),
        lists={name: _count_entries(metadata / f"{name}.parquet") for name in names},
        stamps=_stamps(metadata, names),
        digests={name: file_digest(metadata / f"{name}.parquet") for name in names},
        merged=0,
        rules=params.rules,
        language=params.language,
        lid_model=str(Path(params.lid_model).resolve()) if params.lid_model else None,
        lid_digest=file_digest(Path(params.lid_model)) if params.lid_model else "lid.176",
        lid_engine=params.lid_engine,
        lid_confidence=params.lid_confidence,
        nsfw=params.nsfw,
        faces=params.faces,
        evaluation=evaluation,
        evaluation_digest=file_digest(evaluation) if evaluation else "",
        evaluation_bits=params.evaluation_bits,
    )
    if "merged" in choices:
        setup = dataclasses.replace(setup, merged=_merge_lists(setup))
    for choice in choices:
        if choice != "none":
            _build_index(setup, choice)
    return setup


def _build_index(setup: Setup, choice: MetadataChoice) -> None:
    folder, lists = setup.index / choice, setup.list_paths(choice)
    try:
        open_indices(folder, lists, setup.rules)
    except InputError:  # there is none, or it is of other metadata, rules or code
        write_indices(folder, lists, setup.rules)


def _merge_lists(setup: Setup) -> int:
    """Write all lists as one, each entry where it is first; returns how many entries that are."""
    tables = [read_table(path, METADATA) for path in setup.list_paths("own").values()]
    inputs = {"merged": list(setup.digests.items())}

    def make(record: dict[str, Any]) -> None:
        everything = pa.concat_tables(tables)
        names = everything["entry"].combine_chunks()
        first = pc.index_in(pc.unique(names), names)
        record["entries"] = len(first)
        with write_made(setup.merged_list, METADATA, record) as writer:
            writer.write_table(everything.take(first))

    return int(reuse_or_make(setup.merged_list, inputs, make).record["entries"])


def _count_entries(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise InputError(str(path), f"not a whole Parquet file ({error})", "Build this list again.") from error


def _list_languages(metadata: Path) -> set[str]:
    return {path.stem for path in metadata.glob("*.parquet")} if metadata.is_dir() else set()


def _stamps(metadata: Path, names: Sequence[str]) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of lists: what a change shows in."""
    wanted = {f"{name}.parquet" for name in names}
    with os.scandir(metadata) as files:  # looked through after every shard
        found = [(file.name, file.stat()) for file in files if file.name in wanted]
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in found))


def _evaluation_hashes(params: CuratePool, files: PoolFiles) -> Path | None:
    """The hash set of the evaluation to keep out, made of its images if it is a folder."""
    if params.evaluation is None:
        return None
    path = Path(params.evaluation).resolve()
    if path.suffix == ".npy":
        return path
    write_hashes(hash_folder(path)[0], files.evaluation)
    return files.evaluation


def refuse_change(setup: Setup) -> None:
    """End the run if a list is not what it was when the run began."""
    now = _stamps(setup.metadata, list(setup.lists)) if setup.metadata.is_dir() else ()
    if now != setup.stamps:
        name = sorted({name for name, _, _ in set(now) ^ set(setup.stamps)})[0]
        raise RunError(str(setup.metadata / name), CHANGED, CHANGED_REMEDY)


# ---------------------------------------------------------------------- parameters and the pool


def check_run(params: CuratePool, source: PoolSource, out: Path) -> None:
    """Refuse parameters that are out of range, and an output folder or a pool that will not do."""
    if params.t_en != "auto" and params.t_en < 1:
        raise InputError("t_en", f"{params.t_en} is not above zero", "Write a number of matches, or auto.")
    if not 0 < params.tail_share < 1:
        raise InputError("tail_share", f"{params.tail_share} is not in 0..1", "The paper's is about 0.06.")
    if params.epochs < 1:
        raise InputError("epochs", f"{params.epochs} is not above zero", "One draw is the least.")
    if not 0 <= params.lid_confidence <= 1:
        raise InputError("lid_confidence", f"{params.lid_confidence} is not in 0..1", "0 trusts every label.")
    for name in ("evaluation_bits", "duplicate_bits"):
        if not 0 <= getattr(params, name) <= FARTHEST:
            fault = f"{getattr(params, name)} is not in 0..{FARTHEST}"
            raise InputError(name, fault, "Unrelated images are about 32 bits apart.")
    if params.lid_model and not Path(params.lid_model).is_file():
        raise InputError(params.lid_model, "no such file", "Give the path of a fastText model.")
    _check_place(out, source)
    _check_images(params, source)


def _check_place(out: Path, source: PoolSource) -> None:
    """Refuse to write into the pool, whose shards the next run would take this one's for; or over another layout."""
    root = Path(source.root).resolve()
    if root.exists() and out.is_relative_to(root):
        raise InputError(str(out), f"lies in the pool {root}", "Set another OUT.")
    if (out / "curated").exists() or (out / "report.json").exists():
        fault = "was curated by an earlier version, which laid its files out in another way; nothing in it was touched"
        raise InputError(str(out), fault, "Set another OUT, or delete this one.")


def _check_images(params: CuratePool, source: PoolSource) -> None:
    if params.duplicates and not any(map(holds_images, source.shards)):
        raise InputError("duplicates", "this pool holds no images", "Download it with img2dataset, or leave it out.")


def refuse_unrated(params: CuratePool, tally: Mapping[str, Any]) -> None:
    """Refuse a limit on what the pool says of none of its images: it would keep them all."""
    for name in ("nsfw", "faces"):
        if getattr(params, name) is not None and tally.get("pairs") and not tally["reader"].get(f"rated: {name}"):
            raise InputError(name, f"no row of the pool has the field '{name}'", RATINGS[name])


def ask_paper_hygiene(params: CuratePool, source: PoolSource) -> CuratePool:
    """What the paper did to its images, where `params` do not ask for more or less of it already.

    Images that are rated unsafe go, those with faces, those like another, and those of ImageNet.

    Args:
        params: of the run.
        source: the pool, of whose first shard the first rows are read.

    Raises:
        InputError: the pool or the parameters lack something for it.

    Source: MetaCLIP 2, appendix; the paper gives no thresholds, and these are ours.
    """
    if params.evaluation is None:
        remedy = "Give the folder of ImageNet's images, or a hash set of them (.npy): --evaluation FOLDER."
        raise InputError("paper hygiene", "no images of ImageNet to keep out", remedy)
    first = next(read_batches(source.shards[0], rows=1), None)
    for name, remedy in RATINGS.items():
        if first is not None and name not in first.column_names:
            raise InputError("paper hygiene", f"{source.shards[0].place} has no field '{name}'", remedy)
    asked = dataclasses.replace(
        params,
        nsfw=0.5 if params.nsfw is None else params.nsfw,
        faces=0 if params.faces is None else params.faces,
        duplicates=params.duplicates or "near",
    )
    _check_images(asked, source)
    return asked

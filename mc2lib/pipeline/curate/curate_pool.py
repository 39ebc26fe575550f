"""From a pool of any format and size to a curated pool, shard by shard: `make curate POOL=…`.

Three steps. Match: every shard is read once, its matched pairs and their counts are written. Balance:
the counts are added up, thresholds and keep probabilities set. Sample: every shard's pairs are drawn.
A shard's files say what they were made from and are made again only if that has changed, so a killed
run goes on where it was, and a pool that grew is matched only where it is new.

    OUT/matches/<shard>.parquet   matched pairs: MATCHES, image, text, and uid and url where the pool has them
    OUT/counts/<shard>.parquet    how often each entry matched in the shard
    OUT/curated/<epoch>/<shard>.parquet   CURATED, and uid and url
    OUT/report.json, steps.parquet, languages.parquet, entries.parquet   what became of the pool
    OUT/quarantine.json           shards that could not be read, and why

Between match and balance, if `duplicates` asks for it, images that are like another go with their pairs:
see `duplicates`.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.engine.lock import claim
from mc2lib.engine.shard_runs import Stop, no_room, run_step
from mc2lib.engine.tasks import TaskFailure, keep_engine
from mc2lib.errors import InputError
from mc2lib.io.code_digest import code_digest
from mc2lib.io.curated_pool import EXTRAS, count_values, match_path
from mc2lib.io.files import atomic, digest, file_digest, read_json, read_table, write_json
from mc2lib.io.lid_models import Engine, load_classifier
from mc2lib.io.match_store import open_indices, write_indices
from mc2lib.io.pools.open_pool import holds_images, read_batches
from mc2lib.io.pools.shards import PoolSource, Shard
from mc2lib.io.provenance import look, read_made, remove_made, stamp, write_made
from mc2lib.languages import OTHER
from mc2lib.params import CuratePool, Machine, MatchRules
from mc2lib.pipeline.curate.count_reduction import add_up
from mc2lib.pipeline.curate.cross_shard_images import count_repeats, find_repeats
from mc2lib.pipeline.curate.datacard import Outcome, sum_tallies, write_report
from mc2lib.pipeline.curate.decontamination import hash_folder, hash_shard, read_hashes, write_hashes
from mc2lib.pipeline.curate.deduplication import (
    count_duplicates,
    duplicate_counts_path,
    forget_duplicates,
    hash_matched,
)
from mc2lib.pipeline.curate.duplicate_search import find_duplicates
from mc2lib.pipeline.curate.pool_summary import NO_ENTRY, NO_LIST, first_examples
from mc2lib.pipeline.curate.sampling import sample_shard
from mc2lib.recipe.curation.algorithm import (
    COUNTS,
    Codes,
    balance_counts,
    count_matches,
    keep_entries,
)
from mc2lib.recipe.curation.balance import Floats
from mc2lib.recipe.curation.index import Index
from mc2lib.recipe.curation.language_id.lid import identify
from mc2lib.recipe.curation.match import match_languages
from mc2lib.recipe.curation.perceptual_hash import FARTHEST, contaminated, flagged
from mc2lib.schemas import MATCHES, METADATA, POOL, WEB

REPORT_SECONDS = 5.0
#: What a shard's matches, and the thresholds and draws, follow from: where one is edited, they are made again.
MATCHING = (
    "recipe.curation.borders",
    "recipe.curation.algorithm",
    "recipe.curation.perceptual_hash",
    "recipe.curation.pair_ids",
    "recipe.curation.index",
    "recipe.curation.index_tokens",
    "recipe.curation.index_trie",
    "recipe.curation.perfect_hash",
    "recipe.curation.language_id",
    "recipe.curation.match",
    "pipeline.curate.curate_pool",
    "io.image_decoder",
    "pipeline.curate.decontamination",
    "io.lid_models",
    "io.pools",
    "io.tars",
    "hashing",
    "languages",
    "schemas",
)
SAMPLING = (
    "recipe.curation.balance",
    "recipe.curation.algorithm",
    "recipe.curation.pair_ids",
    "pipeline.curate.curate_pool",
    "pipeline.curate.sampling",
    "io.column_files",
    "io.epoch_draws",
    "pipeline.curate.duplicate_search",
    "pipeline.curate.deduplication",
    "io.curated_pool",
    "pipeline.curate.cross_shard_images",
    "pipeline.curate.count_reduction",
    "hashing",
    "schemas",
)

MATCHED = pa.schema([*MATCHES, POOL.field("image_id"), POOL.field("image"), POOL.field("alt_text")])


@dataclass(frozen=True)
class _Setup:
    """What every match task needs beside its shard."""

    out: Path
    metadata: Path
    metadata_digest: str
    stamps: tuple[tuple[str, int, int], ...]
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

    def made(self, shard: Shard, source: str) -> str:
        """Digest of all that shapes the shard's matches."""
        parts: list[Any] = [
            code_digest(*MATCHING),
            asdict(self.rules),
            self.metadata_digest,
            self.language,
            self.lid_digest,
            self.lid_engine,
            self.lid_confidence,
            self.nsfw,
            self.faces,
            self.evaluation_digest,
            self.evaluation_bits,
        ]
        read = {"shard": shard.name, "format": shard.format, "text": shard.text, "source": source}
        return digest({"parts": parts} | read)


@dataclass(frozen=True)
class _Matched:
    """What a match task says: the tally of its shard, and the stamps and digests of its files."""

    name: str
    reused: bool
    tally: dict[str, Any]
    known: dict[str, list[Any]]


@dataclass(frozen=True)
class _Found:
    """Languages and entries of a batch's texts, and which of these texts each pair has."""

    languages: pa.Array
    entries: pa.ListArray
    rows: pa.Array

    def matched(self, batch: pa.Table) -> pa.Table:
        """The pairs with entries, language and entries filled in."""
        hit = pc.greater(pc.list_value_length(self.entries), 0).take(self.rows)
        rows = self.rows.filter(hit)
        table = batch.drop_columns(["language"]).filter(hit)
        return table.append_column("language", self.languages.take(rows)).append_column(
            "entries", self.entries.take(rows)
        )


@dataclass
class _Progress:
    """Prints how far a step is, now and then."""

    step: str
    shards: int
    began: float = field(default_factory=time.monotonic)
    unit: str = "pairs"
    shown: float = 0.0
    done: int = 0
    pairs: int = 0
    fresh: int = 0

    def add(self, pairs: int, fresh: bool, more: str = "") -> None:
        """Count a shard; those that were there already take no part in the pace."""
        self.done, self.pairs, self.fresh = self.done + 1, self.pairs + pairs, self.fresh + fresh * pairs
        now = time.monotonic()
        if now - self.shown > REPORT_SECONDS or self.done == self.shards:
            self.shown = now
            seconds = max(now - self.began, 1e-9)
            left = int(seconds / self.done * (self.shards - self.done))
            clock = f"{left // 3600:d}:{left // 60 % 60:02d}:{left % 60:02d}"
            line = f"{self.step} {self.done:,}/{self.shards:,} shards | {self.pairs:,} {self.unit}"
            line += f" | {self.fresh / seconds:,.0f} {self.unit}/s | {clock} left"
            print(line + more, flush=True)


def curate_pool(source: PoolSource, metadata: Path, out: Path, params: CuratePool, machine: Machine) -> Outcome:
    """Curate a pool by the paper's recipe: each language by its own metadata, counts and threshold.

    Args:
        source: of `open_pool`.
        metadata: a folder with a <language>.parquet (METADATA) a language.
        out: the folder to write. Other runs on it are refused; an earlier run's work is taken up.
        params: thresholds, language id, seed and epochs.
        machine: engine and workers; they change no byte of the result.

    Returns:
        the step table, the languages' table, and a row for each shard that could not be read.

    Raises:
        InputError: metadata or parameters cannot be used, or changed meanwhile; the disk is full; no
            shard could be read; another run is at work on `out`.

    Source: MetaCLIP 2, §3.2, Algorithm 1.
    """
    out, metadata = out.resolve(), metadata.resolve()
    _check(params)
    _check_place(out, source)
    _check_images(params, source)
    with _say_disk_fault(out), claim(out), keep_engine(machine):
        setup = prepare(metadata, out, params)
        (out / "report.json").unlink(missing_ok=True)  # it stands only beside what it describes
        matched, quarantined = _match_shards(source.shards, setup, machine)
        _refuse_change(setup)
        duplicates = _Duplicates()
        if params.duplicates:
            images = _hash_shards([s for s in source.shards if s.name in matched], setup, params, machine, quarantined)
            matched -= {str(row["shard"]) for row in quarantined}
        _write_quarantine(out, quarantined, len(source.shards), len(matched))
        shards = [shard.name for shard in source.shards if shard.name in matched]
        if params.duplicates:
            duplicates = _take_out_duplicates(out, shards, images, params, machine)
        else:
            forget_duplicates(out)
        said = [read_made(_count_path(out, name)) for name in shards]
        tally = sum_tallies(shard["tally"] for shard in said)
        _refuse_unrated(params, tally)
        made = balance_shards(setup, shards, params, machine, duplicates.made)
        repeats = find_repeats(out, shards, machine, duplicates.made)
        sampled = _sample_shards(out, shards, made, repeats, params, machine)
        _refuse_change(setup)
        facts: dict[str, Any] = {
            "format": source.format,
            "metadata": setup.metadata_digest,
            "params": asdict(params),
            "shards": shards,
        }
        facts["images_in_several_shards"] = count_repeats(out)
        facts["duplicates"] = duplicates.facts
        facts["lost"] = first_examples([shard["examples"] for shard in said])
        for name, found in tally.get("languages", {}).items():
            found["unique"] = found["matched"] - duplicates.pairs.get(name, 0)
        return write_report(out, facts, [tally], [sampled], quarantined)


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


#: By what a limit is on, what a pool needs for it.
RATINGS = {
    "nsfw": "Add a column 'nsfw' or 'punsafe' (0 to 1) to the pool, or leave this limit out.",
    "faces": "Add a column 'face_bboxes' (a list of boxes) to the pool, or leave this limit out.",
}


def _check(params: CuratePool) -> None:
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


def _check_place(out: Path, source: PoolSource) -> None:
    """Refuse to write into the pool: the next run would take what this one writes for shards of it."""
    root = Path(source.root).resolve()
    if root.exists() and out.is_relative_to(root):
        raise InputError(str(out), f"lies in the pool {root}", "Set another OUT.")


def _check_images(params: CuratePool, source: PoolSource) -> None:
    if params.duplicates and not any(map(holds_images, source.shards)):
        raise InputError("duplicates", "this pool holds no images", "Download it with img2dataset, or leave it out.")


def _refuse_unrated(params: CuratePool, tally: Mapping[str, Any]) -> None:
    """Refuse a limit on what the pool says of none of its images: it would keep them all."""
    for name in ("nsfw", "faces"):
        if getattr(params, name) is not None and tally.get("pairs") and not tally["reader"].get(f"rated: {name}"):
            raise InputError(name, f"no row of the pool has the field '{name}'", RATINGS[name])


# ---------------------------------------------------------------------- metadata


def prepare(metadata: Path, out: Path, params: CuratePool) -> _Setup:
    """Read and check the metadata, and build its index in `out`/index unless it is there."""
    stamps = _stamps(metadata)
    if not stamps:
        raise InputError(
            str(metadata), "no <language>.parquet here", "Name a folder with lists, or leave --metadata out."
        )
    digests = {name: file_digest(metadata / name) for name, _, _ in stamps}
    lists = {Path(name).stem: metadata / name for name, _, _ in stamps}
    try:
        open_indices(out / "index", lists, params.rules)
    except InputError:  # there is none, or it is of other metadata, rules or code
        write_indices(out / "index", lists, params.rules)
    evaluation = _evaluation_hashes(params, out)
    return _Setup(
        out=out,
        metadata=metadata,
        metadata_digest=digest(digests),
        stamps=stamps,
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


def _evaluation_hashes(params: CuratePool, out: Path) -> Path | None:
    """The hash set of the evaluation to keep out, made of its images if it is a folder."""
    if params.evaluation is None:
        return None
    path = Path(params.evaluation).resolve()
    if path.suffix == ".npy":
        return path
    target = out / "cache" / "evaluation.npy"
    write_hashes(hash_folder(path)[0], target)
    return target


def _stamps(metadata: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of the metadata files: what a change shows in."""
    if not metadata.is_dir():
        return ()
    with os.scandir(metadata) as files:  # looked through after every shard
        found = [(file.name, file.stat()) for file in files if file.name.endswith(".parquet")]
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in found))


def _changed(setup: _Setup) -> str | None:
    """The metadata file that is not what it was when the run began, if any."""
    now = _stamps(setup.metadata)
    return None if now == setup.stamps else sorted({name for name, _, _ in set(now) ^ set(setup.stamps)})[0]


def _refuse_change(setup: _Setup) -> None:
    if name := _changed(setup):
        raise InputError(str(setup.metadata / name), CHANGED, CHANGED_REMEDY)


CHANGED = "changed while the pool was being curated with it"
CHANGED_REMEDY = "Run again: shards matched with the old metadata will be matched again."


# ---------------------------------------------------------------------- match


def _match_shards(shards: Sequence[Shard], setup: _Setup, machine: Machine) -> tuple[set[str], list[dict[str, Any]]]:
    """Match every shard; returns the names of those that are matched, and the quarantine."""
    known = _read_known(setup.out)
    tasks = [(shard, setup, {str(p): known.get(str(p)) for p in _files_of(shard, setup)}) for shard in shards]
    matched: set[str] = set()
    quarantined: list[dict[str, Any]] = []
    languages: set[str] = set()
    progress = _Progress("match", len(shards))

    def set_aside(number: int, failure: TaskFailure) -> None:
        quarantined.append(_quarantine(shards[number].name, failure))
        progress.add(0, False)

    try:
        for result in run_step(match_shard, tasks, machine, _shard_place, set_aside):
            matched.add(result.name)
            known |= result.known
            languages |= {name for name, found in result.tally["languages"].items() if found["matched"]}
            progress.add(result.tally["pairs"], not result.reused, f" | {len(languages)} languages")
    finally:
        write_json(known, _known_path(setup.out))
    return matched, quarantined


def _end_with(out: Path, shards: Sequence[str]) -> Callable[[int, TaskFailure], None]:
    """Ends the run where a shard fails that was matched before: a file of ours is broken."""

    def end(number: int, failure: TaskFailure) -> None:
        remedy = f"Delete {match_path(out, shards[number])} and run again."
        raise InputError(failure.place, failure.fault, remedy)

    return end


def _known_path(out: Path) -> Path:
    return out / "cache" / "digests.json"


def _read_known(out: Path) -> dict[str, Any]:
    """Sizes, times and digests of files as last seen; none if that cannot be read, and they are read again."""
    try:
        known = read_json(_known_path(out))
    except InputError:
        return {}
    return known if isinstance(known, dict) else {}


def _quarantine(name: str, failure: TaskFailure) -> dict[str, Any]:
    print(f"quarantined: {failure}", flush=True)
    row = {"shard": name, "place": failure.place, "fault": failure.fault, "remedy": failure.remedy}
    return row | {"attempts": failure.attempts}


def _write_quarantine(out: Path, quarantined: list[dict[str, Any]], shards: int, matched: int) -> None:
    """Write which shards could not be read, by name; InputError if that is all of them."""
    quarantined.sort(key=lambda row: str(row["shard"]))
    if quarantined:
        write_json(quarantined, out / "quarantine.json")
    else:
        (out / "quarantine.json").unlink(missing_ok=True)
    if not matched:
        fault = f"none of {shards} shards could be read; the first: {quarantined[0]['fault']}"
        raise InputError(quarantined[0]["place"], fault, f"{quarantined[0]['remedy']} See quarantine.json too.")


def _shard_place(task: tuple[Shard, _Setup, Any]) -> str:
    return task[0].place


def match_shard(task: tuple[Shard, _Setup, Mapping[str, list[Any] | None]]) -> _Matched | Stop:
    """Find the language and the entries of a shard's pairs; write its matches and counts unless they are there.

    Args:
        task: the shard, the setup, and per file (size, time, digest) as last seen.
    """
    shard, setup, known = task
    pa.set_cpu_count(1)  # one core a worker
    paths = _files_of(shard, setup)
    seen = {str(path): look(path, known.get(str(path))) for path in paths}
    source = digest({"files": [seen[str(path)][2] for path in paths], "part": _look_at_data_set(shard)})
    made = setup.made(shard, source)
    matches, counts = match_path(setup.out, shard.name), _count_path(setup.out, shard.name)
    before = read_made(counts)
    if before.get("from") == made and read_made(matches).get("from") == made:
        return _Matched(shard.name, True, before["tally"], seen)
    try:
        tally = _match_shard(shard, setup, made)
    except OSError as error:
        return no_room(setup.out, error)
    if _changed(setup):
        matches.unlink()
        counts.unlink()
        return Stop(str(setup.metadata / str(_changed(setup))), CHANGED, CHANGED_REMEDY)
    for path in paths:
        if stamp(path) != seen[str(path)][:2]:
            counts.unlink()
            raise InputError(str(path), "changed while it was read", "Run again when it is whole.")
    return _Matched(shard.name, False, tally, seen)


def _files_of(shard: Shard, setup: _Setup) -> list[Path]:
    """The files that shape a shard's matches: those of its rows, and of its images where they are looked at."""
    return list(dict.fromkeys([*shard.paths, *(shard.images if setup.evaluation else ())]))


def _look_at_data_set(shard: Shard) -> list[Any]:
    """What a part of a data set that a library finds is told by: its name, and its files' stamps if they are here."""
    folder = Path(shard.dataset)
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if shard.dataset and folder.is_dir() else []
    stamps = [[path.name, *stamp(path)] for path in files]
    return [Path(shard.dataset).name, shard.split, shard.part, shard.parts, stamps] if shard.dataset else []


def _count_path(out: Path, name: str) -> Path:
    return out / "counts" / f"{name}.parquet"


def _match_shard(shard: Shard, setup: _Setup, made: str) -> dict[str, Any]:
    indices = _open(setup.out / "index", setup.metadata_digest, setup.rules)
    reader: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    matched: Counter[str] = Counter()
    counts: list[pa.Table] = []
    examples: dict[str, dict[str, str]] = {}
    known = {name for name, index in indices.items() if index.size}
    batches = read_batches(shard, tally=reader)
    first = next(batches, None)
    extras = [f for f in EXTRAS if first is not None and f.name in first.column_names]
    schema = pa.schema([*MATCHED, *extras])
    with write_made(match_path(setup.out, shard.name), schema, {"from": made}) as writer:
        unwanted = _evaluation_images(shard, setup)
        for batch in _with_first(first, batches):
            batch = _drop_unwanted(batch, setup, unwanted, reader)
            found = _find_entries(batch, setup, indices)
            table = _take(found.matched(batch), schema)
            _note_lost(examples, batch, found, known)
            pairs.update(count_values(found.languages.take(found.rows)))
            matched.update(count_values(table["language"]))
            counts.append(count_matches(table))
            writer.write_table(table)
    tally = {
        "reader": {name: count for name, count in sorted(reader.items()) if count},
        "pairs": sum(pairs.values()),
        "languages": {
            name: {"pairs": pairs[name], "eligible": pairs[name] * (name in known), "matched": matched[name]}
            for name in sorted(pairs)
        },
    }
    with write_made(
        _count_path(setup.out, shard.name), COUNTS, {"from": made, "tally": tally, "examples": examples}
    ) as writer:
        writer.write_table(_sum_counts(counts))
    return tally


def _note_lost(examples: dict[str, dict[str, str]], batch: pa.Table, found: _Found, known: set[str]) -> None:
    """Note the first text that is lost for want of a list, and of an entry, unless there is one."""
    if {NO_LIST, NO_ENTRY} <= examples.keys():
        return
    lost = pc.equal(pc.list_value_length(found.entries), 0).to_numpy(zero_copy_only=False)
    listed = pc.is_in(found.languages, pa.array(sorted(known), pa.string())).to_numpy(zero_copy_only=False)
    for step, texts in ((NO_LIST, lost & ~listed), (NO_ENTRY, lost & listed)):
        if step not in examples and texts.any():
            text = int(np.argmax(texts))
            row = int(np.argmax(found.rows.to_numpy(zero_copy_only=False) == text))
            examples[step] = {"text": batch["alt_text"][row].as_py(), "language": found.languages[text].as_py()}


def _find_entries(batch: pa.Table, setup: _Setup, indices: Mapping[str, Index]) -> _Found:
    """Each pair's language and entries; where both follow from the text alone, each text is looked at once.

    A language without a list of its own is `other`, if there is a list of that name.
    """
    if setup.language == "auto" and batch["language"].null_count < len(batch):
        languages = find_languages(batch, setup.language, setup.lid_model, setup.lid_confidence, setup.lid_engine)
        languages = _with_lists(languages, indices)
        rows = pa.array(np.arange(len(batch)))
        return _Found(languages, match_languages(batch["alt_text"], languages, indices), rows)
    texts = batch["alt_text"].combine_chunks().dictionary_encode()
    model = _load_model(setup.lid_model, setup.lid_engine)
    languages = identify(texts.dictionary, model, setup.lid_confidence)
    languages = _with_lists(languages, indices)
    return _Found(languages, match_languages(texts.dictionary, languages, indices), texts.indices)


def _with_lists(languages: pa.Array, indices: Mapping[str, Index]) -> pa.Array:
    """`languages` with `other` for those that have no list, if there is a list of that name."""
    if OTHER not in indices or not indices[OTHER].size:
        return languages
    return pc.if_else(pc.is_in(languages, pa.array(indices, languages.type)), languages, OTHER)


def _evaluation_images(shard: Shard, setup: _Setup) -> pa.Array:
    """Keys of the shard's images that are images of the evaluation."""
    if setup.evaluation is None:
        return pa.array([], pa.string())
    hashes = hash_shard(shard)
    hashes = hashes.filter(pc.is_valid(hashes["hash"]))
    same = contaminated(hashes["hash"].to_numpy(), read_hashes(setup.evaluation), setup.evaluation_bits)
    return hashes["image"].filter(pa.array(same)).combine_chunks()


def _drop_unwanted(batch: pa.Table, setup: _Setup, images: pa.Array, tally: Counter[str]) -> pa.Table:
    """Leave out what hygiene asks to, and count it."""
    asked = [name for name, limit in (("nsfw", setup.nsfw), ("faces", setup.faces)) if limit is not None]
    said = batch.select(["image"])
    for name in asked:  # a shard whose rows all lack the field says nothing of them
        has = name in batch.column_names
        said = said.append_column(name, batch[name] if has else pa.nulls(len(batch), WEB.field(name).type))
        tally[f"rated: {name}"] += len(batch) - said[name].null_count
    marked = flagged(said, setup.nsfw, setup.faces)
    known = pc.is_in(batch["image"], images).to_numpy() & ~marked
    tally["dropped: marked by the pool (nsfw, faces)"] += int(marked.sum())
    tally["dropped: image of the evaluation"] += int(known.sum())
    return batch.filter(pa.array(~(marked | known))) if (marked | known).any() else batch


def _with_first(first: pa.Table | None, rest: Iterable[pa.Table]) -> Iterator[pa.Table]:
    if first is not None:
        yield first
        yield from rest


def _take(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of `schema`; one that this batch lacks is null."""
    columns = [
        table[f.name].cast(f.type) if f.name in table.column_names else pa.nulls(table.num_rows, f.type) for f in schema
    ]
    return pa.table(columns, schema=schema)


def _sum_counts(parts: Sequence[pa.Table]) -> pa.Table:
    """Counts of batches as those of the shard, by language and entry."""
    if len(parts) < 2:
        return parts[0] if parts else COUNTS.empty_table()
    summed = pa.concat_tables(parts).group_by(["language", "entry"], use_threads=False).aggregate([("count", "sum")])
    table = summed.rename_columns(["language", "entry", "count"])
    return table.sort_by([("language", "ascending"), ("entry", "ascending")]).cast(COUNTS)


def find_languages(
    batch: pa.Table, language: str, model: str | None, confidence: float, engine: Engine = "compiled"
) -> pa.Array:
    """Each pair's metadata language: declared, or found by language id where it is not, or always."""
    declared = batch["language"].combine_chunks()
    unknown = pc.is_null(declared) if language == "auto" else pa.array(np.ones(len(declared), bool))
    if not pc.any(unknown).as_py():
        return declared
    found = identify(batch["alt_text"].combine_chunks().filter(unknown), _load_model(model, engine), confidence)
    if len(found) == len(declared):
        return found
    return pc.replace_with_mask(declared, unknown, found.cast(declared.type))


@lru_cache(maxsize=1)  # a worker serves one run
def _open(folder: Path, metadata_digest: str, rules: MatchRules) -> Mapping[str, Index]:
    return open_indices(folder)


@lru_cache(maxsize=1)
def _load_model(path: str | None, engine: Engine) -> Any:
    return load_classifier(engine, Path(path) if path else None)


# ---------------------------------------------------------------------- duplicates


@dataclass(frozen=True)
class _Duplicates:
    """The images that go: a digest of what shapes them, their pairs by language, and what the report says."""

    made: str = ""
    pairs: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Any] | None = None


def _hash_shards(
    shards: Sequence[Shard],
    setup: _Setup,
    params: CuratePool,
    machine: Machine,
    quarantined: list[dict[str, Any]],
) -> Counter[str]:
    """Hash the images of every shard's matched pairs; adds to the quarantine, returns how many images there are."""
    known = _read_known(setup.out)
    tasks = [(setup.out, s, params.duplicates, {str(p): known.get(str(p)) for p in s.images}) for s in shards]
    images: Counter[str] = Counter()
    progress = _Progress("hash", len(shards), unit="images")

    def set_aside(number: int, failure: TaskFailure) -> None:
        quarantined.append(_quarantine(shards[number].name, failure))
        progress.add(0, False)

    try:
        for result in run_step(hash_matched, tasks, machine, lambda task: str(task[1].place), set_aside):
            known |= result.known
            images.update(looked_at=result.images, without_hash=result.images - result.hashed)
            progress.add(result.images, not result.reused)
    finally:
        write_json(known, _known_path(setup.out))
    return images


def _take_out_duplicates(
    out: Path, shards: Sequence[str], images: Mapping[str, int], params: CuratePool, machine: Machine
) -> _Duplicates:
    """Find the images that go and count the matches of their pairs."""
    assert params.duplicates is not None
    within = params.duplicate_bits if params.duplicates == "near" else 0
    found = find_duplicates(out, shards, params.duplicates, within, machine)
    pairs: Counter[str] = Counter()
    progress = _Progress("duplicates", len(shards))
    tasks = [(out, name) for name in shards]
    for result in run_step(count_duplicates, tasks, machine, str, _end_with(out, shards)):
        pairs.update(result)
        progress.add(sum(result.values()), True)
    facts = {"kind": params.duplicates, "bits": within, "stays": "the lowest image_id", **images}
    facts |= {"images_removed": found["images_removed"], "pairs_removed": pairs.total()}
    return _Duplicates(found["from"], pairs, facts)


# ---------------------------------------------------------------------- balance


def balance_shards(
    setup: _Setup, shards: Sequence[str], params: CuratePool, machine: Machine, duplicates: str = ""
) -> str:
    """Add up the counts of the shards, set thresholds, write keep probabilities and the entry table.

    Args:
        setup, shards, params, machine: of the run.
        duplicates: digest of the images that go; the matches of their pairs are taken off the counts.

    Returns:
        the digest of all that shapes the keep probabilities.

    Raises:
        InputError: a count file was made of another shard or metadata, or the thresholds cannot be set.
    """
    out = setup.out
    # of the index, which is as the metadata was when the run began
    names = {name: index.size for name, index in open_indices(out / "index").items()}
    parts = {name: read_made(_count_path(out, name)).get("from") for name in shards}
    t_en = None if params.t_en == "auto" else params.t_en
    shaped = {"code": code_digest(*SAMPLING), "counts": parts, "t_en": t_en, "p": params.tail_share}
    shaped |= {"metadata": setup.metadata_digest}
    made = digest(shaped | ({"duplicates": duplicates} if duplicates else {}))
    where = out / "balance" / "keep.json"
    written = [where, out / "balance" / "keep.npy", out / "entries.parquet"]
    if all(path.exists() for path in written) and read_json(where).get("made") == made:
        return made
    total = add_up(out, [_count_path(out, name) for name in shards], names, machine)
    if duplicates:
        gone = add_up(out, [duplicate_counts_path(out, name) for name in shards], names, machine)
        total = {name: counts - gone[name] for name, counts in total.items()}
    balance = balance_counts(total, t_en, params.tail_share)
    keep, ends = keep_entries(balance)
    where.unlink(missing_ok=True)
    with atomic(out / "balance" / "keep.npy") as temporary, temporary.open("wb") as file:
        np.save(file, keep, allow_pickle=False)
    _write_entries(setup, total, keep, ends, balance.groups)
    _refuse_change(setup)
    facts = {"groups": balance.groups, "ends": ends.tolist(), "t": balance.t, "p": balance.p, "made": made}
    write_json(facts, where)
    return made


def _write_entries(setup: _Setup, total: Mapping[str, Any], keep: Floats, ends: Codes, groups: tuple[str, ...]) -> None:
    """The entry table: every metadata entry with its count and keep probability, a row group a language."""
    schema = pa.schema(
        [
            ("language", pa.dictionary(pa.int32(), pa.string())),
            ("entry_id", pa.int32()),
            METADATA.field("entry"),
            ("source", pa.dictionary(pa.int32(), pa.string())),
            ("count", pa.int64()),
            ("keep_probability", pa.float64()),
        ]
    )
    with write_made(setup.out / "entries.parquet", schema, {}, level=1) as writer:
        for group, name in enumerate(groups):
            path = setup.metadata / f"{name}.parquet"
            metadata = read_table(path, columns=["entry", "source"], dictionaries=["source"])
            size = len(total[name])
            if metadata.num_rows != size:
                raise InputError(str(path), CHANGED, CHANGED_REMEDY)
            columns = [
                pa.DictionaryArray.from_arrays(pa.array(np.zeros(size, np.int32)), pa.array([name])),
                np.arange(size, dtype=np.int32),
                metadata["entry"],
                metadata["source"],
                total[name],
                keep[ends[group] : ends[group + 1]],
            ]
            writer.write_table(pa.table(columns, schema=schema))


# ---------------------------------------------------------------------- sample


def _sample_shards(
    out: Path,
    shards: Sequence[str],
    balance: str,
    repeats: str,
    params: CuratePool,
    machine: Machine,
) -> dict[str, Any]:
    """Draw every shard's pairs; returns per epoch and language the pairs drawn and kept."""
    _drop_others(out / "curated", shards, params.epochs)
    seed, epochs = params.seed, params.epochs
    made = digest({"code": code_digest(*SAMPLING), "balance": balance, "repeats": repeats, "seed": seed})
    tasks = [(out, name, place, made, seed, epochs) for place, name in enumerate(shards)]
    return sum_tallies(_sample(out, shards, tasks, machine))


def _sample(out: Path, shards: Sequence[str], tasks: Sequence[Any], machine: Machine) -> Iterator[dict[str, Any]]:
    """The tallies of the shards' draws, as they come."""
    progress, kept = _Progress("sample", len(shards)), 0
    for result in run_step(sample_shard, tasks, machine, lambda task: str(task[1]), _end_with(out, shards)):
        first = result["0"].values()
        kept += sum(row["kept"] for row in first)
        progress.add(sum(row["matched"] for row in first), True, f" | {kept:,} kept")
        yield result


def _drop_others(curated: Path, shards: Sequence[str], epochs: int) -> None:
    """Remove curated shards that this run does not make: of a shard that is gone, or a further epoch."""
    remove_made(curated, {curated / str(epoch) / f"{name}.parquet" for epoch in range(epochs) for name in shards})


@contextmanager
def _say_disk_fault(out: Path) -> Iterator[None]:
    """Turn the error of a full disk, or of a folder that cannot be written, into one that says what to do."""
    try:
        yield
    except OSError as error:
        try:
            stop = no_room(out, error)
        except OSError:
            place = str(error.filename or out)
            raise InputError(
                place, f"no access ({error.strerror or error})", "Check the path and its owner."
            ) from error
        raise InputError(stop.place, stop.fault, stop.remedy) from error

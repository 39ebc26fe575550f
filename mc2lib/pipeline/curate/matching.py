"""The match step: every shard is read once, and its pairs are matched with each list of entries that is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.engine.progress import Progress
from mc2lib.engine.shard_runs import run_step
from mc2lib.engine.tasks import TaskFailure
from mc2lib.errors import InputError
from mc2lib.io.code_digest import code_digest
from mc2lib.io.curated_pool import EXTRAS, PoolFiles, count_values
from mc2lib.io.files import read_json, write_json
from mc2lib.io.lid_models import Engine, load_classifier
from mc2lib.io.match_store import open_indices
from mc2lib.io.pools.open_pool import read_batches
from mc2lib.io.pools.shards import Shard
from mc2lib.io.provenance import Record, Target, look, reuse_or_make_all, stamp, write_made
from mc2lib.languages import OTHER
from mc2lib.params import Machine, MatchRules
from mc2lib.pipeline.curate.decontamination import hash_shard, read_hashes
from mc2lib.pipeline.curate.funnel import NO_ENTRY, NO_LIST
from mc2lib.pipeline.curate.setup import Setup, refuse_change
from mc2lib.recipe.curation.algorithm import ALL, COUNTS, count_matches
from mc2lib.recipe.curation.index import Index
from mc2lib.recipe.curation.language_id.lid import identify
from mc2lib.recipe.curation.match import match, match_languages
from mc2lib.recipe.curation.perceptual_hash import contaminated, flagged
from mc2lib.recipe.curation.strategies import MetadataChoice
from mc2lib.schemas import MATCHES, POOL, WEB

#: What a shard's matches follow from: where one is edited, they are made again.
MATCHING = (
    "recipe.curation.borders",
    "recipe.curation.algorithm",
    "recipe.curation.strategies",
    "recipe.curation.perceptual_hash",
    "recipe.curation.pair_ids",
    "recipe.curation.index",
    "recipe.curation.index_tokens",
    "recipe.curation.index_trie",
    "recipe.curation.perfect_hash",
    "recipe.curation.language_id",
    "recipe.curation.match",
    "pipeline.curate.decontamination",
    "pipeline.curate.matching",
    "pipeline.curate.setup",
    "io.image_decoder",
    "io.lid_models",
    "io.pools",
    "io.tars",
    "hashing",
    "languages",
    "schemas",
)

MATCHED = pa.schema([*MATCHES, POOL.field("image_id"), POOL.field("image"), POOL.field("alt_text")])
Known = Mapping[str, list[Any] | None]


# ---------------------------------------------------------------------- over all shards


def match_shards(shards: Sequence[Shard], setup: Setup, machine: Machine) -> tuple[set[str], list[dict[str, Any]]]:
    """Match every shard; returns the names of those that are matched, and the quarantine."""
    known = read_known(setup.files)
    tasks = [MatchShard(shard, setup, {str(p): known.get(str(p)) for p in _files_of(shard, setup)}) for shard in shards]
    matched: set[str] = set()
    quarantined: list[dict[str, Any]] = []
    languages: set[str] = set()
    with Progress("match", len(shards), "shards", "pairs") as progress:

        def set_aside(number: int, failure: TaskFailure) -> None:
            quarantined.append(quarantine(shards[number].name, failure))
            progress.add(1, 0, fresh=False)

        try:
            for result in run_step(match_shard, tasks, machine, lambda task: str(task.shard.place), set_aside):
                matched.add(result.name)
                known |= result.known
                languages |= result.languages
                note = f" | {len(languages)} languages"
                progress.add(1, result.pairs, fresh=not result.reused, note=note)
        finally:
            write_json(known, setup.files.known)
    return matched, quarantined


def read_known(files: PoolFiles) -> dict[str, Any]:
    """Sizes, times and digests of files as last seen; none if that cannot be read, and they are read again."""
    try:
        known = read_json(files.known)
    except InputError:
        return {}
    return known if isinstance(known, dict) else {}


def quarantine(name: str, failure: TaskFailure) -> dict[str, Any]:
    """The row of a shard that could not be read; it is printed too."""
    print(f"quarantined: {failure}", flush=True)
    row = {"shard": name, "place": failure.place, "fault": failure.fault, "remedy": failure.remedy}
    return row | {"attempts": failure.attempts}


def write_quarantine(files: PoolFiles, quarantined: list[dict[str, Any]], shards: int, matched: int) -> None:
    """Write which shards could not be read, by name; InputError if that is all of them."""
    quarantined.sort(key=lambda row: str(row["shard"]))
    if quarantined:
        write_json(quarantined, files.quarantine)
    else:
        files.quarantine.unlink(missing_ok=True)
    if not matched:
        fault = f"none of {shards} shards could be read; the first: {quarantined[0]['fault']}"
        raise InputError(quarantined[0]["place"], fault, f"{quarantined[0]['remedy']} See quarantine.json too.")


# ---------------------------------------------------------------------- one shard


@dataclass(frozen=True)
class MatchShard:
    """A task: match a shard. `known` holds (size, time, digest) of its files as last seen."""

    shard: Shard
    setup: Setup
    known: Known


@dataclass(frozen=True)
class Matched:
    """What a match task says: its shard's pairs, the languages that matched, and its files' stamps and digests."""

    name: str
    reused: bool
    pairs: int
    languages: frozenset[str]
    known: dict[str, list[Any]]


def match_shard(task: MatchShard) -> Matched:
    """Find the language and the entries of a shard's pairs; write matches and counts unless they are there.

    Raises:
        RunError: the disk is full, or the metadata changed.
        InputError: the shard cannot be read, or changed while it was.
    """
    shard, setup, files = task.shard, task.setup, task.setup.files
    pa.set_cpu_count(1)  # one core per worker
    paths = _files_of(shard, setup)
    seen = {str(path): look(path, task.known.get(str(path))) for path in paths}
    inputs = {
        "code": code_digest(*MATCHING),
        "setup": setup.match_inputs(),
        "shard": [shard.name, shard.format, shard.text],
        "source": [[seen[str(path)][2] for path in paths], _look_at_data_set(shard)],
    }
    targets = [
        Target(files.counts(choice, shard.name), inputs | {"list": choice}, (files.matches(choice, shard.name),))
        for choice in setup.choices
    ]
    made = reuse_or_make_all(targets, lambda records: _write_matches(shard, setup, _by_choice(targets, setup, records)))
    fresh = [target for target, one in zip(targets, made, strict=True) if not one.reused]
    if fresh:
        _refuse_what_changed(task, seen, fresh)
    tallies = [one.record["tally"] for one in made]
    languages = {name for tally in tallies for name, found in tally["languages"].items() if found["matched"]}
    return Matched(shard.name, not fresh, tallies[0]["pairs"], frozenset(languages), seen)


def _by_choice(targets: Sequence[Target], setup: Setup, records: Mapping[Path, Record]) -> dict[MetadataChoice, Record]:
    """The records of what must be made, by the list that is matched with."""
    paths = {target.path: choice for target, choice in zip(targets, setup.choices, strict=True)}
    return {paths[path]: record for path, record in records.items()}


def _refuse_what_changed(task: MatchShard, seen: Mapping[str, list[Any]], fresh: Sequence[Target]) -> None:
    """Take back what was made if the metadata or the shard changed meanwhile."""
    try:
        refuse_change(task.setup)
        for path in _files_of(task.shard, task.setup):
            if stamp(path) != seen[str(path)][:2]:
                raise InputError(str(path), "changed while it was read", "Run again when it is whole.")
    except InputError:
        for target in fresh:
            for path in (target.path, *target.also):
                path.unlink(missing_ok=True)
        raise


def _files_of(shard: Shard, setup: Setup) -> list[Path]:
    """The files that shape a shard's matches: those of its rows, and of its images where they are looked at."""
    return list(dict.fromkeys([*shard.paths, *(shard.images if setup.evaluation else ())]))


def _look_at_data_set(shard: Shard) -> list[Any]:
    """What a part of a data set that a library finds is told by: its name, and its files' stamps if they are here."""
    folder = Path(shard.dataset)
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if shard.dataset and folder.is_dir() else []
    stamps = [[path.name, *stamp(path)] for path in files]
    return [Path(shard.dataset).name, shard.split, shard.part, shard.parts, stamps] if shard.dataset else []


# ---------------------------------------------------------------------- reading and matching


@dataclass(frozen=True)
class _Found:
    """The languages of a batch's texts, these texts, and which of them each pair has."""

    languages: pa.Array
    texts: pa.Array | pa.ChunkedArray
    rows: pa.Array


@dataclass
class _Matching:
    """A shard's matches with one list, while they are written."""

    choice: MetadataChoice
    indices: Mapping[str, Index]
    listed: frozenset[str] | None  # languages that have a list; None where all are matched
    record: Record
    writer: Any
    schema: pa.Schema
    matched: Counter[str] = field(default_factory=Counter)
    counts: list[pa.Table] = field(default_factory=list)
    examples: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, batch: pa.Table, found: _Found) -> None:
        """Match a batch's texts, and write and count the pairs that have entries."""
        entries = self._find(found)
        hit = pc.greater(pc.list_value_length(entries), 0)
        if self.choice == "none":  # nothing is asked of a pair
            hit = pa.array(np.ones(len(entries), bool))
        else:
            self._note_lost(batch, found, hit)
        rows = found.rows.filter(hit.take(found.rows))
        table = batch.drop_columns(["language"]).filter(hit.take(found.rows))
        table = table.append_column("language", found.languages.take(rows)).append_column("entries", entries.take(rows))
        table = _take(table, self.schema)
        self.matched.update(count_values(table["language"]))
        self.counts.append(count_matches(table))
        self.writer.write_table(table)

    def _find(self, found: _Found) -> pa.ListArray:
        if self.choice == "own":
            return match_languages(found.texts, found.languages, self.indices)
        if self.choice == "none":
            offsets = pa.array(np.zeros(len(found.texts) + 1, np.int32))
            return pa.ListArray.from_arrays(offsets, pa.array([], pa.int32()))
        return match(found.texts, self.indices[ALL])

    def _note_lost(self, batch: pa.Table, found: _Found, hit: pa.Array) -> None:
        """Note the first text that is lost for want of a list, and of an entry, unless there is one."""
        if {NO_LIST, NO_ENTRY} <= self.examples.keys():
            return
        lost = ~hit.to_numpy(zero_copy_only=False)
        listed = np.ones(len(lost), bool)
        if self.listed is not None:
            known = pa.array(sorted(self.listed), pa.string())
            listed = pc.is_in(found.languages, known).to_numpy(zero_copy_only=False)
        for step, texts in ((NO_LIST, lost & ~listed), (NO_ENTRY, lost & listed)):
            if step not in self.examples and texts.any():
                text = int(np.argmax(texts))
                row = int(np.argmax(found.rows.to_numpy(zero_copy_only=False) == text))
                language = found.languages[text].as_py()
                self.examples[step] = {"text": batch["alt_text"][row].as_py(), "language": language}

    def finish(self, pairs: Counter[str], reader: Counter[str]) -> None:
        """Say in the record what became of the shard's pairs."""
        languages = {
            name: {
                "pairs": pairs[name],
                "eligible": pairs[name] * (self.listed is None or name in self.listed),
                "matched": self.matched[name],
            }
            for name in sorted(pairs)
        }
        self.record["tally"] = {
            "reader": {name: count for name, count in sorted(reader.items()) if count},
            "pairs": sum(pairs.values()),
            "languages": languages,
        }
        self.record["examples"] = self.examples


def _write_matches(shard: Shard, setup: Setup, records: Mapping[MetadataChoice, Record]) -> None:
    """Read a shard once and write its matches with each list."""
    reader: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    batches = read_batches(shard, tally=reader)
    first = next(batches, None)
    extras = [f for f in EXTRAS if first is not None and f.name in first.column_names]
    schema = pa.schema([*MATCHED, *extras])
    listed = frozenset(name for name, size in setup.lists.items() if size)
    with ExitStack() as files:
        kinds = []
        for choice, record in records.items():
            indices = _open(setup.index / choice, tuple(setup.digests.items()), setup.rules) if choice != "none" else {}
            path = setup.files.matches(choice, shard.name)
            writer = files.enter_context(write_made(path, schema, {"from": record["from"]}))
            kinds.append(_Matching(choice, indices, listed if choice == "own" else None, record, writer, schema))
        unwanted = _evaluation_images(shard, setup)
        for batch in _with_first(first, batches):
            batch = _drop_unwanted(batch, setup, unwanted, reader)
            found = _find_languages(batch, setup)
            pairs.update(count_values(found.languages.take(found.rows)))
            for kind in kinds:
                kind.add(batch, found)
    for kind in kinds:
        kind.finish(pairs, reader)
        with write_made(setup.files.counts(kind.choice, shard.name), COUNTS, kind.record) as writer:
            writer.write_table(_sum_counts(kind.counts))


def _find_languages(batch: pa.Table, setup: Setup) -> _Found:
    """Each pair's language; where it follows from the text alone, each text is looked at once."""
    if setup.language == "auto" and batch["language"].null_count < len(batch):
        languages = find_languages(batch, setup.language, setup.lid_model, setup.lid_confidence, setup.lid_engine)
        return _Found(_with_lists(languages, setup.lists), batch["alt_text"], pa.array(np.arange(len(batch))))
    texts = batch["alt_text"].combine_chunks().dictionary_encode()
    model = _load_model(setup.lid_model, setup.lid_engine)
    languages = identify(texts.dictionary, model, setup.lid_confidence)
    return _Found(_with_lists(languages, setup.lists), texts.dictionary, texts.indices)


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


def _with_lists(languages: pa.Array, lists: Mapping[str, int]) -> pa.Array:
    """`languages` with `other` for those that have no list, if there is a list of that name."""
    if not lists.get(OTHER):
        return languages
    return pc.if_else(pc.is_in(languages, pa.array(lists, languages.type)), languages, OTHER)


def _evaluation_images(shard: Shard, setup: Setup) -> pa.Array:
    """Keys of the shard's images that are images of the evaluation."""
    if setup.evaluation is None:
        return pa.array([], pa.string())
    hashes = hash_shard(shard)
    hashes = hashes.filter(pc.is_valid(hashes["hash"]))
    same = contaminated(hashes["hash"].to_numpy(), read_hashes(setup.evaluation), setup.evaluation_bits)
    return hashes["image"].filter(pa.array(same)).combine_chunks()


def _drop_unwanted(batch: pa.Table, setup: Setup, images: pa.Array, tally: Counter[str]) -> pa.Table:
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


@lru_cache(maxsize=4)  # a worker serves one run, which matches with three lists at most
def _open(folder: Path, digests: tuple[tuple[str, str], ...], rules: MatchRules) -> Mapping[str, Index]:
    return open_indices(folder)


@lru_cache(maxsize=1)
def _load_model(path: str | None, engine: Engine) -> Any:
    return load_classifier(engine, Path(path) if path else None)

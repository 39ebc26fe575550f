"""From a pool of any format and size to a curated pool, shard by shard: `make curate POOL=…`.

Three steps. Match: every shard is read once, its matched pairs and their counts are written. Balance: the counts are
added up, thresholds and keep probabilities set. Sample: every shard's pairs are drawn. Between match and balance, if
`duplicates` asks for it, images that are like another go with their pairs. Strategies that match with the same list
share its matches; each is balanced and sampled by itself.

`mc2lib.io.curated_pool` says where everything is written. A file says what it was made from and is made again only if
that has changed, so a killed run resumes where it was, and a pool that grew is matched only where it is new.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mc2lib.engine.lock import claim
from mc2lib.engine.tasks import keep_engine
from mc2lib.errors import InputError
from mc2lib.io.curated_pool import CuratedPool, PoolFiles
from mc2lib.io.files import atomic, digest
from mc2lib.io.pools.shards import PoolSource
from mc2lib.io.provenance import Record, read_made, tell_full_disk
from mc2lib.params import CuratePool, Machine
from mc2lib.pipeline.curate.balancing import balance_shards
from mc2lib.pipeline.curate.cross_shard_images import count_repeats, find_repeats
from mc2lib.pipeline.curate.datacard import Outcome, write_report
from mc2lib.pipeline.curate.deduplication import Duplicates, forget_duplicates, take_out_duplicates
from mc2lib.pipeline.curate.funnel import compare, first_examples, sum_tallies, summarise
from mc2lib.pipeline.curate.image_hashing import ImageCounts, hash_shards
from mc2lib.pipeline.curate.matching import match_shards, write_quarantine
from mc2lib.pipeline.curate.sampling import sample_shards
from mc2lib.pipeline.curate.setup import Setup, check_run, prepare, refuse_change, refuse_unrated
from mc2lib.recipe.curation.strategies import choose_strategies, list_metadata


def curate_pool(source: PoolSource, metadata: Path, out: Path, params: CuratePool, machine: Machine) -> Outcome:
    """Curate a pool by one strategy, by default the paper's recipe: see `curate_strategies`.

    Args:
        source, metadata, out, machine: as there.
        params: their `strategy` is the name of one.
    """
    return curate_strategies(source, metadata, out, params, machine)[0]


def curate_strategies(
    source: PoolSource,
    metadata: Path,
    out: Path,
    params: CuratePool,
    machine: Machine,
    languages: Sequence[str] | None = None,
    index: Path | None = None,
) -> list[Outcome]:
    """Curate a pool by one strategy or by all six, with one match per list.

    Args:
        source: of `open_pool`.
        metadata: a folder with one <language>.parquet (METADATA) per language.
        out: the folder to write. Other runs on it are refused; an earlier run's work is taken up.
        params: the strategy, thresholds, language id, seed and epochs.
        machine: engine and workers; they change no byte of the result.
        languages: whose lists are used, and their order where they are merged; by default all, English first.
        index: a folder for the indices that runs on several pools share; by default in `out`.

    Returns:
        by strategy the funnel by step and by language, and one row for each shard that could not be read.

    Raises:
        InputError: metadata or parameters cannot be used, or changed meanwhile; the disk is full; no
            shard could be read; another run is at work on `out`.

    Source: MetaCLIP 2, §3.2, Algorithm 1.
    """
    out, metadata = out.resolve(), metadata.resolve()
    strategies = choose_strategies(params.strategy)
    pools = [CuratedPool(out, strategy) for strategy in strategies]
    with _at_work(source, out, params, machine):
        for pool in pools:  # a report is there only next to what it describes
            pool.report.unlink(missing_ok=True)
        PoolFiles(out).comparison.unlink(missing_ok=True)
        setup = prepare(metadata, out, params, list_metadata(strategies), languages, index)
        shards, quarantined, images = _match(source, setup, params, machine)
        outcomes = _balance_and_sample(pools, setup, shards, images, quarantined, source.format, params, machine)
        if len(outcomes) > 1:
            table = compare([summarise(outcome.pool.strategy, outcome.languages) for outcome in outcomes])
            with atomic(PoolFiles(out).comparison) as temporary:
                table.to_csv(temporary)
    return outcomes


def match_pool(
    source: PoolSource,
    metadata: Path,
    out: Path,
    params: CuratePool,
    machine: Machine,
    languages: Sequence[str] | None = None,
    index: Path | None = None,
) -> list[dict[str, Any]]:
    """The match step of `curate_strategies` alone, which takes up what this leaves.

    Args:
        source, metadata, out, params, machine, languages, index: as there.

    Returns:
        one row for each shard that could not be read.
    """
    out, metadata = out.resolve(), metadata.resolve()
    choices = list_metadata(choose_strategies(params.strategy))
    with _at_work(source, out, params, machine):
        setup = prepare(metadata, out, params, choices, languages, index)
        return _match(source, setup, params, machine)[1]


@contextmanager
def _at_work(source: PoolSource, out: Path, params: CuratePool, machine: Machine) -> Iterator[None]:
    """Hold the output folder and the engine; tell what the disk refuses."""
    check_run(params, source, out)
    with _tell_disk_fault(out), claim(out), keep_engine(machine):
        yield


def _match(
    source: PoolSource, setup: Setup, params: CuratePool, machine: Machine
) -> tuple[list[str], list[dict[str, Any]], ImageCounts]:
    """Match every shard, and hash its images if duplicates are to go: names of good shards, quarantine, images."""
    matched, quarantined = match_shards(source.shards, setup, machine)
    refuse_change(setup)
    images: ImageCounts = {}
    if params.duplicates:
        found = [shard for shard in source.shards if shard.name in matched]
        images, failed = hash_shards(found, setup, params.duplicates, machine)
        quarantined += failed
        matched -= {str(row["shard"]) for row in failed}
    write_quarantine(setup.files, quarantined, len(source.shards), len(matched))
    return [shard.name for shard in source.shards if shard.name in matched], quarantined, images


def _balance_and_sample(
    pools: Sequence[CuratedPool],
    setup: Setup,
    shards: Sequence[str],
    images: ImageCounts,
    quarantined: list[dict[str, Any]],
    format: str,
    params: CuratePool,
    machine: Machine,
) -> list[Outcome]:
    """Everything after the match step, for each strategy."""
    said = {c: [read_made(setup.files.counts(c, name)) for name in shards] for c in setup.choices}
    tallies = {choice: sum_tallies(record["tally"] for record in records) for choice, records in said.items()}
    refuse_unrated(params, next(iter(tallies.values())))
    duplicates: dict[CuratedPool, Duplicates] = {}
    balanced: dict[CuratedPool, Record] = {}
    made: dict[CuratedPool, Mapping[str, str]] = {}
    for pool in pools:
        gone = duplicates[pool] = _take_out(pool, shards, images, params, machine)
        balance = balance_shards(pool, setup, shards, params, machine, gone.made)
        balanced[pool] = balance.record
        made[pool] = {"balance": balance.digest, "repeats": find_repeats(pool, shards, machine, gone.made)}
    sampled = sample_shards(made, shards, params, machine)
    refuse_change(setup)
    outcomes = []
    for pool in pools:
        strategy, choice = pool.strategy, pool.strategy.metadata
        facts = {
            "format": format,
            "metadata": digest(setup.digests),
            "lists": list(setup.lists),
            "params": asdict(params) | {"strategy": strategy.name},
            "strategy": asdict(strategy),
            "shards": list(shards),
            "images_in_several_shards": count_repeats(pool),
            "duplicates": duplicates[pool].facts,
            "lost": first_examples([record["examples"] for record in said[choice]], strategy),
        }
        pairs, draws = duplicates[pool].pairs, sampled[strategy.name]
        outcomes.append(write_report(pool, facts, tallies[choice], pairs, draws, balanced[pool], quarantined))
    return outcomes


def _take_out(
    pool: CuratedPool, shards: Sequence[str], images: ImageCounts, params: CuratePool, machine: Machine
) -> Duplicates:
    """The images that go as duplicates, if that is asked for."""
    if params.duplicates is None:
        forget_duplicates(pool)
        return Duplicates()
    within = params.duplicate_bits if params.duplicates == "near" else 0
    return take_out_duplicates(pool, shards, params.duplicates, within, images[pool.strategy.metadata], machine)


@contextmanager
def _tell_disk_fault(out: Path) -> Iterator[None]:
    """Turn the error of a full disk, or of a folder that cannot be written, into one that says what to do."""
    try:
        with tell_full_disk(out):
            yield
    except OSError as error:
        place = str(error.filename or out)
        raise InputError(place, f"no access ({error.strerror or error})", "Check the path and its owner.") from error

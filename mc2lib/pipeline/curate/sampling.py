"""The sample step: each shard's pairs of each epoch, drawn and written. `mc2lib.io.epoch_draws` draws for a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mc2lib.engine.progress import Progress
from mc2lib.engine.shard_runs import run_step
from mc2lib.engine.tasks import TaskFailure
from mc2lib.errors import InputError
from mc2lib.io.code_digest import code_digest
from mc2lib.io.curated_pool import CuratedPool, count_values, read_rivals
from mc2lib.io.epoch_draws import read_candidates, take_kept
from mc2lib.io.provenance import Record, Target, remove_made, reuse_or_make_all, write_made
from mc2lib.params import CuratePool, Machine
from mc2lib.pipeline.curate.funnel import sum_tallies
from mc2lib.recipe.curation.algorithm import draw_steps

#: What thresholds and draws follow from: where one is edited, they are made again.
SAMPLING = (
    "recipe.curation.balance",
    "recipe.curation.algorithm",
    "recipe.curation.strategies",
    "recipe.curation.pair_ids",
    "pipeline.curate.balancing",
    "pipeline.curate.sampling",
    "pipeline.curate.duplicate_search",
    "pipeline.curate.deduplication",
    "pipeline.curate.cross_shard_images",
    "pipeline.curate.count_reduction",
    "io.column_files",
    "io.epoch_draws",
    "io.curated_pool",
    "hashing",
    "schemas",
)


@dataclass(frozen=True)
class SampleShard:
    """A task: draw a shard's pairs for every epoch.

    Args:
        pool: that is being curated.
        shard: its name.
        place: its number in the order of names.
        inputs: all that shapes the draw but the epoch.
        seed: of the draws.
        epochs: how many.
    """

    pool: CuratedPool
    shard: str
    place: int
    inputs: Mapping[str, Any]
    seed: int
    epochs: int


@dataclass(frozen=True)
class Sampled:
    """What a sample task says: per epoch and language the pairs matched, drawn and kept."""

    strategy: str
    tally: dict[str, Any]


def sample_shards(
    balanced: Mapping[CuratedPool, Mapping[str, str]], shards: Sequence[str], params: CuratePool, machine: Machine
) -> dict[str, dict[str, Any]]:
    """Draw every shard's pairs for every strategy.

    Args:
        balanced: by pool the digests of what its draws follow from.
        shards: names, in order.
        params: of the run; its seed and epochs.
        machine: engine and workers; they change no byte.

    Returns:
        by strategy, epoch and language the pairs matched, drawn and kept.
    """
    tasks = []
    for pool, made in balanced.items():
        wanted = {pool.curated(name, epoch) for epoch in range(params.epochs) for name in shards}
        remove_made(pool.folder / "curated", wanted)  # of a shard that is gone, or of a further epoch
        inputs = {"code": code_digest(*SAMPLING), "seed": params.seed, **made}
        tasks += [SampleShard(pool, n, place, inputs, params.seed, params.epochs) for place, n in enumerate(shards)]
    tallies: dict[str, list[dict[str, Any]]] = {pool.strategy.name: [] for pool in balanced}
    for sampled in _sample(tasks, machine):
        tallies[sampled.strategy].append(sampled.tally)
    return {name: sum_tallies(found) for name, found in tallies.items()}


def _sample(tasks: Sequence[SampleShard], machine: Machine) -> Iterator[Sampled]:
    """What the shards' tasks say, as they come."""
    kept = 0
    with Progress("sample", len(tasks), "shards", "pairs") as progress:
        end = end_with([task.pool.matches(task.shard) for task in tasks])
        for sampled in run_step(sample_shard, tasks, machine, lambda task: task.shard, end):
            first = sampled.tally["0"].values()
            kept += sum(row["kept"] for row in first)
            progress.add(1, sum(row["matched"] for row in first), note=f" | {kept:,} kept")
            yield sampled


def end_with(matches: Sequence[Path]) -> Callable[[int, TaskFailure], None]:
    """Ends the run where a shard fails that was matched before: a file of ours is broken."""

    def end(number: int, failure: TaskFailure) -> None:
        raise InputError(failure.place, failure.fault, f"Delete {matches[number]} and run again.")

    return end


def sample_shard(task: SampleShard) -> Sampled:
    """Draw a shard's pairs for every epoch; write them (CURATED) unless they are there."""
    pa.set_cpu_count(1)
    pool, epochs = task.pool, range(task.epochs)
    targets = [Target(pool.curated(task.shard, epoch), {**task.inputs, "epoch": epoch}) for epoch in epochs]

    def make(records: Mapping[Path, Record]) -> None:
        pairs = read_candidates(pool, task.shard)
        rivals = read_rivals(pool, task.place, pairs["image_id"].to_numpy())
        for epoch, target in zip(epochs, targets, strict=True):
            if target.path in records:
                drawn, kept = draw_steps(pairs, task.seed, epoch, rivals)
                _write_epoch(target.path, pairs, {"drawn": drawn, "kept": kept}, records[target.path])

    made = reuse_or_make_all(targets, make)
    return Sampled(
        pool.strategy.name, {str(epoch): one.record["tally"] for epoch, one in zip(epochs, made, strict=True)}
    )


def _write_epoch(path: Path, pairs: pa.Table, masks: Mapping[str, Any], record: Record) -> None:
    """Write an epoch's pairs, and in the record how many pairs each language has after each step."""
    steps = {"matched": np.ones(len(pairs), bool), **masks}
    counted = {step: count_values(pairs["language"].filter(pa.array(mask))) for step, mask in steps.items()}
    languages = sorted(counted["matched"])
    record["tally"] = {name: {step: found.get(name, 0) for step, found in counted.items()} for name in languages}
    table = take_kept(pairs, masks["kept"])
    with write_made(path, table.schema, record) as writer:
        writer.write_table(table)

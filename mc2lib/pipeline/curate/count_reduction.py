"""Adding up how often each entry matched, over all shards: groups of shards as tasks, then the groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.engine.shard_runs import run_step
from mc2lib.io.column_files import group_shards
from mc2lib.io.files import read_table, remove_written
from mc2lib.io.provenance import Record, read_made, reuse_or_make, write_made
from mc2lib.params import Machine
from mc2lib.recipe.curation.algorithm import COUNTS, add_counts, group_counts
from mc2lib.recipe.curation.balance import Counts
from mc2lib.recipe.curation.strategies import Strategy

#: Rows of count files that one task adds up: a minute's work.
ROWS_A_TASK = 1 << 27
#: Rows that are held at once, of some 60 bytes each.
ROWS_AT_ONCE = 1 << 23


@dataclass(frozen=True)
class SumCounts:
    """A task: add up the counts of some shards.

    Args:
        path: of the file to write.
        counts: the shards' count files, by the language of the pair.
        strategy: whose groups they are added up by.
        sizes: by group the length of its list.
    """

    path: Path
    counts: tuple[Path, ...]
    strategy: Strategy
    sizes: Mapping[str, int]


def add_up(
    work: Path,
    paths: Sequence[Path],
    strategy: Strategy,
    sizes: Mapping[str, int],
    machine: Machine,
    at_once: int = ROWS_A_TASK,
) -> dict[str, Counts]:
    """Add up the counts of shards.

    Args:
        work: a folder for sums of groups of shards, of which nothing is left.
        paths: of count files (COUNTS) that say what they were made from.
        strategy: whose groups they are added up by.
        sizes: by group the length of its list.
        machine: engine and workers; sums are exact, whatever the grouping.
        at_once: rows that a task adds up.

    Returns:
        by group int64 [entries].

    Raises:
        InputError: a file cannot be read; no room to write.
    """
    rows = [pq.read_metadata(path).num_rows for path in paths]
    if sum(rows) <= at_once:
        return _add_up(paths, strategy, sizes)
    groups = [tuple(paths[group]) for group in group_shards(rows, at_once)]
    tasks = [SumCounts(work / f"{n}.parquet", group, strategy, dict(sizes)) for n, group in enumerate(groups)]
    for _ in run_step(sum_group, tasks, machine, describe=lambda task: str(task.path)):
        pass
    total = _add_up([task.path for task in tasks], None, sizes)
    remove_written(work, r"\d+\.parquet")
    return total


def sum_group(task: SumCounts) -> None:
    """Write the counts of some shards as those of one (COUNTS, by group), unless they are there."""
    pa.set_cpu_count(1)

    def make(record: Record) -> None:
        with write_made(task.path, COUNTS, record) as writer:
            for group, counts in _add_up(task.counts, task.strategy, task.sizes).items():
                entries = np.flatnonzero(counts)
                names = pa.DictionaryArray.from_arrays(np.zeros(len(entries), np.int32), pa.array([group]))
                columns = [names.cast(pa.string()), entries.astype(np.int32), counts[entries]]
                writer.write_table(pa.table(columns, schema=COUNTS))

    held = [read_made(path).get("from") for path in task.counts]
    reuse_or_make(task.path, {"counts": held, "strategy": task.strategy.name}, make)


def _add_up(paths: Sequence[Path], strategy: Strategy | None, sizes: Mapping[str, int]) -> dict[str, Counts]:
    """Sums by group; without a strategy the files are by group already."""
    total = {name: np.zeros(size, np.int64) for name, size in sizes.items()}
    for table in read_counts(paths):
        grouped = table if strategy is None else group_counts(table, strategy)
        for group, counts in add_counts(grouped, sizes).items():
            total[group] += counts
    return total


def read_counts(paths: Sequence[Path], rows: int = ROWS_AT_ONCE) -> Iterator[pa.Table]:
    """The counts of shards (COUNTS), as many at a time as memory holds."""
    held: list[pa.Table] = []
    size = 0
    for path in paths:
        held.append(read_table(path, COUNTS))
        size += held[-1].num_rows
        if size >= rows:
            yield pa.concat_tables(held)
            held, size = [], 0
    if held:
        yield pa.concat_tables(held)

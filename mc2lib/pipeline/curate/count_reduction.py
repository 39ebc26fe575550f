"""Adding up how often each entry matched, over all shards: groups of shards as tasks, then the groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.engine.shard_runs import Stop, no_room, run_step
from mc2lib.io.column_files import group_shards
from mc2lib.io.files import digest, read_table, remove_written
from mc2lib.io.provenance import read_made, write_made
from mc2lib.params import Machine
from mc2lib.recipe.curation.algorithm import COUNTS, add_counts
from mc2lib.recipe.curation.balance import Counts

#: Rows of count files that one task adds up: a minute's work.
ROWS_A_TASK = 1 << 27
#: Rows that are held at once, of some 60 bytes each.
ROWS_AT_ONCE = 1 << 23


def add_up(
    out: Path, paths: Sequence[Path], sizes: Mapping[str, int], machine: Machine, at_once: int = ROWS_A_TASK
) -> dict[str, Counts]:
    """Add up the counts of shards.

    Args:
        out: a curated pool in the making.
        paths: of count files (COUNTS) that say what they were made from.
        sizes: by language the length of its metadata list.
        machine: engine and workers; sums are exact, whatever the grouping.
        at_once: rows that a task adds up.

    Returns:
        by language int64 [entries].

    Raises:
        InputError: a file cannot be read; no room to write.
    """
    rows = [pq.read_metadata(path).num_rows for path in paths]
    if sum(rows) <= at_once:
        return _add_up(paths, sizes)
    groups = [list(paths[group]) for group in group_shards(rows, at_once)]
    work = out / "balance" / "sums"
    targets = [work / f"{number}.parquet" for number in range(len(groups))]
    tasks = [(out, target, group, dict(sizes)) for target, group in zip(targets, groups, strict=True)]
    for _ in run_step(sum_group, tasks, machine, describe=lambda task: str(task[1])):
        pass
    total = _add_up(targets, sizes)
    remove_written(work, r"\d+\.parquet")
    return total


def sum_group(task: tuple[Path, Path, Sequence[Path], Mapping[str, int]]) -> Stop | None:
    """Write the counts of some shards as those of one (COUNTS), unless they are there.

    Args:
        task: output folder, the file to write, the shards' count files, and the lengths of metadata lists.
    """
    out, target, paths, sizes = task
    pa.set_cpu_count(1)
    made = digest({"counts": [read_made(path).get("from") for path in paths]})
    if read_made(target).get("from") == made:
        return None
    try:
        with write_made(target, COUNTS, {"from": made}) as writer:
            for language, counts in _add_up(paths, sizes).items():
                entries = np.flatnonzero(counts)
                names = pa.DictionaryArray.from_arrays(np.zeros(len(entries), np.int32), pa.array([language]))
                columns = [names.cast(pa.string()), entries.astype(np.int32), counts[entries]]
                writer.write_table(pa.table(columns, schema=COUNTS))
    except OSError as error:
        return no_room(out, error)
    return None


def _add_up(paths: Sequence[Path], sizes: Mapping[str, int]) -> dict[str, Counts]:
    total = {name: np.zeros(size, np.int64) for name, size in sizes.items()}
    for table in read_counts(paths):
        for language, counts in add_counts(table, sizes).items():
            total[language] += counts
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

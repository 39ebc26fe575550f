"""Images with matched pairs in several shards: of all these pairs, one is drawn.

They are written by image, see `CuratedPool.repeats`. What a run at work, or a killed one, has of them is in
balance/repeats/.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.engine.shard_runs import run_missing
from mc2lib.io.column_files import (
    Columns,
    count_ranges,
    group_shards,
    join_columns,
    read_range,
    write_columns,
)
from mc2lib.io.curated_pool import KINDS, CuratedPool, open_repeats, read_matches
from mc2lib.io.files import digest, remove_written
from mc2lib.io.provenance import Record, read_made, reuse_or_make, tell_full_disk
from mc2lib.params import Machine
from mc2lib.recipe.curation.pair_ids import in_several_parts

#: Pairs that a task holds at once, of some 60 bytes each.
PAIRS_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class SortPairs:
    """A task: write the matched pairs of a group of shards (KINDS) in the order of their images' ids.

    Args:
        path: of the file to write.
        pool: that is being curated.
        shards: their names.
        first: the number of the first of them among all.
    """

    path: Path
    pool: CuratedPool
    shards: tuple[str, ...]
    first: int


@dataclass(frozen=True)
class FindRange:
    """A task: write the pairs (KINDS) of the images of a range of ids that have pairs in several shards.

    Args:
        path: of the file to write.
        groups: files of `SortPairs`.
        number, ranges: which of how many ranges of ids.
    """

    path: Path
    groups: tuple[Path, ...]
    number: int
    ranges: int


def find_repeats(
    pool: CuratedPool, shards: Sequence[str], machine: Machine, duplicates: str = "", at_once: int = PAIRS_AT_ONCE
) -> str:
    """Find the matched pairs whose image has matched pairs in another shard too, and write them by image.

    Args:
        pool: that is being curated.
        shards: names, in order.
        machine: engine and workers; they change no byte.
        duplicates: digest of the images that go, see `find_duplicates`.
        at_once: pairs that a task holds.

    Returns:
        the digest of what was found.

    Raises:
        InputError: no room to write.
    """
    inputs = {
        "shards": {name: read_made(pool.counts(name)).get("from") for name in shards},
        "eligible": pool.strategy.eligible,
        "duplicates": duplicates,
    }
    target = pool.repeats.with_suffix(".bin")

    def make(record: Record) -> None:
        sizes = [pq.read_metadata(pool.matches(name)).num_rows for name in shards]
        record["pairs"] = sum(sizes)
        if sum(sizes) <= at_once:  # done before a worker is there
            write_columns(target, _of_several_shards(_read_sorted(pool, shards, 0)))
            return
        taken_up = digest({"made": record["from"], "at_once": at_once})  # from a killed run: of the same groups
        found = _find_in_parts(pool, pool.repeats.with_suffix("") / taken_up[:16], shards, sizes, machine, at_once)
        join_columns(found, target, KINDS)

    made = reuse_or_make(pool.repeats, inputs, make, [target])
    remove_written(pool.repeats.with_suffix(""), r"(group|range)-\d+\.bin")
    return made.digest


def _find_in_parts(
    pool: CuratedPool, work: Path, shards: Sequence[str], sizes: Sequence[int], machine: Machine, at_once: int
) -> list[Path]:
    """The files of all ranges of image ids, in order."""
    groups = group_shards(sizes, at_once)
    sorting = [SortPairs(work / f"group-{n}.bin", pool, tuple(shards[g]), g.start) for n, g in enumerate(groups)]
    run_missing(sort_pairs, sorting, machine, "repeats: sort", "groups of shards")
    ranges = count_ranges(sum(sizes), at_once)
    files = tuple(task.path for task in sorting)
    finding = [FindRange(work / f"range-{number}.bin", files, number, ranges) for number in range(ranges)]
    run_missing(find_range, finding, machine, "repeats: compare", "ranges of images")
    return [task.path for task in finding]


def sort_pairs(task: SortPairs) -> None:
    """Do what the task says."""
    pa.set_cpu_count(1)
    with tell_full_disk(task.path.parent):
        write_columns(task.path, _read_sorted(task.pool, task.shards, task.first))


def find_range(task: FindRange) -> None:
    """Do what the task says."""
    columns = read_range(task.groups, KINDS, task.number, task.ranges)
    order = np.argsort(columns[0])
    with tell_full_disk(task.path.parent):
        write_columns(task.path, _of_several_shards([column[order] for column in columns]))


def _read_sorted(pool: CuratedPool, shards: Sequence[str], first: int) -> Columns:
    """Matched pairs in the order of their images' ids; shards are numbered from `first`."""
    tables = [read_matches(pool, name, ["image_id", "pair_id"]) for name in shards]
    pairs = pa.concat_tables(tables)
    images = pairs["image_id"].to_numpy()
    order = np.argsort(images)
    numbers = np.repeat(np.arange(first, first + len(tables), dtype=np.int32), [len(table) for table in tables])
    return [images[order], pairs["pair_id"].to_numpy()[order], numbers[order]]


def _of_several_shards(columns: Columns) -> Columns:
    """The rows of images with rows of several shards: by image, shard and pair, so that groups do not show."""
    images, pairs, shards = columns
    rows = np.flatnonzero(in_several_parts(images, shards))
    rows = rows[np.lexsort((pairs[rows], shards[rows], images[rows]))]
    return [images[rows], pairs[rows], shards[rows]]


def count_repeats(pool: CuratedPool, at_once: int = PAIRS_AT_ONCE) -> int:
    """How many images have matched pairs in several shards; of their sorted ids, `at_once` are looked at together."""
    images = open_repeats(pool)[0]
    starts = range(0, len(images), at_once)
    # a block begins with the last id of the one before, so that an image in both counts once
    changes = (np.count_nonzero(np.diff(images[max(start - 1, 0) : start + at_once])) for start in starts)
    return int(sum(changes)) + bool(len(images))

"""Files of plain columns, one after another, that are memory-mapped: rows of all shards, sorted and looked at in parts.

What must be compared over all shards is laid in groups of shards in the order of a key that is even (a hash), and
then a range of keys is looked at over all groups. Both are tasks, so that no one memory or core has to hold a pool,
and each row is read twice however large the pool is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mc2lib.engine.shard_runs import Stop, no_room, run_step
from mc2lib.errors import InputError
from mc2lib.io.files import atomic
from mc2lib.params import Machine

REPORT_SECONDS = 5.0

Columns = list[npt.NDArray[Any]]
Kinds = Sequence[type[np.generic]]


def write_columns(path: Path, columns: Iterable[npt.NDArray[Any]]) -> None:
    """Write columns one after another, atomically."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        for column in columns:
            column.tofile(file)


def write_or_stop(out: Path, path: Path, columns: Iterable[npt.NDArray[Any]]) -> Stop | None:
    """Write columns as a task does, which ends the run where `out`'s disk is full."""
    try:
        write_columns(path, columns)
    except OSError as error:
        return no_room(out, error)
    return None


def open_columns(path: Path, kinds: Kinds) -> Columns:
    """The columns of a file of `write_columns`, memory-mapped."""
    widths = [np.dtype(kind).itemsize for kind in kinds]
    size = path.stat().st_size // sum(widths)
    if not size:
        return [np.zeros(0, kind) for kind in kinds]
    begins = accumulate((size * width for width in widths), initial=0)
    return [np.memmap(path, kind, "r", begin, (size,)) for kind, begin in zip(kinds, begins, strict=False)]


def join_columns(paths: Sequence[Path], target: Path, kinds: Kinds) -> None:
    """Write the rows of files one after another as one file."""
    write_columns(target, (open_columns(path, kinds)[number] for number in range(len(kinds)) for path in paths))


def group_shards(sizes: Sequence[int], at_once: int) -> list[slice]:
    """Groups of consecutive shards of so many rows; each holds `at_once` rows at most, or one shard."""
    starts, held = list[int](), 0
    for number, size in enumerate(sizes):
        if not starts or held + size > at_once:
            starts.append(number)
            held = 0
        held += size
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], len(sizes)], strict=True)]


def count_ranges(rows: int, at_once: int) -> int:
    """In how many ranges of an even key there are about `at_once` rows each."""
    return max(1, -(-rows // at_once))


def read_range(paths: Sequence[Path], kinds: Kinds, number: int, ranges: int) -> Columns:
    """The rows of a range of keys, of all files; in each, the first column is the key, uint64, ascending."""
    begin, end = (-(-(place << 64) // ranges) for place in (number, number + 1))
    parts: list[Columns] = []
    for path in paths:
        columns = open_columns(path, kinds)
        start = int(np.searchsorted(columns[0], np.uint64(begin)))
        stop = int(np.searchsorted(columns[0], np.uint64(end))) if number + 1 < ranges else len(columns[0])
        parts.append([column[start:stop] for column in columns])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def run_missing(
    function: Callable[[Any], Stop | None], tasks: Sequence[tuple[Any, ...]], machine: Machine | None, say: str
) -> None:
    """Run the tasks whose file, the second of each, is not there yet.

    Args:
        function, tasks: as `run_step`.
        machine: engine and workers; None runs them here, before workers would be there, and without a word.
        say: what is done to the tasks, in messages.

    Raises:
        InputError: a task fails.
    """
    missing = [task for task in tasks if not task[1].exists()]
    if machine is None:
        for stop in map(function, missing):
            if stop is not None:
                raise InputError(stop.place, stop.fault, stop.cure)
        return
    shown = time.monotonic()
    for done, _ in enumerate(run_step(function, missing, machine, lambda task: str(task[1])), 1):
        if done == len(missing) or time.monotonic() - shown > REPORT_SECONDS:
            shown = time.monotonic()
            print(f"{say}, {done:,} of {len(missing):,}", flush=True)

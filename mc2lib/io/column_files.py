"""Memory-mapped files of plain columns: the rows of all shards, sorted, of which any range of keys is read alone.

What must be compared across shards is written in groups of shards, sorted by an evenly distributed key (a hash); then
one range of keys is read from all groups. No process has to hold a whole pool, and each row is read twice however
large the pool is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mc2lib.io.files import atomic

Columns = list[npt.NDArray[Any]]
Kinds = Sequence[type[np.generic]]


def write_columns(path: Path, columns: Iterable[npt.NDArray[Any]]) -> None:
    """Write columns one after another, atomically."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        for column in columns:
            column.tofile(file)


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

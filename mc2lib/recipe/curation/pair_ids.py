"""Ids of images and pairs from the names that the source gives them, the same however its files are split.

The id of an image is a hash of the best name that its pool gives it; the id of a pair is a hash of its image's id and
its text. So two files, or two readers, give the same pair the same id if the pool has hashes, urls or ids; a bare key
names an image only together with the name of its shard. Rows that share the hash of an image, or else its url, are
texts of one image.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from mc2lib.hashing import key

U64 = npt.NDArray[np.uint64]

#: Names of an image, best first: the hash of its bytes, where it was found, the pool's id, its key in the shards. The
#: pool's id comes after the url, because CommonPool and others give each (image, text) row its own id.
IDENTITIES = ("sha256", "url", "uid", "key")


def hash_strings(texts: pa.Array | pa.ChunkedArray, salts: int | U64) -> U64:
    """Hash strings to 64 bits, in one pass over Arrow's bytes.

    Args:
        texts: strings or bytes [n]; null hashes as the empty string.
        salts: one 64-bit key for all strings, or uint64 [n], one per string.

    Returns:
        uint64 [n].
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks() if texts.num_chunks != 1 else texts.chunk(0)
    texts = pc.fill_null(texts.cast(pa.large_binary()), b"")
    _, offsets, content = texts.buffers()
    bounds = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(content, np.uint8) if content is not None else np.zeros(0, np.uint8)
    seeds = np.full(len(texts), salts, np.uint64) if isinstance(salts, int) else salts.astype(np.uint64)
    return np.asarray(_hash_strings(data, bounds, seeds))


@njit(cache=True)
def _hash_strings(data: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int64], seeds: U64) -> U64:
    """SplitMix64's finaliser over eight bytes at a time: each step is a bijection of the state."""
    hashes = np.empty(len(seeds), np.uint64)
    for row in range(len(seeds)):
        start, stop = bounds[row], bounds[row + 1]
        state = seeds[row] ^ (np.uint64(stop - start) * np.uint64(0x9E3779B97F4A7C15))
        while True:
            word = np.uint64(0)
            for place in range(start, min(start + 8, stop)):
                word |= np.uint64(data[place]) << np.uint64(8 * (place - start))
            state = (state ^ word) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state ^= state >> np.uint64(31)
            start += 8
            if start >= stop:
                break
        hashes[row] = state
    return hashes


def image_ids(names: Mapping[str, pa.Array | pa.ChunkedArray]) -> tuple[U64, npt.NDArray[np.bool_]]:
    """Make the ids of images from the best name that each has.

    Args:
        names: by one of `IDENTITIES`, strings [n]; null or empty if an image has no such name.

    Returns:
        (ids uint64 [n], whether the image has any name bool [n]).
    """
    rows = len(next(iter(names.values())))
    ids, named = np.zeros(rows, np.uint64), np.zeros(rows, bool)
    for kind in IDENTITIES:
        if kind not in names or named.all():
            continue
        column = pc.fill_null(names[kind], "")
        use = ~named & np.asarray(pc.greater(pc.binary_length(column), 0))
        ids[use] = hash_strings(column, key("image", kind))[use]
        named |= use
    return ids, named


def pair_ids(images: U64, texts: pa.Array | pa.ChunkedArray) -> U64:
    """Make the ids of pairs: the hash of each text, salted with the id of its image.

    Args:
        images: image ids, uint64 [n].
        texts: alt-texts, strings [n].

    Returns:
        uint64 [n].
    """
    return hash_strings(texts, images ^ np.uint64(key("pair")))


class Met:
    """The ids met so far: nine bytes per slot, with at most half of the slots filled."""

    def __init__(self) -> None:
        self.count = 0
        self._ids, self._filled = np.zeros(1 << 12, np.uint64), np.zeros(1 << 12, bool)

    def meet(self, ids: U64) -> npt.NDArray[np.bool_]:
        """Meet some ids.

        Args:
            ids: uint64 [n].

        Returns:
            bool [n], which of them were met before, in an earlier call or earlier in this one.
        """
        while 2 * (self.count + len(ids)) > len(self._ids):
            old = self._ids[self._filled]
            size = 4 * len(self._ids)
            self._ids, self._filled = np.zeros(size, np.uint64), np.zeros(size, bool)
            _meet(self._ids, self._filled, old)
        before = np.asarray(_meet(self._ids, self._filled, ids))
        self.count += int(len(ids) - before.sum())
        return before


@njit(cache=True)
def _meet(slots: U64, filled: npt.NDArray[np.bool_], ids: U64) -> npt.NDArray[np.bool_]:
    last = np.uint64(len(slots) - 1)
    before = np.zeros(len(ids), np.bool_)
    for row in range(len(ids)):
        slot = (ids[row] * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(20)) & last
        while filled[slot] and slots[slot] != ids[row]:
            slot = (slot + np.uint64(1)) & last
        before[row] = filled[slot]
        slots[slot], filled[slot] = ids[row], True
    return before


def in_several_parts(ids: U64, parts: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Find the rows whose id occurs in more than one part.

    Args:
        ids: uint64, ascending.
        parts: integers, the part of each row.

    Returns:
        bool, one per row.
    """
    if not len(ids):
        return np.zeros(0, bool)
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    several = np.minimum.reduceat(parts, starts) != np.maximum.reduceat(parts, starts)
    return np.repeat(several, np.diff(starts, append=len(ids)))


@njit(cache=True)
def find_rows(ids: U64, wanted: U64) -> npt.NDArray[np.int64]:  # pragma: no cover (compiled)
    """Find the rows of some ids in a long column of ids.

    Args:
        ids: uint64, ascending; each may occur many times.
        wanted: uint64, ascending and distinct.

    Returns:
        int64, ascending: every row of `ids` that has one of `wanted`.
    """
    first, last = np.empty(len(wanted), np.int64), np.empty(len(wanted), np.int64)
    at, total = 0, 0
    for number in range(len(wanted)):
        one, step = wanted[number], 1
        while at + step < len(ids) and ids[at + step] < one:  # it is usually close to the previous one
            step *= 2
        low, high = at + step // 2, min(at + step, len(ids))
        while low < high:
            middle = (low + high) // 2
            if ids[middle] < one:
                low = middle + 1
            else:
                high = middle
        at = low
        first[number] = at
        while at < len(ids) and ids[at] == one:
            at += 1
        last[number] = at
        total += at - first[number]
    rows, filled = np.empty(total, np.int64), 0
    for number in range(len(wanted)):
        for row in range(first[number], last[number]):
            rows[filled] = row
            filled += 1
    return rows

"""Hygiene: images that stand in a pool twice, or in an evaluation, found by hashes of their pixels.

Off unless asked for: the paper removes no near duplicates from its pool. All of it is exact and does
not depend on order: of images that are alike, the one with the lowest pair id stays.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from mc2lib.errors import InputError

U64 = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

#: Pixels of a thumbnail's side and bits of a hash's side, as `imagehash.phash` has them.
THUMBNAIL = 32
SIDE = 8
BITS = 64
#: The most bits that hashes are compared within.
FARTHEST = 16


def perceptual_hash(thumbnails: npt.NDArray[np.uint8]) -> U64:
    """The perceptual hash of grey thumbnails, bit for bit that of `imagehash.phash`.

    A bit says whether one of the 64 lowest frequencies of the cosine transform is above their median.

    Args:
        thumbnails: uint8 [n, 32, 32], made by Pillow's Lanczos filter.

    Returns:
        uint64 [n]; the first frequency is the highest bit, so that its hex is what `imagehash` prints.
    """
    from scipy.fft import dct  # not for those who only compare hashes

    transformed = dct(dct(thumbnails.astype(np.float64), axis=1), axis=2)[:, :SIDE, :SIDE]
    low = np.ascontiguousarray(transformed).reshape(len(thumbnails), BITS)
    bits = low > np.median(low, axis=1, keepdims=True) if len(low) else low.astype(bool)
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).reshape(-1)


def distance(first: U64, second: U64) -> npt.NDArray[np.int64]:
    """Bits in which hashes differ (Hamming), elementwise."""
    return np.bitwise_count(first ^ second).astype(np.int64)


def repeated(digests: pa.Array | pa.ChunkedArray, pair_ids: U64) -> Bools:
    """Which rows repeat another row's bytes: all of a digest but the one with the lowest pair id.

    Args:
        digests: of the images' bytes, strings or bytes [n]; null is like no other.
        pair_ids: uint64 [n], each once.
    """
    whole = digests.combine_chunks() if isinstance(digests, pa.ChunkedArray) else digests
    groups = np.asarray(pc.fill_null(whole.dictionary_encode().indices, -1), np.int64)
    order = np.lexsort((pair_ids, groups))
    same = np.zeros(len(groups), bool)
    same[order[1:]] = (groups[order[1:]] == groups[order[:-1]]) & (groups[order[1:]] >= 0)
    return same


def near_clusters(hashes: U64, pair_ids: U64, within: int) -> U64:
    """For each image the lowest pair id of its cluster.

    Two images are of one cluster if a chain of images leads from one to the other, each at most `within`
    bits from the next. All such pairs are found: hashes are sorted by every choice of bands on which
    two of them must agree if they differ in so few bits.

    Args:
        hashes: uint64 [n] of `perceptual_hash`.
        pair_ids: uint64 [n], each once.
        within: bits, 0 to 16.

    Returns:
        uint64 [n]; a row whose cluster has its own pair id is the one that stays.

    Raises:
        InputError: `within` is out of its range.
    """
    _check_within(within)
    distinct, inverse = np.unique(hashes, return_inverse=True)
    parents = np.arange(len(distinct))
    if within:
        for mask in band_masks(len(distinct), within):
            masked = distinct & mask
            _join(distinct, masked, np.argsort(masked, kind="stable"), within, parents)
    clusters = _roots(parents)[inverse]
    lowest = np.full(len(distinct), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(lowest, clusters, pair_ids)
    return np.asarray(lowest[clusters])


def contaminated(hashes: U64, evaluation: U64, within: int) -> Bools:
    """Which images are within so many bits of an evaluation image.

    Args:
        hashes: uint64 [n], of the pool.
        evaluation: uint64 [m], in any order.
        within: bits, 0 to 16.

    Returns:
        bool [n].
    """
    _check_within(within)
    distinct, inverse = np.unique(hashes, return_inverse=True)
    known = np.unique(evaluation)
    near = np.isin(distinct, known)
    for mask in band_masks(len(distinct) + len(known), within) if within and len(known) else []:
        masked = known & mask
        order = np.argsort(masked, kind="stable")
        _find_near(distinct, distinct & mask, known[order], masked[order], within, near)
    return np.asarray(near[inverse])


def band_masks(count: int, within: int) -> list[np.uint64]:
    """Masks such that two hashes that differ in at most `within` bits agree under one of them.

    The bits are cut in more bands than may differ; what differs spoils at most `within` of them, so that
    some choice of all the others agrees. More bands mean more masks, and fewer hashes that agree under one
    by chance: the number is chosen by the work that `count` hashes make.
    """
    best, cost = within + 1, math.inf
    for bands in range(within + 1, min(2 * within + 4, 17)):
        masks = math.comb(bands, within)
        agreeing = 2.0 ** (BITS * (bands - within) // bands)
        work = masks * (count * 20.0 + count * count / agreeing)
        if work < cost:
            best, cost = bands, work
    edges = np.linspace(0, BITS, best + 1).astype(int)
    bands_of = [((1 << int(stop)) - 1) ^ ((1 << int(start)) - 1) for start, stop in pairwise(edges)]
    return [np.uint64(mask) for mask in _sums(bands_of, best - within)]


def _sums(parts: list[int], count: int) -> list[int]:
    """All sums of `count` of the parts."""
    if count == 0:
        return [0]
    return [parts[i] + rest for i in range(len(parts) - count + 1) for rest in _sums(parts[i + 1 :], count - 1)]


@njit(cache=True)
def _bits(word: np.uint64) -> np.int64:
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True)
def _root(parents: npt.NDArray[np.int64], node: int) -> int:
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@njit(cache=True)
def _roots(parents: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    roots = np.empty_like(parents)
    for node in range(len(parents)):
        roots[node] = _root(parents, node)
    return roots


@njit(cache=True)
def _join(hashes: U64, masked: U64, order: npt.NDArray[np.int64], within: int, parents: npt.NDArray[np.int64]) -> None:
    """Join all hashes that agree under the mask and are near."""
    start = 0
    for stop in range(1, len(order) + 1):
        if stop < len(order) and masked[order[stop]] == masked[order[start]]:
            continue
        for i in range(start, stop):
            for j in range(i + 1, stop):
                if _bits(hashes[order[i]] ^ hashes[order[j]]) <= within:
                    first, second = _root(parents, order[i]), _root(parents, order[j])
                    parents[max(first, second)] = min(first, second)
        start = stop


@njit(cache=True)
def _find_near(hashes: U64, masked: U64, known: U64, known_masked: U64, within: int, near: Bools) -> None:
    for row in range(len(hashes)):
        if near[row]:
            continue
        place = np.searchsorted(known_masked, masked[row])
        while place < len(known) and known_masked[place] == masked[row]:
            if _bits(hashes[row] ^ known[place]) <= within:
                near[row] = True
                break
            place += 1


def _check_within(within: int) -> None:
    if not 0 <= within <= FARTHEST:
        cure = f"Give 0 to {FARTHEST}: unrelated images are about 32 bits apart."
        raise InputError("within", f"{within} bits", cure)


def flagged(table: pa.Table, nsfw: float | None = None, faces: int | None = None) -> Bools:
    """Which rows the pool itself marks beyond what is wanted; a row it says nothing of is not flagged.

    Args:
        table: of `schemas.WEB`.
        nsfw: flag what the pool rates above this, 0 to 1; None asks nothing.
        faces: flag images with more faces than this; None asks nothing.

    Raises:
        InputError: a limit is given and the pool has no such column.
    """
    rows = np.zeros(table.num_rows, bool)
    for name, limit in (("nsfw", nsfw), ("faces", faces)):
        if limit is None:
            continue
        if name not in table.column_names:
            raise InputError(f"hygiene.{name}", f"the pool has no column '{name}'", "Leave this limit out.")
        found = table[name] if name == "nsfw" else pc.list_value_length(table[name])
        rows |= np.asarray(pc.fill_null(pc.greater(found, limit), False), bool)
    return rows

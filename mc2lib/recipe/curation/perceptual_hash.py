"""Near duplicates within a pool, and between a pool and an evaluation, by hashes of pixels; and flags of the pool.

Off unless asked for: that is our choice, not the paper's. Everything is exact and independent of order: of two similar
images, the one with the higher image id is removed.
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

#: The side of a thumbnail in pixels, and the side of a hash in bits, as in `imagehash.phash`.
THUMBNAIL = 32
SIDE = 8
BITS = 64
#: The largest distance, in bits, at which hashes are compared.
FARTHEST = 16


def perceptual_hash(thumbnails: npt.NDArray[np.uint8]) -> U64:
    """Compute the perceptual hash of grey thumbnails, bit for bit that of `imagehash.phash`.

    Each bit says whether one of the 64 lowest frequencies of the cosine transform is above their median.

    Args:
        thumbnails: uint8 [n, 32, 32], made by Pillow's Lanczos filter.

    Returns:
        uint64 [n]; the first frequency is the highest bit, so that its hex is what `imagehash` prints.
    """
    from scipy.fft import dct  # not needed to compare hashes

    transformed = dct(dct(thumbnails.astype(np.float64), axis=1), axis=2)[:, :SIDE, :SIDE]
    low = np.ascontiguousarray(transformed).reshape(len(thumbnails), BITS)
    bits = low > np.median(low, axis=1, keepdims=True) if len(low) else low.astype(bool)
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).reshape(-1)


def distance(first: U64, second: U64) -> npt.NDArray[np.int64]:
    """The Hamming distance of hashes, elementwise.

    Args:
        first: uint64 [n].
        second: uint64 [n].

    Returns:
        int64 [n], bits.
    """
    return np.bitwise_count(first ^ second).astype(np.int64)


def lowest_images(hashes: U64, more: U64, image_ids: U64) -> tuple[U64, U64, U64]:
    """Find the lowest image id of each hash, and the ids of all other images.

    Args:
        hashes: uint64 [n], the first half of each hash.
        more: uint64 [n], the second half; 0 if hashes have 64 bits.
        image_ids: uint64 [n]; an image may occur several times.

    Returns:
        The first halves of the distinct hashes, uint64 [m]; the lowest image id of each, uint64 [m]; and the ids whose
        hash a lower id has too, distinct and sorted, uint64.
    """
    order = np.lexsort((image_ids, more, hashes))
    hashes, more, image_ids = hashes[order], more[order], image_ids[order]
    first = np.ones(len(order), bool)
    first[1:] = (hashes[1:] != hashes[:-1]) | (more[1:] != more[:-1])
    lowest = image_ids[first]
    own = lowest[np.cumsum(first) - 1] if len(order) else lowest
    return hashes[first], lowest, np.unique(image_ids[image_ids != own])


def outranked(hashes: U64, image_ids: U64, mask: np.uint64, within: int) -> Bools:
    """Find hashes near one with a lower image id, among those that agree with it under a mask.

    All of `band_masks` together find every such hash.

    Args:
        hashes: uint64 [n], distinct.
        image_ids: uint64 [n], the lowest image id of each.
        mask: of `band_masks`.
        within: bits, 0 to 16.

    Returns:
        bool [n].
    """
    masked = hashes & mask
    found = np.zeros(len(hashes), bool)
    _outrank(hashes, image_ids, masked, np.argsort(masked, kind="stable"), within, found)
    return found


def near_duplicates(hashes: U64, image_ids: U64, within: int) -> Bools:
    """Find the images to remove: those within some bits of an image with a lower id.

    The lowest id of any group stays; a chain of similar images leads from each removed image to one that stays. Whether
    an image is removed depends on no earlier choice, so neither the order nor the division into shards matters.

    Args:
        hashes: uint64 [n] of `perceptual_hash`.
        image_ids: uint64 [n].
        within: bits, 0 to 16.

    Returns:
        bool [n]; an image that occurs twice is removed everywhere or nowhere.

    Raises:
        InputError: `within` is out of its range.
    """
    _check_within(within)
    distinct, lowest, gone = lowest_images(hashes, np.zeros_like(hashes), image_ids)
    beaten = np.zeros(len(distinct), bool)
    for mask in band_masks(len(distinct), within) if within else []:
        beaten |= outranked(distinct, lowest, mask, within)
    return np.isin(image_ids, np.concatenate([gone, lowest[beaten]]))


def contaminated(hashes: U64, evaluation: U64, within: int) -> Bools:
    """Find the images within some bits of an evaluation image.

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
    """Choose masks such that any two hashes that differ in at most `within` bits agree under one of them.

    The bits are divided into more bands than may differ; the differing bits fall into at most `within` bands, so some
    choice of the other bands agrees. More bands mean more masks, but fewer hashes that agree under a mask by chance;
    the number is chosen to minimise the work.

    Args:
        count: how many hashes are compared.
        within: bits, 0 to 16.
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
def _outrank(hashes: U64, image_ids: U64, masked: U64, order: npt.NDArray[np.int64], within: int, found: Bools) -> None:
    """Mark the higher image id of any two hashes that agree under the mask and are near."""
    start = 0
    for stop in range(1, len(order) + 1):
        if stop < len(order) and masked[order[stop]] == masked[order[start]]:
            continue
        for i in range(start, stop):
            for j in range(i + 1, stop):
                first, second = order[i], order[j]
                if image_ids[first] != image_ids[second] and _bits(hashes[first] ^ hashes[second]) <= within:
                    found[second if image_ids[first] < image_ids[second] else first] = True
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
        remedy = f"Give 0 to {FARTHEST}: unrelated images are about 32 bits apart."
        raise InputError("within", f"{within} bits", remedy)


def flagged(table: pa.Table, nsfw: float | None = None, faces: int | None = None) -> Bools:
    """Find the rows whose own flags exceed a limit; a row without flags is not found.

    Args:
        table: of `schemas.WEB`.
        nsfw: the highest rating to keep, 0 to 1; None for no limit.
        faces: the most faces to keep; None for no limit.

    Returns:
        bool [rows].

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

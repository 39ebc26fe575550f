"""Counts, thresholds, keep probabilities and the draw: steps 3 to 5 of Algorithm 1.

Every draw is a hash of (seed, epoch, pair_id): it depends on no other pair, so neither the order of
rows and shards nor the number of workers moves it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from mc2lib.hashing import key, mix, uniform

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
U64 = npt.NDArray[np.uint64]


def count_entries(entries: npt.NDArray[np.integer], size: int) -> Counts:
    """In how many pairs each entry stands.

    Args:
        entries: entry ids, distinct within a pair, all pairs in a row.
        size: number of entries.

    Returns:
        int64 [size].

    Examples:
        Two pairs with the entries 0 and 2, and 2 and 1; entry 3 matches nothing.

        >>> count_entries(np.array([0, 2, 2, 1]), size=4).tolist()
        [1, 1, 2, 0]
    """
    return np.bincount(entries, minlength=size).astype(np.int64)


def merge_counts(entries: npt.NDArray[np.integer], counts: npt.NDArray[np.integer], size: int) -> Counts:
    """Add up sparse counts, of one shard or of many in any order, as dense ones.

    Args:
        entries: entry ids; one may stand there many times.
        counts: how often each matched, row for row of `entries`.
        size: number of entries.

    Returns:
        int64 [size], exact: no float is involved.
    """
    total = np.zeros(size, np.int64)
    np.add.at(total, entries, counts.astype(np.int64))
    return total


def tail_share(counts: Counts, t: int) -> float:
    """The share of all matches that fall to tail entries, those with fewer than `t`.

    Args:
        counts: int64 [entries].
        t: matches.

    Returns:
        p in 0..1; 0 if nothing matched.

    Source: MetaCLIP 2, §3.2, Algorithm 1.

    Examples:
        >>> tail_share(np.array([1, 2, 3, 94]), t=20)
        0.06
    """
    total = counts.sum()
    return float(counts[counts < t].sum() / total) if total else 0.0


def threshold_for_share(counts: Counts, p: float) -> int:
    """The count at which the cumulative share of the sorted counts is nearest to `p`.

    Args:
        counts: int64 [entries]; entries that match nothing take no part.
        p: the tail's share of English.

    Returns:
        t in matches, the lower one of two equally near; 0 if nothing matched.

    Source: MetaCLIP 2, §3.2, Algorithm 1.

    Examples:
        The cumulative shares are 0.01, 0.03, 0.06 and 1.

        >>> threshold_for_share(np.array([1, 2, 3, 94]), p=0.05)
        3
    """
    ordered = np.sort(counts[counts > 0])
    if not len(ordered):
        return 0
    share = np.cumsum(ordered) / ordered.sum()
    return int(ordered[np.abs(share - p).argmin()])


def is_head(counts: Counts, t: int) -> Mask:
    """Which entries are head, so that some of their matches are sampled out: those with more than `t`.

    Args:
        counts: int64 [entries].
        t: matches.

    Returns:
        bool [entries].
    """
    return counts > t


def keep_probability(counts: Counts, t: int) -> Floats:
    """An entry's keep probability: t / count in the head (see `is_head`), else 1.

    Args:
        counts: int64 [entries].
        t: matches.

    Returns:
        float64 [entries]; 1 where the count is 0.

    Examples:
        >>> keep_probability(np.array([0, 5, 20, 80]), t=20).tolist()
        [1.0, 1.0, 1.0, 0.25]
    """
    return np.where(is_head(counts, t), t / np.maximum(counts, 1), 1.0)


@njit(cache=True)
def pair_keep_probability(
    offsets: npt.NDArray[np.int64], entries: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], keep: Floats
) -> Floats:  # pragma: no cover (compiled)
    """A pair's keep probability, 1 - prod(1 - keep[entry]) over its entries.

    The same in law as drawing each entry by itself and keeping the pair if any is kept.

    Args:
        offsets: int64 [pairs + 1], where each pair's entries lie.
        entries: int32, all pairs in a row.
        starts: int64 [pairs], where in `keep` the list that a pair's entries are of begins.
        keep: float64 [entries of all lists].

    Returns:
        float64 [pairs]; 0 for a pair without entries.

    Source: MetaCLIP 2, §3.2, Algorithm 1.
    """
    result = np.zeros(len(offsets) - 1)
    for pair in range(len(result)):
        lost = 1.0
        for i in range(offsets[pair], offsets[pair + 1]):
            lost *= 1.0 - keep[starts[pair] + entries[i]]
        result[pair] = 1.0 - lost
    return result


def draw_texts(image_ids: U64, pair_ids: U64, seed: int, epoch: int = 0) -> Mask:
    """Draw one pair of each image, uniformly.

    Args:
        image_ids: uint64 [pairs], of pairs that may be drawn.
        pair_ids: uint64 [pairs].
        seed: of the study.
        epoch: 0 offline.

    Returns:
        bool [pairs], True once per distinct image.

    Examples:
        Three texts of image 1, one of image 2; another epoch draws another text.

        >>> images, pairs = np.array([1, 1, 1, 2], np.uint64), np.array([10, 11, 12, 13], np.uint64)
        >>> draw_texts(images, pairs, seed=0).tolist()
        [False, False, True, True]
        >>> draw_texts(images, pairs, seed=0, epoch=1).tolist()
        [False, True, False, True]
    """
    draws = mix(pair_ids, key("text of image", seed, epoch))
    return np.asarray(_draw_least(image_ids, pair_ids, draws))


@njit(cache=True)
def _draw_least(image_ids: U64, pair_ids: U64, draws: U64) -> Mask:  # pragma: no cover (compiled)
    """The pair of each image with the least draw; of equal ones that with the least id, then the first."""
    room = 16
    while room < 2 * len(image_ids):
        room *= 2
    best = np.full(room, -1, np.int64)
    drawn = np.zeros(len(image_ids), np.bool_)
    for row in range(len(image_ids)):
        slot = np.int64((image_ids[row] * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & (room - 1)
        while best[slot] >= 0 and image_ids[best[slot]] != image_ids[row]:
            slot = (slot + 1) & (room - 1)
        held = best[slot]
        if held >= 0:
            if draws[held] < draws[row] or (draws[held] == draws[row] and pair_ids[held] <= pair_ids[row]):
                continue
            drawn[held] = False
        best[slot] = row
        drawn[row] = True
    return drawn


def sample_pairs(pair_ids: U64, probability: Floats, seed: int, epoch: int = 0) -> Mask:
    """Keep each pair with its probability.

    Args:
        pair_ids: uint64 [pairs].
        probability: float64 [pairs].
        seed: of the study.
        epoch: 0 offline.

    Returns:
        bool [pairs].
    """
    return uniform(pair_ids, key("keep pair", seed, epoch)) < probability


def draw_among(
    image_ids: U64, pair_ids: U64, seed: int, epoch: int, rivals: tuple[U64, U64, Mask] | None = None
) -> Mask:
    """Draw one pair of each image when some of the image's pairs stand in other shards.

    Args:
        image_ids, pair_ids: uint64 [pairs], of this shard's pairs that may be drawn.
        seed, epoch: as `draw_texts`.
        rivals: image ids and pair ids of the other shards' pairs of these images, and whether each
            stands before this shard: of one pair in two shards, the first is drawn.

    Returns:
        bool [pairs]; over all shards, True once per distinct image.
    """
    if rivals is None or not len(rivals[0]):
        return draw_texts(image_ids, pair_ids, seed, epoch)
    others, other_pairs, before = rivals
    images = np.concatenate([others[before], image_ids, others[~before]])
    pairs = np.concatenate([other_pairs[before], pair_ids, other_pairs[~before]])
    start = int(before.sum())
    return draw_texts(images, pairs, seed, epoch)[start : start + len(image_ids)]

"""Hygiene: `imagehash` is the oracle of hashes, all pairs the oracle of near duplicates."""

from __future__ import annotations

import imagehash
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mc2lib.errors import InputError
from mc2lib.recipe.curation.perceptual_hash import (
    band_masks,
    contaminated,
    distance,
    flagged,
    lowest_images,
    near_duplicates,
    perceptual_hash,
)

SETS = st.lists(st.tuples(st.integers(0, 2**64 - 1), st.lists(st.integers(0, 63), max_size=9)), max_size=25)


def grow(seeds: list[tuple[int, list[int]]]) -> np.ndarray:
    """Random hashes, each with relatives that differ from the one before in one more bit."""
    hashes = []
    for number, flips in seeds:
        hashes.append(number)
        for bit in flips:
            hashes.append(hashes[-1] ^ (1 << bit))
    return np.array(hashes, np.uint64)


def slow_duplicates(hashes: np.ndarray, ids: np.ndarray, within: int) -> list[bool]:
    rows = list(zip(hashes.tolist(), ids.tolist(), strict=True))
    gone = {i for h, i in rows if any((h ^ other).bit_count() <= within and lower < i for other, lower in rows)}
    return [i in gone for _, i in rows]


def test_hashes_are_imagehashs():
    rng = np.random.default_rng(0)
    shapes = np.zeros((60, 32, 32), np.uint8)
    for i in range(1, 60):  # boxes on a flat ground, most of them symmetrical: frequencies tie at the median
        low, high = i % 8, 31 - i % 8
        shapes[i, low : high + 1, low : high + 1] = i * 4
        if i % 3 == 0:
            shapes[i] = rng.integers(0, 256, (32, 32))
    expected = [str(imagehash.phash(Image.fromarray(shape))) for shape in shapes]
    assert [f"{value:016x}" for value in perceptual_hash(shapes).tolist()] == expected
    assert perceptual_hash(shapes[:0]).tolist() == []


def test_distance():
    first = np.array([0, 0b1011, 2**64 - 1], np.uint64)
    assert distance(first, np.array([0, 0b0001, 0], np.uint64)).tolist() == [0, 2, 64]


def test_each_hash_keeps_its_lowest_image():
    hashes, more = np.array([[7, 7, 5, 7, 7, 5], [0, 0, 0, 1, 0, 0]], np.uint64)
    ids = np.array([30, 10, 20, 5, 30, 20], np.uint64)
    found = [column.tolist() for column in lowest_images(hashes, more, ids)]
    assert found == [[5, 7, 7], [20, 10, 5], [30]]  # 30 twice next to 10; 20 twice is one image
    assert [column.tolist() for column in lowest_images(*np.zeros((3, 0), np.uint64))] == [[], [], []]


def test_duplicates_by_hand():
    hashes = np.array([0b0000, 0b0011, 0b1111, 2**63, 0b0000], np.uint64)
    ids = np.array([50, 40, 30, 20, 10], np.uint64)
    assert near_duplicates(hashes, ids, 0).tolist() == [True, False, False, False, False]
    assert near_duplicates(hashes, ids, 1).tolist() == [True, False, False, True, False]
    # 10 is near 40 and 40 is near 30, but nothing below 30 is near 30: it stays
    assert near_duplicates(hashes, ids, 2).tolist() == [True, True, False, True, False]
    # an image with two hashes is removed everywhere if one of them is near a lower image's
    assert near_duplicates(hashes[:3], np.array([7, 9, 9], np.uint64), 2).tolist() == [False, True, True]


@settings(max_examples=60)
@given(SETS, st.sampled_from([0, 1, 2, 4, 8]), st.randoms(use_true_random=False))
def test_duplicates_are_those_of_all_pairs(seeds, within, random):
    hashes = grow(seeds)
    ids = np.array([random.randrange(1 + 2 * len(hashes)) for _ in hashes], np.uint64)
    found = near_duplicates(hashes, ids, within)
    assert found.tolist() == slow_duplicates(hashes, ids, within)
    order = np.array(random.sample(range(len(hashes)), len(hashes)), int)
    assert near_duplicates(hashes[order], ids[order], within).tolist() == found[order].tolist()


@settings(max_examples=60)
@given(SETS, SETS, st.sampled_from([0, 1, 4, 8]))
def test_contamination_is_that_of_all_pairs(pool, evaluation, within):
    hashes, known = grow(pool), grow(evaluation)
    hashes = np.concatenate([hashes, known[::3] ^ np.uint64(0b10110)])
    expected = [any((h ^ k).bit_count() <= within for k in known.tolist()) for h in hashes.tolist()]
    assert contaminated(hashes, known, within).tolist() == expected


@settings(max_examples=200)
@given(st.sampled_from([1, 3, 100, 10**6, 10**8]), st.sampled_from([1, 2, 4, 8]), st.data())
def test_near_hashes_agree_under_some_mask(count, within, data):
    flips = data.draw(st.sets(st.integers(0, 63), max_size=within))
    changed = sum(1 << bit for bit in flips)
    assert any(int(mask) & changed == 0 for mask in band_masks(count, within))


def test_more_hashes_get_longer_masks():
    few, many = (min(int(m).bit_count() for m in band_masks(count, 4)) for count in (100, 10**8))
    assert few == 12 and many >= 21


@pytest.mark.parametrize("within", [-1, 17])
def test_distances_without_meaning_are_refused(within):
    none = np.zeros(0, np.uint64)
    for call in (lambda: near_duplicates(none, none, within), lambda: contaminated(none, none, within)):
        with pytest.raises(InputError, match="bits"):
            call()


def test_the_pools_own_marks():
    table = pa.table({"nsfw": [0.0, 0.5, None, 1.0], "faces": [[[0.0] * 4] * 3, [], None, [[0.0] * 4]]})
    assert flagged(table).tolist() == [False] * 4
    assert flagged(table, nsfw=0.4).tolist() == [False, True, False, True]
    assert flagged(table, nsfw=0.5, faces=1).tolist() == [True, False, False, True]
    assert flagged(table, faces=0).tolist() == [True, False, False, True]
    with pytest.raises(InputError, match="no column 'nsfw'"):
        flagged(table.select(["faces"]), nsfw=0.5)

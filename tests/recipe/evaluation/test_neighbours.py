"""The controls: nearest training image, and chance."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.recipe.evaluation import neighbours
from mc2lib.recipe.evaluation.neighbours import UNREACHABLE, rank_pixel_neighbours, recall_by_chance
from mc2lib.recipe.evaluation.zero_shot import share_within


def grey(*values):
    """One-pixel images of these grey values."""
    return np.repeat(np.array(values, dtype=np.uint8)[:, None, None, None], 3, axis=3)


def test_by_hand():
    train, classes = grey(0, 100, 200), np.array([0, 1, 2])
    # 90 is nearest to 100, then 0, then 200.
    assert rank_pixel_neighbours(train, classes, grey(90, 90, 90), np.array([1, 0, 2])).tolist() == [0, 1, 2]


def test_a_class_is_as_near_as_its_nearest_image():
    assert rank_pixel_neighbours(grey(0, 250, 100), np.array([5, 5, 3]), grey(240), np.array([5])).tolist() == [0]


def test_ties_count_against():
    assert rank_pixel_neighbours(grey(80, 120), np.array([0, 1]), grey(100, 100), np.array([0, 1])).tolist() == [1, 1]


def test_what_was_never_shown_cannot_be_named():
    ranks = rank_pixel_neighbours(grey(0, 100), np.array([0, 1]), grey(0), np.array([7]))
    assert ranks.tolist() == [UNREACHABLE]
    assert share_within(ranks, 10) == 0.0


@settings(max_examples=40)
@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_equals_the_slow_oracle(m, n, seed):
    random = np.random.default_rng(seed)
    train, test = random.integers(0, 4, (m, 1, 2, 3), np.uint8), random.integers(0, 4, (n, 1, 2, 3), np.uint8)
    classes, labels = random.integers(0, 4, m), random.integers(0, 4, n)
    wanted = []
    for image, label in zip(test.astype(int), labels, strict=True):
        near = {
            int(c): min(int(((image - t) ** 2).sum()) for t in train[classes == c].astype(int)) for c in set(classes)
        }
        own = near.get(int(label))
        wanted.append(UNREACHABLE if own is None else sum(near[c] <= own for c in near if c != label))
    assert rank_pixel_neighbours(train, classes, test, labels).tolist() == wanted


def test_blocks_change_nothing(monkeypatch):
    random = np.random.default_rng(0)
    train, test = random.integers(0, 256, (9, 2, 2, 3), np.uint8), random.integers(0, 256, (11, 2, 2, 3), np.uint8)
    classes, labels = random.integers(0, 4, 9), random.integers(0, 4, 11)
    whole = rank_pixel_neighbours(train, classes, test, labels)
    monkeypatch.setattr(neighbours, "BLOCK", 3)
    assert rank_pixel_neighbours(train, classes, test, labels).tolist() == whole.tolist()


@pytest.mark.parametrize(
    ("positives", "gallery", "k"), [(1, 4, 1), (1, 5, 3), (2, 6, 1), (2, 6, 2), (3, 5, 3), (1, 3, 9)]
)
def test_chance_equals_counting_all_draws(positives, gallery, k):
    draws = list(combinations(range(gallery), min(k, gallery)))
    hits = sum(any(item < positives for item in draw) for draw in draws)
    assert recall_by_chance(positives, gallery, k) == pytest.approx(hits / len(draws))

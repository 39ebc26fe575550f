"""Alignment and uniformity: known values, a slow oracle, bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.errors import InputError
from mc2lib.recipe.evaluation.geometry import alignment, uniformity
from mc2lib.recipe.evaluation.zero_shot import normalise


def test_alignment_by_hand():
    images = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    texts = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert alignment(images, texts) == pytest.approx((0 + 2 + 4) / 3)


def test_uniformity_by_hand():
    assert uniformity(np.array([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(-8)  # squared distance 4
    square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    # Each corner has two neighbours at 2 and one opposite at 4.
    assert uniformity(square) == pytest.approx(math.log((2 * math.exp(-4) + math.exp(-8)) / 3))


def test_one_point_is_the_least_uniform():
    assert uniformity(np.array([[0.6, 0.8]] * 3)) == pytest.approx(0)


def test_one_row_makes_no_pair():
    with pytest.raises(InputError, match="1 rows make no pair"):
        uniformity(np.array([[1.0, 0.0]]))


@settings(max_examples=40)
@given(st.integers(2, 8), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_equal_the_slow_oracle(n, d, seed):
    random = np.random.default_rng(seed)
    images, texts = normalise(random.normal(size=(n, d))), normalise(random.normal(size=(n, d)))
    pairs = [math.exp(-2 * sum((images[i] - images[j]) ** 2)) for i in range(n) for j in range(n) if i != j]
    assert uniformity(images) == pytest.approx(math.log(sum(pairs) / len(pairs)))
    assert -8 - 1e-9 <= uniformity(images) <= 1e-9
    order = random.permutation(n)
    assert alignment(images[order], texts[order]) == pytest.approx(alignment(images, texts))
    assert uniformity(images[order]) == pytest.approx(uniformity(images))

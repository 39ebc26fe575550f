"""Intervals: against loops over the same draws, against the binomial's, and what sharing draws buys."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mc2lib.recipe.evaluation import bootstrap
from mc2lib.recipe.evaluation.bootstrap import RESAMPLES, Sample, compare, count_by_image, interval, resample


def sample(images, sums, counts):
    return Sample(np.array(images, np.int64), np.array(sums, np.float32), np.array(counts, np.float32))


def test_answers_are_counted_by_image():
    found = count_by_image(np.array([5, 2, 5, 5]), np.array([True, True, False, True]))
    assert found.images.tolist() == [2, 5] and found.sums.tolist() == [1, 2] and found.counts.tolist() == [1, 3]
    assert (found.value, found.n) == (0.75, 4)


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 2**32 - 1), st.sampled_from([1, 10, 1 << 20]))
def test_each_draw_is_the_mean_of_the_drawn_images(images, measures, seed, at_once):
    random = np.random.default_rng(seed)
    samples = []
    for _ in range(measures):
        some = np.flatnonzero(random.random(images) < 0.7)
        samples.append(sample(some, random.integers(0, 3, len(some)), random.integers(1, 4, len(some))))
    before, bootstrap.DRAWS = bootstrap.DRAWS, at_once
    try:
        values = resample(samples, images, seed % 100, resamples=8)
        drawn = np.concatenate([weights for _, weights in bootstrap._draw(images, seed % 100, 8)])
    finally:
        bootstrap.DRAWS = before
    assert drawn.sum(axis=1).tolist() == [images] * 8
    for weights, row in zip(drawn, values, strict=True):
        for one, value in zip(samples, row, strict=True):
            top = sum(weights[i] * s for i, s in zip(one.images, one.sums, strict=True))
            bottom = sum(weights[i] * c for i, c in zip(one.images, one.counts, strict=True))
            assert math.isnan(value) if not bottom else value == pytest.approx(top / bottom)


def test_an_interval_of_hits_is_near_the_binomials():
    hits = np.arange(1000) < 300
    low, high = interval(resample([count_by_image(np.arange(1000), hits)], 1000)[:, 0])
    wanted = stats.binom.ppf([0.025, 0.975], 1000, 0.3) / 1000
    assert [low, high] == pytest.approx(wanted.tolist(), abs=0.004)


def test_nothing_counted_has_no_value_and_no_interval():
    nothing = sample([], [], [])
    assert math.isnan(nothing.value) and nothing.n == 0
    assert all(math.isnan(end) for end in interval(resample([nothing], 5)[:, 0]))


def test_models_that_miss_the_same_images_are_told_apart_by_pairing():
    random = np.random.default_rng(1)
    hard = random.random(400) < 0.5
    worse = hard.copy()
    worse[np.flatnonzero(hard)[:12]] = False  # three points below, and only where the first hits
    images = np.arange(400)
    first, second = count_by_image(images, hard), count_by_image(images, worse)
    found = compare([first], [second], 400)
    assert found.difference == pytest.approx(0.03) and 0 < found.low < 0.03 < found.high and found.p < 0.01
    alone = [interval(resample([one], 400)[:, 0]) for one in (first, second)]
    assert alone[0][0] < alone[1][1]  # their own intervals overlap
    same = compare([first], [first], 400)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_a_macro_mean_compares_language_by_language():
    images = np.arange(50)
    good, bad = count_by_image(images, np.ones(50)), count_by_image(images, np.zeros(50))
    found = compare([good, good], [good, bad], 50)
    assert (found.difference, found.low, found.high) == (0.5, 0.5, 0.5)
    assert found.p == 2 / (RESAMPLES + 1)  # no draw has the other sign: p is as small as the draws can tell, not 0

"""Paired statistics against their definitions, SciPy and simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from mc2lib.reporting.statistics import (
    correct_by_holm,
    mean_and_spread,
    paired_p,
    power_of,
    smallest_visible,
    t_interval,
)

differences = st.lists(st.integers(-50, 50).map(lambda value: value / 1000), min_size=2, max_size=8)


def test_mean_and_sample_standard_deviation():
    assert mean_and_spread([1.0, 2.0, 4.0]) == pytest.approx((7 / 3, math.sqrt(7 / 3)))
    assert mean_and_spread([5.0]) == (5.0, 0.0)


def test_p_by_hand():
    # t = mean / (spread / sqrt(3)); with two degrees of freedom p = 1 - t / sqrt(2 + t^2)
    values = [-0.052, -0.035, -0.003]
    mean, spread = sum(values) / 3, math.sqrt(sum((v - sum(values) / 3) ** 2 for v in values) / 2)
    t = abs(mean) / (spread / math.sqrt(3))
    assert paired_p(values) == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert (paired_p([0.1]), paired_p([0.1, 0.1]), paired_p([0.0, 0.0])) == (None, 0.0, 1.0)


@pytest.mark.parametrize("count", [2, 3, 6, 11])
def test_interval_and_p_are_those_of_a_paired_t_test(count):
    rng = np.random.default_rng(count)
    one, other = rng.normal(0.3, 0.1, count), rng.normal(0.2, 0.1, count)
    test = ttest_rel(one, other)
    wanted = test.confidence_interval(0.95)
    assert t_interval(one - other) == pytest.approx((wanted.low, wanted.high))
    assert paired_p(one - other) == pytest.approx(test.pvalue)


def test_a_single_difference_has_no_interval():
    assert (t_interval([0.1]), smallest_visible([0.1])) == (None, None)


@given(differences)
def test_the_interval_excludes_zero_where_p_is_below_five_percent(values):
    low, high = t_interval(values)
    if abs(paired_p(values) - 0.05) > 1e-9:
        assert (low > 0 or high < 0) == (paired_p(values) < 0.05)


def step_down(ps, level):
    """Holm's method as he states it: which hypotheses are rejected at a level."""
    rejected = set()
    for step, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        if ps[i] > level / (len(ps) - step):
            break
        rejected.add(i)
    return rejected


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03, 0.5: times 4, 3, 2, 1 = 0.04, 0.06, 0.06, 0.5
    assert correct_by_holm([0.03, 0.5, 0.01, 0.02]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert correct_by_holm([0.9, 0.8]) == [1.0, 1.0]
    assert correct_by_holm([]) == []


@given(st.lists(st.integers(0, 1000).map(lambda value: value / 1000), max_size=12), st.sampled_from([0.013, 0.0503]))
def test_holm_rejects_what_the_step_down_method_rejects(ps, level):
    adjusted = correct_by_holm(ps)
    assert {i for i, p in enumerate(adjusted) if p <= level} == step_down(ps, level)


@pytest.mark.parametrize("count", [2, 3, 6])
def test_the_smallest_visible_effect_is_found_in_four_studies_of_five(count):
    rng = np.random.default_rng(0)
    sample = np.arange(count, dtype=float)
    spread = sample.std(ddof=1)
    effect = smallest_visible(sample)
    studies = rng.normal(effect, spread, (40_000, count))
    found = ttest_rel(studies, np.zeros_like(studies), axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.01)  # five standard errors


def test_power_without_an_effect_is_the_level():
    assert power_of(0.0, 6) == pytest.approx(0.05, abs=1e-4)
    assert smallest_visible([0.1, 0.1, 0.1]) == pytest.approx(0.0, abs=1e-12)

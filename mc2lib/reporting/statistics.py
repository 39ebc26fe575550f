"""Paired statistics of a few seeds: mean and spread, t interval, p, Holm's correction and power."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import chi2
from scipy.stats import t as students_t

#: Below this p a difference is significant; intervals cover 1 - ALPHA.
ALPHA = 0.05
#: The probability with which the smallest visible effect would have been found.
POWER = 0.8

Interval = tuple[float, float]


def mean_and_spread(values: Any) -> tuple[float, float]:
    """Mean and sample standard deviation (n - 1) of values over seeds; one value has spread 0.

    Args:
        values: float [n].
    """
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else 0.0


def paired_p(differences: Any) -> float | None:
    """Two-sided p of the t-test that the mean of paired differences is zero; None of a single one.

    Args:
        differences: float [n].

    Examples:
        >>> round(paired_p([-0.052, -0.035, -0.003]), 2)
        0.17
    """
    mean, spread = mean_and_spread(differences)
    count = len(differences)
    if count < 2:
        return None
    if spread == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * students_t.sf(abs(mean) / spread * np.sqrt(count), count - 1))


def t_interval(differences: Any) -> Interval | None:
    """The 95 % interval of the mean of paired differences, by Student's t; None of a single one.

    Args:
        differences: float [n].

    Examples:
        >>> low, high = t_interval([-0.052, -0.035, -0.003])
        >>> round(low, 3), round(high, 3)
        (-0.092, 0.032)
    """
    count = len(differences)
    if count < 2:
        return None
    mean, spread = mean_and_spread(differences)
    reach = t_quantile(count) * spread / count**0.5
    return mean - reach, mean + reach


def t_quantile(count: int) -> float:
    """How many standard errors a 95 % interval of the mean reaches to each side.

    Args:
        count: values, at least 2.
    """
    return float(students_t.ppf(1 - ALPHA / 2, count - 1))


def correct_by_holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p of each of several tests, in their order.

    Rejecting what is below ALPHA keeps the probability of any false rejection at ALPHA, whatever the dependence.

    Args:
        ps: one p per test.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979).

    Examples:
        >>> [round(p, 2) for p in correct_by_holm([0.04, 0.01, 0.03])]
        [0.06, 0.03, 0.06]
    """
    array = np.asarray(ps, dtype=np.float64)
    order = np.argsort(array, kind="stable")
    factors = np.arange(len(array), 0, -1)
    adjusted = np.empty_like(array)
    adjusted[order] = np.minimum(np.maximum.accumulate(array[order] * factors), 1.0)
    return [float(p) for p in adjusted]


def smallest_visible(differences: Any) -> float | None:
    """The true mean that a test at two-sided 5 % would have found with 80 % power; None of a single difference.

    The spread is taken from the differences themselves, and the test is by itself: under Holm's correction an effect
    has to be larger.

    Args:
        differences: float [n].

    Returns:
        a size, in the differences' unit.
    """
    count = len(differences)
    if count < 2:
        return None
    _, spread = mean_and_spread(differences)
    return _standardised_effect(count) * spread / float(np.sqrt(count))


def power_of(effect: float, count: int) -> float:
    """The probability that a paired t-test at two-sided 5 % finds a true mean.

    Args:
        effect: the mean, in standard errors of the mean.
        count: differences, at least 2.

    The noncentral t is (Z + effect) / S, with Z normal and S the measured spread over the true one: this is the mean
    over S of the probability that Z + effect is beyond the quantile times S. SciPy's own `nct` gives NaN where the
    effect is large, as it has to be with two seeds.
    """
    threshold = t_quantile(count) * _spreads(count - 1)
    return float(np.mean(ndtr(effect - threshold) + ndtr(-effect - threshold)))


@lru_cache(maxsize=8)
def _spreads(freedom: int) -> npt.NDArray[np.float64]:
    """Equally probable values of a measured spread in units of the true one."""
    levels = (np.arange(20_000) + 0.5) / 20_000
    return np.asarray(np.sqrt(chi2.ppf(levels, freedom) / freedom))


@lru_cache(maxsize=8)
def _standardised_effect(count: int) -> float:
    """The mean, in standard errors, that is found with the wanted power."""
    return float(brentq(lambda effect: power_of(effect, count) - POWER, 0.0, 3 * t_quantile(count)))

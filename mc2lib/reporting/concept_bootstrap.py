"""An interval of an effect that also asks: what if the test had been of other concepts?

Seeds draw their concepts from one list, so they share some, and arms of a seed share all. The spread over seeds holds
what differs from seed to seed, the noise of each seed's own test included; it misses what the shared concepts bring
into all seeds alike. Resampling the concepts, each with its cells in all seeds and arms at once, moves the seeds'
differences together by just that: the covariance between seeds over resamples is added to the squared standard error.
(Resampling the seeds as well would give back the standard error that the spread gives, only less exactly.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from mc2lib.hashing import key, uniform
from mc2lib.reporting.effects import Effect
from mc2lib.reporting.statistics import Interval, t_quantile

Floats = npt.NDArray[np.float64]

RESAMPLES = 2000


def bootstrap_effect(concepts: pd.DataFrame, effect: Effect, seeds: Sequence[int]) -> Interval | None:
    """The 95 % interval of an effect over seeds and concepts.

    Args:
        concepts: columns arm, seed, measure, concept, drawings (their number in the test) and value (their mean).
        effect: what is compared; its arms share the concepts of a seed.
        seeds: those that all of its arms have.

    Returns:
        None with one seed, or where an arm or control has no values by concept.
    """
    of_effect = (concepts["measure"] == effect.measure) & concepts["arm"].isin(list(effect.weights))
    rows = concepts[of_effect & concepts["seed"].isin(list(seeds))]
    if len(seeds) < 2 or len(rows[["arm", "seed"]].drop_duplicates()) < len(effect.weights) * len(seeds):
        return None
    rows = rows.assign(weighted=rows["arm"].map(effect.weights) * rows["value"])
    cells = rows.groupby(["concept", "seed"]).agg(
        arms=("arm", "nunique"), drawings=("drawings", "first"), difference=("weighted", "sum")
    )
    cells = cells[cells["arms"] == len(effect.weights)]
    differences, drawings = (cells[name].unstack("seed", fill_value=0) for name in ("difference", "drawings"))
    return bootstrap_interval(differences.to_numpy(dtype=np.float64), drawings.to_numpy(dtype=np.float64))


def bootstrap_interval(differences: Floats, drawings: Floats) -> Interval | None:
    """The 95 % interval of the mean over seeds of each seed's mean over drawings.

    Args:
        differences: float [c, n], of each concept in each seed; anything where there is no drawing.
        drawings: float [c, n], the weight of each of them; 0 where a seed has not drawn the concept.

    Returns:
        the mean plus and minus the t quantile (n - 1 degrees of freedom) times the standard error; None with one seed,
        or where a seed has no drawings.
    """
    count = differences.shape[1]
    if count < 2 or not drawings.sum(axis=0).all():
        return None
    sums = differences * drawings
    means = sums.sum(axis=0) / drawings.sum(axis=0)
    drawn = _resample(len(differences))
    with np.errstate(invalid="ignore"):
        resampled = (drawn @ sums) / (drawn @ drawings)
    covariance = np.cov(resampled[np.isfinite(resampled).all(axis=1)], rowvar=False)
    shared = max(0.0, float(covariance.sum() - np.trace(covariance)) / count**2)
    reach = t_quantile(count) * float(np.sqrt(means.var(ddof=1) / count + shared))
    return float(means.mean()) - reach, float(means.mean()) + reach


@lru_cache(maxsize=4)
def _resample(count: int) -> Floats:
    """How often each resample draws each of `count` concepts, float [RESAMPLES, count]; the same in every run."""
    draws = (uniform(np.arange(RESAMPLES * count), key("resampled concepts", count)) * count).astype(np.int64)
    cells = draws + np.repeat(np.arange(RESAMPLES) * count, count)
    return np.bincount(cells, minlength=RESAMPLES * count).reshape(RESAMPLES, count).astype(np.float64)

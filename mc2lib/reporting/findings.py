"""What becomes of each effect: measured seed by seed, tested, corrected for many tests, and decided.

The difference is computed within each seed, so that a seed's pool, split and initialisation cancel, and over the seeds
that all of the effect's arms have. A two-sided paired t-test gives p. Holm's correction is over all measured effects
that have a direction; those without one are reported with their own p. Every effect has one of these answers:

- *shows*: significant after correction, in the direction that is expected.
- *reversed*: significant after correction, in the other direction.
- *does not show*: not significant, and the 95 % interval excludes an effect in the direction expected that is as large
  as the smallest of interest (see `units`).
- *cannot tell*: neither; an effect of interest may be there.

Without a direction: *differs* (significant, uncorrected), *no difference* (the 95 % interval excludes a difference of
interest on either side) or *cannot tell*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from mc2lib.reporting.concept_bootstrap import bootstrap_effect
from mc2lib.reporting.effects import EFFECTS, Effect
from mc2lib.reporting.statistics import (
    ALPHA,
    Interval,
    correct_by_holm,
    mean_and_spread,
    paired_p,
    smallest_visible,
    t_interval,
)
from mc2lib.reporting.units import Unit, unit_of

Verdict = Literal["shows", "reversed", "does not show", "differs", "no difference", "cannot tell"]


class Measured(NamedTuple):
    """An effect as it was measured: one difference per seed."""

    effect: Effect
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    bootstrap: Interval | None = None  # over seeds and concepts


@dataclass(frozen=True)
class Finding:
    """An effect as it came out."""

    effect: Effect
    seeds: tuple[int, ...]
    differences: tuple[float, ...]  # one per seed
    mean: float
    spread: float  # sample standard deviation over seeds
    interval: Interval | None  # 95 %, of the mean, by Student's t; None with one seed
    bootstrap: Interval | None  # 95 %, over seeds and concepts; None where there are no values by concept
    p: float | None  # two-sided, of the paired t-test by itself; None with one seed
    holm_p: float | None  # corrected over the effects that have a direction; None of others, and with one seed
    smallest_visible: float | None  # found with 80 % power at two-sided 5 %, by itself; None with one seed

    @property
    def unit(self) -> Unit:
        """What its numbers are counted in."""
        return unit_of(self.effect.measure)

    @property
    def largest_possible(self) -> float | None:
        """The largest effect that the 95 % interval leaves, in the direction expected or, without one, on either side.

        Negative where the interval lies wholly on the other side; None with one seed.
        """
        if self.interval is None:
            return None
        low, high = self.interval
        return {1: high, -1: -low, 0: max(-low, high)}[self.effect.sign]

    @property
    def verdict(self) -> Verdict:
        """The answer; see the module."""
        if self.p is None or self.largest_possible is None:
            return "cannot tell"
        excluded = self.largest_possible < self.unit.smallest
        if self.effect.sign == 0:
            return "differs" if self.p < ALPHA else "no difference" if excluded else "cannot tell"
        if self.holm_p is not None and self.holm_p < ALPHA:
            return "shows" if self.effect.sign * self.mean > 0 else "reversed"
        return "does not show" if excluded else "cannot tell"


def decide_effects(
    measures: pd.DataFrame, concepts: pd.DataFrame | None = None, effects: Sequence[Effect] = EFFECTS
) -> list[Finding]:
    """Every effect whose arms and controls are there, with its verdict; one that lacks some is left out.

    Args:
        measures: tidy, columns arm, seed, measure, value; one row for each arm, seed and measure that an effect names.
        concepts: values by concept, as of `bootstrap_effect`; without them there are no bootstrap intervals.
        effects: what to decide, in the order to report.

    Returns:
        a finding for each effect that has at least one seed with all of its arms.

    Source: MetaCLIP 2, §4, tables 1-3; the rule is ours (see the module).
    """
    measured = []
    for effect in effects:
        values = _values(measures, effect)
        if set(values.columns) != set(effect.weights) or values.dropna().empty:
            continue
        complete = values.dropna().sort_index()
        weights = pd.Series(effect.weights, dtype=np.float64)
        differences = complete[weights.index].to_numpy(dtype=np.float64) @ weights.to_numpy()
        seeds = tuple(int(seed) for seed in complete.index)
        bootstrap = None if concepts is None else bootstrap_effect(concepts, effect, seeds)
        measured.append(Measured(effect, seeds, tuple(float(value) for value in differences), bootstrap))
    return judge(measured)


def judge(measured: Sequence[Measured]) -> list[Finding]:
    """The findings of some effects; those with a direction are corrected for each other.

    Args:
        measured: the effects with their differences, seed by seed.

    Returns:
        one finding per effect, in the same order.
    """
    ps = [paired_p(each.differences) for each in measured]
    family = [i for i, each in enumerate(measured) if each.effect.sign != 0 and ps[i] is not None]
    corrected = dict(zip(family, correct_by_holm([ps[i] or 0.0 for i in family]), strict=True))
    return [
        Finding(
            effect=each.effect,
            seeds=each.seeds,
            differences=each.differences,
            mean=mean_and_spread(each.differences)[0],
            spread=mean_and_spread(each.differences)[1],
            interval=t_interval(each.differences),
            bootstrap=each.bootstrap,
            p=ps[i],
            holm_p=corrected.get(i),
            smallest_visible=smallest_visible(each.differences),
        )
        for i, each in enumerate(measured)
    ]


def count_family(findings: Sequence[Finding]) -> int:
    """How many tests Holm's correction is over: the effects with a direction and at least two seeds."""
    return sum(finding.holm_p is not None for finding in findings)


def _values(measures: pd.DataFrame, effect: Effect) -> pd.DataFrame:
    """Seeds by arms, the effect's measure."""
    rows = measures[(measures["measure"] == effect.measure) & measures["arm"].isin(list(effect.weights))]
    return rows.pivot(index="seed", columns="arm", values="value")

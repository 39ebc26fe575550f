"""Effects between arms, each decided from what the arms measured, seed by seed.

An effect is a signed sum of arms on one measure, for instance large-worldwide minus large-english
on English top-1, and the sign that its bar asks for. The bar is the paper's where the paper
compares these arms, and ours where it does not. The difference is computed within each seed, so
that a seed's pool, split and initialisation cancel, and over the seeds that all of its arms have.

One rule decides every effect, with or without a bar: a difference is *resolved* if it has the same
sign in every seed and the mean's size exceeds the spread, which is the sample standard deviation
over seeds (n - 1). A resolved difference on the bar's side *shows*, one on the other side is
*reversed*; all others are *unresolved*. With a single seed there is no spread (it is given as 0)
and nothing is resolved. An exact tie is not resolved.

This is a screen, not a proof. Were nothing true, a difference over n seeds would still have the
right sign in all of them once in 2^n, and there are about thirty effects here. Each carries the
two-sided p of a paired t-test, which with three seeds seldom is small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import t as students_t

Bar = Literal["paper", "ours", "none"]
Verdict = Literal["shows", "reversed", "unresolved", "reported"]


@dataclass(frozen=True)
class Effect:
    """A difference between arms and the direction that it is held to."""

    key: str
    topic: str  # main, training, curation, tokenizer, embedding or sensitivity
    title: str
    bar: Bar  # who asks for the direction: the paper, this study, or no one
    direction: str  # in words
    measure: str
    arms: Mapping[str, int]  # arm, or control, to weight in the difference
    sign: int  # +1 or -1 by the bar; 0 where there is none


@dataclass(frozen=True)
class Finding:
    """An effect as it came out: one difference a seed, their mean and spread."""

    effect: Effect
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    mean: float
    spread: float
    p: float | None  # two-sided, of a paired t-test; None with one seed

    @property
    def side(self) -> int:
        """+1 or -1: the sign of a resolved difference; 0 of one that is not resolved."""
        signs = {int(np.sign(difference)) for difference in self.differences}
        resolved = len(signs) == 1 and len(self.differences) > 1 and abs(self.mean) > self.spread
        return signs.pop() if resolved else 0

    @property
    def shows(self) -> bool:
        """Whether the difference is resolved on the bar's side."""
        return self.verdict == "shows"

    @property
    def verdict(self) -> Verdict:
        """What the one rule (see the module) makes of it; `reported` where there is no bar."""
        if self.effect.sign == 0:
            return "reported"
        if self.side == 0:
            return "unresolved"
        return "shows" if self.side == self.effect.sign else "reversed"


#: A control that an effect may name beside the arms.
PIXELS = "pixel neighbour"

NO_DIRECTION = "no direction stated"


def _minus(more: str, less: str) -> dict[str, int]:
    return {more: 1, less: -1}


def _of_tower(tower: str) -> list[Effect]:
    """The main table's comparisons of one tower."""
    english, worldwide, scaled = f"{tower}-english", f"{tower}-worldwide", f"{tower}-worldwide-scaled"
    return [
        Effect(
            f"curse_{tower}",
            "main",
            f"Curse of multilinguality at equal pairs, {tower} tower",
            "paper",
            "below zero: worldwide at 1.0x is below English-only on English",
            "en_top1",
            _minus(worldwide, english),
            -1,
        ),
        Effect(
            f"seen_pairs_{tower}",
            "main",
            f"More seen pairs, {tower} tower",
            "paper",
            "above zero: seen pairs scaled by 1 / English share win English back",
            "en_top1",
            _minus(scaled, worldwide),
            +1,
        ),
        Effect(
            f"other_languages_{tower}",
            "main",
            f"Worldwide against non-English only, {tower} tower",
            "paper",
            "above zero: English and the other languages help each other",
            "world_top1",
            _minus(scaled, f"{tower}-other"),
            +1,
        ),
        Effect(
            f"english_budget_{tower}",
            "main",
            f"Worldwide against English with the same seen pairs, {tower} tower",
            "none",
            NO_DIRECTION,
            "en_top1",
            _minus(scaled, f"{tower}-english-scaled"),
            0,
        ),
    ]


EFFECTS: tuple[Effect, ...] = (
    *_of_tower("small"),
    *_of_tower("large"),
    Effect(
        "curse_stays_small",
        "main",
        "Scaled worldwide against English-only, small tower",
        "paper",
        "below zero: the smaller tower (ViT-L/14) still shows the curse at 2.3x",
        "en_top1",
        _minus("small-worldwide-scaled", "small-english"),
        -1,
    ),
    Effect(
        "curse_broken_large",
        "main",
        "Scaled worldwide against English-only, large tower",
        "paper",
        "above zero: 2.3x seen pairs with ViT-H/14 break the curse (81.3 against 80.5 on ImageNet)",
        "en_top1",
        _minus("large-worldwide-scaled", "large-english"),
        +1,
    ),
    Effect(
        "capacity",
        "main",
        "Capacity: the gap to English-only, large tower minus small",
        "paper",
        "above zero: ViT-L/14 still shows the curse at 2.3x, ViT-H/14 does not",
        "en_top1",
        {**_minus("large-worldwide-scaled", "large-english"), **_minus("small-english", "small-worldwide-scaled")},
        +1,
    ),
    Effect(
        "pixels",
        "training",
        "The recipe against the nearest neighbour in raw pixels",
        "ours",
        "above zero: what was trained should know more than pixels",
        "en_top1",
        _minus("large-worldwide-scaled", PIXELS),
        +1,
    ),
    Effect(
        "pixels_long",
        "training",
        "The recipe, trained four times as long, against the nearest neighbour in raw pixels",
        "ours",
        "above zero: what was trained should know more than pixels",
        "en_top1",
        _minus("large-worldwide-scaled-long", PIXELS),
        +1,
    ),
    Effect(
        "longer_english",
        "training",
        "Four times the steps, English",
        "ours",
        "above zero if the arms are short of training",
        "en_top1",
        _minus("large-worldwide-scaled-long", "large-worldwide-scaled"),
        +1,
    ),
    Effect(
        "longer_world",
        "training",
        "Four times the steps, other languages",
        "ours",
        "above zero if the arms are short of training",
        "world_top1",
        _minus("large-worldwide-scaled-long", "large-worldwide-scaled"),
        +1,
    ),
    Effect(
        "curation_english",
        "curation",
        "Curated against raw pool, English",
        "ours",
        "above zero: curation is the recipe's premise; the paper has no raw arm",
        "en_top1",
        _minus("small-worldwide", "raw"),
        +1,
    ),
    Effect(
        "curation_world",
        "curation",
        "Curated against raw pool, other languages",
        "ours",
        "above zero: curation is the recipe's premise; the paper has no raw arm",
        "world_top1",
        _minus("small-worldwide", "raw"),
        +1,
    ),
    Effect(
        "english_metadata",
        "curation",
        "English metadata on all texts against English texts only",
        "paper",
        "below zero: dropping the language filter alone hurts English",
        "en_top1",
        _minus("english-metadata", "small-english"),
        -1,
    ),
    Effect(
        "own_metadata_world",
        "curation",
        "The recipe against English metadata on all texts, other languages",
        "paper",
        "above zero: each language is curated with its own metadata",
        "world_top1",
        _minus("small-worldwide", "english-metadata"),
        +1,
    ),
    Effect(
        "isolation_english",
        "curation",
        "The recipe against merged metadata, English",
        "paper",
        "above zero: languages are isolated, each with its own threshold",
        "en_top1",
        _minus("small-worldwide", "merged"),
        +1,
    ),
    Effect(
        "isolation_world",
        "curation",
        "The recipe against merged metadata, other languages",
        "paper",
        "above zero: languages are isolated, each with its own threshold",
        "world_top1",
        _minus("small-worldwide", "merged"),
        +1,
    ),
    Effect(
        "isolation_alone",
        "curation",
        "Isolation alone, one threshold for all, other languages",
        "none",
        NO_DIRECTION,
        "world_top1",
        _minus("isolated-t-en", "merged"),
        0,
    ),
    Effect(
        "thresholds",
        "curation",
        "A threshold per language against the English one for all, other languages",
        "paper",
        "above zero: t_lang keeps each language's tail share as English's",
        "world_top1",
        _minus("small-worldwide", "isolated-t-en"),
        +1,
    ),
    Effect(
        "thresholds_english",
        "curation",
        "A threshold per language against the English one for all, English",
        "paper",
        "above zero: t_lang keeps each language's tail share as English's",
        "en_top1",
        _minus("small-worldwide", "isolated-t-en"),
        +1,
    ),
    Effect(
        "thresholds_english_top5",
        "curation",
        "A threshold per language against the English one for all, English top-5",
        "paper",
        "above zero: t_lang keeps each language's tail share as English's",
        "en_top5",
        _minus("small-worldwide", "isolated-t-en"),
        +1,
    ),
    Effect(
        "tokenizer_gemma_over_pool",
        "tokenizer",
        "Gemma's vocabulary against one trained on the pool, other languages",
        "ours",
        "above zero: the recipe takes the largest multilingual vocabulary it tried; the paper trains none on its pool",
        "world_top1",
        _minus("small-worldwide", "tokenizer-pool"),
        +1,
    ),
    Effect(
        "tokenizer_pool_over_bytes",
        "tokenizer",
        "A vocabulary trained on the pool against bytes, other languages",
        "ours",
        "above zero: the recipe takes the largest multilingual vocabulary it tried; the paper tries no bytes",
        "world_top1",
        _minus("tokenizer-pool", "tokenizer-bytes"),
        +1,
    ),
    Effect(
        "alignment",
        "embedding",
        "Alignment of English test pairs, worldwide scaled minus English, large tower (lower is better)",
        "none",
        NO_DIRECTION,
        "en_alignment",
        _minus("large-worldwide-scaled", "large-english"),
        0,
    ),
    Effect(
        "uniformity",
        "embedding",
        "Uniformity of test images, worldwide scaled minus English, large tower (lower is better)",
        "none",
        NO_DIRECTION,
        "image_uniformity",
        _minus("large-worldwide-scaled", "large-english"),
        0,
    ),
    Effect(
        "curse_clean",
        "sensitivity",
        "Curse at equal pairs in the cleaner pool, small tower",
        "ours",
        "below zero, as in the pool of the main table; the paper has one pool",
        "en_top1",
        _minus("clean-worldwide", "clean-english"),
        -1,
    ),
    Effect(
        "curse_noisy",
        "sensitivity",
        "Curse at equal pairs in the noisier pool, small tower",
        "ours",
        "below zero, as in the pool of the main table; the paper has one pool",
        "en_top1",
        _minus("noisy-worldwide", "noisy-english"),
        -1,
    ),
)


def decide_effects(measures: pd.DataFrame, effects: Sequence[Effect] = EFFECTS) -> list[Finding]:
    """Every effect whose arms and controls are there, with its verdict; one that lacks some is left out.

    Args:
        measures: tidy, columns arm, seed, measure, value; one row for each arm, seed and measure that an effect names.
        effects: what to decide, in the order to report.

    Returns:
        a finding for each effect that has at least one seed with all of its arms.

    Source: MetaCLIP 2, §4, tables 1-3; the rule is ours (see the module).
    """
    findings = []
    for effect in effects:
        values = _values(measures, effect)
        if set(values.columns) != set(effect.arms) or values.dropna().empty:
            continue
        complete = values.dropna().sort_index()
        weights = pd.Series(effect.arms)
        differences = complete[weights.index].to_numpy(dtype=np.float64) @ weights.to_numpy(dtype=np.float64)
        findings.append(judge(effect, tuple(int(seed) for seed in complete.index), differences))
    return findings


def judge(effect: Effect, seeds: tuple[int, ...], differences: Any) -> Finding:
    """The verdict on one effect from its difference in each seed.

    Args:
        effect: the effect.
        seeds: its n seeds.
        differences: float [n].
    """
    array = np.asarray(differences, dtype=np.float64)
    mean, spread = mean_and_spread(array)
    return Finding(effect, seeds, tuple(float(value) for value in array), mean, spread, paired_p(array))


def paired_p(differences: Any) -> float | None:
    """Two-sided p of the t-test that the mean of paired differences is zero; None of a single one.

    Args:
        differences: float [n].

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


def mean_and_spread(values: Any) -> tuple[float, float]:
    """Mean and sample standard deviation (n - 1) of values over seeds; one value has spread 0."""
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else 0.0


def _values(measures: pd.DataFrame, effect: Effect) -> pd.DataFrame:
    """Seeds by arms, the effect's measure."""
    rows = measures[(measures["measure"] == effect.measure) & measures["arm"].isin(list(effect.arms))]
    return rows.pivot(index="seed", columns="arm", values="value")

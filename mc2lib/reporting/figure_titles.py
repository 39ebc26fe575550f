"""Titles of figures: what each one shows, with the numbers of the results."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mc2lib.languages import language_name


def title_arms(values: pd.DataFrame, where: str) -> str:
    """Which arm leads, by how much, and in how many seeds.

    Args:
        values: seeds (rows) by arms (columns), shares in 0..1.
        where: what they were measured in, such as "English".

    Returns:
        one line; empty if nothing was measured.

    >>> seeds = pd.DataFrame({"small": [0.20, 0.22], "large": [0.19, 0.33]})
    >>> title_arms(seeds, "English")
    'English: large leads with 26 %, 5 points above the next arm; it is first in 1 of 2 seeds'
    """
    means = values.mean().dropna().sort_values(ascending=False, kind="stable")
    if means.empty:
        return ""
    best = str(means.index[0])
    if len(means) == 1:
        return f"{where}: {best} names {format_share(means.iloc[0])} of the drawings"
    ahead = values.drop(columns=best).max(axis=1) < values[best]
    lead = format_number(100 * (means.iloc[0] - means.iloc[1]))
    return (
        f"{where}: {best} leads with {format_share(means.iloc[0])}, {lead} points above the next arm; "
        f"it is first in {int(ahead.sum())} of {len(values)} seeds"
    )


def title_languages(means: pd.DataFrame, english: str = "en") -> str:
    """Which arm is best in how many of the other languages, and which in English.

    Args:
        means: languages (rows) by arms (columns), means over seeds in percent.
        english: the row of English.

    Returns:
        one or two lines; empty if nothing was measured.
    """
    best = means.dropna(how="all").idxmax(axis=1)
    if best.empty:
        return ""
    others = best.drop(index=english, errors="ignore")
    if others.empty:
        return f"{best[english]} names most drawings in English ({format_share(means.loc[english].max() / 100)})"
    leader = others.value_counts(sort=False).idxmax()
    count = f"in {int((others == leader).sum())} of {len(others)} other languages"
    if english not in best.index:
        return f"{leader} names most drawings {count}"
    share = format_share(means.loc[english].max() / 100)
    if best[english] == leader:
        return f"{leader} names most drawings in English ({share})\nand {count}"
    return f"{leader} names most drawings {count},\nand {best[english]} in English ({share})"


def title_accuracy(means: pd.Series, english: str = "en") -> str:
    """One arm's accuracy in English, in the other languages, and in the best and the worst of these.

    Args:
        means: language to mean over seeds, in percent.
        english: the code of English.

    >>> title_accuracy(pd.Series({"en": 38.7, "ru": 31.2, "am": 6.7}))
    'English 39 %, other languages 19 % on average, from 31 % (Russian) to 6.7 % (Amharic)'
    """
    others = means.drop(index=english, errors="ignore")
    parts = [f"English {format_share(means[english] / 100)}"] if english in means.index else []
    if len(others):
        best, worst = (
            f"{format_share(others[at] / 100)} ({language_name(at)})" for at in (others.idxmax(), others.idxmin())
        )
        parts.append(f"other languages {format_share(others.mean() / 100)} on average, from {best} to {worst}")
    return ", ".join(parts)


def title_curves(gaps: pd.Series) -> str:
    """How far below chance the losses of several arms end.

    Args:
        gaps: arm to nats below chance at the end of training, mean over seeds.

    >>> print(title_curves(pd.Series({"a": 0.58, "b": 2.12})))
    The loss of b ends 2.1 nats below chance, that of a 0.6
    """
    if gaps.empty:
        return ""
    best, worst = gaps.idxmax(), gaps.idxmin()
    if best == worst:
        return f"The loss of {best} ends {gaps[best]:.1f} nats below chance"
    return f"The loss of {best} ends {gaps[best]:.1f} nats below chance, that of {worst} {gaps[worst]:.1f}"


def title_training(gaps: Sequence[float], seen_pairs: float) -> str:
    """How far below chance the loss of one arm's runs ends.

    Args:
        gaps: nats below chance at the end, one per seed.
        seen_pairs: of a run, mean over seeds.

    >>> title_training([0.5, 0.7], 40960)
    'After 41,000 pairs the loss is 0.60 nats below chance (0.50 to 0.70 over 2 seeds)'
    """
    after = f"After {round_pairs(seen_pairs)} pairs the loss is {np.mean(gaps):.2f} nats below chance"
    return f"{after} ({min(gaps):.2f} to {max(gaps):.2f} over {len(gaps)} seeds)" if len(gaps) > 1 else after


def round_pairs(pairs: float) -> str:
    """A number of pairs for reading: to thousands, or all of it below 10,000."""
    return f"{round(pairs, -3):,.0f}" if pairs >= 10_000 else f"{pairs:,.0f}"


def format_share(share: float) -> str:
    """A share in percent for a title: whole from 10 % on, one decimal below."""
    return f"{format_number(100 * share)} %"


def format_number(value: float) -> str:
    """A number for a title: whole from 10 on, one decimal below."""
    rounded = round(value, 9)
    return f"{rounded:.0f}" if rounded >= 10 else f"{rounded:.1f}".removesuffix(".0")

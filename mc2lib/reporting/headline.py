"""What README says of the study: a table and sentences, every number of them from the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mc2lib.recipe.evaluation.measures import SEEN_PAIRS
from mc2lib.reporting.findings import Bar, Finding, Verdict, mean_and_spread
from mc2lib.reporting.sentences import format_difference, format_finding
from mc2lib.reporting.tables import CHANCE, CONTROLS, decimals_of, format_pair, order_arms

MEASURES = ("en_top1", "world_top1")
PIXELS = "pixel neighbour"
NAMES = {CHANCE: "*chance*", PIXELS: "*nearest neighbour on pixels*"}

#: The bullets: whose bar, which verdict, and what is said before the effects.
GROUPS: tuple[tuple[Bar, Verdict, str], ...] = (
    ("paper", "shows", "Shows, as the paper has it"),
    ("paper", "reversed", "Reversed against the paper"),
    ("paper", "unresolved", "Unresolved, where the paper has a direction"),
    ("ours", "shows", "Shows, held to our own bar"),
    ("ours", "reversed", "Reversed against our own bar"),
    ("ours", "unresolved", "Unresolved, held to our own bar"),
    ("none", "reported", "No direction stated"),
)


def write_headline(
    measures: pd.DataFrame,
    controls: pd.DataFrame,
    findings: Sequence[Finding],
    thresholds: pd.DataFrame,
    arms: Sequence[str],
) -> str:
    """The headline in Markdown: what was measured, the main table, the figure, and the effects by verdict.

    Args:
        measures: tidy, columns arm, seed, measure, language, value; `seen_pairs` are of the runs' own records.
        controls: likewise.
        findings: all effects, in the order to name them.
        thresholds: columns seed, language and t, of the recipe's curation of the study's pool; may be empty.
        arms: the main table's; the first one's seen pairs are 1.0×.
    """
    shown = order_arms(measures, arms)
    parts = [
        _open(measures, controls),
        _tabulate(measures, controls, shown),
        "![English and other languages, arm by arm](results/figures/headline.png)",
        "\n".join(_list_findings(findings)),
        describe_pixels(measures, controls, shown),
        describe_thresholds(thresholds),
        _caution(findings, count_seen_pairs(measures, shown[:1])),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def count_seen_pairs(measures: pd.DataFrame, arms: Sequence[str]) -> dict[str, float]:
    """Pairs that an arm's run saw, as the runs recorded it, mean over seeds; arms without a record are left out."""
    rows = measures[(measures["measure"] == SEEN_PAIRS) & measures["arm"].isin(list(arms))]
    means: dict[str, float] = rows.groupby("arm")["value"].mean().to_dict()
    return means


def _open(measures: pd.DataFrame, controls: pd.DataFrame) -> str:
    languages = measures.loc[measures["measure"] == "top1", "language"]
    others = languages[~languages.isin(["en", "macro"])].nunique()
    chance = controls.loc[(controls["arm"] == CHANCE) & (controls["measure"] == MEASURES[0]), "value"]
    classes = f" among {round(1 / chance.mean()):,} concepts" if len(chance) else ""
    seeds = measures["seed"].nunique()
    return (
        f"Zero-shot top-1 in English and in other languages (%), mean ± spread over {seeds} seeds, on drawings in "
        f"styles never trained on,{classes}; the others' figure is the mean of {others} languages. All of it is from "
        "`make repro` ([report](results/report.md), [all tables](results/tables), "
        "[`results/summary.json`](results/summary.json))."
    )


def _tabulate(measures: pd.DataFrame, controls: pd.DataFrame, arms: Sequence[str]) -> str:
    seen = count_seen_pairs(measures, arms)
    lines = ["| arm | seen pairs | English | other languages |", "| --- | ---: | ---: | ---: |"]
    for arm in [*order_arms(controls, CONTROLS), *arms]:
        ratio = f"{seen[arm] / seen[arms[0]]:.2f}×" if arm in seen and arms[0] in seen else ""
        cells = [_format_mean(pd.concat([controls, measures]), arm, measure) for measure in MEASURES]
        lines.append(f"| {NAMES.get(arm, f'`{arm}`')} | {ratio} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def _format_mean(table: pd.DataFrame, arm: str, measure: str) -> str:
    values = table.loc[(table["arm"] == arm) & (table["measure"] == measure), "value"]
    return format_pair(*mean_and_spread(values), is_share=True, decimals=decimals_of(arm)) if len(values) else ""


def _list_findings(findings: Sequence[Finding]) -> list[str]:
    lines = []
    for bar, verdict, title in GROUPS:
        of_group = [each for each in findings if each.effect.bar == bar and each.verdict == verdict]
        if of_group:
            each = "; ".join(f"{_lower(finding.effect.title)} ({format_finding(finding)})" for finding in of_group)
            lines.append(f"- **{title}:** {each}.")
    return lines


def _lower(title: str) -> str:
    """A title as it stands within a sentence; names of languages and products keep their capital."""
    return title if title.startswith(("English", "Gemma")) else title[0].lower() + title[1:]


def describe_pixels(measures: pd.DataFrame, controls: pd.DataFrame, arms: Sequence[str]) -> str:
    """Which arms reach the pixel neighbour in English: on average, or in single seeds; nothing without the control.

    Args:
        measures, controls: as of `write_headline`.
        arms: those to compare, seed by seed.
    """
    pixels = _by_seed(controls, PIXELS)
    if pixels.empty:
        return ""
    above, sometimes = [], []
    for arm in arms:
        gaps = (_by_seed(measures, arm) - pixels).dropna()
        seeds = int((gaps >= 0).sum())
        mean, spread = mean_and_spread(gaps) if len(gaps) else (-1.0, 0.0)
        gap = f"{format_difference(mean, MEASURES[0])} ± {100 * spread:.1f} points"
        said = f"`{arm}` ({gap}, at or above it in {seeds} of {len(gaps)} seeds)"
        if mean >= 0:
            above.append(said)
        elif seeds:
            sometimes.append(said)
    named = format_pair(*mean_and_spread(pixels), is_share=True)
    return (
        f"**Raw pixels are a hard bar, which is ours.** The nearest training drawing in pixels names {named} % of the "
        "test drawings. It reads no words, but it knows each training drawing's true concept, which no arm is told: "
        "their alt-texts are noisy. "
        f"At or above it in the mean over seeds: {', '.join(above) or 'no arm'}. "
        f"Below it in the mean, but not in every seed: {', '.join(sometimes) or 'no arm'}. "
        "All other arms of the table are below it in every seed."
    )


def _by_seed(table: pd.DataFrame, arm: str) -> pd.Series:
    rows = table[(table["arm"] == arm) & (table["measure"] == MEASURES[0])]
    return rows.set_index("seed")["value"].sort_index()


def describe_thresholds(thresholds: pd.DataFrame) -> str:
    """In how many languages the recipe's threshold is 1; nothing without thresholds, or where it is larger in all.

    Args:
        thresholds: columns seed, language and t.

    Where t is 1 no entry is rarer, so there is no tail, and every entry's keep probability is 1 / count.
    """
    if thresholds.empty:
        return ""
    by_seed = thresholds.groupby("seed")
    ones = by_seed["t"].agg(lambda t: int((t == 1).sum())).to_numpy()
    if not ones.max():
        return ""
    languages = int(by_seed["language"].nunique().max())
    count = f"{ones.min()}" if np.ptp(ones) == 0 else f"{ones.min()} to {ones.max()} (by seed)"
    return (
        f"**The pool is small for `t_lang`.** At this size t = 1 in {count} of {languages} languages. No entry there "
        "is rarer than the threshold, so there is no tail to keep whole, and the comparison of `t_lang` with `t_en` "
        "says little about pools in which t is larger."
    )


def _caution(findings: Sequence[Finding], seen: Mapping[str, float]) -> str:
    counts = [len(finding.seeds) for finding in findings]
    if not counts:
        return ""
    pairs = "".join(f" (`{arm}`, 1.0×, sees {value:,.0f} pairs)" for arm, value in seen.items())
    return (
        "One rule decides all of these: a difference is resolved if it has the same sign in every seed and its mean "
        f"exceeds its spread. Over {max(counts)} seeds luck gives a null effect the bar's sign in all of them once in "
        f"{2 ** max(counts)}; p is of a paired t-test, not corrected for the {len(findings)} effects. This is the "
        f"result at this budget{pairs}, at which arms are far from converged, and no refutation of the paper."
    )

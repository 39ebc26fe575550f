"""What README says of the study: a table and sentences, every number of them from the results.

README has room for few effects. Which ones is a rule that does not look at the outcome: the questions of the paper's
main table, each at the largest tower that was trained. The report has all effects.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mc2lib.recipe.evaluation.measures import SEEN_PAIRS
from mc2lib.reporting.effects import PIXELS
from mc2lib.reporting.findings import Finding, Verdict, count_family
from mc2lib.reporting.sentences import format_difference, format_finding
from mc2lib.reporting.statistics import ALPHA, mean_and_spread
from mc2lib.reporting.tables import CHANCE, CONTROLS, decimals_of, format_pair, order_arms

MEASURES = ("en_top1", "world_top1")
NAMES = {CHANCE: "*chance*", PIXELS: "*nearest neighbour on pixels*"}

#: Characters per line of the Markdown.
WIDTH = 118


def write_headline(
    measures: pd.DataFrame,
    controls: pd.DataFrame,
    findings: Sequence[Finding],
    arms: Sequence[str],
) -> str:
    """The headline in Markdown: what was measured, the main table, and what became of the paper's main effects.

    Args:
        measures: tidy, columns arm, seed, measure, language, value; `seen_pairs` are of the runs' own records.
        controls: likewise.
        findings: all effects, small towers before large ones.
        arms: the main table's; the first one's seen pairs are 1.0×.
    """
    shown = order_arms(measures, arms)
    parts = [
        _wrap(_open(measures, controls)),
        _tabulate(measures, controls, shown),
        _wrap(_name_arms_above_pixels(measures, controls, shown)),
        "\n".join(_wrap(f"- {_tell(finding)}", "  ") for finding in choose_findings(findings)),
        _wrap(_count_verdicts(findings)),
        _wrap(_caution(findings, count_seen_pairs(measures, shown[:1]))),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def choose_findings(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that README tells: the questions of the paper's main table, each at its largest tower.

    Args:
        findings: all effects, small towers before large ones.

    Returns:
        at most one finding per question, in the order of `findings`; their verdicts play no part in the choice.
    """
    chosen: dict[str, Finding] = {}
    for finding in findings:
        effect = finding.effect
        if effect.topic == "main" and effect.bar == "paper":
            chosen[effect.key.removesuffix("_small").removesuffix("_large")] = finding
    return list(chosen.values())


def _wrap(text: str, indent: str = "") -> str:
    """Lines of at most WIDTH characters; Markdown shows them as one paragraph."""
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def count_seen_pairs(measures: pd.DataFrame, arms: Sequence[str]) -> dict[str, float]:
    """Pairs that an arm's run saw, as the runs recorded it, mean over seeds; arms without a record are left out."""
    rows = measures[(measures["measure"] == SEEN_PAIRS) & measures["arm"].isin(list(arms))]
    means: dict[str, float] = rows.groupby("arm")["value"].mean().to_dict()
    return means


def _open(measures: pd.DataFrame, controls: pd.DataFrame) -> str:
    languages = measures.loc[measures["measure"] == "top1", "language"]
    others = languages[~languages.isin(["en", "macro"])].nunique()
    chance = controls.loc[(controls["arm"] == CHANCE) & (controls["measure"] == MEASURES[0]), "value"]
    classes = f" and show {round(1 / chance.mean()):,} concepts" if len(chance) else ""
    return (
        "Zero-shot top-1 accuracy (%) in English and in the other languages, mean ± spread over "
        f"{measures['seed'].nunique()} seeds. The drawings are in styles that no arm was trained on{classes}; "
        f"the other languages' figure is the mean of {others}. Every figure comes from `make repro`: see "
        "[the report](results/report.md), [all tables](results/tables) and "
        "[`results/summary.json`](results/summary.json)."
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


def _tell(finding: Finding) -> str:
    """One effect in a sentence: its title, its verdict and what was measured, then what the paper says."""
    effect = finding.effect
    said = f"The paper expects a difference {effect.direction} zero: {effect.reason}."
    return f"**{effect.title}: {finding.verdict}** ({format_finding(finding)}). {said}"


def _count_verdicts(findings: Sequence[Finding]) -> str:
    """How many effects of the paper came out how."""
    counts = Counter(finding.verdict for finding in findings if finding.effect.bar == "paper")
    if not counts:
        return ""
    words: tuple[Verdict, ...] = ("shows", "reversed", "does not show", "cannot tell")
    each = ", ".join(f"*{word}* for {counts[word]}" for word in words)
    return (
        f"Of the paper's {counts.total()} effects that the study measures, the verdict is {each}; "
        "[the report](results/report.md) has every one of them, and the effects whose direction is ours."
    )


def _name_arms_above_pixels(measures: pd.DataFrame, controls: pd.DataFrame, arms: Sequence[str]) -> str:
    """Which arms reach the pixel neighbour on average, and why that bar is high; nothing without the control."""
    pixels = _by_seed(controls, PIXELS)
    if pixels.empty:
        return ""
    above = [f"`{arm}`" for arm in arms if (_by_seed(measures, arm) - pixels).dropna().mean() >= 0]
    return (
        "The nearest neighbour on pixels is a high bar of our own: it reads no words, but it knows the true concept of "
        f"every training drawing, which no arm is told. On average it is reached by {', '.join(above) or 'no arm'}."
    )


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
    seeds = max((len(finding.seeds) for finding in findings), default=0)
    if not seeds:
        return ""
    pairs = "".join(f" (`{arm}`, 1.0×, sees {value:,.0f} pairs)" for arm, value in seen.items())
    return (
        f"An effect *shows* if a paired t-test over {seeds} seeds finds it in the direction expected, with p below "
        f"{ALPHA} after Holm's correction for all {count_family(findings)} effects that have a direction, and is "
        "*reversed* if it finds the other direction. Otherwise it *does not show* if the 95 % interval excludes an "
        "effect of 1 point, and else the study *cannot tell* ([the rule](docs/study.md#how-an-effect-is-decided)). At "
        "this "
        f"budget{pairs} the arms are far from converged, so none of this refutes the paper."
    )

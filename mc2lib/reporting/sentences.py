"""What the numbers say, in sentences that claim no more than the numbers do."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mc2lib.reporting.effects import Effect
from mc2lib.reporting.findings import Finding, Verdict, count_family
from mc2lib.reporting.statistics import ALPHA, Interval
from mc2lib.reporting.units import Unit, unit_of


def format_difference(value: float, measure: str) -> str:
    """A signed difference without its unit: "−3.1" for points, "+0.012" for nats and geometry."""
    unit = unit_of(measure)
    return f"{unit.factor * value:+.{unit.decimals}f}".replace("-", "−")


def format_size(value: float, unit: Unit) -> str:
    """A size with its unit: "1.0 points"."""
    return f"{unit.factor * value:.{unit.decimals}f} {unit.name}".rstrip().replace("-", "−")


def format_interval(interval: Interval, measure: str) -> str:
    """An interval without its unit: "−6.1 to +0.1"."""
    return " to ".join(format_difference(end, measure) for end in interval)


def format_finding(finding: Finding) -> str:
    """What was measured: "−3.0 points, 95 % interval −9.2 to +3.2, p = 0.17 after Holm's correction"."""
    measure = finding.effect.measure
    text = f"{format_difference(finding.mean, measure)} {finding.unit.name}".rstrip()
    if finding.interval is None:
        return f"{text}, one seed"
    corrected = " after Holm's correction" if finding.holm_p is not None else ", uncorrected"
    p = finding.p if finding.holm_p is None else finding.holm_p
    return f"{text}, 95 % interval {format_interval(finding.interval, measure)}, p {_format_p(p)}{corrected}"


def _format_p(p: float | None) -> str:
    """With three decimals where it is small, so that 0.048 and 0.052 do not read the same."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


def name_direction(effect: Effect) -> str:
    """Which direction is expected, and by whom: "above zero (ours)"."""
    whose = {"paper": "the paper's", "ours": "ours", "none": ""}[effect.bar]
    return f"{effect.direction} zero ({whose})" if effect.sign else "none"


def name_verdict(finding: Finding) -> str:
    """The verdict as the table says it."""
    if finding.verdict == "no difference":
        return f"no difference larger than {format_size(finding.unit.smallest, finding.unit)}"
    return finding.verdict


def describe(finding: Finding) -> str:
    """One effect in a paragraph of Markdown: what is expected and why, what each seed gave, and the verdict."""
    effect = finding.effect
    expected = {
        "paper": f"The paper expects a difference {effect.direction} zero: {effect.reason}.",
        "ours": f"We, not the paper, expect a difference {effect.direction} zero: {effect.reason}.",
        "none": "No direction is expected.",
    }[effect.bar]
    each = ", ".join(format_difference(value, effect.measure) for value in finding.differences)
    seeds = "Seed by seed" if len(finding.seeds) > 1 else "One seed"
    return f"**{effect.title}.** {expected} {seeds}: {each}{_describe_tests(finding)}. {_conclude(finding)}"


def _describe_tests(finding: Finding) -> str:
    """The rest of the sentence on the seeds: the bootstrap interval, and p before and after correction."""
    if finding.p is None:
        return ""
    text = ""
    if finding.bootstrap is not None:
        text = f"; bootstrap interval {format_interval(finding.bootstrap, finding.effect.measure)}"
    if finding.holm_p is None:
        return f"{text}; p {_format_p(finding.p)}, uncorrected"
    return f"{text}; p {_format_p(finding.p)} by itself, p {_format_p(finding.holm_p)} after Holm's correction"


def _conclude(finding: Finding) -> str:
    """The verdict in a sentence, with the size that it leaves possible."""
    if finding.largest_possible is None:
        return "The study **cannot tell**: one seed has no interval."
    smallest = format_size(finding.unit.smallest, finding.unit)
    left = format_size(finding.largest_possible, finding.unit)
    leaves = f"leaves at most {left} in the direction expected, less than {smallest}"
    if finding.largest_possible <= 0:
        leaves = "is wholly on the other side"
    direction = "in the direction expected" if finding.effect.sign else "in either direction"
    sentences: dict[Verdict, str] = {
        "shows": "It **shows**.",
        "reversed": "It is **reversed**: significant in the direction that is not expected.",
        "does not show": f"It **does not show**: not significant, and the 95 % interval {leaves}.",
        "differs": "It **differs**.",
        "no difference": f"There is **no difference larger than {smallest}**: the interval leaves at most {left}.",
        "cannot tell": f"The study **cannot tell**: an effect of up to {left} {direction} is not excluded.",
    }
    return sentences[finding.verdict]


def describe_criterion(findings: Sequence[Finding]) -> str:
    """The rule of all verdicts, the family of tests, and what the intervals are."""
    units = sorted({finding.unit for finding in findings}, reverse=True) or [unit_of("")]
    sizes = ", ".join(f"{format_size(unit.smallest, unit)}{'' if unit.name else f' of {unit.axis}'}" for unit in units)
    return (
        "A difference between arms is taken within each seed (same pool draw, same test) and tested over the seeds by "
        "a two-sided paired t-test. Holm's method corrects p for all effects below that have a direction and at least "
        f"two seeds: {count_family(findings)}. An effect *shows* if the corrected p is below {ALPHA} and the "
        "difference is in the direction expected; it is *reversed* if the difference is in the other. It *does not "
        "show* if p is not below that and the 95 % interval excludes an effect of interest in the direction expected. "
        f"The smallest effect of interest was fixed before any run: {sizes}. Otherwise the study *cannot tell*, and "
        "says how large an effect is not excluded. The direction is the paper's where the paper compares these arms, "
        f"and ours where it says so. Without a direction a difference *differs* (p below {ALPHA}, uncorrected and in "
        "brackets), is *no difference larger than* the smallest of interest, or the study *cannot tell*.\n\n"
        "The 95 % interval is Student's t over seeds. The bootstrap interval is wider by what a test of other concepts "
        f"would have changed in all seeds alike; {_describe_bootstrap(findings)} The smallest visible effect is the "
        "one that a single test finds with 80 % power, given the spread of these seeds; after Holm's correction it has "
        "to be larger."
    )


def _describe_bootstrap(findings: Sequence[Finding]) -> str:
    without = [finding.effect.key for finding in findings if finding.bootstrap is None]
    if not without:
        return "each effect below has one."
    if len(without) == len(findings):
        return "no effect below has one, because there are no results by concept."
    named = ", ".join(f"`{key}`" for key in without)
    return f"it is missing where there are no results by concept ({named})."


def tabulate_findings(findings: Sequence[Finding]) -> pd.DataFrame:
    """The findings as a table of strings, one row per effect."""
    columns = ["effect", "direction expected", "measured [95 % interval]", "p, Holm", "verdict", "smallest visible"]
    return pd.DataFrame([_tabulate(finding) for finding in findings], columns=columns)


def _tabulate(finding: Finding) -> tuple[str, ...]:
    effect, unit = finding.effect, finding.unit
    measured = format_difference(finding.mean, effect.measure)
    if finding.interval is not None:
        measured += f" [{', '.join(format_difference(end, effect.measure) for end in finding.interval)}]"
    p = _format_p(finding.holm_p).removeprefix("= ") or "–"
    if effect.sign == 0 and finding.p is not None:
        p = f"({_format_p(finding.p).removeprefix('= ')})"
    visible = "–" if finding.smallest_visible is None else format_size(finding.smallest_visible, unit)
    return effect.title, name_direction(effect), f"{measured} {unit.name}".rstrip(), p, name_verdict(finding), visible

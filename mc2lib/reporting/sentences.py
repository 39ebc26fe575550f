"""What the numbers say, in sentences that claim no more than the numbers do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mc2lib.reporting.findings import Effect, Finding

TOPICS = {
    "main": "English, worldwide, seen pairs and capacity",
    "training": "Against raw pixels, and with longer training",
    "curation": "Curation",
    "tokenizer": "Tokenizer",
    "embedding": "Embedding",
    "sensitivity": "Does the curse depend on the pool's noise?",
}


def is_share(measure: str) -> bool:
    """Whether a measure is a share of 1 (accuracy, recall), and so printed in points of a percent."""
    return not measure.endswith(("alignment", "uniformity"))


def format_difference(value: float, measure: str) -> str:
    """A signed difference: "−3.1" in percentage points, "+0.012" for geometry."""
    text = f"{100 * value:+.1f}" if is_share(measure) else f"{value:+.3f}"
    return text.replace("-", "−")


def format_finding(finding: Finding) -> str:
    """A finding's mean, spread and p: "−3.0 ± 2.5 points, p = 0.17"."""
    measure = finding.effect.measure
    spread = f"{100 * finding.spread:.1f} points" if is_share(measure) else f"{finding.spread:.3f}"
    p = "" if finding.p is None else f", p {_format_p(finding.p)}"
    return f"{format_difference(finding.mean, measure)} ± {spread}{p}"


def _format_p(p: float | None) -> str:
    if p is None:
        return ""
    return "< 0.01" if p < 0.01 else f"= {p:.2f}"


def name_bar(effect: Effect) -> str:
    """Whose direction an effect is held to, as a label before it."""
    return {"paper": "Paper", "ours": "Our bar", "none": "No bar"}[effect.bar]


def describe(finding: Finding) -> str:
    """One effect in a paragraph of Markdown: whose bar and where, our mean, spread and p, and the verdict."""
    effect = finding.effect
    each = ", ".join(format_difference(value, effect.measure) for value in finding.differences)
    seeds = f"{len(finding.seeds)} seeds: {each}" if len(finding.seeds) > 1 else "one seed"
    measured = f"Measured: {format_finding(finding)} ({seeds})."
    return f"**{effect.title}.** {name_bar(effect)}: {effect.direction}. {measured} {_conclude(finding)}"


def _conclude(finding: Finding) -> str:
    if len(finding.seeds) < 2:
        return "One seed has no spread, so it is **unresolved**."
    resolved = "the same sign in every seed, and a mean beyond the spread"
    if finding.verdict == "shows":
        return f"It **shows**: the bar's sign in every seed, {resolved.partition(', and ')[2]}."
    if finding.verdict == "reversed":
        return f"It is **reversed**: {resolved}, on the other side of the bar."
    if finding.side:
        return f"There is no direction to hold it to; it is resolved: {resolved}."
    if len({int(np.sign(difference)) for difference in finding.differences}) == 1:
        return "It is **unresolved**: the same sign in every seed, but the mean is within the spread."
    return "It is **unresolved**: the seeds differ in sign."


def describe_criterion(findings: Sequence[Finding]) -> str:
    """The one rule of all verdicts, and how often luck alone would pass it."""
    held = [finding for finding in findings if finding.effect.sign != 0]
    seeds = max((len(finding.seeds) for finding in held), default=0)
    text = (
        "A difference is taken within each seed (same pool draw and split) and then over seeds. It is *resolved* if it "
        "has the same sign in every seed and its mean exceeds its spread, the sample standard deviation over seeds. "
        "Resolved on its bar's side it *shows*, on the other side it is *reversed*; else it is *unresolved*. The bar "
        "is the paper's where the paper compares these arms, and ours where it says so."
    )
    if seeds < 2:
        return text + " With a single seed there is no spread, and nothing is resolved."
    return text + (
        f" This is a screen, not a proof: with {seeds} seeds a difference that is truly nothing has the bar's sign "
        f"in all of them once in {2**seeds}. p is of a two-sided paired t-test, not corrected for the number of "
        f"effects. Effects held to a bar below: {len(held)}."
    )


def tabulate_findings(findings: Sequence[Finding]) -> pd.DataFrame:
    """The findings as a table of strings: effect, bar, direction, measured, spread, p, verdict."""
    rows = []
    for finding in findings:
        effect, measure = finding.effect, finding.effect.measure
        spread = f"{100 * finding.spread:.1f}" if is_share(measure) else f"{finding.spread:.3f}"
        mean, p = format_difference(finding.mean, measure), _format_p(finding.p).removeprefix("= ")
        rows.append((effect.title, name_bar(effect), effect.direction, mean, spread, p, finding.verdict))
    return pd.DataFrame(rows, columns=["effect", "bar", "direction", "measured", "spread", "p", "verdict"])

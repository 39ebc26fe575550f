"""The effects as a forest plot: each with its seeds, its intervals, the direction expected and the verdict."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mc2lib.reporting.effects import TOPICS
from mc2lib.reporting.findings import Finding, Verdict
from mc2lib.reporting.plots.style import axes
from mc2lib.reporting.units import Unit


class Mark(NamedTuple):
    """How the mean of an effect is drawn."""

    shape: str
    colour: str
    filled: bool


#: One mark per verdict. Colours are safe for colour-blind readers (after Wong, 2011), and shapes tell as much.
MARKS: dict[Verdict, Mark] = {
    "shows": Mark("o", "#0173b2", True),
    "reversed": Mark("X", "#c45a00", True),
    "does not show": Mark("s", "#3f3f3f", False),
    "cannot tell": Mark("o", "#757575", False),
    "differs": Mark("D", "#7b4fa0", True),
    "no difference": Mark("D", "#3f3f3f", False),
}
#: The side that is expected: tinted by who expects it.
SIDES = {"paper": "#dce8f4", "ours": "#f7ead3"}
#: Characters per line of an effect's name.
WIDTH = 52


def plot_effects(findings: Sequence[Finding], title: str = "The effects, measured here") -> Figure:
    """The effects, one row each, grouped by topic; accuracies and each other unit have an axis of their own.

    Args:
        findings: the effects in the order of the rows; topics come in the order of `TOPICS`.
        title: above the first axis.

    Returns:
        a figure. The large mark is the mean and tells the verdict, faint points below it are the seeds, thick lines
        are the 95 % interval by t, thin lines the bootstrap's. The tinted side is the one expected, by the paper or by
        this study; dotted lines are the smallest effect of interest.
    """
    by_unit: dict[Unit, list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: list(TOPICS).index(finding.effect.topic)):
        by_unit.setdefault(finding.unit, []).append(finding)
    rows = [len(group) + len({finding.effect.topic for finding in group}) for group in by_unit.values()] or [1]
    heights = [0.34 * count + 0.55 for count in rows]
    figure, panels = axes(9.6, sum(heights) + 0.9, rows=len(rows), heights=heights)
    for panel, (unit, group) in zip(panels, by_unit.items(), strict=False):
        _draw_panel(panel, unit, group)
    panels[0].set_title(title, loc="left")
    if findings:
        figure.legend(handles=_handles(findings), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _draw_panel(panel: Axes, unit: Unit, findings: Sequence[Finding]) -> None:
    """One unit's effects, each topic under its heading."""
    names: list[str] = []
    headings: list[int] = []
    reach = 1.06 * unit.factor * max(_furthest(finding) for finding in findings)
    for i, finding in enumerate(findings):
        if i == 0 or finding.effect.topic != findings[i - 1].effect.topic:
            headings.append(len(names))
            names.append(TOPICS[finding.effect.topic])
        _draw_effect(panel, len(names), finding, reach)
        names.append(_name(finding))
    panel.set_yticks(range(len(names)), names)
    for i, label in enumerate(panel.get_yticklabels()):
        label.set(fontsize=9, fontweight="bold" if i in headings else "normal", linespacing=0.95)
    for heading in headings[1:]:
        panel.axhline(heading - 0.5, color="0.75", linewidth=0.8)
    panel.axvline(0, color="black", linewidth=1)
    for side in (-1, 1):
        panel.axvline(side * unit.factor * unit.smallest, color="0.45", linewidth=0.9, linestyle=":", zorder=1)
    panel.set(xlim=(-reach, reach), ylim=(len(names) - 0.5, -0.5), xlabel=f"difference, {unit.axis}")
    panel.grid(axis="y", visible=False)


def _furthest(finding: Finding) -> float:
    """The largest size that is drawn of an effect."""
    ends = (*(finding.interval or ()), *(finding.bootstrap or ()), *finding.differences, 1.5 * finding.unit.smallest)
    return max(abs(end) for end in ends)


def _name(finding: Finding) -> str:
    title = finding.effect.title + (" [ours]" if finding.effect.bar == "ours" else "")
    lines = len(_wrap(title, WIDTH))
    width = next(width for width in range(1, WIDTH + 1) if len(_wrap(title, width)) <= lines)
    return "\n".join(_wrap(title, width))  # lines of nearly the same length


def _wrap(title: str, width: int) -> list[str]:
    return textwrap.wrap(title, width, break_on_hyphens=False, break_long_words=False)


def _draw_effect(panel: Axes, y: int, finding: Finding, reach: float) -> None:
    mark, factor = MARKS[finding.verdict], finding.unit.factor
    if finding.effect.sign:
        side = finding.effect.sign * reach
        panel.barh(y, side, height=0.84, color=SIDES[finding.effect.bar], linewidth=0, zorder=0)
    for interval, width in ((finding.bootstrap, 1.1), (finding.interval, 3.2)):
        if interval is not None:
            ends = [factor * end for end in interval]
            panel.plot(ends, [y, y], color=mark.colour, linewidth=width, solid_capstyle="butt", zorder=3)
    seeds = factor * np.asarray(finding.differences)
    panel.scatter(seeds, np.full(len(seeds), y + 0.3), s=11, color="black", alpha=0.45, linewidths=0, zorder=4)
    panel.scatter(
        factor * finding.mean,
        y,
        s=54,
        marker=mark.shape,
        facecolors=mark.colour if mark.filled else "white",
        edgecolors=mark.colour,
        linewidths=1.4,
        zorder=5,
    )
    panel.annotate(
        finding.verdict,
        (1.01, y),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=9,
        color=mark.colour,
        annotation_clip=False,
    )


def _handles(findings: Sequence[Finding]) -> list[Any]:
    """The legend: what is drawn, and no more."""
    verdicts = {finding.verdict for finding in findings}
    handles: list[Any] = [
        Line2D(
            [], [], linestyle="", marker=mark.shape, markersize=7, color=mark.colour, label=verdict,
            markerfacecolor=mark.colour if mark.filled else "white",
        )
        for verdict, mark in MARKS.items()
        if verdict in verdicts
    ]  # fmt: skip
    handles.append(Line2D([], [], linestyle="", marker="o", markersize=4, color="black", alpha=0.45, label="a seed"))
    if any(finding.interval for finding in findings):
        handles.append(Line2D([], [], color="0.35", linewidth=3.2, label="95 % interval (t)"))
    if any(finding.bootstrap for finding in findings):
        handles.append(Line2D([], [], color="0.35", linewidth=1.1, label="95 % interval (bootstrap)"))
    bars = {finding.effect.bar for finding in findings}
    sides = {"paper": "side that the paper expects", "ours": "side that we expect [ours]"}
    handles += [Patch(color=SIDES[bar], label=label) for bar, label in sides.items() if bar in bars]
    handles.append(Line2D([], [], color="0.45", linewidth=0.9, linestyle=":", label="smallest of interest"))
    return handles

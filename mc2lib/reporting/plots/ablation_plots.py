"""Figures of the paper's effects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mc2lib.reporting.plots.style import axes

#: Colour-blind safe (Wong, 2011, as in seaborn's palette); never the only carrier of a difference.
BLUE, ORANGE, GREY = "#0173b2", "#c45a00", "#7a7a7a"
#: The side of an effect's bar: tinted by whose the bar is.
SIDES = {"paper": "#e3ebf4", "ours": "#f6eee0"}
COLOURS = {"shows": BLUE, "reversed": ORANGE, "unresolved": ORANGE, "reported": GREY}


class EffectLike(Protocol):
    """What a figure needs to know of an effect."""

    @property
    def topic(self) -> str:
        """The group of effects it stands in."""

    @property
    def title(self) -> str:
        """What it is called."""

    @property
    def measure(self) -> str:
        """What it is a difference of."""

    @property
    def bar(self) -> str:
        """Whose the direction is: paper, ours or none."""

    @property
    def sign(self) -> int:
        """The bar's: +1, -1, or 0 for none."""


class FindingLike(Protocol):
    """What a figure needs to know of a finding."""

    @property
    def effect(self) -> EffectLike:
        """What was looked for."""

    @property
    def differences(self) -> tuple[float, ...]:
        """One a seed."""

    @property
    def mean(self) -> float:
        """Over seeds."""

    @property
    def spread(self) -> float:
        """Sample standard deviation over seeds."""

    @property
    def verdict(self) -> str:
        """shows, reversed, unresolved, or reported where there is no bar."""


def _list_rows(panel: Axes, names: Sequence[str]) -> None:
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(max(len(names), 1) - 0.5, -0.5)  # the first row on top
    panel.grid(axis="y", visible=False)


def plot_effects(findings: Iterable[FindingLike]) -> Figure:
    """The effects as a forest: each difference between arms, seed by seed, and the side that its bar asks for.

    Args:
        findings: those on accuracies are drawn, in percentage points; those on geometry have another
            unit and are left to the report.

    Returns:
        a figure; the tinted side is the bar's, in one tint the paper's and in another ours; a filled
        mean is resolved (it shows, or is reversed), a hollow one is not, a grey diamond has no bar;
        error bars are the mean plus and minus the spread.
    """
    shown = [finding for finding in findings if finding.effect.measure.endswith("top1")]
    figure, (panel,) = axes(9.2, 1.2 + 0.33 * max(len(shown), 1))
    ends = [end for f in shown for end in (*f.differences, f.mean + f.spread, f.mean - f.spread)]
    reach = 1.15 * max(100 * abs(end) for end in (0.01, *ends))
    for y, finding in enumerate(shown):
        _draw_effect(panel, y, finding, reach)
    _list_rows(panel, [finding.effect.title for finding in shown])
    panel.axvline(0, color="black", linewidth=1)
    panel.set_xlim(-reach, reach)
    panel.set_xlabel("difference, percentage points of top-1")
    panel.set_title("The effects, here", loc="left")
    for y, finding in enumerate(shown):
        if y and finding.effect.topic != shown[y - 1].effect.topic:
            panel.axhline(y - 0.5, color="0.6", linewidth=1)
        panel.annotate(
            "–" if finding.verdict == "reported" else finding.verdict,
            (1.01, y),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8.5,
            color=COLOURS[finding.verdict],
            annotation_clip=False,
        )
    figure.legend(handles=_effect_handles(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _draw_effect(panel: Axes, y: int, finding: FindingLike, reach: float) -> None:
    sign, colour = finding.effect.sign, COLOURS[finding.verdict]
    if sign != 0:
        panel.barh(y, sign * reach, height=0.8, color=SIDES[finding.effect.bar], zorder=0)
    values = 100 * np.asarray(finding.differences)
    panel.errorbar(100 * finding.mean, y, xerr=100 * finding.spread, color=colour, capsize=3, linewidth=1.5, zorder=3)
    panel.scatter(values, np.full(len(values), y), s=9, color="black", linewidths=0, zorder=6)
    face = "white" if finding.verdict == "unresolved" else colour
    panel.scatter(
        100 * finding.mean,
        y,
        s=52,
        marker="D" if sign == 0 else "o",
        facecolors=face,
        edgecolors=colour,
        linewidths=1.5,
        zorder=5,
    )


def _effect_handles() -> list[Any]:
    def point(label: str, colour: str, face: str, marker: str = "o", size: float = 7) -> Line2D:
        return Line2D(
            [], [], linestyle="", marker=marker, markersize=size, color=colour, markerfacecolor=face, label=label
        )

    return [
        Line2D([], [], linestyle="", marker="s", markersize=9, color=SIDES["paper"], label="the paper's side"),
        Line2D([], [], linestyle="", marker="s", markersize=9, color=SIDES["ours"], label="our bar's side"),
        point("mean: shows", BLUE, BLUE),
        point("mean: reversed", ORANGE, ORANGE),
        point("mean: unresolved", ORANGE, "white"),
        point("mean: no bar", GREY, GREY, "D"),
        point("a seed", "black", "black", size=3),
    ]


def plot_sensitivity(curses: Iterable[FindingLike]) -> Figure:
    """One effect in several pools: how far the conclusion leans on the pool's noise.

    Args:
        curses: the same difference, one finding a pool.
    """
    figure = plot_effects(curses)
    figure.axes[0].set_title("The curse at equal pairs, pool by pool", loc="left")
    return figure

"""Figures of the ablation: arms against controls, languages, and the paper's effects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mc2lib.reporting.plots.style import axes

#: Colour-blind safe (Wong, 2011, as in seaborn's palette); never the only carrier of a difference.
BLUE, ORANGE, GREY = "#0173b2", "#c45a00", "#7a7a7a"
PANELS = (("en_top1", "English", BLUE), ("world_top1", "the other languages", ORANGE))
#: The side of an effect's bar: tinted by whose the bar is.
SIDES = {"paper": "#e3ebf4", "ours": "#f6eee0"}
COLOURS = {"shows": BLUE, "reversed": ORANGE, "unresolved": ORANGE, "reported": GREY}
CONTROL_LINES: dict[str, Literal["--", ":"]] = {"pixel neighbour": "--", "chance": ":"}


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


def plot_arms(measures: pd.DataFrame, controls: pd.DataFrame, arms: Sequence[str]) -> Figure:
    """Zero-shot top-1 of each arm, English beside the other languages.

    Args:
        measures: tidy, columns arm, seed, measure, value.
        controls: likewise; "chance" and "pixel neighbour" become vertical lines at their means.
        arms: the rows from top to bottom.

    Returns:
        a figure with two panels; small hollow points are seeds, large ones their means.
    """
    figure, panels = axes(8.6, 1.3 + 0.3 * len(arms), columns=2)
    for panel, (measure, name, colour) in zip(panels, PANELS, strict=True):
        values = [_values(measures, arm, measure) for arm in arms]
        _draw_points(panel, values, colour)
        _draw_controls(panel, controls, measure)
        _list_rows(panel, list(arms))
        panel.set_title(f"Top-1 in {name}", loc="left")
        panel.set_xlabel("%")
        _separate_groups(panel, arms)
    panels[1].set_yticklabels([])
    right = max(panel.get_xlim()[1] for panel in panels)
    for panel in panels:
        panel.set_xlim(0, right)  # one scale, so that the panels compare
    handles = [
        *[Line2D([], [], color=GREY, linestyle=style, label=name) for name, style in CONTROL_LINES.items()],
        Line2D([], [], marker="o", linestyle="", color="black", markersize=6, label="mean"),
        Line2D(
            [],
            [],
            marker="o",
            linestyle="",
            markerfacecolor="none",
            markeredgecolor="black",
            markersize=4,
            label="a seed",
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _values(table: pd.DataFrame, arm: str, measure: str) -> Any:
    """One arm's values in percent, one a seed."""
    return 100 * table.loc[(table["arm"] == arm) & (table["measure"] == measure), "value"].to_numpy(dtype=float)


def _draw_points(panel: Axes, rows: Sequence[Any], colour: str) -> None:
    for y, values in enumerate(rows):
        if len(values):
            panel.plot([values.min(), values.max()], [y, y], color=colour, alpha=0.35, linewidth=2, zorder=2)
            panel.scatter(values.mean(), y, s=64, color=colour, linewidths=0, zorder=3)
            panel.scatter(
                values, np.full(len(values), y), s=15, facecolors="white", edgecolors=colour, linewidths=0.9, zorder=4
            )


def _draw_controls(panel: Axes, controls: pd.DataFrame, measure: str) -> None:
    for name, style in CONTROL_LINES.items():
        values = _values(controls, name, measure)
        if len(values):
            panel.axvline(values.mean(), color=GREY, linestyle=style, linewidth=1.2, zorder=1)


def _list_rows(panel: Axes, names: Sequence[str]) -> None:
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(max(len(names), 1) - 0.5, -0.5)  # the first row on top
    panel.grid(axis="y", visible=False)


def _separate_groups(panel: Axes, arms: Sequence[str]) -> None:
    """A thin line where the first word of the arms' names changes between groups (small, large)."""
    groups = [arm.partition("-")[0] for arm in arms]
    if len(set(groups)) < len(groups) / 2:
        for y in range(1, len(arms)):
            if groups[y] != groups[y - 1]:
                panel.axhline(y - 0.5, color="0.8", linewidth=1)


def plot_languages(measures: pd.DataFrame, arms: Sequence[str], languages: Sequence[str]) -> Figure:
    """Zero-shot top-1 of each arm in each language, as a heat map of means over seeds.

    Args:
        measures: tidy, columns arm, seed, measure, language, value.
        arms: the rows.
        languages: the columns, in this order.
    """
    top1 = measures[measures["measure"] == "top1"]
    means = 100 * top1.pivot_table(index="arm", columns="language", values="value", aggfunc="mean")
    means = means.reindex(index=list(arms), columns=[lang for lang in languages if lang in means.columns])
    figure, (panel,) = axes(2.6 + 0.3 * means.shape[1], 1.2 + 0.26 * len(arms))
    if means.empty:
        return figure
    sns.heatmap(
        means,
        ax=panel,
        cmap="viridis",
        vmin=0,
        annot=True,
        fmt=".0f",
        annot_kws={"size": 6.5},
        linewidths=0.5,
        cbar_kws={"label": "top-1, %", "pad": 0.01},
    )
    panel.axvline(1, color="white", linewidth=4)  # English apart from the rest
    panel.set_title("Top-1 by language, in the order of the languages' shares of the pool", loc="left")
    panel.set(xlabel="", ylabel="")
    panel.tick_params(axis="x", rotation=0)
    panel.tick_params(axis="y", rotation=0)
    return figure


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

"""Figures of the ablation: arms against controls, and languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

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
CONTROL_LINES: dict[str, Literal["--", ":"]] = {"pixel neighbour": "--", "chance": ":"}


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

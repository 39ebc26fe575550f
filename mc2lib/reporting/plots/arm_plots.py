"""Figures that compare arms: in English and the other languages, and language by language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from mc2lib.languages import language_name, script
from mc2lib.reporting.figure_titles import format_share, title_arms, title_languages
from mc2lib.reporting.plots.style import BLUE, GREY, ORANGE, WIDTH, axes, draw_mean, list_rows, name_mean

PANELS = (("en_top1", "English", BLUE), ("world_top1", "Other languages", ORANGE))
CONTROL_LINES: dict[str, Literal["--", ":"]] = {"pixel neighbour": "--", "chance": ":"}
#: A control further right than this many times the largest arm is named at the edge, with an arrow, instead of a line.
FAR = 1.35


def plot_arms(measures: pd.DataFrame, controls: pd.DataFrame, arms: Sequence[str]) -> Figure:
    """Zero-shot top-1 of each arm, in English and in the other languages, each on an axis of its own.

    Args:
        measures: tidy, columns arm, seed, measure, value.
        controls: likewise; "chance" and "pixel neighbour" become vertical lines at their means, or an arrow at
            the edge where the line would be far from every arm.
        arms: the rows from top to bottom.

    Returns:
        a figure with two panels; its title says which arm leads.
    """
    figure, panels = axes(WIDTH, 1.75 + 0.3 * len(arms), columns=2)
    seeds = 0
    titles: list[str] = []
    for panel, (measure, name, colour) in zip(panels, PANELS, strict=True):
        values = _by_seed(measures, arms, measure)
        seeds = max(seeds, len(values))
        for y, arm in enumerate(arms):
            draw_mean(panel, y, 100 * values[arm].dropna().to_numpy(), colour)
        list_rows(panel, list(arms))
        _draw_controls(panel, controls, measure, 100 * float(np.nanmax(values.to_numpy())) if values.size else 0.0)
        _separate_groups(panel, arms)
        panel.set_title(name, loc="left")
        titles.append(title_arms(values, name))
        panel.set_xlabel("top-1 accuracy, % of drawings")
    panels[1].set_yticklabels([])
    figure.suptitle("\n".join(filter(None, titles)), x=0.01, ha="left", fontsize=10)
    lines = [Line2D([], [], color=GREY, linestyle=style, label=name) for name, style in CONTROL_LINES.items()]
    figure.legend(handles=[*name_mean(seeds), *lines], loc="outside lower center", ncols=4, frameon=False)
    return figure


def _by_seed(measures: pd.DataFrame, arms: Sequence[str], measure: str) -> pd.DataFrame:
    """Seeds by arms, shares in 0..1; an arm that was not measured is a column of NaNs."""
    rows = measures[(measures["measure"] == measure) & measures["arm"].isin(list(arms))]
    return rows.pivot_table(index="seed", columns="arm", values="value").reindex(columns=list(arms))


def _draw_controls(panel: Axes, controls: pd.DataFrame, measure: str, largest: float) -> None:
    right = 1.08 * largest
    far = ""
    for name, style in CONTROL_LINES.items():
        values = controls.loc[(controls["arm"] == name) & (controls["measure"] == measure), "value"]
        if values.empty:
            continue
        at = 100 * float(values.mean())
        if largest and at > FAR * largest:
            far = f"{name}: {format_share(at / 100)} →"
        else:
            panel.axvline(at, color=GREY, linestyle=style, linewidth=1.2, zorder=1)
            right = max(right, 1.04 * at)
    panel.set_xlim(0, right or 1)
    if far:
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        panel.text(
            0.99, 0.985, far, transform=panel.transAxes, ha="right", va="top", color=GREY, fontsize=8.5, bbox=box
        )


def _separate_groups(panel: Axes, arms: Sequence[str]) -> None:
    """A thin line where the first word of the arms' names changes between groups (small, large)."""
    groups = [arm.partition("-")[0] for arm in arms]
    if len(set(groups)) < len(groups) / 2:
        for y in range(1, len(arms)):
            if groups[y] != groups[y - 1]:
                panel.axhline(y - 0.45, color="0.75", linewidth=1)


def plot_languages(measures: pd.DataFrame, arms: Sequence[str], languages: Sequence[str]) -> Figure:
    """Zero-shot top-1 of each arm in each language, as a heat map of means over seeds.

    Args:
        measures: tidy, columns arm, seed, measure, language, value.
        arms: the columns.
        languages: the rows, grouped by script: in this order, English first.

    Returns:
        a figure; its title says which arm is best where, and each language's best arm is framed.
    """
    top1 = measures[measures["measure"] == "top1"]
    means = 100 * top1.pivot_table(index="language", columns="arm", values="value", aggfunc="mean")
    rows = order_by_script([language for language in languages if language in means.index])
    means = means.reindex(index=rows, columns=list(arms))
    figure, (panel,) = axes(WIDTH, 2.3 + 0.19 * len(rows))
    if means.empty:
        return figure
    norm = PowerNorm(0.5, vmin=0, vmax=max(1.0, float(np.nanmax(means.to_numpy()))))
    mesh = panel.imshow(means, aspect="auto", cmap="Blues", norm=norm)
    _write_cells(panel, means, norm)
    _name_rows(panel, rows)
    panel.set_xticks(range(len(arms)), list(arms), rotation=40, ha="left", rotation_mode="anchor", fontsize=8)
    panel.tick_params(axis="x", top=True, bottom=False, labeltop=True, labelbottom=False, pad=1)
    panel.grid(visible=False)
    bar = figure.colorbar(mesh, ax=panel, pad=0.01, aspect=40)
    bar.set_label("top-1, %, mean over seeds (square-root scale)", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(f"{title_languages(means)}; framed: the best arm of each language", x=0.01, ha="left", fontsize=10)
    return figure


def order_by_script(languages: Sequence[str]) -> list[str]:
    """English first, then script by script in the order of each script's first language.

    >>> order_by_script(["en", "ru", "de", "uk", "fr"])
    ['en', 'ru', 'uk', 'de', 'fr']
    """
    others = [language for language in languages if language != "en"]
    scripts = list(dict.fromkeys(script(language) for language in others))
    grouped = sorted(others, key=lambda language: scripts.index(script(language)))
    return (["en"] if "en" in languages else []) + grouped


def _write_cells(panel: Axes, means: pd.DataFrame, norm: PowerNorm) -> None:
    """Each cell's number, and a frame around each language's best arm."""
    for y, (_, row) in enumerate(means.iterrows()):
        for x, value in enumerate(row):
            if np.isnan(value):
                continue
            text = f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
            best = value == row.max()
            panel.text(
                x, y, text, ha="center", va="center", fontsize=7, fontweight="bold" if best else "normal",
                color="white" if norm(value) > 0.62 else "black",
            )  # fmt: skip
            if best:
                panel.add_patch(_frame(x, y))


def _frame(x: float, y: float) -> Rectangle:
    return Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, fill=False, edgecolor="#e8590c", linewidth=1.3)


def _name_rows(panel: Axes, rows: Sequence[str]) -> None:
    """Language names, and a line between scripts."""
    scripts = [script(language) for language in rows]
    panel.set_yticks(range(len(rows)), [language_name(language) for language in rows], fontsize=8)
    for y in range(1, len(rows)):
        if scripts[y] != scripts[y - 1] or rows[y - 1] == "en":
            panel.axhline(y - 0.5, color="0.35", linewidth=1.2 if rows[y - 1] == "en" else 0.5, zorder=1.5)

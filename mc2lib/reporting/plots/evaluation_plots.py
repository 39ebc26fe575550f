"""Figures of one arm's evaluation: its languages, its retrieval, its embedding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from mc2lib.languages import language_name, script
from mc2lib.reporting.figure_titles import title_accuracy
from mc2lib.reporting.plots.arm_plots import order_by_script
from mc2lib.reporting.plots.style import BLUE, GREY, ORANGE, WIDTH, axes, draw_mean, list_rows, name_mean

SERIES = (("en", "English", BLUE, "o"), ("macro", "other languages", ORANGE, "s"))
DIRECTIONS = {"t2i": "text → image", "i2t": "image → text"}


def plot_language_accuracy(measures: pd.DataFrame, languages: Sequence[str]) -> Figure:
    """Zero-shot top-1 of one arm in each language, the languages grouped by script.

    Args:
        measures: one arm's tidy table, columns seed, measure, language, value.
        languages: those to draw.

    Returns:
        a figure, one row per language; dashed is the mean of the other languages.
    """
    top1 = measures[(measures["measure"] == "top1") & measures["language"].isin(languages)]
    by_seed = 100 * top1.pivot_table(index="seed", columns="language", values="value")
    order = [language for language in order_by_script(languages) if language in by_seed.columns]
    figure, (panel,) = axes(WIDTH, 1.5 + 0.23 * len(order))
    for y, language in enumerate(order):
        draw_mean(panel, y, by_seed[language].dropna(), BLUE if language == "en" else ORANGE)
    list_rows(panel, [language_name(language) for language in order])
    for y in range(1, len(order)):
        if script(order[y]) != script(order[y - 1]) or order[y - 1] == "en":
            panel.axhline(y - 0.45, color="0.75", linewidth=0.8)
    world = 100 * measures.loc[(measures["measure"] == "top1") & (measures["language"] == "macro"), "value"].mean()
    handles = name_mean(len(by_seed))
    if not np.isnan(world):
        handles.append(panel.axvline(world, color=GREY, linestyle="--", linewidth=1.2, label="mean without English"))
    panel.set_xlim(left=0)
    panel.set_xlabel("zero-shot top-1, % of drawings")
    figure.suptitle(title_accuracy(by_seed.mean()), x=0.01, ha="left", fontsize=10.5)
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return figure


def plot_retrieval(measures: pd.DataFrame) -> Figure:
    """Recall at 1, 5 and 10 of one arm, English beside the mean of the other languages; hollow points are seeds.

    Args:
        measures: one arm's tidy table, columns seed, measure, language, value.
    """
    figure, panels = axes(7.2, 3.2, columns=2)
    for panel, (direction, name) in zip(panels, DIRECTIONS.items(), strict=True):
        for language, label, colour, marker in SERIES:
            rows = measures[measures["measure"].str.startswith(f"{direction}_r") & (measures["language"] == language)]
            if rows.empty:
                continue
            values = 100 * rows.assign(k=rows["measure"].str.rpartition("_r")[2].astype(int)).pivot_table(
                index="k", columns="seed", values="value"
            )
            places = range(len(values))
            panel.plot(places, values.mean(axis=1), color=colour, marker=marker, label=label)
            for seed in values.columns:
                panel.scatter(
                    places, values[seed], s=14, facecolors="white", edgecolors=colour, linewidths=0.9, zorder=3
                )
            panel.set_xticks(places, [f"R@{k}" for k in values.index])
        panel.set_title(name, loc="left")
        panel.set_ylabel("recall, %")
    bottom, top = 0, max(panel.get_ylim()[1] for panel in panels)
    for panel in panels:
        panel.set_ylim(bottom, top)
    if panels[0].get_legend_handles_labels()[0]:
        panels[0].legend(frameon=False)
    return figure


def plot_geometry(measures: pd.DataFrame) -> Figure:
    """Alignment against uniformity of one arm's captions, one point a language; lower left is better.

    Args:
        measures: one arm's tidy table, columns seed, measure, language, value.
    """
    rows = measures[
        measures["measure"].isin(["alignment", "text_uniformity"]) & ~measures["language"].isin(["", "macro"])
    ]
    means = rows.pivot_table(index="language", columns="measure", values="value", aggfunc="mean")
    means = means.sort_values("alignment") if len(means) else means
    figure, (panel,) = axes(7.0, 5.0)
    if len(means):
        is_english = means.index == "en"
        sns.scatterplot(x=means["text_uniformity"], y=means["alignment"], ax=panel, color=ORANGE, s=30)
        panel.scatter(means["text_uniformity"][is_english], means["alignment"][is_english], s=60, color=BLUE, zorder=3)
    for number, (language, point) in enumerate(means.iterrows()):
        side = 1 if number % 2 else -1  # names on both sides in turn, so that fewer of them meet
        panel.annotate(
            language_name(str(language)),
            (point["text_uniformity"], point["alignment"]),
            (5 * side, 0),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=7.5,
        )
    panel.set_xlabel("uniformity of captions (logarithm of the mean potential)")
    panel.set_ylabel("alignment of test pairs (mean squared distance)")
    panel.set_title("Embedding, language by language (lower left is better)", loc="left")
    return figure

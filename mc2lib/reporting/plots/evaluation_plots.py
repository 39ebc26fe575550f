"""Figures of one arm's evaluation: its languages, its retrieval, its embedding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from mc2lib.languages import script
from mc2lib.reporting.plots.style import axes

BLUE, ORANGE, GREY = "#0173b2", "#c45a00", "#7a7a7a"
SERIES = (("en", "English", BLUE, "o"), ("macro", "other languages", ORANGE, "s"))
DIRECTIONS = {"t2i": "text → image", "i2t": "image → text"}


def plot_language_accuracy(measures: pd.DataFrame, languages: Sequence[str]) -> Figure:
    """Zero-shot top-1 of one arm in each language, the languages grouped by script.

    Args:
        measures: one arm's tidy table, columns seed, measure, language, value.
        languages: those to draw.

    Returns:
        a figure; bars are means over seeds, points are seeds, dashed is the mean of the other languages.
    """
    scripts = {language: script(language) for language in languages}
    order = sorted(languages, key=lambda language: (language != "en", scripts[language], language))
    top1 = measures[(measures["measure"] == "top1") & measures["language"].isin(order)]
    means = 100 * top1.groupby("language")["value"].mean().reindex(order)
    figure, (panel,) = axes(1.6 + 0.27 * len(order), 3.4)
    groups = [scripts[language] if language != "en" else "English" for language in order]
    shades = {group: 0.5 if i % 2 else 0.9 for i, group in enumerate(dict.fromkeys(groups))}
    for x, (language, group) in enumerate(zip(order, groups, strict=True)):
        colour = BLUE if language == "en" else ORANGE
        panel.bar(x, means[language], color=colour, alpha=shades[group], width=0.75, linewidth=0)
        seeds = 100 * top1.loc[top1["language"] == language, "value"]
        panel.scatter(np.full(len(seeds), x), seeds, s=9, color="black", linewidths=0, zorder=3)
    _name_groups(figure, groups)
    world = 100 * measures.loc[(measures["measure"] == "top1") & (measures["language"] == "macro"), "value"].mean()
    if not np.isnan(world):
        panel.axhline(world, color=GREY, linestyle="--", linewidth=1.2)
    panel.set_xticks(range(len(order)), order)
    panel.set_xlim(-0.6, len(order) - 0.4)
    panel.grid(axis="x", visible=False)
    panel.set_ylabel("top-1, %")
    panel.set_title("Zero-shot in each language (dashed: mean without English)", loc="left")
    return figure


def _name_groups(figure: Figure, groups: list[str]) -> None:
    """Write each group's name under its languages, slanted where it is short of room."""
    panel = figure.axes[0]
    for group in dict.fromkeys(groups):
        members = [x for x, other in enumerate(groups) if other == group]
        wide = len(members) > 2
        panel.annotate(
            group,
            (float(np.mean(members)) + (0 if wide else 0.3), -0.12),
            xycoords=("data", "axes fraction"),
            ha="center" if wide else "right",
            va="top",
            rotation=0 if wide else 40,
            rotation_mode="anchor",
            fontsize=8,
            color=GREY,
            annotation_clip=False,
        )


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
    figure, (panel,) = axes(5.2, 4.0)
    if len(means):
        is_english = means.index == "en"
        sns.scatterplot(x=means["text_uniformity"], y=means["alignment"], ax=panel, color=ORANGE, s=30)
        panel.scatter(means["text_uniformity"][is_english], means["alignment"][is_english], s=60, color=BLUE, zorder=3)
    for language, point in means.iterrows():
        panel.annotate(
            str(language),
            (point["text_uniformity"], point["alignment"]),
            (4, 3),
            textcoords="offset points",
            fontsize=7.5,
        )
    panel.set_xlabel("uniformity of captions")
    panel.set_ylabel("alignment of test pairs")
    panel.set_title("Embedding, language by language (lower left is better)", loc="left")
    return figure

"""Figures of the metadata lists."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from mc2lib.languages import OTHER, language_name
from mc2lib.reporting.plots.style import axes


def plot_entries(card: pd.DataFrame) -> Figure:
    """Entries of each language by the source they came from, on a logarithmic axis.

    Args:
        card: columns language, source, entries; languages in the order to show them.
    """
    present = card[card["entries"] > 0]
    languages = list(dict.fromkeys(card["language"]))
    figure, (ax,) = axes(max(8.0, 0.115 * len(languages)), 3.6)
    sns.scatterplot(
        present.assign(at=present["language"].map(languages.index)),
        x="at",
        y="entries",
        hue="source",
        style="source",
        s=45 if len(languages) < 50 else 18,
        ax=ax,
    )
    ax.set(yscale="log", xlabel="", ylabel="entries", xlim=(-1, len(languages)))
    crowded = len(languages) > 50  # codes then: names would be longer than the figure is high
    ax.set_xticks(range(len(languages)), languages if crowded else [language_name(code) for code in languages])
    ax.tick_params(axis="x", labelsize=6 if crowded else 8, labelrotation=90)
    ax.grid(axis="x", visible=False)
    sns.move_legend(ax, "upper left", bbox_to_anchor=(1, 1), title="source", frameon=False)
    return figure


def plot_scripts(summary: pd.DataFrame) -> Figure:
    """Languages and entries of each script.

    Args:
        summary: index language, columns script, total (entries); `other` is of no script and left out.
    """
    grouped = (
        summary.drop(index=OTHER, errors="ignore")
        .groupby("script")["total"]
        .agg(["size", "sum"])
        .sort_values("sum", ascending=False)
    )
    figure, (left, right) = axes(9.0, 0.6 + 0.17 * len(grouped), columns=2)
    for ax, column, label in ((left, "size", "languages"), (right, "sum", "entries")):
        ax.plot(grouped[column], grouped.index, "o", color=sns.color_palette("colorblind")[0])
        ax.set(xscale="log", xlabel=label)
        ax.tick_params(axis="y", labelsize=8)
        ax.invert_yaxis()
    right.set_yticklabels([])
    return figure

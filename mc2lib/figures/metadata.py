"""Figures of the metadata lists."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from mc2lib.figures.style import axes


def plot_entries(card: pd.DataFrame) -> Figure:
    """Entries of each language by the source they came from, on a logarithmic axis.

    Args:
        card: columns language, source, entries; languages in the order to show them.
    """
    present = card[card["entries"] > 0]
    languages = list(dict.fromkeys(card["language"]))
    figure, (ax,) = axes(8.0, 3.4)
    sns.scatterplot(
        present.assign(at=present["language"].map(languages.index)),
        x="at",
        y="entries",
        hue="source",
        style="source",
        s=45,
        ax=ax,
    )
    ax.set(yscale="log", xlabel="", ylabel="entries")
    ax.set_xticks(range(len(languages)), languages, fontsize=8)
    sns.move_legend(ax, "upper left", bbox_to_anchor=(1, 1), title="source", frameon=False)
    return figure

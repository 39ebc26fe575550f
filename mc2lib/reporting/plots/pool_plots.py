"""Figures of the packaged pool: its drawings, its languages, its concepts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from mc2lib.reporting.plots.style import axes


def plot_gallery(
    images: npt.NDArray[np.uint8], styles: Sequence[str], concepts: Sequence[str], held_out: Sequence[str]
) -> Figure:
    """Drawings by style (rows) and concept (columns).

    Args:
        images: uint8 [styles * concepts, H, W, 3], style by style.
        styles: row labels.
        concepts: column labels.
        held_out: styles that are never trained on; their labels say so.
    """
    figure, grid = axes(0.62 * len(concepts) + 1.6, 0.62 * len(styles) + 0.9, columns=len(concepts), rows=len(styles))
    for i, ax in enumerate(grid):
        row, column = divmod(i, len(concepts))
        ax.imshow(images[i])
        ax.set(xticks=[], yticks=[])
        sns.despine(ax=ax, left=True, bottom=True)
        if row == 0:
            ax.set_title(concepts[column].replace("-", "\n"), fontsize=6)
        if column == 0:
            note = " (test)" if styles[row] in held_out else ""
            ax.set_ylabel(styles[row] + note, rotation=0, ha="right", va="center", fontsize=8)
    return figure


def plot_language_shares(shares: pd.Series) -> Figure:
    """Share of pairs per language, on a logarithmic axis; `shares` is language to share."""
    figure, (ax,) = axes(7.5, 2.8)
    frame = shares.sort_values(ascending=False).rename("share").rename_axis("language").reset_index()
    sns.barplot(frame, x="language", y="share", color=sns.color_palette()[0], ax=ax)
    ax.set(yscale="log", xlabel="", ylabel="share of pairs")
    return figure


def plot_concept_counts(counts: pd.DataFrame, languages: Sequence[str]) -> Figure:
    """Pairs per concept by rank.

    Args:
        counts: columns language, rank (from 1), pairs.
        languages: those to show, as far as the counts have them.
    """
    figure, (ax,) = axes(5.5, 3.2)
    shown = [language for language in languages if language in set(counts["language"])]
    sns.lineplot(counts, x="rank", y="pairs", hue="language", hue_order=shown, ax=ax)
    ax.set(xscale="log", yscale="log", xlabel="concept, by rank in its language", ylabel="pairs")
    return figure

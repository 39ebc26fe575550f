"""One look for every figure."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import t as students_t

#: Colour-blind safe (Wong, 2011, as in seaborn's palette); never the only carrier of a difference.
BLUE, ORANGE, GREY = "#0173b2", "#c45a00", "#6b6b6b"
#: Width of README's column in inches: 850 px at 100 dots an inch, so that 200 dots an inch are two a pixel.
WIDTH = 8.5
#: How far below a mean its seeds are drawn, in rows.
SEED_OFFSET = 0.27


def axes(
    width: float = 7.0, height: float = 3.6, columns: int = 1, rows: int = 1, heights: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    """A figure in the house style and its axes, row by row.

    Args:
        width, height: of the figure, in inches.
        columns, rows: of axes.
        heights: of the rows, relative to each other; the same if left out.
    """
    sns.set_theme(context="paper", style="whitegrid", palette="colorblind", font_scale=1.05)
    figure, grid = plt.subplots(
        rows, columns, figsize=(width, height), squeeze=False, layout="constrained", height_ratios=heights
    )
    plt.close(figure)  # shown once, by the notebook that is given it
    return figure, list(grid.flat)


def half_interval(values: npt.ArrayLike) -> float:
    """Half the width of the 95 % interval of a mean over seeds, by Student's t; NaN of a single seed.

    Args:
        values: float [n], one per seed.

    >>> round(half_interval([1.0, 2.0, 3.0]), 2)
    2.48
    """
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return float("nan")
    return float(students_t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array)))


def draw_mean(panel: Axes, y: float, values: npt.ArrayLike, colour: str) -> None:
    """The mean over seeds with its 95 % interval, and the seeds in a row of their own below it.

    Args:
        panel: to draw on, with the first row on top.
        y: the row.
        values: float [n], one per seed.
        colour: of all of it.
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        return
    half = half_interval(array)
    if np.isfinite(half):
        panel.errorbar(array.mean(), y, xerr=half, color=colour, capsize=2.5, linewidth=1.4, zorder=3)
    panel.scatter(array.mean(), y, s=38, color=colour, linewidths=0, zorder=4)
    panel.scatter(
        array, np.full(len(array), y + SEED_OFFSET), s=9, facecolors="white", edgecolors=colour, linewidths=0.8,
        zorder=3,
    )  # fmt: skip


def name_mean(seeds: int) -> list[Line2D]:
    """The legend of `draw_mean`.

    Args:
        seeds: their number.
    """
    mean = "mean and 95 % interval (t over seeds)" if seeds > 1 else "the only seed"
    handles = [Line2D([], [], marker="o", color="black", markersize=6, linewidth=1.4, label=mean)]
    if seeds > 1:
        hollow = Line2D(
            [], [], marker="o", linestyle="", markerfacecolor="none", markeredgecolor="black", markersize=3.5,
            label=f"one of {seeds} seeds",
        )  # fmt: skip
        handles.append(hollow)
    return handles


def list_rows(panel: Axes, names: Sequence[str]) -> None:
    """Name the rows of a panel, the first one on top.

    Args:
        panel: to name the rows of.
        names: from top to bottom.
    """
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(max(len(names), 1) - 0.4, -0.6)
    panel.grid(axis="y", visible=False)

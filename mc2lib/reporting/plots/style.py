"""One look for every figure."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure


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

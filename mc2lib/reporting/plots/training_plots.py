"""Figures of training runs."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from mc2lib.reporting.plots.style import axes


def plot_curves(log: pd.DataFrame) -> Figure:
    """Loss and logit scale by step, a line a seed.

    Args:
        log: columns seed, step, loss, logit_scale.
    """
    figure, (left, right) = axes(9, 3.2, columns=2)
    seeds = log.assign(seed=log["seed"].astype(str))
    sns.lineplot(seeds, x="step", y="loss", hue="seed", ax=left)
    sns.lineplot(seeds, x="step", y="logit_scale", hue="seed", ax=right, legend=False)
    left.set(ylabel="contrastive loss (nats)")
    right.set(ylabel="logit scale")
    return figure

"""Figures of training runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from mc2lib.reporting.figure_titles import title_curves, title_training
from mc2lib.reporting.plots.style import GREY, WIDTH, axes

#: The end of a run: the loss of single batches is noisy, so the last tenth of its logged steps counts.
END = 0.1
#: Batches that differ by less than this are one batch: a scaled arm's is computed for each seed anew.
SAME_BATCH = 1.1
LOSS = "contrastive loss of a batch (nats)"


def plot_curves(log: pd.DataFrame, runs: pd.DataFrame) -> Figure:
    """Loss and logit scale of one arm by seen pairs, one line per seed, and the loss of chance.

    Args:
        log: columns seed, step (from 0), loss (nats), logit_scale.
        runs: columns seed, batch_size and seen_pairs, one row per seed.
    """
    curves = _add_seen_pairs(log.merge(runs[["seed", "batch_size"]], on="seed"))
    figure, (left, right) = axes(WIDTH, 3.3, columns=2)
    for number, (seed, rows) in enumerate(curves.groupby("seed")):
        style: dict[str, Any] = {
            "linewidth": 1.1,
            "label": f"seed {seed}",
            "color": sns.color_palette("colorblind")[number % 10],
        }
        left.plot(rows["seen_pairs"], rows["loss"], **style)
        right.plot(rows["seen_pairs"], rows["logit_scale"], **style)
    _draw_chance(left, runs["batch_size"].mean())
    left.set_ylabel(LOSS)
    right.set_ylabel("logit scale (1 / temperature)")
    for panel in (left, right):
        panel.set_xlabel("seen pairs (thousands)")
        panel.xaxis.set_major_formatter(_thousands())
        panel.set_xlim(left=0)
    right.legend(frameon=False, ncols=2 if len(runs) > 4 else 1)
    gaps = measure_gaps(curves.assign(arm=curves["seed"]))
    title = title_training([float(gap) for gap in gaps], float(runs["seen_pairs"].mean()))
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)
    return figure


def plot_learning(curves: pd.DataFrame) -> Figure:
    """Learning curves of several arms by seen pairs, one panel per batch size, since chance depends on it.

    Args:
        curves: columns arm, seed, step (from 0), loss (nats), batch_size; arms in the order to show them.

    Returns:
        a figure; lines are means over seeds, bands reach from the least to the largest seed.
    """
    curves = _add_seen_pairs(curves)
    groups = group_by_batch(curves)
    figure, panels = axes(WIDTH, 3.7, columns=max(1, len(groups)))
    for panel, arms in zip(panels, groups, strict=False):
        for number, arm in enumerate(arms):
            _draw_arm(panel, curves[curves["arm"] == arm], number, arm)
        batch = curves.loc[curves["arm"].isin(arms), "batch_size"].mean()
        _draw_chance(panel, batch)
        panel.set_title(f"batches of about {batch:.0f} pairs", loc="left", fontsize=9)
        panel.set(xscale="log", xlabel="seen pairs (thousands)", ylabel=LOSS if panel is panels[0] else "")
        panel.xaxis.set_major_formatter(_thousands())
        panel.xaxis.set_minor_formatter(NullFormatter())
        last = curves.loc[curves["arm"].isin(arms), "seen_pairs"].max()
        panel.set_xlim(last / 60, 1.1 * last)
        panel.legend(frameon=False, fontsize=7, loc="lower left")
    gaps = measure_gaps(curves)
    if len(gaps):
        for panel in panels:
            panel.set_ylim(0, math.log(curves["batch_size"].max()) + 0.5)
        figure.suptitle(title_curves(gaps), x=0.01, ha="left", fontsize=10.5)
        figure.supxlabel("lines: means over seeds; bands: from the least to the largest seed", fontsize=8.5)
    return figure


def _draw_arm(panel: Axes, rows: pd.DataFrame, number: int, arm: str) -> None:
    """One arm's mean over seeds at each step, and the band of its seeds."""
    by_step = rows.groupby("step").agg(
        seen=("seen_pairs", "mean"), mean=("loss", "mean"), least=("loss", "min"), most=("loss", "max")
    )
    colour = sns.color_palette("colorblind")[number % 10]
    dashes = ("-", "--", "-.", ":")[number % 4]
    panel.plot(by_step["seen"], by_step["mean"], color=colour, linestyle=dashes, linewidth=1.4, label=arm)
    panel.fill_between(by_step["seen"], by_step["least"], by_step["most"], color=colour, alpha=0.18, linewidth=0)


def group_by_batch(curves: pd.DataFrame) -> list[list[str]]:
    """Arms of about the same batch size, the smallest batch first.

    Args:
        curves: columns arm, batch_size.

    >>> group_by_batch(pd.DataFrame({"arm": ["a", "b", "c"], "batch_size": [128, 290, 132]}))
    [['a', 'c'], ['b']]
    """
    batches = curves.groupby("arm", sort=False)["batch_size"].mean()
    groups: list[list[str]] = []
    for arm in batches.sort_values(kind="stable").index:
        if groups and batches[arm] <= SAME_BATCH * batches[groups[-1][0]]:
            groups[-1].append(str(arm))
        else:
            groups.append([str(arm)])
    return groups


def measure_gaps(curves: pd.DataFrame) -> pd.Series:
    """How many nats below chance each arm's loss is at the end of training, mean over seeds.

    Args:
        curves: columns arm, step, loss, batch_size.

    Returns:
        arm to nats, over the last tenth of the logged steps; chance is the logarithm of the batch size.
    """
    last = curves[curves["step"] >= (1 - END) * curves.groupby("arm")["step"].transform("max")]
    gaps = np.log(last["batch_size"]) - last["loss"]
    return gaps.groupby(last["arm"], sort=False).mean()


def _add_seen_pairs(curves: pd.DataFrame) -> pd.DataFrame:
    """The pairs seen up to and with each logged step."""
    return curves.assign(seen_pairs=(curves["step"] + 1) * curves["batch_size"])


def _draw_chance(panel: Axes, batch: float) -> None:
    chance = math.log(batch)
    panel.axhline(chance, color=GREY, linestyle="--", linewidth=1.1)
    panel.annotate(
        f"chance: ln {batch:.0f} = {chance:.2f}", (0.98, chance), xycoords=("axes fraction", "data"), ha="right",
        va="bottom", fontsize=8, color=GREY,
    )  # fmt: skip


def _thousands() -> FuncFormatter:
    return FuncFormatter(lambda pairs, _: f"{pairs / 1000:g}")

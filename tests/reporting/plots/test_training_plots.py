"""Figures of training: seen pairs on the axis, chance drawn, batches apart."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from mc2lib.reporting.plots.training_plots import measure_gaps, plot_curves, plot_learning
from tests.reporting.plots.figures import drawn


def curves(arm, batch, end, seeds=(0, 1)):
    """Losses that fall from chance, in a straight line, by `end` nats."""
    return pd.DataFrame(
        [
            (arm, seed, step, math.log(batch) - end * step / 100 + 0.1 * seed, batch, 14.0)
            for seed in seeds
            for step in range(0, 101, 10)
        ],
        columns=["arm", "seed", "step", "loss", "batch_size", "logit_scale"],
    )


def dashed(panel):
    return [line.get_ydata()[0] for line in panel.lines if len(line.get_ydata()) == 2 and line.get_linestyle() == "--"]


def test_a_line_for_every_seed_by_seen_pairs_and_chance():
    log = curves("a", 64, 2.0).drop(columns=["arm", "batch_size"])
    runs = pd.DataFrame({"seed": [0, 1], "batch_size": [64, 64], "seen_pairs": [6464, 6464]})
    figure = plot_curves(log, runs)
    left = figure.axes[0]
    lines = [line for line in left.lines if line.get_label().startswith("seed")]
    assert [line.get_xdata()[-1] for line in lines] == [101 * 64] * 2  # step 100 is the 101st batch
    assert dashed(left) == [pytest.approx(math.log(64))]
    # the last tenth of the steps are 90 and 100: 1.8 and 2.0 nats below chance, 0.1 less in the other seed
    title = "After 6,464 pairs the loss is 1.85 nats below chance (1.80 to 1.90 over 2 seeds)"
    assert figure.get_suptitle() == title
    assert drawn(figure)


def test_arms_of_one_batch_share_a_panel_with_its_chance():
    figure = plot_learning(pd.concat([curves("big", 256, 3.0), curves("a", 64, 2.0), curves("b", 66, 1.0)]))
    assert [panel.get_title(loc="left") for panel in figure.axes] == [
        "batches of about 65 pairs",
        "batches of about 256 pairs",
    ]
    named = [[text.get_text() for text in panel.get_legend().get_texts()] for panel in figure.axes]
    assert named == [["a", "b"], ["big"]]
    assert [dashed(panel)[-1] for panel in figure.axes] == pytest.approx([math.log(65), math.log(256)])
    assert all(panel.get_xscale() == "log" and panel.get_ylim()[0] == 0 for panel in figure.axes)
    assert figure.get_suptitle() == "The loss of big ends 2.8 nats below chance, that of b 0.9"
    assert drawn(figure)


def test_gaps_are_measured_at_the_end_and_from_each_batchs_own_chance():
    gaps = measure_gaps(pd.concat([curves("a", 64, 2.0, seeds=(0,)), curves("b", 256, 2.0, seeds=(0,))]))
    assert gaps.to_dict() == pytest.approx({"a": 1.9, "b": 1.9})

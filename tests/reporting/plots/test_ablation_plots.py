"""The ablation's figures: what they draw is what they were given."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from mc2lib.reporting.plots.ablation_plots import plot_arms, plot_languages

COLUMNS = ["arm", "seed", "measure", "language", "value"]
MEASURED = [("en_top1", ""), ("world_top1", ""), ("top1", "en"), ("top1", "de"), ("top1", "macro")]
MEASURES = pd.DataFrame(
    [
        (arm, seed, measure, language, value + seed / 100)
        for arm, value in (("small-a", 0.2), ("small-b", 0.3), ("large-a", 0.4))
        for seed in (0, 1, 2)
        for measure, language in MEASURED
    ],
    columns=COLUMNS,
)
CONTROLS = pd.DataFrame([("pixel neighbour", 0, "en_top1", "", 0.31)], columns=COLUMNS)


def drawn(figure):
    """The figure's bytes: that it renders at all."""
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_arms_stand_in_order_with_a_point_a_seed():
    figure = plot_arms(MEASURES, CONTROLS, ["small-b", "large-a", "missing"])
    english, world = figure.axes
    assert labels(english.yaxis) == ["small-b", "large-a", "missing"]
    points = [tuple(map(float, point)) for each in english.collections for point in each.get_offsets()]
    seeds_and_means = [(30, 0), (31, 0), (31, 0), (32, 0), (40, 1), (41, 1), (41, 1), (42, 1)]
    assert sorted((round(x, 6), y) for x, y in points) == seeds_and_means
    assert english.get_xlim() == world.get_xlim()
    assert [line.get_xdata()[0] for line in english.lines if line.get_linestyle() == "--"] == [31]
    assert drawn(figure)


def test_a_map_of_languages():
    figure = plot_languages(MEASURES, ["large-a", "small-a"], ["en", "de", "ru"])
    panel = figure.axes[0]
    assert labels(panel.xaxis) == ["en", "de"]  # nothing was measured in Russian
    assert labels(panel.yaxis) == ["large-a", "small-a"]
    assert [text.get_text() for text in panel.texts] == ["41", "41", "21", "21"]
    assert drawn(figure)


@pytest.mark.parametrize(
    "figure",
    [
        lambda: plot_arms(MEASURES, CONTROLS, []),
        lambda: plot_languages(MEASURES, [], ["en"]),
    ],
)
def test_nothing_measured_draws_an_empty_figure(figure):
    assert drawn(figure())

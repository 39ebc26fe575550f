"""One arm's figures: what they draw is what they were given."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from mc2lib.reporting.plots.evaluation_plots import plot_geometry, plot_language_accuracy, plot_retrieval
from tests.reporting.plots.figures import drawn, labels

VALUES = {"en": 0.4, "de": 0.3, "ru": 0.2, "uk": 0.1, "macro": 0.2}
MEASURED = ["top1", "t2i_r1", "t2i_r5", "t2i_r10", "i2t_r1", "i2t_r5", "i2t_r10", "alignment", "text_uniformity"]
MEASURES = pd.DataFrame(
    [
        (seed, measure, language, value + seed / 100)
        for seed in (0, 1)
        for language, value in VALUES.items()
        for measure in MEASURED
    ],
    columns=["seed", "measure", "language", "value"],
)


def test_languages_are_in_order_by_script_english_first_and_by_name():
    figure = plot_language_accuracy(MEASURES, ["ru", "de", "uk", "en"])
    panel = figure.axes[0]
    assert labels(panel.yaxis) == ["English", "Russian", "Ukrainian", "German"]
    assert panel.get_ylim()[0] > panel.get_ylim()[1]  # the first on top
    points = [tuple(map(float, point)) for each in panel.collections for point in each.get_offsets()]
    assert {(round(x, 6), y) for x, y in points} >= {(40.5, 0), (20.5, 1), (10.5, 2), (30.5, 3)}
    dashed = [line for line in panel.lines if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in dashed] == pytest.approx([20.5])
    title = r"English 4\d %, other languages 2\d % on average, from 3\d % \(German\) to 1\d % \(Ukrainian\)"
    assert re.fullmatch(title, figure.get_suptitle())
    assert drawn(figure)


def test_retrieval_in_the_order_of_k():
    figure = plot_retrieval(MEASURES)
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["text → image", "image → text"]
    assert labels(figure.axes[0].xaxis) == ["R@1", "R@5", "R@10"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert drawn(figure)


def test_geometry_names_each_language():
    figure = plot_geometry(MEASURES)
    assert {text.get_text() for text in figure.axes[0].texts} == {"English", "German", "Russian", "Ukrainian"}
    assert drawn(figure)


@pytest.mark.parametrize("plot", [plot_retrieval, plot_geometry])
def test_nothing_measured_draws_an_empty_figure(plot):
    assert drawn(plot(MEASURES[:0]))

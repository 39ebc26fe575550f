"""One arm's figures: what they draw is what they were given."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from mc2lib.reporting.plots.evaluation_plots import plot_geometry, plot_language_accuracy, plot_retrieval

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


def drawn(figure):
    """The figure's bytes: that it renders at all."""
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_languages_stand_by_script_english_first():
    figure = plot_language_accuracy(MEASURES, ["ru", "de", "uk", "en"])
    panel = figure.axes[0]
    assert labels(panel.xaxis) == ["en", "ru", "uk", "de"]
    assert [bar.get_height() for bar in panel.patches] == pytest.approx([40.5, 20.5, 10.5, 30.5])
    assert [text.get_text() for text in panel.texts] == ["English", "Cyrillic", "Latin"]
    assert panel.lines[-1].get_ydata()[0] == pytest.approx(20.5)
    assert drawn(figure)


def test_retrieval_in_the_order_of_k():
    figure = plot_retrieval(MEASURES)
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["text → image", "image → text"]
    assert labels(figure.axes[0].xaxis) == ["R@1", "R@5", "R@10"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert drawn(figure)


def test_geometry_names_each_language():
    figure = plot_geometry(MEASURES)
    assert {text.get_text() for text in figure.axes[0].texts} == {"en", "de", "ru", "uk"}
    assert drawn(figure)


@pytest.mark.parametrize("plot", [plot_retrieval, plot_geometry])
def test_nothing_measured_draws_an_empty_figure(plot):
    assert drawn(plot(MEASURES[:0]))

"""The figures of effects: what they draw is what they were given."""

from __future__ import annotations

import io

import pytest
from matplotlib.colors import to_hex

from mc2lib.reporting.findings import Effect, judge
from mc2lib.reporting.plots.ablation_plots import SIDES, plot_effects, plot_sensitivity


def drawn(figure):
    """The figure's bytes: that it renders at all."""
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def finding(key, values, sign=+1, measure="en_top1"):
    return judge(
        Effect(key, "main", f"Title of {key}", "paper", "above", measure, {"a": 1, "b": -1}, sign), (0, 1, 2), values
    )


def test_effects_say_what_shows():
    findings = [
        finding("one", [0.03, 0.04, 0.05]),
        finding("two", [0.03, -0.04, 0.05]),
        finding("three", [0.03, 0.04, 0.05], sign=0),
        finding("four", [0.1, 0.1, 0.1], measure="en_alignment"),
    ]
    figure = plot_effects(findings)
    panel = figure.axes[0]
    assert labels(panel.yaxis) == ["Title of one", "Title of two", "Title of three"]  # alignment has another unit
    assert [text.get_text() for text in panel.texts] == ["shows", "unresolved", "–"]
    left, right = panel.get_xlim()
    assert left == -right
    assert right > 5
    assert drawn(figure)


def test_the_papers_side_and_our_bars_side_have_tints_of_their_own():
    ours = judge(Effect("o", "main", "Ours", "ours", "below", "en_top1", {"a": 1, "b": -1}, -1), (0, 1), [0.1, 0.12])
    panel = plot_effects([finding("one", [0.03, 0.04, 0.05]), ours]).axes[0]
    sides = [(patch.get_width() > 0, to_hex(patch.get_facecolor())) for patch in panel.patches]
    assert sides == [(True, SIDES["paper"]), (False, SIDES["ours"])] and SIDES["paper"] != SIDES["ours"]
    assert [text.get_text() for text in panel.texts] == ["shows", "reversed"]


@pytest.mark.parametrize(
    "figure",
    [
        lambda: plot_effects([]),
        lambda: plot_sensitivity([]),
    ],
)
def test_nothing_measured_draws_an_empty_figure(figure):
    assert drawn(figure())

"""The forest plot: its rows, its marks, its axes and what each of them tells."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_hex

from mc2lib.reporting.effects import Effect
from mc2lib.reporting.findings import Measured, judge
from mc2lib.reporting.plots.effect_plots import MARKS, SIDES, plot_effects
from tests.reporting.plots.figures import drawn, labels

SHOWS, BACKWARDS, WIDE, NIL = [0.0300, 0.0301, 0.0302], [-0.0300, -0.0301, -0.0302], [0.1, -0.1, 0.1], [0.0, 0.0, 0.0]


def measured(title, values, direction="above", bar="paper", topic="main", measure="en_top1", bootstrap=None):
    reason = "" if direction == "none" else "why"
    effect = Effect(title, topic, title, bar, direction, reason, measure, ("a",), ("b",))
    return Measured(effect, tuple(range(len(values))), tuple(values), bootstrap)


def verdicts(panel):
    return [text.get_text() for text in panel.texts]


ALL = [
    measured("one", SHOWS),
    measured("two", BACKWARDS, bar="ours", topic="curation"),
    measured("three", WIDE),
    measured("four", NIL, direction="below", topic="curation"),
    measured("five", SHOWS, direction="none", bar="none"),
    measured("six", NIL, direction="none", bar="none"),
    measured("seven", [0.2, 0.21, 0.22], measure="en_loss", topic="tokenizer"),
]


def test_rows_are_grouped_by_topic_and_each_unit_has_its_axis():
    figure = plot_effects(judge(ALL))
    points, nats = figure.axes
    assert labels(points.yaxis) == [
        "English, worldwide, seen pairs and capacity", "one", "three", "five", "six", "Curation", "two [ours]", "four",
    ]  # fmt: skip
    assert labels(nats.yaxis) == ["Tokenizer", "seven"]
    assert verdicts(points) == ["shows", "cannot tell", "differs", "no difference", "reversed", "does not show"]
    assert points.get_xlabel() == "difference, percentage points" and "nats" in nats.get_xlabel()
    for panel, smallest in ((points, 1.0), (nats, 0.05)):
        assert panel.get_xlim()[0] == -panel.get_xlim()[1]
        dotted = [line.get_xdata()[0] for line in panel.lines if line.get_linestyle() == ":"]
        assert dotted == [-smallest, smallest]
    assert drawn(figure)


def test_no_two_verdicts_look_alike_in_grey():
    assert len({(mark.shape, mark.filled) for mark in MARKS.values()}) == len(MARKS)


def test_a_row_shows_seeds_mean_and_both_intervals():
    (finding,) = judge([measured("one", [0.03, 0.04, 0.05], bootstrap=(-0.01, 0.09))])
    (panel,) = plot_effects([finding]).axes
    seeds, mean = panel.collections
    assert [x for x, _ in seeds.get_offsets()] == pytest.approx([3, 4, 5])
    assert mean.get_offsets()[0].tolist() == pytest.approx([4, 1])
    bootstrap, by_t = (line for line in panel.lines if len(set(line.get_ydata())) == 1 and line.get_ydata()[0] == 1)
    assert list(bootstrap.get_xdata()) == pytest.approx([-1, 9])
    assert list(by_t.get_xdata()) == pytest.approx([100 * end for end in finding.interval])
    assert bootstrap.get_linewidth() < by_t.get_linewidth()
    assert panel.get_xlim()[1] > 9


def test_the_side_expected_is_tinted_by_who_expects_it():
    (panel,) = plot_effects(judge([ALL[0], ALL[1], ALL[3], ALL[4]])).axes
    sides = [(patch.get_width() > 0, to_hex(patch.get_facecolor())) for patch in panel.patches]
    assert sides == [(True, SIDES["paper"]), (True, SIDES["ours"]), (False, SIDES["paper"])]


def test_the_legend_holds_what_is_drawn():
    legend = [text.get_text() for text in plot_effects(judge(ALL[:1])).legends[0].get_texts()]
    assert legend == ["shows", "a seed", "95 % interval (t)", "side that the paper expects", "smallest of interest"]


def test_long_names_are_broken_into_even_lines():
    name = "A threshold per language against the English one for all, other languages"
    (panel,) = plot_effects(judge([measured(name, SHOWS)])).axes
    lines = labels(panel.yaxis)[1].split("\n")
    assert " ".join(lines) == name and len(lines) == 2 and abs(len(lines[0]) - len(lines[1])) < 12


@pytest.mark.parametrize("findings", [[], judge([measured("one seed", [0.1])]), judge([measured("nil", NIL)])])
def test_little_or_nothing_measured_is_drawn_all_the_same(findings):
    assert drawn(plot_effects(findings))

"""Figures that compare arms: what they draw is what they were given."""

from __future__ import annotations

import pandas as pd
import pytest

from mc2lib.reporting.plots.arm_plots import order_by_script, plot_arms, plot_languages
from mc2lib.reporting.plots.style import SEED_OFFSET, half_interval
from tests.reporting.plots.figures import drawn, labels

COLUMNS = ["arm", "seed", "measure", "language", "value"]
MEASURED = [("en_top1", ""), ("world_top1", ""), ("top1", "en"), ("top1", "de"), ("top1", "ru"), ("top1", "macro")]
MEASURES = pd.DataFrame(
    [
        (arm, seed, measure, language, (value + seed / 100) / (10 if measure == "world_top1" else 1))
        for arm, value in (("small-a", 0.2), ("small-b", 0.3), ("large-a", 0.4))
        for seed in (0, 1, 2)
        for measure, language in MEASURED
    ],
    columns=COLUMNS,
)
CONTROLS = pd.DataFrame(
    [("pixel neighbour", 0, m, "", 0.31) for m in ("en_top1", "world_top1")] + [("chance", 0, "en_top1", "", 0.01)],
    columns=COLUMNS,
)


def points(panel):
    return {
        (round(float(x), 6), round(float(y), 6))
        for each in panel.collections
        if hasattr(each, "get_offsets") and len(each.get_offsets())
        for x, y in each.get_offsets()
    }


def test_arms_are_in_order_with_a_mean_and_below_it_a_point_for_every_seed():
    figure = plot_arms(MEASURES, CONTROLS, ["small-b", "large-a", "missing"])
    english, _ = figure.axes
    assert labels(english.yaxis) == ["small-b", "large-a", "missing"]
    means = {(31.0, 0.0), (41.0, 1.0)}
    seeds = {(x, SEED_OFFSET) for x in (30.0, 31.0, 32.0)} | {(x, 1 + SEED_OFFSET) for x in (40.0, 41.0, 42.0)}
    assert points(english) >= means | seeds
    assert points(english) - means - seeds <= {(0.0, 0.0)}  # the origin of the error bars' lines
    assert drawn(figure)


def test_the_title_says_who_leads():
    figure = plot_arms(MEASURES, CONTROLS, ["small-b", "large-a"])
    assert figure.get_suptitle().splitlines() == [
        "English: large-a leads with 41 %, 10 points above the next arm; it is first in 3 of 3 seeds",
        "Other languages: large-a leads with 4.1 %, 1 points above the next arm; it is first in 3 of 3 seeds",
    ]


def test_the_other_languages_have_an_axis_of_their_own_and_a_far_control_is_an_arrow():
    english, world = plot_arms(MEASURES, CONTROLS, ["small-b", "large-a"]).axes
    assert [line.get_xdata()[0] for line in english.lines if line.get_linestyle() == "--"] == [31]
    assert world.get_xlim()[1] < 6 < 40 < english.get_xlim()[1]
    assert not [line for line in world.lines if line.get_linestyle() == "--"]
    assert [text.get_text() for text in world.texts] == ["pixel neighbour: 31 % →"]
    assert not english.texts


def test_a_map_of_languages_by_script_and_name_frames_the_best_arm():
    figure = plot_languages(MEASURES, ["large-a", "small-a"], ["de", "ru", "en", "fr"])
    panel = figure.axes[0]
    assert labels(panel.yaxis) == ["English", "German", "Russian"]  # nothing was measured in French
    assert labels(panel.xaxis) == ["large-a", "small-a"]
    assert [text.get_text() for text in panel.texts] == ["41", "21"] * 3
    assert [round(patch.get_x()) for patch in panel.patches] == [0, 0, 0]  # the first column
    assert figure.get_suptitle().startswith("large-a names most drawings in English (41 %)\nand in 2 of 2 other")
    assert drawn(figure)


def test_english_is_first_and_scripts_stay_together():
    assert order_by_script(["ru", "de", "en", "uk", "th", "fr"]) == ["en", "ru", "uk", "de", "fr", "th"]


def test_the_interval_is_students():
    # t of 2 degrees of freedom at 0.975 is 4.3027 (any table of the t distribution)
    assert half_interval([1.0, 2.0, 3.0]) == pytest.approx(4.3027 / 3**0.5, rel=1e-4)
    assert half_interval([1.0]) != half_interval([1.0])  # NaN: a single seed has none


@pytest.mark.parametrize(
    "figure", [lambda: plot_arms(MEASURES, CONTROLS, []), lambda: plot_languages(MEASURES, [], ["en"])]
)
def test_nothing_measured_draws_an_empty_figure(figure):
    assert drawn(figure())


def test_a_single_seed_has_no_interval():
    figure = plot_arms(MEASURES[MEASURES["seed"] == 0], CONTROLS, ["small-b"])
    assert not figure.axes[0].containers and drawn(figure)

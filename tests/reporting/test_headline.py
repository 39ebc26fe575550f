"""What README says of the study: the table and the sentences hold the numbers that they were given."""

from __future__ import annotations

import pandas as pd
import pytest

from mc2lib.reporting.effects import EFFECTS, Effect
from mc2lib.reporting.findings import Measured, judge
from mc2lib.reporting.headline import WIDTH, choose_findings, describe_pixels, describe_thresholds, write_headline

COLUMNS = ["arm", "seed", "measure", "language", "value"]


def top1(arm, english, world=0.1):
    rows = [(arm, seed, "en_top1", "", value) for seed, value in enumerate(english)]
    rows += [(arm, seed, "world_top1", "", world) for seed in range(len(english))]
    return rows + [(arm, 0, "top1", language, 0.1) for language in ("en", "de", "ru", "macro")]


def seen(arm, pairs):
    return [(arm, seed, "seen_pairs", "", value) for seed, value in enumerate(pairs)]


def table(*rows):
    return pd.DataFrame([row for part in rows for row in part], columns=COLUMNS)


SHOWS, REVERSED, WIDE, NIL = [0.03, 0.04, 0.05], [-0.03, -0.04, -0.05], [0.1, -0.1, 0.1], [0.001, -0.001, 0.001]
#: Differences whose p is far below what Holm's correction asks of a few effects.
SURELY, SURELY_NOT = [0.0300, 0.0301, 0.0302], [-0.0300, -0.0301, -0.0302]


def measured(key, values=SHOWS, *, bar="paper", topic="main"):
    direction, reason = ("none", "") if bar == "none" else ("above", f"the paper's words on {key}")
    effect = Effect(key, topic, f"Title of {key}", bar, direction, reason, "en_top1", ("a",), ("b",))
    return Measured(effect, (0, 1, 2), tuple(values))


def finding(key, values=SHOWS, **named):
    return judge([measured(key, values, **named)])[0]


CONTROLS = table(top1("chance", [1 / 400] * 3, 1 / 400), top1("pixel neighbour", [0.30, 0.32, 0.34]))
MEASURES = table(
    top1("below", [0.1, 0.1, 0.1]),
    top1("sometimes", [0.31, 0.30, 0.30]),
    top1("above", [0.40, 0.40, 0.33]),
    seen("below", [1000, 1000, 1000]),
    seen("sometimes", [2500, 2500, 2560]),
)
ARMS = ["below", "sometimes", "above"]
NONE = pd.DataFrame(columns=["seed", "language", "t"])


def headline(findings=(), measures=MEASURES):
    return write_headline(measures, CONTROLS, findings, ARMS)


def as_one_line(text):
    return " ".join(text.split())


def test_the_table():
    lines = headline().splitlines()
    assert "| *chance* |  | 0.25 ± 0.00 | 0.25 ± 0.00 |" in lines
    assert "| *nearest neighbour on pixels* |  | 32.0 ± 2.0 | 10.0 ± 0.0 |" in lines
    assert "| `below` | 1.00× | 10.0 ± 0.0 | 10.0 ± 0.0 |" in lines
    assert "| `sometimes` | 2.52× | 30.3 ± 0.6 | 10.0 ± 0.0 |" in lines
    assert "| `above` |  | 37.7 ± 4.0 | 10.0 ± 0.0 |" in lines  # its runs did not say what they saw
    opening = as_one_line(headline().partition("|")[0])
    assert "over 3 seeds" in opening and "show 400 concepts" in opening and "the mean of 2." in opening


def test_results_older_than_the_record_of_seen_pairs_leave_the_column_empty():
    text = headline(measures=MEASURES[MEASURES["measure"] != "seen_pairs"])
    assert "| `below` |  | 10.0 ± 0.0 | 10.0 ± 0.0 |" in text and "×" not in text


def test_which_arms_reach_the_pixels_is_said_by_seeds_and_means():
    text = describe_pixels(MEASURES, CONTROLS, ARMS)
    assert "in the mean over seeds: `above` (+5.7 ± 5.9 points, at or above it in 2 of 3 seeds)." in text
    assert "not in every seed: `sometimes` (−1.7 ± 2.5 points, at or above it in 1 of 3 seeds)." in text
    assert "`below`" not in text and "true concept" in text
    assert "over seeds: no arm." in describe_pixels(MEASURES, CONTROLS, ["below"])
    assert describe_pixels(MEASURES, CONTROLS[CONTROLS["arm"] == "chance"], ARMS) == ""


@pytest.mark.parametrize(
    ("t", "said"),
    [
        ({0: [24, 1, 1], 1: [24, 1, 1]}, "t = 1 in 2 of 3 languages"),
        ({0: [24, 1, 1], 1: [24, 1, 2]}, "t = 1 in 1 to 2 (by seed) of 3 languages"),
        ({0: [24, 1, 1], 1: [24, 3, 2]}, "t = 1 in 0 to 2 (by seed) of 3 languages"),
    ],
)
def test_thresholds_of_one_are_counted(t, said):
    rows = [(seed, language, value) for seed, each in t.items() for language, value in zip("abc", each, strict=True)]
    assert said in describe_thresholds(pd.DataFrame(rows, columns=["seed", "language", "t"]))
    assert describe_thresholds(NONE) == ""
    assert describe_thresholds(pd.DataFrame([(0, "a", 2)], columns=["seed", "language", "t"])) == ""


def test_the_headline_names_the_arms_that_reach_the_pixels_on_average():
    assert "On average it is reached by `above`." in as_one_line(headline())
    assert "reached by no arm." in as_one_line(write_headline(MEASURES, CONTROLS, (), ["below"]))
    without = write_headline(MEASURES, CONTROLS[CONTROLS["arm"] == "chance"], (), ARMS)
    assert "pixels" not in without


def test_the_choice_is_the_papers_main_questions_at_their_largest_tower():
    findings = [
        finding("curse_small"),
        finding("budget_small", bar="none"),
        finding("curse_large", REVERSED),
        finding("capacity", WIDE),
        finding("pixels", bar="ours"),
        finding("merged", topic="curation"),
        finding("stays_small"),
    ]
    assert [chosen.effect.key for chosen in choose_findings(findings)] == ["curse_large", "capacity", "stays_small"]


def test_the_choice_does_not_depend_on_the_outcome():
    keys = ["curse_small", "curse_large", "capacity"]
    for values in (SHOWS, REVERSED, WIDE, NIL):
        chosen = choose_findings([finding(key, values) for key in keys])
        assert [each.effect.key for each in chosen] == ["curse_large", "capacity"]


def test_the_papers_main_effects_leave_a_short_list():
    assert len(choose_findings(judge([Measured(effect, (0, 1), (0.1, 0.2)) for effect in EFFECTS]))) <= 6


@pytest.mark.parametrize(
    ("values", "said"), [(SHOWS, "shows"), (REVERSED, "reversed"), (WIDE, "cannot tell"), (NIL, "does not show")]
)
def test_a_bullet_says_verdict_measurement_and_the_papers_words(values, said):
    (bullet,) = [part for part in headline([finding("capacity", values)]).split("\n\n") if part.startswith("- ")]
    assert f"**Title of capacity: {said}** (" in as_one_line(bullet)
    assert "The paper expects a difference above zero: the paper's words on capacity." in as_one_line(bullet)
    if values is SHOWS:
        assert "(+4.0 points, 95 % interval +1.5 to +6.5, p = 0.020 after Holm's correction)" in as_one_line(bullet)


def test_the_papers_effects_are_counted_by_verdict_and_ours_are_not():
    findings = judge(
        [
            *(measured(f"s{i}", SURELY, topic="curation") for i in range(3)),
            *(measured(f"r{i}", SURELY_NOT, topic="curation") for i in range(2)),
            measured("n", NIL),
            measured("u", WIDE),
            measured("ours", SURELY, bar="ours"),
            measured("none", SURELY, bar="none"),
        ]
    )
    text = as_one_line(headline(findings))
    assert "Of the paper's 7 effects" in text
    assert "*shows* for 3, *reversed* for 2, *does not show* for 1, *cannot tell* for 1;" in text
    assert "over 3 seeds" in text and "Holm's correction for all 8 effects" in text


def test_its_lines_are_short():
    lines = headline([finding("capacity"), finding("curse_large", REVERSED)]).splitlines()
    assert max(len(line) for line in lines if not line.startswith("|")) <= WIDTH

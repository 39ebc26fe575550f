"""What README says of the study: the table and the sentences hold the numbers that they were given."""

from __future__ import annotations

import pandas as pd
import pytest

from mc2lib.reporting.findings import Effect, judge
from mc2lib.reporting.headline import GROUPS, describe_pixels, describe_thresholds, write_headline

COLUMNS = ["arm", "seed", "measure", "language", "value"]


def top1(arm, english, world=0.1):
    rows = [(arm, seed, "en_top1", "", value) for seed, value in enumerate(english)]
    rows += [(arm, seed, "world_top1", "", world) for seed in range(len(english))]
    return rows + [(arm, 0, "top1", language, 0.1) for language in ("en", "de", "ru", "macro")]


def seen(arm, pairs):
    return [(arm, seed, "seen_pairs", "", value) for seed, value in enumerate(pairs)]


def table(*rows):
    return pd.DataFrame([row for part in rows for row in part], columns=COLUMNS)


def finding(title, bar, sign, values):
    return judge(
        Effect(title, "main", title, bar, "its direction", "en_top1", {"a": 1, "b": -1}, sign), (0, 1, 2), values
    )


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


def headline(findings=(), thresholds=NONE, measures=MEASURES):
    return write_headline(measures, CONTROLS, findings, thresholds, ARMS)


def test_the_table():
    lines = headline().splitlines()
    assert "| *chance* |  | 0.25 ± 0.00 | 0.25 ± 0.00 |" in lines
    assert "| *nearest neighbour on pixels* |  | 32.0 ± 2.0 | 10.0 ± 0.0 |" in lines
    assert "| `below` | 1.00× | 10.0 ± 0.0 | 10.0 ± 0.0 |" in lines
    assert "| `sometimes` | 2.52× | 30.3 ± 0.6 | 10.0 ± 0.0 |" in lines
    assert "| `above` |  | 37.7 ± 4.0 | 10.0 ± 0.0 |" in lines  # its runs did not say what they saw
    assert "over 3 seeds" in lines[0] and "among 400 concepts" in lines[0] and "mean of 2 languages" in lines[0]


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


def test_every_effect_stands_once_under_its_bar_and_verdict():
    values = {"shows": [0.03, 0.04, 0.05], "reversed": [-0.03, -0.04, -0.05], "unresolved": [0.1, -0.1, 0.1]}
    findings = [
        finding(f"{bar} {verdict}", bar, +1, values[verdict]) for bar in ("paper", "ours") for verdict in values
    ]
    findings.append(finding("none reported", "none", 0, values["shows"]))
    lines = [line for line in headline(findings).splitlines() if line.startswith("- ")]
    assert len(lines) == len(findings) == len(GROUPS)
    for (bar, verdict, title), line in zip(GROUPS, lines, strict=True):
        assert line.startswith(f"- **{title}:** {bar} {verdict} (")
    assert "+4.0 ± 1.0 points, p = 0.02" in lines[0]
    assert "once in 8" in headline(findings) and "the 7 effects" in headline(findings)

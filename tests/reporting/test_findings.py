"""The paper's effects: the criterion, the pairing, and that every arm named exists."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mc2lib.reporting.findings import EFFECTS, Effect, decide_effects, judge, mean_and_spread, paired_p
from mc2lib.reporting.sentences import describe, describe_criterion, tabulate_findings
from mc2lib.reporting.tables import CONTROLS

STUDY = Path(__file__).parents[2] / "params.yaml"


def effect(sign, arms=None):
    bar = "paper" if sign else "none"
    return Effect("key", "main", "Title", bar, "its direction", "en_top1", arms or {"a": 1, "b": -1}, sign)


def measures(values, measure="en_top1"):
    """arm to seed to value, as a tidy table."""
    rows = [(arm, seed, measure, value) for arm, seeds in values.items() for seed, value in seeds.items()]
    return pd.DataFrame(rows, columns=["arm", "seed", "measure", "value"])


@pytest.mark.parametrize(
    ("sign", "differences", "shows", "word"),
    [
        (+1, [0.03, 0.04, 0.05], True, "shows"),
        (-1, [-0.03, -0.04, -0.05], True, "shows"),
        (+1, [0.01, 0.02, 0.09], False, "unresolved"),  # mean 0.04, spread 0.044
        (+1, [0.05, 0.05, -0.001], False, "unresolved"),  # a seed disagrees, though the mean exceeds the spread
        (+1, [-0.03, -0.04, -0.05], False, "reversed"),
        (+1, [0.0, 0.0, 0.0], False, "unresolved"),
        (+1, [0.1], False, "unresolved"),
        (0, [0.03, 0.04, 0.05], False, "reported"),
    ],
)
def test_criterion(sign, differences, shows, word):
    finding = judge(effect(sign), tuple(range(len(differences))), differences)
    assert finding.shows is shows
    assert finding.verdict == word


def test_mean_and_sample_standard_deviation():
    assert mean_and_spread([1.0, 2.0, 4.0]) == pytest.approx((7 / 3, math.sqrt(7 / 3)))
    assert mean_and_spread([5.0]) == (5.0, 0.0)


def test_differences_are_paired_by_seed():
    # Unpaired, the arms overlap wholly; within each seed a is 0.02 above b.
    table = measures({"b": {0: 0.1, 1: 0.5, 2: 0.3}, "a": {2: 0.32, 0: 0.12, 1: 0.53}})
    (finding,) = decide_effects(table, [effect(+1)])
    assert finding.seeds == (0, 1, 2)
    assert finding.differences == pytest.approx((0.02, 0.03, 0.02))
    assert finding.shows


def test_only_seeds_that_all_arms_have_count():
    table = measures({"a": {0: 0.3, 1: 0.4}, "b": {1: 0.1, 2: 0.9}})
    (finding,) = decide_effects(table, [effect(+1)])
    assert (finding.seeds, finding.differences) == ((1,), pytest.approx((0.3,)))
    assert not finding.shows


def test_missing_arms_are_passed_over():
    assert decide_effects(measures({"a": {0: 0.3}}), [effect(+1)]) == []
    assert decide_effects(measures({"a": {0: 0.3}, "b": {1: 0.3}}), [effect(+1)]) == []
    assert decide_effects(measures({"a": {0: 0.3}, "b": {0: 0.3}}, measure="other"), [effect(+1)]) == []


def test_capacity_is_a_difference_of_differences():
    (capacity,) = [each for each in EFFECTS if each.key == "capacity"]
    values = {
        "large-worldwide-scaled": 0.40,
        "large-english": 0.38,
        "small-worldwide-scaled": 0.30,
        "small-english": 0.35,
    }
    (finding,) = decide_effects(measures({arm: {0: value} for arm, value in values.items()}), [capacity])
    assert finding.mean == pytest.approx(0.02 - -0.05)


def test_every_arm_that_an_effect_names_is_in_the_study():
    arms = YAML(typ="safe", pure=True).load(STUDY.read_text(encoding="utf-8"))["arms"]
    assert {arm for each in EFFECTS for arm in each.arms} <= set(arms) | set(CONTROLS)


def test_keys_are_unique_and_differences_balance():
    assert len({each.key for each in EFFECTS}) == len(EFFECTS)
    assert all(sum(each.arms.values()) == 0 for each in EFFECTS)


def test_compared_arms_differ_in_what_the_title_says():
    """An effect of the main table compares arms of one tower, tokenizer and mix, but for capacity."""
    arms = YAML(typ="safe", pure=True).load(STUDY.read_text(encoding="utf-8"))["arms"]
    for each in EFFECTS:
        trained = [arms[arm] for arm in each.arms if arm not in CONTROLS]
        if each.key != "capacity":
            assert len({arm["tower"] for arm in trained}) == 1, each.key
            assert len({arm.get("mix", "base") for arm in trained}) == 1, each.key


differences = st.lists(st.integers(-50, 50).map(lambda value: value / 1000), min_size=1, max_size=6)


@given(differences, st.sampled_from([-1, 1]))
def test_an_effect_and_its_opposite_never_both_show(values, sign):
    seeds = tuple(range(len(values)))
    one, other = judge(effect(sign), seeds, values), judge(effect(-sign), seeds, values)
    assert not (one.shows and other.shows)
    assert one.shows == (other.verdict == "reversed")


@given(differences, st.randoms(use_true_random=False))
def test_the_order_of_seeds_does_not_matter(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    one, other = judge(effect(1), (0,) * len(values), values), judge(effect(1), (0,) * len(values), shuffled)
    assert one.mean == pytest.approx(other.mean)
    assert one.spread == pytest.approx(other.spread)


@pytest.mark.parametrize(
    ("sign", "values", "said"),
    [
        (+1, [0.03, 0.04, 0.05], "Paper: its direction. Measured: +4.0 ± 1.0 points, p = 0.02 (3 seeds: +3.0,"),
        (+1, [0.03, 0.04, 0.05], "It **shows**: the bar's sign in every seed"),
        (+1, [0.05, 0.05, -0.001], "It is **unresolved**: the seeds differ in sign"),
        (+1, [0.01, 0.02, 0.09], "the same sign in every seed, but the mean is within the spread"),
        (+1, [-0.03, -0.04, -0.05], "Measured: −4.0 ± 1.0 points"),
        (+1, [-0.03, -0.04, -0.05], "It is **reversed**: the same sign in every seed"),
        (+1, [-0.03, 0.01, 0.01], "the seeds differ in sign"),
        (+1, [0.03], "One seed has no spread"),
        (0, [0.03, 0.04, 0.05], "No bar: its direction"),
        (0, [0.03, 0.04, 0.05], "There is no direction to hold it to; it is resolved"),
        (0, [0.03, -0.04, 0.05], "It is **unresolved**"),
    ],
)
def test_sentences(sign, values, said):
    assert said in describe(judge(effect(sign), tuple(range(len(values))), values))


def test_the_same_difference_is_judged_alike_whichever_way_its_bar_points():
    """Two gaps of like size, one held to "below" and one to "above": both are resolved, on opposite sides."""
    small, large = (
        judge(effect(-1), (0, 1, 2), [-0.052, -0.035, -0.003]),
        judge(effect(+1), (0, 1, 2), [-0.013, -0.045, -0.010]),
    )
    assert small.side == large.side == -1
    assert (small.verdict, large.verdict) == ("shows", "reversed")


def test_p_is_of_a_paired_t_test():
    # by hand: t = mean / (spread / sqrt(3)); with two degrees of freedom p = 1 - t / sqrt(2 + t^2)
    values = [-0.052, -0.035, -0.003]
    mean, spread = sum(values) / 3, math.sqrt(sum((v - sum(values) / 3) ** 2 for v in values) / 2)
    t = abs(mean) / (spread / math.sqrt(3))
    assert paired_p(values) == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert (paired_p([0.1]), paired_p([0.1, 0.1]), paired_p([0.0, 0.0])) == (None, 0.0, 1.0)


def test_the_papers_bars_are_of_arms_that_the_paper_has():
    """Raw pools, pixels, longer training, this pool's noise and small vocabularies are of this study alone."""
    own = {"raw", "pixel neighbour", "large-worldwide-scaled-long", "tokenizer-pool", "tokenizer-bytes"}
    own |= {"clean-english", "clean-worldwide", "noisy-english", "noisy-worldwide"}
    assert {each.bar for each in EFFECTS} == {"paper", "ours", "none"}
    for each in EFFECTS:
        assert (each.sign == 0) == (each.bar == "none"), each.key
        if set(each.arms) & own:
            assert each.bar == "ours", each.key


def test_the_criterion_is_told_with_the_odds_of_luck():
    findings = [judge(effect(+1), (0, 1, 2), [0.1, 0.2, 0.3]), judge(effect(0), (0, 1, 2), [0.1, 0.2, 0.3])]
    assert "in all of them once in 8." in describe_criterion(findings)
    assert "Effects held to a bar below: 1" in describe_criterion(findings)
    assert "nothing is resolved" in describe_criterion([judge(effect(+1), (0,), [0.1])])
    assert "nothing is resolved" in describe_criterion([])


def test_findings_as_a_table():
    table = tabulate_findings([judge(effect(+1), (0, 1), [0.1, 0.12])])
    assert table.to_dict("records") == [
        {
            "effect": "Title",
            "bar": "Paper",
            "direction": "its direction",
            "measured": "+11.0",
            "spread": "1.4",
            "p": "0.06",
            "verdict": "shows",
        }
    ]

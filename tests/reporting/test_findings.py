"""What becomes of an effect: the pairing, the family, and the verdicts, in numbers and in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mc2lib.reporting.effects import EFFECTS, Effect
from mc2lib.reporting.findings import Measured, count_family, decide_effects, judge
from mc2lib.reporting.sentences import describe, describe_criterion, format_finding, tabulate_findings
from mc2lib.reporting.units import unit_of

WORDS = {1: "above", -1: "below", 0: "none"}


def effect(sign, measure="en_top1", bar="paper", key="key"):
    return Effect(key, "main", "Title", bar if sign else "none", WORDS[sign], "its reason", measure, ("a",), ("b",))


def measured(sign, differences, bootstrap=None, **named):
    return Measured(effect(sign, **named), tuple(range(len(differences))), tuple(differences), bootstrap)


def judge_one(sign, differences, **named):
    (finding,) = judge([measured(sign, differences, **named)])
    return finding


def measures(values, measure="en_top1"):
    """arm to seed to value, as a tidy table."""
    rows = [(arm, seed, measure, value) for arm, seeds in values.items() for seed, value in seeds.items()]
    return pd.DataFrame(rows, columns=["arm", "seed", "measure", "value"])


CLEAR, BACKWARDS, WIDE, NIL = [0.03, 0.04, 0.05], [-0.03, -0.04, -0.05], [0.1, -0.1, 0.1], [0.001, -0.001, 0.001]


@pytest.mark.parametrize(
    ("sign", "differences", "verdict"),
    [
        (+1, CLEAR, "shows"),
        (-1, BACKWARDS, "shows"),
        (+1, BACKWARDS, "reversed"),
        (-1, CLEAR, "reversed"),
        (+1, WIDE, "cannot tell"),
        (+1, NIL, "does not show"),
        (-1, NIL, "does not show"),
        (+1, [-0.01, -0.03, -0.002], "cannot tell"),  # the interval reaches +2.2 points
        (+1, [-0.03, -0.06, -0.04, -0.001], "does not show"),  # p is 0.07, but no effect of a point is left
        (-1, [-0.03, -0.06, -0.04, -0.001], "cannot tell"),
        (+1, [0.001, 0.0012, 0.0011], "shows"),  # significant, however small
        (+1, [0.0, 0.0, 0.0], "does not show"),
        (+1, [0.1], "cannot tell"),
        (0, CLEAR, "differs"),
        (0, BACKWARDS, "differs"),
        (0, NIL, "no difference"),
        (0, WIDE, "cannot tell"),
        (0, [-0.03, -0.06, -0.04, -0.001], "cannot tell"),  # either side counts
        (0, [0.1], "cannot tell"),
    ],
)
def test_verdicts(sign, differences, verdict):
    assert judge_one(sign, differences).verdict == verdict


def test_the_smallest_of_interest_is_of_the_measures_unit():
    values = [0.015, 0.02, 0.025]  # the interval ends at 3.2 hundredths
    assert judge_one(-1, values, measure="en_top1").verdict != judge_one(0, values, measure="en_loss").verdict
    assert [unit_of(m).smallest for m in ("world_mrr", "en_loss", "en_alignment", "image_uniformity")] == [
        0.01, 0.05, 0.02, 0.04,
    ]  # fmt: skip
    few = [0.0, 0.02, 0.01]  # to 3.5 hundredths
    assert judge_one(+1, few, measure="en_loss").verdict == "does not show"
    assert judge_one(+1, few, measure="en_top1").verdict == "cannot tell"


def test_holm_is_over_the_effects_with_a_direction():
    """p = 0.02 shows by itself and beside effects without a direction, and not as one of three with one."""
    assert judge_one(+1, CLEAR).verdict == "shows"
    beside = judge([measured(+1, CLEAR), measured(0, WIDE), measured(0, WIDE), measured(+1, [0.1])])
    assert (beside[0].verdict, count_family(beside)) == ("shows", 1)
    assert [finding.holm_p is None for finding in beside] == [False, True, True, True]
    among = judge([measured(+1, CLEAR), measured(-1, WIDE), measured(+1, WIDE)])
    assert (among[0].verdict, count_family(among)) == ("cannot tell", 3)
    assert among[0].holm_p == pytest.approx(3 * among[0].p)


def test_among_true_nulls_a_study_seldom_shows_anything():
    """Twenty effects that share arms, nothing true: a false *shows* or *reversed* in at most one study of twenty."""
    rng = np.random.default_rng(0)
    wrong, uncorrected = 0, 0
    studies = 250
    for _ in range(studies):
        arms = rng.normal(0, 0.01, (21, 4))
        findings = judge([measured((-1) ** i, arms[i] - arms[20]) for i in range(20)])
        wrong += any(finding.verdict in ("shows", "reversed") for finding in findings)
        uncorrected += any(finding.p < 0.05 for finding in findings)
    assert wrong / studies <= 0.05 + 2 * (0.05 * 0.95 / studies) ** 0.5
    assert uncorrected / studies > 0.2  # so that the correction is what keeps it low


def test_an_effect_of_interest_is_seldom_said_not_to_show():
    """With one point of effect *does not show* is wrong, and comes in at most one study of forty."""
    rng = np.random.default_rng(1)
    findings = [judge_one(+1, rng.normal(0.01, 0.004, 4)) for _ in range(2000)]
    assert np.mean([finding.verdict == "does not show" for finding in findings]) <= 0.025 + 0.007


def test_differences_are_paired_by_seed():
    # Unpaired, the arms overlap wholly; within each seed a is 0.02 above b.
    table = measures({"b": {0: 0.1, 1: 0.5, 2: 0.3}, "a": {2: 0.321, 0: 0.12, 1: 0.52}})
    (finding,) = decide_effects(table, effects=[effect(+1)])
    assert finding.seeds == (0, 1, 2)
    assert finding.differences == pytest.approx((0.02, 0.02, 0.021))
    assert finding.verdict == "shows"


def test_only_seeds_that_all_arms_have_count():
    table = measures({"a": {0: 0.3, 1: 0.4}, "b": {1: 0.1, 2: 0.9}})
    (finding,) = decide_effects(table, effects=[effect(+1)])
    assert (finding.seeds, finding.differences) == ((1,), pytest.approx((0.3,)))
    assert finding.verdict == "cannot tell"


def test_missing_arms_are_passed_over():
    for table in (
        measures({"a": {0: 0.3}}),
        measures({"a": {0: 0.3}, "b": {1: 0.3}}),
        measures({"a": {0: 0.3}, "b": {0: 0.3}}, measure="other"),
    ):
        assert decide_effects(table, effects=[effect(+1)]) == []


def test_capacity_is_a_difference_of_differences():
    (capacity,) = [each for each in EFFECTS if each.key == "capacity"]
    values = {
        "large-worldwide-scaled": 0.40,
        "large-english": 0.38,
        "small-worldwide-scaled": 0.30,
        "small-english": 0.35,
    }
    table = measures({arm: {0: value} for arm, value in values.items()})
    (finding,) = decide_effects(table, effects=[capacity])
    assert finding.mean == pytest.approx(0.02 - -0.05)


def test_values_by_concept_give_a_bootstrap_interval():
    table = measures({"a": {0: 0.3, 1: 0.4}, "b": {0: 0.1, 1: 0.1}})
    rows = [(arm, seed, "en_top1", c, 1, v) for arm, seed, _, v in table.itertuples(index=False) for c in "xyz"]
    concepts = pd.DataFrame(rows, columns=["arm", "seed", "measure", "concept", "drawings", "value"])
    (finding,) = decide_effects(table, concepts, [effect(+1)])
    assert finding.bootstrap == pytest.approx(finding.interval)  # concepts that are alike add nothing
    (without,) = decide_effects(table, concepts[concepts["arm"] == "a"], [effect(+1)])
    assert without.bootstrap is None


differences = st.lists(st.integers(-50, 50).map(lambda value: value / 1000), min_size=1, max_size=6)


@given(differences, st.sampled_from([-1, 1]))
def test_an_effect_shows_where_its_opposite_is_reversed(values, sign):
    one, other = judge_one(sign, values), judge_one(-sign, values)
    assert (one.verdict == "shows") == (other.verdict == "reversed")
    assert not (one.verdict == other.verdict == "shows")


@given(differences, st.randoms(use_true_random=False))
def test_the_order_of_seeds_does_not_matter(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    one, other = judge_one(1, values), judge_one(1, shuffled)
    assert (one.mean, one.spread) == pytest.approx((other.mean, other.spread))


@pytest.mark.parametrize(
    ("sign", "values", "said"),
    [
        (+1, CLEAR, "The paper expects a difference above zero: its reason. Seed by seed: +3.0, +4.0, +5.0; p = 0.020"),
        (+1, CLEAR, "p = 0.020 by itself, p = 0.020 after Holm's correction. It **shows**."),
        (+1, BACKWARDS, "It is **reversed**: significant in the direction that is not expected."),
        (+1, WIDE, "The study **cannot tell**: an effect of up to 32.0 points in the direction expected is not"),
        (+1, NIL, "the 95 % interval leaves at most 0.3 points in the direction expected, less than 1.0 points."),
        (
            +1,
            [-0.03, -0.06, -0.04, -0.001],
            "It **does not show**: not significant, and the 95 % interval leaves at most",
        ),
        (+1, [0.03], "One seed: +3.0. The study **cannot tell**: one seed has no interval"),
        (0, CLEAR, "No direction is expected. Seed by seed: +3.0, +4.0, +5.0; p = 0.020, uncorrected. It **differs**."),
        (0, NIL, "There is **no difference larger than 1.0 points**: the interval leaves at most 0.3 points."),
        (0, WIDE, "an effect of up to 32.0 points in either direction is not excluded"),
    ],
)
def test_sentences(sign, values, said):
    assert said in describe(judge_one(sign, values))


def test_whose_direction_it_is_and_the_bootstrap_are_told():
    (finding,) = judge([measured(-1, BACKWARDS, (-0.08, 0.001), bar="ours")])
    text = describe(finding)
    assert "We, not the paper, expect a difference below zero" in text
    assert "bootstrap interval −8.0 to +0.1; p" in text


def test_what_was_measured_in_short():
    text = "+4.0 points, 95 % interval +1.5 to +6.5, p = 0.020 after Holm's correction"
    assert format_finding(judge_one(+1, CLEAR)) == text
    assert format_finding(judge_one(0, CLEAR, measure="en_loss")) == (
        "+0.040 nats, 95 % interval +0.015 to +0.065, p = 0.020, uncorrected"
    )
    assert format_finding(judge_one(+1, [0.1])) == "+10.0 points, one seed"


def test_the_rule_names_the_family_the_sizes_and_what_has_no_bootstrap():
    with_one = measured(+1, CLEAR, (0.01, 0.07), key="with")
    findings = judge([with_one, measured(0, CLEAR, measure="en_loss", key="without"), measured(-1, CLEAR, key="third")])
    text = describe_criterion(findings)
    assert "with a direction" not in text and "that have a direction and at least two seeds: 2." in text
    assert "fixed before any run: 1.0 points, 0.050 nats." in text
    assert "missing where there are no results by concept (`without`, `third`)" in text
    assert "no effect below has one" in describe_criterion(judge([measured(+1, CLEAR)]))
    assert "each effect below has one" in describe_criterion(judge([with_one]))
    assert "at least two seeds: 0." in describe_criterion([])


def test_findings_as_a_table():
    findings = judge([measured(+1, CLEAR), measured(0, NIL), measured(-1, [0.1], bar="ours")])
    assert tabulate_findings(findings).to_numpy().tolist() == [
        ["Title", "above zero (the paper's)", "+4.0 [+1.5, +6.5] points", "0.020", "shows", "3.3 points"],
        ["Title", "none", "+0.0 [−0.3, +0.3] points", "(0.67)", "no difference larger than 1.0 points", "0.4 points"],
        ["Title", "below zero (ours)", "+10.0 points", "–", "cannot tell", "–"],
    ]

"""Titles say what the numbers say."""

from __future__ import annotations

import pandas as pd
import pytest

from mc2lib.reporting.figure_titles import format_share, round_pairs, title_arms, title_curves, title_languages


def test_the_leader_of_the_mean_need_not_lead_in_every_seed():
    values = pd.DataFrame({"a": [0.30, 0.10, 0.20], "b": [0.10, 0.25, 0.10]})
    wanted = "English: a leads with 20 %, 5 points above the next arm; it is first in 2 of 3 seeds"
    assert title_arms(values, "English") == wanted


def test_a_tie_is_no_lead():
    assert title_arms(pd.DataFrame({"a": [0.2], "b": [0.2]}), "English").endswith("it is first in 0 of 1 seeds")


def test_one_arm_leads_nothing_and_none_says_nothing():
    assert title_arms(pd.DataFrame({"a": [0.2, 0.3]}), "English") == "English: a names 25 % of the drawings"
    assert title_arms(pd.DataFrame({"a": [float("nan")]}), "English") == ""
    assert title_curves(pd.Series(dtype=float)) == ""


def test_languages_that_another_arm_serves_best_are_counted():
    means = pd.DataFrame({"a": [30.0, 2.0, 3.0], "b": [20.0, 4.0, 5.0]}, index=["en", "de", "ru"])
    wanted = "b names most drawings in 2 of 2 other languages,\nand a in English (30 %)"
    assert title_languages(means) == wanted
    assert title_languages(means.drop(index="en")) == "b names most drawings in 2 of 2 other languages"
    assert title_languages(means.loc[["en"]]) == "a names most drawings in English (30 %)"
    assert title_languages(means[:0]) == ""


@pytest.mark.parametrize(("share", "said"), [(0.387, "39 %"), (0.0674, "6.7 %"), (0.1, "10 %"), (0.05, "5 %")])
def test_shares_have_two_digits(share, said):
    assert format_share(share) == said


def test_pairs_are_rounded_to_thousands():
    assert (round_pairs(40_960), round_pairs(987)) == ("41,000", "987")

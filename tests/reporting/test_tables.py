"""The tables: means, spreads, controls on top, nothing invented where nothing was measured."""

from __future__ import annotations

import pandas as pd
import pytest

from mc2lib.reporting import tables
from mc2lib.reporting.tables import format_markdown, format_pair, format_seeds, format_table, order_arms, tabulate

COLUMNS = ["arm", "seed", "measure", "language", "value"]
MEASURES = pd.DataFrame(
    [
        ("b", 0, "en_top1", "", 0.30),
        ("b", 1, "en_top1", "", 0.34),
        ("a", 0, "en_top1", "", 0.10),
        ("a", 0, "top1", "en", 0.99),  # a language's row is not a headline's
        ("a", 0, "image_uniformity", "", -1.5),
        ("a", 0, "en_loss", "", 4.5),
    ],
    columns=COLUMNS,
)
CONTROLS = pd.DataFrame(
    [("pixel neighbour", 0, "en_top1", "", 0.2), ("chance", 0, "en_top1", "", 0.01)], columns=COLUMNS
)


def test_rows_and_numbers():
    table = tabulate(MEASURES, CONTROLS, ["a", "missing", "b"])
    assert table["arm"].tolist() == ["chance", "pixel neighbour", "a", "b"]
    assert table["seeds"].tolist() == [1, 1, 1, 2]
    assert table["en_top1"].tolist() == pytest.approx([0.01, 0.2, 0.1, 0.32])
    assert table["en_top1_spread"].tolist() == pytest.approx([0, 0, 0, 0.04 / 2**0.5])
    assert table["image_uniformity"].isna().tolist() == [True, True, False, True]


def test_formatted():
    shown = format_table(tabulate(MEASURES, CONTROLS, ["b", "a"]))
    assert shown.columns.tolist() == ["arm", "English top-1", "English loss (nats)"]  # image uniformity is not printed
    assert shown.iloc[2].tolist() == ["b", "32.0 ± 2.8", ""]
    assert shown.iloc[3].tolist() == ["a", "10.0 ± 0.0", "4.500 ± 0.000"]
    lines = format_markdown(shown).splitlines()
    assert lines[0] == "| arm | English top-1 | English loss (nats) |"
    assert lines[4] == "| b | 32.0 ± 2.8 |  |"


def test_a_printed_table_has_nine_columns_at_most():
    every = pd.DataFrame([("a", 0, column.measure, "", 0.5) for column in tables.COLUMNS], columns=COLUMNS)
    shown = format_table(tabulate(every, CONTROLS, ["a"]))
    assert len(shown.columns) == 9
    assert "English MRR" in shown.columns and "Others tail top-1" in shown.columns
    assert len(format_seeds(every)) == len(tables.COLUMNS)  # one arm's table has them all


def test_seed_by_seed():
    shown = format_seeds(MEASURES[MEASURES["arm"] == "b"])
    assert shown.to_dict("records") == [
        {"measure": "English top-1", "seed 0": "30.0", "seed 1": "34.0", "mean ± spread": "32.0 ± 2.8"}
    ]


def test_order_is_the_studys():
    assert order_arms(MEASURES, ["c", "b", "a"]) == ["b", "a"]


def test_no_value_is_no_text():
    assert format_pair(None, None, True) == format_pair(float("nan"), 0.0, True) == ""


def test_chance_has_two_decimals():
    """One class of 400 is 0.25 %, neither 0.2 nor 0.3."""
    chance = pd.DataFrame([("chance", seed, "en_top1", "", 1 / 400) for seed in (0, 1)], columns=COLUMNS)
    shown = format_table(tabulate(MEASURES, chance, ["a"]))
    assert shown["English top-1"].tolist() == ["0.25 ± 0.00", "10.0 ± 0.0"]

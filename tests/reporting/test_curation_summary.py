"""The report's section on curation says what the grades say, and no more."""

from __future__ import annotations

import pandas as pd
import pytest

from mc2lib.reporting.curation_summary import describe_curation, name_way, tabulate_curation


def grades(tail: float = 0.14, file_name: float = 0.01, boilerplate: float = 0.25) -> pd.DataFrame:
    """Two seeds of the pool, a way and the recipe."""
    rows = []
    for seed, extra in ((0, 0.0), (1, 0.002)):
        for way, pairs, third in (("pool", 1000, 0.07), ("merged", 500, 0.1), ("isolated", 300, tail)):
            shares = {"english_share": 0.44, "noise_share": 0.3 - extra, "top_tenth_share": 0.6}
            kept = {"clean_kept": 0.3, "file_name_kept": file_name, "boilerplate_kept": boilerplate}
            row = {"mix": "base", "seed": seed, "curation": way, "pairs": pairs + seed}
            rows.append({**row, **shares, "tail_third_share": third, **kept})
    return pd.DataFrame(rows)


def test_table_has_a_row_per_way_in_percent_over_seeds():
    table = tabulate_curation(grades())
    assert table["way to curate"].tolist() == ["the pool", "merged lists", "own lists and t: the recipe"]
    assert table["noise"].tolist() == ["29.9 ± 0.1"] * 3 and table["pairs"].tolist() == ["1,000", "500", "300"]
    assert table["rarest third of concepts"].tolist() == ["7.0 ± 0.0", "10.0 ± 0.0", "14.0 ± 0.0"]


@pytest.mark.parametrize(("tail", "said"), [(0.14, "**can** help"), (0.071, "**cannot** help"), (0.05, "**cannot**")])
def test_whether_balancing_can_help_follows_from_the_rare_concepts(tail, said):
    text = describe_curation(grades(tail), "base")
    assert text.startswith("## What curation did\n\n") and said in text
    assert f"from 7.0 % to {100 * tail:.1f} %" in text


def test_noise_is_named_by_whether_it_goes():
    text = describe_curation(grades(), "base")  # of right texts 30 % stay
    assert "It keeps 30% of the right texts. Of the wrong ones it drops file name (1% kept)." in text
    assert "It cannot tell boilerplate (25% kept) from right texts." in text and "thins" not in text
    both = describe_curation(grades(boilerplate=0.02), "base")
    assert "drops file name (1% kept) and boilerplate (2% kept)." in both and "cannot tell" not in both
    thinned = describe_curation(grades(file_name=0.17, boilerplate=0.17), "base")
    assert "It thins out file name (17% kept) and boilerplate (17% kept)." in thinned and "drops" not in thinned


def test_a_study_without_grades_or_without_the_recipe_claims_nothing():
    assert describe_curation(pd.DataFrame(), "base") == ""
    text = describe_curation(grades()[lambda table: table["curation"] != "isolated"], "base")
    assert "merged lists" in text and "help" not in text
    assert tabulate_curation(grades().head(3))["noise"].tolist() == ["30.0 ± 0.0"] * 3  # a single seed


def test_another_mix_has_a_sentence_of_its_own():
    stress = grades(tail=0.2).assign(mix="stress")
    stress.loc[stress["curation"] == "pool", "noise_share"] = 0.7
    text = describe_curation(pd.concat([grades(), stress]), "base")
    assert text.startswith(describe_curation(grades(), "base"))
    assert (
        "`stress`, the recipe moves noise from 70.0 % to 29.9 % of the pairs, and the rarest third of concepts " in text
    )
    assert text.endswith("from 7.0 % to 20.0 %.")


def test_ways_have_names_for_readers():
    assert name_way("isolated") == "own lists and t: the recipe" and name_way("new") == "new"
    assert name_way("raw-shares") == "raw, equal shares"

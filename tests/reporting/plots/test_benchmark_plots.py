"""Heat maps: rows in order of script, grey where a language is missing; and the summary beside published figures."""

import numpy as np
import pandas as pd
import pytest

from mc2lib.errors import InputError
from mc2lib.reporting.benchmark_summary import summarise_benchmarks, summary_text
from mc2lib.reporting.plots.benchmark_plots import plot_group_heat_map, plot_language_heat_map, script_of
from mc2lib.reporting.published import PUBLISHED, find_published

COLUMNS = ["model", "benchmark", "language", "metric", "group", "value", "n", "low", "high"]


def table(*rows):
    return pd.DataFrame([["m", *row] for row in rows], columns=COLUMNS)


SEVERAL = table(
    ("xm3600", "ru", "i2t_r1", "", 0.5, 10, 0.4, 0.6),
    ("xm3600", "en", "i2t_r1", "", 0.7, 10, 0.6, 0.8),
    ("xm3600", "de", "i2t_r1", "", 0.6, 10, 0.5, 0.7),
    ("xm3600", "macro", "i2t_r1", "", 0.6, 30, 0.5, 0.7),
    ("xtd-10", "de", "i2t_r1", "", 0.1, 10, 0.0, 0.2),
    ("xtd-10", "ja", "i2t_r1", "", 0.2, 10, 0.1, 0.3),
    ("geode", "en", "top1", "", 0.9, 10, 0.8, 1.0),
    ("geode", "en", "top1", "region: Africa", 0.8, 5, 0.7, 0.9),
)


def test_the_map_has_a_row_per_language_by_script_and_a_column_per_measure():
    figure = plot_language_heat_map(SEVERAL)
    panel = figure.axes[0]
    assert [label.get_text() for label in panel.get_yticklabels()] == [
        "ru  (Cyrillic)",
        "ja  (Japanese)",
        "de  (Latin)",
        "en  (Latin)",
    ]
    drawn = panel.collections[0].get_array().reshape(4, 2)
    assert np.ma.filled(drawn, np.nan)[0, 0] == 50 and np.ma.getmaskarray(drawn)[0, 1]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["xm3600\ni2t_r1", "xtd-10\ni2t_r1"]


def test_groups_have_a_map_of_their_own():
    panel = plot_group_heat_map(SEVERAL).axes[0]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["region: Africa"]
    with pytest.raises(InputError, match="no benchmark with groups"):
        plot_group_heat_map(SEVERAL[SEVERAL["group"] == ""])
    with pytest.raises(InputError, match="no benchmark with several languages"):
        plot_language_heat_map(SEVERAL[SEVERAL["benchmark"] == "geode"])


@pytest.mark.parametrize(
    ("language", "script"),
    [("deu_Latn", "Latin"), ("zho_Hant", "Han"), ("min_Arab", "Arabic"), ("fil", "Latin"), ("xx", "other")],
)
def test_scripts_of_the_benchmarks_codes(language, script):
    assert script_of(language) == script


def test_the_summary_shows_macro_and_english_and_cites_its_source():
    found = summarise_benchmarks(SEVERAL)
    rows = found.set_index(["benchmark", "language"])
    assert (
        rows.loc[("xm3600", "macro"), "%"] == "60.0" and rows.loc[("xm3600", "en"), "95 % interval"] == "60.0 to 80.0"
    )
    assert rows.loc[("xm3600", "macro"), "published"] == "64.3 (MetaCLIP 2 ViT-H/14, worldwide)"
    assert ("xtd-10", "de") in rows.index and rows.loc[("geode", "en"), "n"] == "10"
    assert "published: MetaCLIP 2 (arXiv 2507.22062)" in summary_text(SEVERAL)
    assert summary_text(SEVERAL[:0]) == "nothing was measured"


def test_published_figures_are_shares_with_sources():
    assert all(0 < one.value < 1 and "arXiv" in one.source for one in PUBLISHED)
    assert len({(one.model, one.benchmark, one.language, one.metric) for one in PUBLISHED}) == len(PUBLISHED)
    assert [one.value for one in find_published("imagenet", "en", "top1")] == [0.813, 0.805]

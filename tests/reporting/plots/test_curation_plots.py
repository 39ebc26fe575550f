"""Figures of curation: what they draw is what they were given, and their titles are filled from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mc2lib.reporting.plots.curation_plots import (
    plot_concept_ranks,
    plot_language_shares,
    plot_noise,
    plot_thresholds,
)
from tests.reporting.plots.figures import drawn, labels


def test_noise_is_drawn_by_kind_and_way():
    ways = {"isolated": (0.1, 0.2), "pool": (0.3, 0.2), "raw-shares": (0.3, 0.21), "raw": (0.3, 0.2)}
    rows = []
    for seed in (0, 1):
        for way, (name, frame) in ways.items():
            shares = {"file_name_share": name + seed / 100, "boilerplate_share": frame, "noise_share": name + frame}
            kept = {"clean_kept": 0.4, "file_name_kept": 0.03, "boilerplate_kept": 0.41}
            rows.append({"mix": "base", "seed": seed, "curation": way, **shares, **kept})
    figure = plot_noise(pd.DataFrame(rows))
    assert drawn(figure)
    names, boilerplate = figure.axes
    assert labels(names.yaxis) == ["raw", "raw, equal shares", "own lists and t: the recipe"]
    assert [axis.get_xlabel() for axis in figure.axes] == ["file name", "boilerplate"]
    assert names.collections[-1].get_offsets()[:, 0].tolist() == pytest.approx([0.305, 0.305, 0.105])
    assert boilerplate.lines[0].get_xdata()[0] == pytest.approx(0.2)
    title = figure.get_suptitle()
    assert "keeps 40% of the right texts, 3% of “file name” noise and 41% of “boilerplate” noise" in title


def test_concepts_are_drawn_from_head_to_tail():
    rows = [
        {"curation": way, "rank": rank, "share": share}
        for way, shares in (("pool", (0.6, 0.3, 0.1)), ("isolated", (0.4, 0.4, 0.2)), ("raw", (0.7, 0.3, 0.0)))
        for rank, share in enumerate(shares, 1)
    ]
    figure = plot_concept_ranks(pd.DataFrame(rows))
    assert drawn(figure)
    ax = figure.axes[0]
    pool, raw, recipe = ax.lines
    assert [line.get_label() for line in ax.lines] == ["pool", "raw", "own lists and t: the recipe"]
    assert np.asarray(pool.get_ydata()).tolist() == [0.6, 0.3, 0.1] and np.asarray(raw.get_xdata()).tolist() == [1, 2]
    assert np.asarray(recipe.get_ydata()).tolist() == [0.4, 0.4, 0.2]
    assert "rarest third of the concepts has 10% of the pool's pairs and 20% of the recipe's" in figure.get_suptitle()


def test_languages_are_named_and_ordered_by_their_share_of_the_pool():
    rows = [
        ("th", "isolated", 10, 5), ("en", "isolated", 60, 10), ("ja", "isolated", 30, 5),
        ("th", "raw", 10, 9), ("en", "raw", 60, 60), ("ja", "raw", 30, 31), ("en", "english", 60, 20),
    ]  # fmt: skip
    figure = plot_language_shares(pd.DataFrame(rows, columns=["language", "curation", "pairs", "kept"]))
    assert drawn(figure)
    ax = figure.axes[0]
    assert labels(ax.yaxis) == ["English", "Japanese", "Thai"]
    *ways, pool = ax.collections
    assert [way.get_label() for way in ways] == ["raw", "English only", "own lists and t: the recipe"]
    assert pool.get_offsets()[:, 0].tolist() == pytest.approx([0.6, 0.3, 0.1])
    assert sorted(ways[2].get_offsets()[:, 0].tolist()) == [0.25, 0.25, 0.5]
    assert "English has 60% of the pool, 50% of the recipe's pairs, and 50% to 60% by the ways" in figure.get_suptitle()


def test_thresholds_are_a_row_per_language_the_largest_first():
    report = pd.DataFrame(
        {"language": ["th", "en", "de"], "matched": [5, 900, 70], "t": [1, 120, 20], "p": [0.1, 0.06, 0.05]}
    )
    figure = plot_thresholds(report)
    assert drawn(figure)
    left, right = figure.axes
    assert labels(left.yaxis) == ["English", "German", "Thai"]
    assert [row[0] for row in left.collections[0].get_offsets().tolist()] == [120, 20, 1]
    assert [row[0] for row in right.collections[0].get_offsets().tolist()] == [0.06, 0.05, 0.1]
    assert figure.get_suptitle() == "t is 1 to 120; it is 1 in 1 of 3 languages"
    assert plot_thresholds(report[1:]).get_suptitle() == "t is 20 to 120; it is above 1 in every language"

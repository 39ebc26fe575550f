"""Labels of the packaged model compared with lists."""

from pathlib import Path

import pytest

from mc2lib.errors import InputError
from mc2lib.io.metadata.label_coverage import find_unreached, label_coverage
from mc2lib.languages import MERGED, WIKIPEDIAS
from mc2lib.recipe.metadata.card import summarise_coverage


def test_all_labels_of_lid_176_find_a_list_where_there_are_all():
    coverage = label_coverage([language for language in WIKIPEDIAS if language not in MERGED])
    assert coverage.loc["other", "labels"] == "lrc"  # Northern Luri's Wikipedia is closed
    assert coverage.loc["zh", "labels"].split() == ["wuu", "yue", "zh"] and coverage.loc["als", "labels"] == "als"
    summary = summarise_coverage(coverage)
    assert summary["labels"].sum() == 176 and summary.loc["label without a list", "languages"] == 0
    assert summary["languages"].tolist() == [173, 324 - 173, 0, 0]


def test_what_no_label_of_lid_176_reaches():
    unreached = find_unreached([language for language in WIKIPEDIAS if language not in MERGED])
    assert len(unreached) == 324 - 173 and unreached[:2] == ("ab", "ace") and "als" not in unreached


def test_a_model_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"none\.bin"):
        label_coverage(["en"], tmp_path / "none.bin")

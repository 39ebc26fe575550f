"""The card's numbers, by hand."""

import dataclasses

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mc2lib.languages import WIKIPEDIAS
from mc2lib.recipe.metadata.card import count_cuts, count_letters, cover_labels, summarise_coverage, summarise_cuts
from mc2lib.recipe.metadata.merge import Source, Walk, merge_sources
from mc2lib.recipe.metadata.ranking import Allowance
from tests.recipe.metadata.test_ranking import RULES

CAPS = dataclasses.replace(RULES, unigram_cap=8, bigram_cap=3, title_cap=50)


@pytest.mark.parametrize(
    ("walk", "cuts"),
    [
        (Walk(101, Allowance(11, 8), new=8, held=2, unusable=1), (87, 3)),  # 90 are left, of which the cap cost three
        (Walk(12, Allowance(11, 8), new=8, held=2, unusable=1), (0, 1)),  # the share had not reached three more
        (Walk(60, Allowance(46, 50), new=46, held=0, unusable=0), (14, 0)),
        (Walk(9, Allowance(9, 8), new=7, held=2, unusable=0), (0, 0)),  # the source ended
        (Walk(9, Allowance(9, 8), new=5, held=0, unusable=0), (4, 0)),  # the four are below the PMI
        (Walk(5, None, new=4, held=0, unusable=1), (0, 0)),
    ],
)
def test_what_shares_and_caps_cut(walk: Walk, cuts: tuple[int, int]):
    assert count_cuts(walk) == cuts


@given(st.integers(0, 200), st.integers(0, 60), st.integers(0, 200), st.integers(0, 30))
def test_cuts_and_what_was_passed_are_the_candidates(unigrams: int, bigrams: int, titles: int, held: int):
    words, names = [str(1000 + i) for i in range(unigrams)], [f"t{i}" for i in range(titles)]
    sources = {
        "wordnet": [*words[:held], *names[:held]], "unigram": words, "title": names,
        "bigram": [f"a {i}" for i in range(bigrams)],
    }  # fmt: skip
    for walk in merge_sources({name: Source.listed(entries) for name, entries in sources.items()}, CAPS).walks.values():
        below, beyond = count_cuts(walk)
        assert below >= 0 and beyond >= 0
        assert below + beyond + walk.new + walk.held + walk.unusable == walk.candidates


@pytest.mark.parametrize(
    ("entries", "language", "letters"),
    [
        (["cat", "Käse 12"], "de", (7, 7)),
        (["кот", "cat"], "ru", (6, 3)),
        (["ｃａｔ", "猫の", "ネコ", "ﾈｺ"], "ja", (9, 6)),  # letters of full and half width are of their scripts
        (["हिन्दी"], "hi", (3, 3)),  # vowel signs are marks
        (["한국"], "ko", (2, 2)),
        (["ᐃᓄᒃ", "x"], "iu", (4, 3)),
    ],
)
def test_letters_of_a_script(entries: list[str], language: str, letters: tuple[int, int]):
    assert count_letters(entries, language) == letters


def test_numbers_have_no_script():
    assert count_letters(["0", "42"], "en") == count_letters([], "en") == (0, 0)


def test_every_script_is_known_by_its_letters():
    letters = {"Armenian": "ա", "Meetei Mayek": "ꯀ", "N'Ko": "ߊ", "Odia": "କ", "Ol Chiki": "ᱚ", "Tifinagh": "ⴰ"}
    letters |= {"Arabic": "ا", "Bengali": "ক", "Canadian Syllabics": "ᐃ", "Cherokee": "Ꭰ", "Cyrillic": "а"}
    letters |= {"Devanagari": "क", "Ethiopic": "አ", "Georgian": "ა", "Gothic": "𐌰", "Greek": "α", "Gujarati": "ક"}
    letters |= {"Gurmukhi": "ਕ", "Han": "猫", "Hebrew": "א", "Japanese": "の", "Kannada": "ಕ", "Khmer": "ក"}
    letters |= {"Korean": "한", "Lao": "ກ", "Latin": "a", "Malayalam": "ക", "Myanmar": "က", "Sinhala": "ක"}
    letters |= {"Syriac": "ܐ", "Tamil": "க", "Telugu": "క", "Thaana": "ހ", "Thai": "ก", "Tibetan": "ཀ"}
    from mc2lib.languages import script

    assert {script(language) for language in WIKIPEDIAS} == set(letters)
    assert all(count_letters([letters[script(language)]], language) == (1, 1) for language in WIKIPEDIAS)


def test_cuts_over_all_languages():
    columns = ["language", "source", "candidates", "below_share", "beyond_cap", "cut_by_cap", "elsewhere", "entries"]
    rows = [
        ("en", "wordnet", 2, 0, 0, False, 0, 2),
        ("en", "unigram", 101, 90, 3, True, 1, 7),
        ("de", "wordnet", 0, 0, 0, False, 0, 0),
        ("de", "unigram", 10, 9, 0, False, 0, 1),
        ("other", "unigram", 1, 0, 0, False, 0, 1),  # it is German's again
    ]
    cuts = summarise_cuts(pd.DataFrame(rows, columns=columns))
    assert cuts.index.tolist() == ["wordnet", "unigram"]
    assert cuts.loc["wordnet"].tolist() == [1, 0, 2, 0, 0, 0, 2]
    assert cuts.loc["unigram"].tolist() == [2, 1, 111, 99, 3, 1, 8]


def test_labels_and_lists():
    labels = ["__label__en", "__label__eng_Latn", "__label__yue", "__label__zh", "__label__tk", "__label__xyz"]
    coverage = cover_labels(labels, ["en", "zh", "als"])
    assert coverage.index.tolist() == ["en", "zh", "als", "tk", "other"]
    assert coverage["list"].tolist() == [True, True, True, False, False]
    assert coverage["labels"].tolist() == ["en eng_Latn", "yue zh", "", "tk", "xyz"]
    summary = summarise_coverage(coverage)
    assert summary["languages"].tolist() == [2, 1, 1, 0] and summary["labels"].tolist() == [4, 0, 1, 1]
    assert summary["which"].tolist() == ["en zh", "als", "tk", "xyz"]


def test_the_list_of_other_is_a_row_of_its_own():
    with_list = cover_labels(["__label__en", "__label__xyz"], ["en", "als", "other"])
    assert with_list.index.tolist() == ["en", "als", "other"] and with_list["list"].tolist() == [True, True, True]
    assert with_list.loc["other", "labels"] == "xyz"
    assert summarise_coverage(with_list)["languages"].tolist() == [1, 1, 0, 0]
    without_label = cover_labels(["__label__en"], ["other", "en"])
    assert without_label.index.tolist() == ["en", "other"] and without_label.loc["other", "labels"] == ""
    assert summarise_coverage(without_label)["labels"].tolist() == [1, 0, 0, 0]


def test_a_model_without_labels_of_ours_and_no_lists():
    assert summarise_coverage(cover_labels([], ["en"]))["languages"].tolist() == [0, 1, 0, 0]
    assert summarise_coverage(cover_labels(["__label__en"], []))["languages"].tolist() == [0, 0, 1, 0]

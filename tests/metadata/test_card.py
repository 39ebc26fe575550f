"""The card's numbers, by hand."""

import dataclasses

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mc2lib.languages import WIKIPEDIAS
from mc2lib.metadata.card import count_cuts, count_letters, cover_labels, summarise_coverage, summarise_cuts
from mc2lib.metadata.rank import cut_bigrams, cut_titles, cut_unigrams
from tests.metadata.test_rank import RULES

CAPS = dataclasses.replace(RULES, unigram_cap=8, bigram_cap=3, title_cap=50)


def test_what_shares_and_caps_cut():
    # a tenth of 101 is 11, the cap 8; 40 % of 8 is 4, the cap 3; 76 % of 60 is 46, below the cap
    candidates = {"wordnet": 5, "unigram": 101, "bigram": 9, "title": 60}
    kept = {"wordnet": 5, "unigram": 8, "bigram": 3, "title": 46}
    assert count_cuts(candidates, kept, CAPS) == {"unigram": (90, 3), "bigram": (5, 1), "title": (14, 0)}
    by_pmi = dataclasses.replace(CAPS, bigram_rule="pmi")
    assert count_cuts(candidates, kept, by_pmi)["bigram"] == (0, 6)
    assert count_cuts(candidates, kept | {"bigram": 2}, by_pmi)["bigram"] == (7, 0)
    assert count_cuts({}, {}, CAPS) == {"unigram": (0, 0), "bigram": (0, 0), "title": (0, 0)}


@given(st.integers(0, 200), st.integers(0, 60), st.integers(0, 200))
def test_cuts_and_what_is_kept_are_the_candidates(unigrams: int, bigrams: int, titles: int):
    words, names = [str(i) for i in range(unigrams)], [str(i) for i in range(titles)]
    kept = {"unigram": len(cut_unigrams(words, CAPS)), "title": len(cut_titles(names, CAPS))}
    kept["bigram"] = len(cut_bigrams([(str(i), 1.0) for i in range(bigrams)], kept["unigram"], CAPS))
    candidates = {"unigram": unigrams, "bigram": bigrams, "title": titles}
    for source, (below, beyond) in count_cuts(candidates, kept, CAPS).items():
        assert below >= 0 and beyond >= 0 and below + beyond + kept[source] == candidates[source]


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


def test_a_model_without_labels_of_ours_and_no_lists():
    assert summarise_coverage(cover_labels([], ["en"]))["languages"].tolist() == [0, 1, 0, 0]
    assert summarise_coverage(cover_labels(["__label__en"], []))["languages"].tolist() == [0, 0, 1, 0]

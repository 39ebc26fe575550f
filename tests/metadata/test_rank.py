"""Ranking and cutting."""

import dataclasses
import random

import pytest

from mc2lib.metadata.rank import (
    cut_bigrams,
    cut_titles,
    cut_unigrams,
    rank_bigrams,
    rank_titles,
    rank_unigrams,
    restore_case,
)
from mc2lib.params import Metadata

RULES = Metadata(
    unigram_share=0.1,
    unigram_cap=5,
    bigram_rule="share",
    bigram_share=0.4,
    bigram_pmi=2.0,
    bigram_cap=3,
    title_share=0.76,
    title_cap=80,
    entry_characters=256,
)


def test_unigrams_by_frequency_without_number_classes():
    assert rank_unigrams({"b": 1, "the": 9, "0000": 8, "a": 1, "5": 2, "1990er": 3}) == ["the", "5", "b", "a"]


def test_restore_case():
    assert restore_case(["hund", "5", "Hund"], "de") == ["hund", "Hund", "5"]
    assert restore_case(["istanbul"], "tr") == ["istanbul", "İstanbul"]
    assert restore_case(["人", "ქართული"], "ka")[0] == "人"


def test_bigrams_by_hand():
    # 8 words: a x4, b x2, c x1, d x1; pairs: ab x2, ba x2, ac x1, da x1
    clauses = [("a", "b", "a", "c"), ("d", "a", "b", "a")]
    # log2(2 * 8 / (4 * 2)) = 1 of ab and ba, log2(1 * 8 / (4 * 1)) = 1 of ac and da: counts break the tie
    assert rank_bigrams(clauses, "en") == [("a b", 1.0), ("b a", 1.0), ("a c", 1.0), ("d a", 1.0)]
    assert rank_bigrams([("x", "y"), ("z", "w")], "en") == [("x y", 2.0), ("z w", 2.0)]
    assert rank_bigrams([("x", "y", "y"), ("z",)], "en") == [("x y", 1.0), ("y y", 0.0)]


def test_bigrams_do_not_depend_on_the_order_of_the_text():
    clauses = [tuple("abcab"), tuple("bcd"), tuple("dda")]
    shuffled = clauses.copy()
    random.Random(1).shuffle(shuffled)
    assert rank_bigrams(shuffled, "en") == rank_bigrams(clauses, "en")


def test_bigrams_without_spaces_are_joined():
    assert [bigram for bigram, _ in rank_bigrams([("正当", "に")], "ja")] == ["正当に"]


def test_titles_by_their_rarest_word():
    names = ["rare cat", "cat", "unknown", "the cat", "cat"]
    assert rank_titles(names, {"the": 9, "cat": 5, "rare": 1}, "en") == ["cat", "the cat", "rare cat", "unknown"]


@pytest.mark.parametrize(("words", "kept"), [(0, 0), (1, 1), (30, 3), (31, 4), (100, 5)])
def test_cut_unigrams_by_share_then_cap(words: int, kept: int):
    assert cut_unigrams([str(i) for i in range(words)], RULES) == [str(i) for i in range(kept)]


@pytest.mark.parametrize(("unigrams", "kept"), [(0, 0), (1, 1), (5, 2), (100, 3)])
def test_cut_bigrams_by_share_of_unigrams(unigrams: int, kept: int):
    ranked = [("a b", 4.0), ("b c", 2.5), ("c d", 2.0), ("d e", 1.0)]
    assert len(cut_bigrams(ranked, unigrams, RULES)) == kept


def test_cut_bigrams_by_pmi():
    ranked = [("a b", 4.0), ("b c", 2.5), ("c d", 2.0), ("d e", 1.0)]
    rules = dataclasses.replace(RULES, bigram_rule="pmi")
    assert cut_bigrams(ranked, 0, rules) == ["a b", "b c"]
    assert cut_bigrams(ranked, 0, dataclasses.replace(rules, bigram_cap=1)) == ["a b"]


def test_cut_titles():
    assert len(cut_titles([str(i) for i in range(100)], RULES)) == 76
    assert len(cut_titles([str(i) for i in range(1000)], RULES)) == 80

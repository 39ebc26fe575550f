"""Ranking and cutting."""

import dataclasses
import random

import pytest

from mc2lib.params import Metadata
from mc2lib.recipe.metadata.ranking import (
    Allowance,
    admit_bigrams,
    allow_bigrams,
    allow_titles,
    allow_unigrams,
    rank_bigrams,
    rank_titles,
    rank_unigrams,
    restore_case,
)

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
BY_PMI = dataclasses.replace(RULES, bigram_rule="pmi")


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


@pytest.mark.parametrize(("words", "share"), [(0, 0), (1, 1), (30, 3), (31, 4), (100, 10)])
def test_unigrams_are_a_share_and_at_most_a_cap(words: int, share: int):
    assert allow_unigrams(words, RULES) == Allowance(share, 5)


@pytest.mark.parametrize(("unigrams", "share"), [(0, 0), (1, 1), (5, 2), (100, 40)])
def test_bigrams_are_a_share_of_the_unigrams(unigrams: int, share: int):
    assert allow_bigrams(7, unigrams, RULES) == Allowance(share, 3)
    assert allow_bigrams(7, unigrams, BY_PMI) == Allowance(7, 3)


def test_bigrams_above_the_pmi():
    ranked = [("a b", 4.0), ("b c", 2.5), ("c d", 2.0), ("d e", 1.0)]
    assert admit_bigrams(ranked, BY_PMI) == ["a b", "b c"]
    assert admit_bigrams(ranked, RULES) == ["a b", "b c", "c d", "d e"]


def test_titles_are_a_share_and_at_most_a_cap():
    assert allow_titles(100, RULES) == Allowance(76, 80)

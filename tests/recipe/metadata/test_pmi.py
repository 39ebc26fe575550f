"""The best words and pairs: the order and the numbers of the plain ranking, without sorting everything."""

import dataclasses
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.recipe.metadata import pmi
from mc2lib.recipe.metadata.counting.count_table import count_texts
from mc2lib.recipe.metadata.counting.counts import Counts
from mc2lib.recipe.metadata.pmi import pair_source, rank_pairs, rank_words, word_source
from mc2lib.recipe.metadata.ranking import rank_bigrams
from mc2lib.recipe.metadata.segment import make_segmenter
from mc2lib.recipe.metadata.words import count_words, split_clauses
from tests.recipe.metadata.test_ranking import RULES


def test_words_by_falling_count_then_code_points():
    counts = count_texts(pa.array(["b b a a c é é é Z"]))
    assert rank_words(counts) == ["é", "a", "b", "Z", "c"]
    assert rank_words(counts, top=2) == ["é", "a"] and rank_words(counts, top=0) == []
    assert rank_words(counts, minimum_count=2) == ["é", "a", "b"]


def test_pairs_by_hand():
    # 8 words: a x4, b x2, c x1, d x1; log2(2 * 8 / (4 * 2)) = 1 of ab and ba, log2(1 * 8 / (4 * 1)) = 1 of ac and da
    counts = count_texts(pa.array(["a b a c", "d a b a"]))
    assert rank_pairs(counts, " ") == [("a b", 1.0), ("b a", 1.0), ("a c", 1.0), ("d a", 1.0)]
    assert rank_pairs(counts, " ", top=3) == [("a b", 1.0), ("b a", 1.0), ("a c", 1.0)]
    assert rank_pairs(counts, " ", minimum_count=2) == [("a b", 1.0), ("b a", 1.0)]
    assert rank_pairs(count_texts(pa.array([""])), " ") == []


@given(st.lists(st.text("abc ,\x01", max_size=14), max_size=10), st.integers(0, 12))
@settings(max_examples=150)
def test_the_order_is_rank_bigrams(texts: list[str], top: int):
    expected = rank_bigrams(split_clauses(texts, "en"), "en")
    counts = count_texts(pa.array(texts, pa.string()))
    assert rank_pairs(counts, " ") == expected
    assert rank_pairs(counts, " ", top) == expected[:top]


def test_without_spaces_the_order_is_that_of_the_joined_words():
    texts = ["日本国民は、正当に選挙された国会における代表者を通じて行動し", "日本国の民は"]
    counts = count_texts(pa.array(texts), make_segmenter("ja"))
    expected = rank_bigrams(split_clauses(texts, "ja"), "ja")
    assert rank_pairs(counts, "") == expected and rank_pairs(counts, "", 7) == expected[:7]


class _InBlocks(Counts):
    """Counts handed out a few at a time, as those on disk are."""

    def pair_blocks(self):  # type: ignore[no-untyped-def]
        for start in range(0, len(self.pairs), 97):
            yield self.pairs[start : start + 97], self.pair_counts[start : start + 97]

    def word_blocks(self):  # type: ignore[no-untyped-def]
        yield from np.array_split(self.word_counts, 7)


@pytest.mark.parametrize("top", [1, 10, 333, 5000])
def test_the_best_are_kept_as_blocks_go_by(monkeypatch: pytest.MonkeyPatch, top: int):
    draw = random.Random(5)
    texts = [" ".join(str(int(2000 ** draw.random())) for _ in range(30)) for _ in range(300)]
    counts = count_texts(pa.array(texts))
    blocks = _InBlocks(counts.words, counts.word_counts, counts.pairs, counts.pair_counts)
    monkeypatch.setattr(pmi, "SLACK", 50)  # cuts happen every few blocks, most of them among equals
    assert rank_pairs(blocks, " ", top) == rank_bigrams(split_clauses(texts, "en"), "en")[:top]
    words = count_words(split_clauses(texts, "en"))
    assert rank_words(blocks, top) == sorted(words, key=lambda word: (-words[word], word))[:top]


def test_counts_beyond_the_precision_of_a_float():
    # products of more than 53 bits: rounding them first would give other last bits
    words = np.array([3_000_000_019, 2_999_999_929, 7], np.int64)
    keys = np.array([1, 1 << 32, 2], np.uint64)
    pairs = np.array([20_000_003, 19_999_999, 3], np.int64)
    counts = Counts(pa.array([b"a", b"b", b"c"], pa.large_binary()), words, keys, pairs)
    total = int(words.sum())
    import math

    exact = {
        "a b": math.log2(20_000_003 * total / (3_000_000_019 * 2_999_999_929)),
        "b a": math.log2(19_999_999 * total / (3_000_000_019 * 2_999_999_929)),
        "a c": math.log2(3 * total / (3_000_000_019 * 7)),
    }
    assert dict(rank_pairs(counts, " ")) == exact


def test_candidates_are_those_that_reach_the_minimum():
    counts = count_texts(pa.array(["a a b b " + " ".join(f"w{i}" for i in range(100)), "a b"]))
    assert word_source(counts).candidates == 102 and word_source(counts, 2).candidates == 2
    assert word_source(counts, 2).best(5) == ["a", "b"]
    pairs = pair_source(counts, " ", RULES, 2)
    assert pairs.candidates == 1 and pairs.best(5) == ["a b"]
    assert pair_source(counts, " ", RULES).candidates == len(counts.pairs)
    by_pmi = dataclasses.replace(RULES, bigram_rule="pmi", bigram_pmi=6.0)
    above = [pair for pair, pmi in rank_pairs(counts, " ") if pmi > 6.0]
    assert pair_source(counts, " ", by_pmi).best(1000) == above and 0 < len(above) < len(counts.pairs)

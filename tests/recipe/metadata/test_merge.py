"""Merging sources."""

import dataclasses
import random
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fidelity_metadata import PAPER, english_entries
from mc2lib.errors import InputError
from mc2lib.params import Metadata
from mc2lib.recipe.metadata.counting.count_table import count_texts
from mc2lib.recipe.metadata.merge import NUMBERS, SOURCES, Merged, Source, is_usable, merge_sources
from mc2lib.recipe.metadata.pmi import pair_source, word_source
from mc2lib.recipe.metadata.ranking import rank_bigrams
from mc2lib.recipe.metadata.words import count_words, split_clauses
from tests.recipe.metadata.test_ranking import RULES

ALL = Metadata(1.0, 10**6, "pmi", 1.0, float("-inf"), 10**6, 1.0, 10**6, 256)


def merge(rules: Metadata = ALL, **sources: Sequence[str]) -> Merged:
    return merge_sources({name: Source.listed(entries) for name, entries in sources.items()}, rules)


def entries(merged: Merged, source: str) -> list[str]:
    table = merged.table.to_pandas()
    found: list[str] = table.loc[table["source"] == source, "entry"].tolist()
    return found


def test_first_source_wins_and_numbers_are_added():
    table = merge(
        title=["big cat", "cat", "7"], wordnet=["cat"], bigram=["big cat"], unigram=["dog", "cat"]
    ).table  # named in another order than the recipe's
    rows = list(zip(table["entry"].to_pylist(), table["source"].to_pylist(), table["rank"].to_pylist(), strict=True))
    assert rows[:5] == [
        ("cat", "wordnet", 0),
        ("dog", "unigram", 0),
        ("big cat", "bigram", 0),
        ("7", "title", 2),
        ("0", "number", 0),
    ]
    assert len(rows) == 4 + 99 and rows[-1] == ("99", "number", 99)


def test_long_and_punctuation_entries_are_dropped_and_ranks_stay():
    merged = merge(unigram=["a" * 257, "...", "!?", " ", "", "a" * 256, "a.", "😀"])
    assert merged.table["entry"].to_pylist()[:3] == ["a" * 256, "a.", "😀"]
    assert merged.table["rank"].to_pylist()[:3] == [5, 6, 7]
    assert merged.walks["unigram"].unusable == 5 and merged.walks["unigram"].held == 0


def test_unknown_source_is_named():
    with pytest.raises(InputError, match="Did you mean 'unigram'"):
        merge(unigrams=[])


def test_caps_and_shares_count_new_entries():
    # of 100 words a tenth is ten, the cap five: the walk passes by the three that WordNet has, and ends at the eighth
    words = [f"w{i}" for i in range(100)]
    merged = merge(RULES, wordnet=["w0", "w2", "w4"], unigram=words)
    assert entries(merged, "unigram") == ["w1", "w3", "w5", "w6", "w7"]
    assert merged.walks["unigram"].held == 3 and merged.walks["unigram"].new == 5
    # below the cap the share is of new entries too: a tenth of 30
    assert entries(merge(RULES, wordnet=["w0"], unigram=words[:30]), "unigram") == ["w1", "w2", "w3"]
    # 76 % of eight titles are seven, two of which the list has: the walk continues to the last
    titles = [f"t{i}" for i in range(8)]
    assert entries(merge(RULES, wordnet=["t0", "t5"], title=titles), "title") == ["t1", "t2", "t3", "t4", "t6", "t7"]


def test_bigrams_are_a_share_of_the_unigrams_whatever_source_has_them():
    bigrams = ["a b", "b c", "c d", "d e"]
    words = [f"w{i}" for i in range(20)]  # two new ones
    assert entries(merge(RULES, unigram=words, bigram=bigrams), "bigram") == ["a b"]
    # WordNet has the first four: the walk meets six, and 40 % of six are three, of which WordNet has one
    merged = merge(RULES, wordnet=[*words[:4], "a b"], unigram=words, bigram=bigrams)
    assert entries(merged, "bigram") == ["b c", "c d", "d e"]
    capped = dataclasses.replace(RULES, bigram_cap=2)
    assert entries(merge(capped, wordnet=[*words[:4], "a b"], unigram=words, bigram=bigrams), "bigram") == [
        "b c", "c d",
    ]  # fmt: skip


def test_a_source_is_asked_again_for_as_many_as_it_takes():
    """Blank and too long entries are in no earlier list, so nothing says beforehand how many will be passed by."""
    asked: list[int] = []
    names = ["?" * i for i in range(1, 40)] + ["a", "b", "c"]

    def best(top: int) -> list[str]:
        asked.append(top)
        return names[:top]

    rules = dataclasses.replace(RULES, title_cap=2)
    assert entries(merge_sources({"title": Source(len(names), best)}, rules), "title") == ["a", "b"]
    assert asked == [2, 4, 8, 16, 32, 42]


@given(
    st.lists(st.text("abc ,", max_size=14), max_size=8),
    st.lists(st.sampled_from(["a", "b", "ab", "a b", "b a", "c c"]), unique=True),
    st.integers(0, 4),
    st.integers(0, 4),
    st.floats(0, 1),
    st.sampled_from(["share", "pmi"]),
)
def test_reading_only_the_best_of_counts_is_walking_down_all(
    texts: list[str], lemmas: list[str], words_cap: int, pairs_cap: int, share: float, rule: str
):
    """The oracle ranks everything, and walks down it one entry at a time."""
    rules = Metadata(share, words_cap, rule, 0.5, 1.0, pairs_cap, share, 0, 256)  # type: ignore[arg-type]
    counts = count_texts(pa.array(texts, pa.string()))
    clauses = split_clauses(texts, "en")
    counted = count_words(clauses)
    ranked = sorted(counted, key=lambda word: (-counted[word], word))
    room = min(-int(-share * len(ranked) // 1), words_cap)
    words: list[str] = []
    met = 0
    for word in ranked:
        if len(words) == room:
            break
        met += 1
        words += [word] if word not in lemmas else []
    scored = rank_bigrams(clauses, "en")
    room = min(-(-met // 2) if rule == "share" else len(scored), pairs_cap)
    pairs = [pair for pair, pmi in scored if pair not in lemmas and (rule == "share" or pmi > 1.0)][:room]
    merged = merge_sources(
        {
            "wordnet": Source.listed(lemmas),
            "unigram": word_source(counts),
            "bigram": pair_source(counts, " ", rules),
        },
        rules,
    )
    assert entries(merged, "unigram") == words and entries(merged, "bigram") == pairs


def test_english_reaches_the_papers_numbers_where_its_sources_suffice():
    # the later sources offer, as their best, thousands of entries that earlier ones have
    assert english_entries() == PAPER == {"unigram": 251_465, "bigram": 100_646, "title": 61_235}


def test_the_order_in_which_lists_hold_entries_does_not_matter():
    words = [f"w{i}" for i in range(100)]
    lemmas = words[:7]
    shuffled = lemmas.copy()
    random.Random(3).shuffle(shuffled)
    one, other = merge(RULES, wordnet=lemmas, unigram=words), merge(RULES, wordnet=shuffled, unigram=words)
    assert entries(one, "unigram") == entries(other, "unigram") == ["w7", "w8", "w9", "w10", "w11"]


ENTRIES = st.lists(st.text(max_size=8), max_size=20)


@given(st.dictionaries(st.sampled_from(SOURCES[:-1]), ENTRIES), st.integers(2, 8))
def test_every_usable_entry_occurs_once_under_its_first_source(sources: dict[str, list[str]], longest: int):
    merged = merge(dataclasses.replace(ALL, entry_characters=longest), **sources)
    table = merged.table
    found = table["entry"].to_pylist()
    offered = [e for name in SOURCES[:-1] for e in sources.get(name, [])] + list(NUMBERS)
    assert found == list(dict.fromkeys(e for e in offered if is_usable(e, longest)))
    for entry, source, rank in zip(found, table["source"].to_pylist(), table["rank"].to_pylist(), strict=True):
        holders = [name for name in SOURCES if entry in (NUMBERS if name == "number" else sources.get(name, ()))]
        held = NUMBERS if source == "number" else sources[source]
        assert source == holders[0] and held[rank] == entry
    for name, walk in merged.walks.items():
        assert (
            walk.new + walk.held + walk.unusable
            == walk.candidates
            == (100 if name == "number" else len(sources.get(name, [])))
        )

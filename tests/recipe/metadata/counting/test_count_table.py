"""Counts of words and pairs: equal to the plain way's, whatever the text, the limit and the division."""

import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.errors import InputError
from mc2lib.languages import is_punctuation
from mc2lib.recipe.metadata.counting.count_table import Table, count_texts
from mc2lib.recipe.metadata.counting.counts import Counts, merge_counts
from mc2lib.recipe.metadata.counting.scanner import MARK, SPACE, WORD, character_classes
from mc2lib.recipe.metadata.segment import make_segmenter
from mc2lib.recipe.metadata.words import WORD_SPACE, is_mark, split_clauses

Plain = tuple[dict[str, int], dict[tuple[str, str], int]]

#: Small texts of every class of character: all widths of UTF-8, marks, symbols, all kinds of white space.
CHARACTERS = "ab Zé,.'-_$\n\t\r\x1c\x85\xa0\u1361\u3000\u200c\u0301ሰ人가𝒳😀\x00\U000e0100"


def oracle(texts: list[str], language: str = "en") -> Plain:
    clauses = split_clauses(texts, language)
    words = Counter(word for clause in clauses for word in clause)
    return dict(words), dict(Counter(pair for clause in clauses for pair in pairwise(clause)))


def plain(counts: Counts) -> Plain:
    words = [word.decode() for word in counts.words.to_pylist()]
    pairs = zip(counts.pairs.tolist(), counts.pair_counts.tolist(), strict=True)
    return (
        dict(zip(words, counts.word_counts.tolist(), strict=True)),
        {(words[key >> 32], words[key & 0xFFFFFFFF]): count for key, count in pairs},
    )


def copied(counts: Counts) -> Counts:
    return Counts(counts.words, counts.word_counts.copy(), counts.pairs.copy(), counts.pair_counts.copy())


def assert_same(one: Counts, other: Counts) -> None:
    assert one.words.equals(other.words)
    for name in ("word_counts", "pairs", "pair_counts"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def zipf(words: int, vocabulary: int = 20_000, seed: int = 1) -> list[str]:
    draw = random.Random(seed)
    names = [str(int(vocabulary ** draw.random())) for _ in range(words)]
    return [" ".join(names[start : start + 50]) for start in range(0, words, 50)]


def test_by_hand():
    counts = count_texts(pa.array(["b a b, a", "b a"]))
    assert counts.words.to_pylist() == [b"a", b"b"]
    assert counts.word_counts.tolist() == [3, 3] and counts.total == 6
    assert counts.pairs.tolist() == [0 << 32 | 1, 1 << 32 | 0]  # the comma and the text's end part a from b
    assert counts.pair_counts.tolist() == [1, 2]


@pytest.mark.parametrize("texts", [[], [""], [" , \n"], [None, "a", None]])
def test_nothing_to_count(texts: list[str | None]):
    assert plain(count_texts(pa.array(texts, pa.string()))) == ({"a": 1} if "a" in texts else {}, {})


def test_classes_are_those_of_split_clauses():
    classes = character_classes()
    for point in [*range(0x3100), *range(0xA000, 0xA900), *range(0xFE00, 0x10200), *range(0x1D000, 0x1FA00, 3)]:
        character = chr(point)
        expected = SPACE if character.isspace() or character == WORD_SPACE else MARK if is_mark(character) else WORD
        assert classes[point] == expected, hex(point)
    is_punctuation.cache_clear()
    assert not [point for point in range(0x3001, 0x110000) if chr(point).isspace()]  # where the table stops looking


@given(st.lists(st.text(st.sampled_from(CHARACTERS), max_size=30), max_size=4))
@settings(max_examples=150)
def test_equal_to_clauses(texts: list[str]):
    assert plain(count_texts(pa.array(texts, pa.string()))) == oracle(texts)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=3))
@settings(max_examples=100)
def test_equal_to_clauses_in_all_scripts(texts: list[str]):
    assert plain(count_texts(pa.array(texts, pa.large_string()))) == oracle(texts)


@given(st.lists(st.one_of(st.binary(max_size=12), st.text("é人😀 a").map(str.encode)), max_size=6).map(b"".join))
@settings(max_examples=200)
def test_broken_bytes_are_replacement_characters(text: bytes):
    assert plain(count_texts(pa.array([text], pa.binary()))) == oracle([text.decode(errors="replace")])


@pytest.mark.parametrize(
    "broken", [b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xe4\xba"]
)
def test_bytes_that_are_not_utf8_separate_clauses(broken: bytes):
    counts = count_texts(pa.array([b"a" + broken + b"b c"]))
    assert plain(counts) == ({"a": 1, "b": 1, "c": 1}, {("b", "c"): 1})


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "日本国民は、正当に 3.14 選挙された can't"),
        ("th", "สากลว่าด้วย 3 คน"),
        ("zh", "人人生而自由，在尊严和权利上一律平等。他们"),
        ("km", "មនុស្សទាំងអស់ កើតមកមានសេរីភាព"),
        ("bo", "འགྲོ་བ་མིའི་རིགས།"),
    ],
)
def test_segmented_languages_are_split_as_clauses_are(language: str, text: str):
    counts = count_texts(pa.array([text, "", text[:5]]), make_segmenter(language, "icu"))
    assert plain(counts) == oracle([text, "", text[:5]], language)


def test_slices_and_chunks_are_read_in_their_place():
    texts = ["x x", "a b", "c", "y"]
    expected = oracle(texts[1:3])
    assert plain(count_texts(pa.array(texts).slice(1, 2))) == expected
    assert plain(count_texts(pa.chunked_array([["a b"], ["c"]]))) == expected
    assert plain(count_texts(pa.chunked_array([], pa.string()))) == ({}, {})


def test_other_types_are_refused():
    with pytest.raises(InputError, match="Cast the texts"):
        count_texts(pa.array([1]))


def test_tables_that_grow_count_what_dictionaries_count():
    texts = zipf(60_000)
    assert plain(count_texts(pa.array(texts))) == oracle(texts)


def test_many_texts_one_table():
    table = Table()
    for texts in (["a b"], ["b a", "a b"]):
        assert not list(table.add(pa.array(texts)))
    assert plain(table.drain()) == oracle(["a b", "b a", "a b"])
    assert table.empty and plain(table.drain()) == ({}, {})


@pytest.mark.parametrize("limit", [1_800_000, 2_500_000])
def test_a_limited_table_hands_out_parts_that_add_up(limit: int):
    texts = zipf(60_000)
    table, parts = Table(limit), []
    for counts in table.add(pa.array([" ".join(texts)])):  # one clause: every part is cut within it
        assert table.held <= limit
        parts.append(copied(counts))
    parts.append(copied(table.drain()))
    assert len(parts) > 1
    random.Random(3).shuffle(parts)
    assert_same(merge_counts(parts), count_texts(pa.array([" ".join(texts)])))


def test_one_word_longer_than_the_limit_is_held():
    table = Table(1_800_000)
    word = "x" * 3_000_000
    parts = [copied(counts) for counts in table.add(pa.array([f"a b {word} c a b", f"{word} c"]))]
    parts.append(table.drain())
    words, pairs = plain(merge_counts(parts))
    assert words == {"a": 2, "b": 2, word: 2, "c": 2}
    assert pairs == {("a", "b"): 2, ("b", word): 1, (word, "c"): 2, ("c", "a"): 1}


@given(st.lists(st.text("ab ,c", max_size=12), max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_parts_add_up_in_any_order(texts: list[str], draw: random.Random):
    cut = draw.randint(0, len(texts))
    parts = [count_texts(pa.array(some, pa.string())) for some in (texts[:cut], texts[cut:], [])]
    draw.shuffle(parts)
    assert_same(merge_counts(parts), count_texts(pa.array(texts, pa.string())))


def test_no_parts():
    assert plain(merge_counts([])) == ({}, {})

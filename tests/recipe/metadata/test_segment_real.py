"""Segmenters that are no part of this package, for real: skipped where they are not installed.

    python -m pip install --target segmenters jieba fugashi unidic-lite pythainlp
    PYTHONPATH=segmenters python -m pytest -m segmenters

botok is not among them: it fetches its dictionary from the network at its first use.
"""

from itertools import chain

import pyarrow as pa
import pytest

from mc2lib.recipe.metadata.counting.count_table import count_texts
from mc2lib.recipe.metadata.segment import EXTRAS, Segmenter, joiner, make_segmenter
from mc2lib.recipe.metadata.words import is_mark

pytestmark = pytest.mark.segmenters

ZH = "我来到北京清华大学。今天天气很好，\n我们去公园"
JA = "日本語の文章を、単語に分割する。\nこれは テストです"
TH = "แมวกินปลา และสุนัข (นอนหลับ)"
TEXTS = [("jieba", "zh", ZH), ("mecab", "ja", JA), ("pythainlp", "th", TH)]


def installed(name: str, language: str) -> Segmenter:
    """The segmenter, or skip the test."""
    pytest.importorskip(EXTRAS[name][0])
    segment = make_segmenter(language, name)
    assert segment is not None
    return segment


def words(clauses: list[tuple[str, ...]]) -> list[str]:
    return list(chain.from_iterable(clauses))


def letters(text: str) -> str:
    return "".join(character for character in text if not is_mark(character) and not character.isspace())


@pytest.mark.parametrize(("name", "language", "text"), TEXTS)
def test_nothing_is_lost_or_made_up(name: str, language: str, text: str):
    clauses = list(installed(name, language)(text))
    assert all(clauses) and all(words(clauses))
    assert letters("".join(words(clauses))) == letters(text)
    assert 1 < len(words(clauses)) < len(letters(text))  # words, not characters


def test_jieba_knows_chinese_words():
    clauses = list(installed("jieba", "zh")(ZH))
    assert clauses[0] == ("我", "来到", "北京", "清华大学")
    assert "公园" in clauses[-1] and len(clauses) == 3  # the full stop and the comma part them


def test_mecab_knows_japanese_words():
    clauses = list(installed("mecab", "ja")(JA))
    assert [clause[0] for clause in clauses] == ["日本", "単語", "これ", "テスト"]
    assert {"単語", "分割", "文章"} <= set(words(clauses))


def test_pythainlp_knows_thai_words():
    clauses = list(installed("pythainlp", "th")(TH))
    assert clauses == [("แมว", "กิน", "ปลา"), ("และ", "สุนัข"), ("นอนหลับ",)]


@pytest.mark.parametrize(("name", "language", "text"), TEXTS)
def test_words_and_pairs_are_counted_as_they_are_cut(name: str, language: str, text: str):
    segment = installed(name, language)
    counts = count_texts(pa.array([text, text]), segment)
    clauses = list(segment(text))
    assert counts.total == 2 * len(words(clauses))
    assert {word.decode() for word in counts.words.to_pylist()} == set(words(clauses))
    assert counts.pair_counts.sum() == 2 * sum(len(clause) - 1 for clause in clauses)
    assert joiner(language, name) == ""

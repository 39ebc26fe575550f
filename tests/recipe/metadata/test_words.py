"""Running text into words."""

import pytest

from mc2lib.recipe.metadata.words import count_words, join_words, phrase_frequency, split_clauses


@pytest.mark.parametrize(
    ("language", "text", "clauses"),
    [
        ("en", "The cat, the Dog.\tA bird", [("The", "cat"), ("the", "Dog"), ("A", "bird")]),
        ("en", " ... !? ", []),
        ("fr", "l'homme", [("l",), ("homme",)]),
        ("am", "ሰው፡መብት። አለው", [("ሰው", "መብት"), ("አለው",)]),  # the word space separates words, the full stop clauses
        ("hi", "की कैप", [("की", "कैप")]),  # vowel signs are no punctuation
        ("fa", "می‌خواهم", [("می‌خواهم",)]),  # a zero-width non-joiner stays in its word
        ("ja", "日本国民は、正当に", [("日本", "国民", "は"), ("正当", "に")]),
        ("th", "สากลว่าด้วย 3 คน", [("สากล", "ว่า", "ด้วย"), ("3",), ("คน",)]),
        ("en", "a\nb", [("a", "b")]),
    ],
)
def test_split_clauses(language: str, text: str, clauses: list[tuple[str, ...]]):
    assert split_clauses([text], language) == clauses


def test_count_words_counts_across_clauses():
    assert count_words([("a", "b"), ("a",)]) == {"a": 2, "b": 1}


def test_join_words_as_the_language_writes():
    assert join_words(("big", "cat"), "en") == "big cat"
    assert join_words(("正当", "に"), "ja") == "正当に"


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [("Red Cat", 2.0), ("red", 2.0), ("red dog", 0.0), ("", 0.0), ("cat of red", 2.0), ("cat", 5.0)],
)
def test_phrase_frequency_is_the_rarest_words(phrase: str, expected: float):
    assert phrase_frequency(phrase, {"red": 2.0, "cat": 5.0, "of": 9.0}, "en") == expected

"""Running text into words: by spaces and punctuation, or by a dictionary where there are no spaces."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from icu4py.breakers import WordBreaker

from mc2lib.languages import is_punctuation, spaced

#: The Ethiopic word space is punctuation to Unicode, but separates words as a space does.
WORD_SPACE = "\u1361"

#: The words between two punctuation marks; neighbours within one may form a bigram.
Clause = tuple[str, ...]


def split_clauses(texts: Iterable[str], language: str) -> list[Clause]:
    """Split running text into clauses of words.

    Args:
        texts: paragraphs.
        language: metadata language; if it is written without spaces, ICU's dictionary separates the words.

    Returns:
        The clauses in the order of the text, none empty. Case is kept.

    Source: MetaCLIP 2, §3.1.

    Examples:
        >>> split_clauses(["A red heart, and a cat!"], "en")
        [('A', 'red', 'heart'), ('and', 'a', 'cat')]
        >>> split_clauses(["我喜欢猫。"], "zh")
        [('我', '喜欢', '猫')]
    """
    split = _spaced_clauses if spaced(language) else _unspaced_clauses
    return [clause for text in texts for clause in split(text, language) if clause]


def _spaced_clauses(text: str, language: str) -> Iterator[Clause]:
    marks = {ord(character): "\n" for character in set(text) if is_mark(character)}
    marks |= {ord("\n"): " ", ord(WORD_SPACE): " "}
    for clause in text.translate(marks).split("\n"):
        yield tuple(clause.split())


def _unspaced_clauses(text: str, language: str) -> Iterator[Clause]:
    words: list[str] = []
    for piece in WordBreaker(text, language):
        if all(is_mark(character) or character.isspace() for character in piece):
            yield tuple(words)
            words = []
        else:
            words.append(piece)
    yield tuple(words)


def is_mark(character: str) -> bool:
    """Whether a character separates words, as punctuation and symbols do; letters, their marks and digits do not."""
    return is_punctuation(character) or unicodedata.category(character).startswith("S")


def count_words(clauses: Iterable[Clause]) -> Counter[str]:
    """Count how often each word occurs in the clauses; words are in the order of first appearance."""
    return Counter(word for clause in clauses for word in clause)


def join_words(words: Sequence[str], language: str) -> str:
    """Join words as the language writes them: with a space or without.

    Args:
        words: neighbours.
        language: metadata language.
    """
    return (" " if spaced(language) else "").join(words)


def phrase_frequency(phrase: str, frequencies: Mapping[str, float], language: str) -> float:
    """The frequency of a phrase's rarest word, 0 if a word is unknown: an upper bound of the phrase's own.

    Args:
        phrase: any text.
        frequencies: by word, in lower case or as written, any measure that grows with use.
        language: metadata language.

    Returns:
        In the unit of `frequencies`.
    """
    if phrase in frequencies:
        return float(frequencies[phrase])
    words = [word for clause in split_clauses([phrase], language) for word in clause]
    return float(min((frequencies.get(word, frequencies.get(word.lower(), 0.0)) for word in words), default=0.0))

"""Running text into words: by spaces and punctuation, or by a dictionary where there are no spaces."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from icu4py.breakers import WordBreaker

from mc2lib.languages import is_punctuation, spaced

#: Ethiopic's word space is punctuation to Unicode, and parts words as a space does.
WORD_SPACE = "\u1361"

#: Words between two punctuation marks: what stands side by side within one may form a bigram.
Clause = tuple[str, ...]


def split_clauses(texts: Iterable[str], language: str) -> list[Clause]:
    """Split running text into clauses of words.

    Args:
        texts: paragraphs.
        language: metadata language; where it sets no spaces, ICU's dictionary breaks the words.

    Returns:
        clauses in the order of the text, none empty. Case is kept.

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
    """Whether a character parts words as punctuation or a symbol does; letters, their signs and digits do not."""
    return is_punctuation(character) or unicodedata.category(character).startswith("S")


def count_words(clauses: Iterable[Clause]) -> Counter[str]:
    """How often each word stands in the clauses, in the order of first appearance."""
    return Counter(word for clause in clauses for word in clause)


def join_words(words: Sequence[str], language: str) -> str:
    """Words as the language writes them side by side: with a space or without."""
    return (" " if spaced(language) else "").join(words)


def phrase_frequency(phrase: str, frequencies: Mapping[str, float], language: str) -> float:
    """The frequency of a phrase's rarest word, 0 if a word is unknown: an upper bound of the phrase's own.

    Args:
        phrase: any text.
        frequencies: words, in lower case or as written, to any measure that grows with use.
        language: metadata language.
    """
    if phrase in frequencies:
        return float(frequencies[phrase])
    words = [word for clause in split_clauses([phrase], language) for word in clause]
    return float(min((frequencies.get(word, frequencies.get(word.lower(), 0.0)) for word in words), default=0.0))

"""Words of languages that are written without spaces: by a dictionary, by the tsheg, or by an installed segmenter.

A segmenter cuts a text into pieces. As in `mc2lib.recipe.metadata.words`, a piece that consists of marks and spaces
ends a clause, and any other piece is a word.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from icu4py.breakers import WordBreaker

from mc2lib.errors import InputError, nearest
from mc2lib.languages import spaced
from mc2lib.recipe.metadata.words import Clause, is_mark

#: Splits a text into clauses of words.
Segmenter = Callable[[str], Iterable[Clause]]

#: Separates syllables in Tibetan and Dzongkha; the second is its non-breaking form.
TSHEG = "\u0f0b"
TSHEGS = TSHEG + "\u0f0c"

#: Segmenters that are not part of this package: module, distribution that installs it, and languages that it knows.
EXTRAS = {
    "botok": ("botok", "botok", ("bo",)),
    "jieba": ("jieba", "jieba", ("zh",)),
    "mecab": ("fugashi", "fugashi[unidic-lite]", ("ja",)),
    "pythainlp": ("pythainlp", "pythainlp", ("th",)),
}

#: All segmenters that `make_segmenter` knows.
NAMES = ("spaces", "icu", "tsheg", *EXTRAS)


def default_segmenter(language: str) -> str:
    """The segmenter of a language unless another is named: spaces, tsheg (bo, dz) or icu."""
    if spaced(language):
        return "spaces"
    return "tsheg" if language in ("bo", "dz") else "icu"


def make_segmenter(language: str, name: str | None = None) -> Segmenter | None:
    """Make the function that splits texts of a language into clauses of words.

    Args:
        language: metadata language.
        name: one of `NAMES`; None for the language's default.

    Returns:
        A function of a text; None if spaces and marks separate the words, which the counter handles itself.

    Raises:
        InputError: there is no such segmenter, it is not installed, or it does not know the language.

    Source: MetaCLIP 2, §3.1.
    """
    name = name or default_segmenter(language)
    if name not in NAMES:
        raise InputError("segmenter", f"no segmenter '{name}'", nearest(name, NAMES))
    if name == "spaces":
        return None
    if name == "tsheg":
        return _split_syllables
    pieces = partial(_icu_pieces, language=language) if name == "icu" else _extra(name, language)
    return partial(_clauses_of, pieces)


def joiner(language: str, name: str | None = None) -> str:
    """What joins the two words of a bigram: a space, a tsheg, or nothing.

    Args:
        language: metadata language.
        name: see `make_segmenter`.

    Examples:
        >>> [joiner(language) for language in ("en", "ja", "bo")]
        [' ', '', '་']
    """
    name = "spaces" if spaced(language) else name or default_segmenter(language)
    return {"spaces": " ", "tsheg": TSHEG}.get(name, "")


def split_bytes(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], segment: Segmenter, word_break: int, clause_break: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Separate the words and clauses of texts by bytes that never occur in UTF-8.

    Args:
        data: uint8, the texts end to end; bytes that are not UTF-8 become the replacement character.
        offsets: int64 [n + 1], where each text begins and ends.
        segment: see `make_segmenter`.
        word_break: the byte between words.
        clause_break: the byte between clauses.

    Returns:
        Bytes and offsets of the n texts.
    """
    between_words, between_clauses = bytes([word_break]), bytes([clause_break])
    texts = [
        between_clauses.join(
            between_words.join(word.encode() for word in clause)
            for clause in segment(data[start:stop].tobytes().decode(errors="replace"))
        )
        for start, stop in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    ]
    places = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=places[1:])
    return np.frombuffer(b"".join(texts), np.uint8), places


def _clauses_of(pieces: Callable[[str], Iterable[str]], text: str) -> Iterator[Clause]:
    words: list[str] = []
    for piece in pieces(text):
        if all(is_mark(character) or character.isspace() for character in piece):
            if words:
                yield tuple(words)
            words = []
        else:
            words.append(piece)
    if words:
        yield tuple(words)


def _split_syllables(text: str) -> Iterator[Clause]:
    """Split a text into clauses at marks and spaces, and clauses into syllables at the tshegs."""
    breaks = {ord(c): "\n" for c in set(text) if c not in TSHEGS and (is_mark(c) or c.isspace())}
    for clause in text.translate(breaks | {ord(c): TSHEG for c in TSHEGS}).split("\n"):
        if syllables := tuple(filter(None, clause.split(TSHEG))):
            yield syllables


def _icu_pieces(text: str, language: str) -> Iterable[str]:
    return WordBreaker(text, language)


def _extra(name: str, language: str) -> Callable[[str], Iterable[str]]:
    module, package, languages = EXTRAS[name]
    if language not in languages:
        raise InputError(
            "segmenter",
            f"'{name}' does not know '{language}'",
            f"It is for {', '.join(languages)}; icu knows all languages.",
        )
    try:
        library: Any = importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            "segmenter", f"'{name}' is not installed", f"Install it (pip install '{package}'), or name icu."
        ) from error
    if name == "jieba":
        return lambda text: library.cut(text, HMM=False)
    if name == "mecab":
        tagger = library.Tagger("-Owakati")
        return lambda text: _with_gaps(text, (word.surface for word in tagger(text)))
    if name == "pythainlp":
        return lambda text: library.word_tokenize(text, engine="newmm", keep_whitespace=True)
    tokenizer = library.WordTokenizer()
    return lambda text: (token.text.rstrip(TSHEGS + " ") or token.text for token in tokenizer.tokenize(text))


def _with_gaps(text: str, words: Iterable[str]) -> Iterator[str]:
    """Yield words and whatever a segmenter left out between them, which may end a clause."""
    place = 0
    for word in words:
        start = text.index(word, place)
        if start > place:
            yield text[place:start]
        yield word
        place = start + len(word)
    if place < len(text):
        yield text[place:]

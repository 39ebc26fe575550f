"""Alt-texts as the web writes them: names, keywords, frames, and the usual noise.

Every word comes from data: CLDR's names, keywords, territory and language names, and clauses of
the Universal Declaration of Human Rights. Only the file names, and a few English interface words
that occur on pages in every language, are patterns of our own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from mc2lib.recipe.pool.concepts import Caption

#: File names as cameras, phones and publishing systems give them; {} takes a number.
FILE_NAMES = (
    "IMG_{:04d}.jpg",
    "DSC{:05d}.JPG",
    "image{:d}.png",
    "Screenshot_{:06d}.png",
    "photo-{:d}.jpeg",
    "{:08x}.jpg",
    "banner_{:d}x250.gif",
    "P{:07d}.JPG",
)

#: Interface words that occur as alt-text on pages in every language.
INTERFACE = ("logo", "image", "banner", "icon", "thumbnail", "placeholder", "photo", "loading", "avatar", "img")

SEPARATORS = (", ", " | ", " - ")


@dataclass(frozen=True)
class Phrasebook:
    """What one language contributes to alt-texts in addition to names and keywords.

    Args:
        language: metadata language.
        clauses: running text, clause by clause (UDHR).
        territories: names of countries and regions (CLDR).
        pattern: how a qualifier is written, such as "{0} ({1})" (CLDR).
        spaced: whether spaces separate words.
    """

    language: str
    clauses: tuple[str, ...]
    territories: tuple[str, ...]
    pattern: str
    spaced: bool


@dataclass(frozen=True)
class Draws:
    """Four uniform draws in [0, 1), enough to write one text."""

    a: float
    b: float
    c: float
    d: float


def pick(items: Sequence[str], u: float) -> str:
    """Pick the item at a relative position.

    Args:
        items: not empty.
        u: in [0, 1).
    """
    return items[int(u * len(items))]


def write_name(caption: Caption, book: Phrasebook, u: Draws) -> str:
    """Write the short name alone.

    Args:
        caption: of the concept.
        book: of the language.
        u: uniform draws.
    """
    return caption.name


def write_keywords(caption: Caption, book: Phrasebook, u: Draws) -> str:
    """Write two to four neighbouring keywords of CLDR's list, or the name if there are none.

    Args:
        caption: of the concept.
        book: of the language.
        u: uniform draws.
    """
    words = caption.keywords
    if not words:
        return caption.name
    count = min(2 + int(u.a * 3), len(words))
    start = int(u.b * len(words))
    return pick(SEPARATORS[:1], u.c).join((words + words)[start : start + count])


def write_both(caption: Caption, book: Phrasebook, u: Draws) -> str:
    """Write the name and some keywords.

    Args:
        caption: of the concept.
        book: of the language.
        u: uniform draws.
    """
    return caption.name + pick(SEPARATORS, u.d) + write_keywords(caption, book, u)


def write_frame(caption: Caption, book: Phrasebook, u: Draws) -> str:
    """Write the name among words of its language: with a place in CLDR's pattern, or after part of a clause.

    Args:
        caption: of the concept.
        book: of the language.
        u: uniform draws.
    """
    if u.a < 0.5:
        return book.pattern.format(caption.name, pick(book.territories, u.b))
    clause = pick(book.clauses, u.b)
    if not book.spaced:
        length = 4 + int(u.c * 6)
        start = int(u.d * max(1, len(clause) - length))
        return cut(clause, start, start + length) + caption.name
    words = clause.split()
    length = 2 + int(u.c * 4)
    start = int(u.d * max(1, len(words) - length))
    return " ".join(words[start : start + length]) + " " + caption.name


def cut(text: str, start: int, stop: int) -> str:
    """Cut `text[start:stop]`, with both ends moved past combining marks, so no letter loses its vowel.

    Args:
        text: any text.
        start: first code point.
        stop: code point after the last.
    """
    while start < len(text) and unicodedata.category(text[start]).startswith("M"):
        start += 1
    while stop < len(text) and unicodedata.category(text[stop]).startswith("M"):
        stop += 1
    return text[start:stop].strip()


FORMS = {"name": write_name, "keywords": write_keywords, "both": write_both, "frame": write_frame}


def write_file_name(u: Draws) -> str:
    """Write a file name, as left in an alt attribute."""
    return pick(FILE_NAMES, u.a).format(int(u.b * 10_000))


def write_boilerplate(book: Phrasebook, endonyms: Sequence[str], u: Draws) -> str:
    """Write a language menu, an interface word or a clause of legal text.

    Args:
        book: of the language.
        endonyms: each language's name for itself.
        u: uniform draws.
    """
    if u.a < 0.35:
        count, start = 3 + int(u.b * 4), int(u.c * len(endonyms))
        doubled = [*endonyms, *endonyms]
        return pick(SEPARATORS[1:], u.d).join(doubled[start : start + count])
    if u.a < 0.7:
        return pick(INTERFACE, u.b)
    return pick(book.clauses, u.b)

"""Alt-texts as the web writes them: names, keywords, frames, and the usual noise.

Every word comes from data: CLDR's names, keywords and territory names, clauses of the Universal Declaration of Human
Rights, and interface texts of two JavaScript libraries. Only the file names are patterns of our own.

Each shape of text has two halves. One chooses the parts of many texts at once, as numbers: which keyword comes first,
which clause, how many words of it. The other writes one text from its parts, and is called once per distinct text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mc2lib.recipe.pool.concepts import Caption

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

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
        interface: what buttons, galleries and messages say; {current} and {total} take numbers.
        generic: phrases that fit any image, the most frequent first.
    """

    language: str
    clauses: tuple[str, ...]
    territories: tuple[str, ...]
    pattern: str
    spaced: bool
    interface: tuple[str, ...]
    generic: tuple[str, ...]


@dataclass(frozen=True)
class Draws:
    """Four uniform draws in [0, 1) per text, enough to choose its parts; float64 [texts] each."""

    a: Floats
    b: Floats
    c: Floats
    d: Floats

    def take(self, rows: Ints) -> Draws:
        """Return the draws of some texts.

        Args:
            rows: int64, which texts.
        """
        return Draws(self.a[rows], self.b[rows], self.c[rows], self.d[rows])


@dataclass(frozen=True)
class Choice:
    """How much there is to choose from, by number of language and concept.

    Args:
        keywords: int64 [languages, concepts], keywords of a caption.
        territories, clauses, interface: int64 [languages], how many a phrasebook has.
        clause_units: int64 [languages, most clauses], words of a clause; characters where no spaces separate words.
        spaced: bool [languages], whether spaces separate words.
        generic: float64 [languages, most phrases], Zipf shares of the generic phrases, summed up to each.
    """

    keywords: Ints
    territories: Ints
    clauses: Ints
    interface: Ints
    clause_units: Ints
    spaced: npt.NDArray[np.bool_]
    generic: Floats


def count_choice(captions: Sequence[Sequence[Caption]], books: Sequence[Phrasebook]) -> Choice:
    """Count what each language has to choose from.

    Args:
        captions: by concept and language.
        books: by language.
    """
    units = [[len(clause.split() if book.spaced else clause) for clause in book.clauses] for book in books]
    return Choice(
        keywords=np.array([[len(caption.keywords) for caption in row] for row in captions]).T,
        territories=np.array([len(book.territories) for book in books]),
        clauses=np.array([len(book.clauses) for book in books]),
        interface=np.array([len(book.interface) for book in books]),
        clause_units=_pad(units, 0),
        spaced=np.array([book.spaced for book in books]),
        generic=_pad([np.cumsum(_zipf(len(book.generic))) for book in books], 1.0),
    )


def _pad(rows: Sequence[Sequence[float] | Floats], fill: float) -> npt.NDArray[Any]:
    padded = np.full((len(rows), max(map(len, rows))), fill)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded.astype(np.int64) if isinstance(fill, int) else padded


def _zipf(count: int) -> Floats:
    weights = 1.0 / np.arange(1, count + 1)
    return weights / weights.sum()


def pick(count: int | Ints, u: Floats) -> Ints:
    """Pick a number below `count` by a relative position.

    Args:
        count: above zero; one for all, or int64 [texts].
        u: float64 [texts], in [0, 1).
    """
    return (u * count).astype(np.int64)


Parts = tuple[Ints, ...]


def choose_name(choice: Choice, language: Ints, concept: Ints, u: Draws) -> Parts:
    """The short name alone has no parts to choose.

    Args:
        choice: what there is to choose from.
        language: int64 [texts].
        concept: int64 [texts].
        u: uniform draws.
    """
    return ()


def write_name(caption: Caption, book: Phrasebook) -> str:
    """Write the short name alone.

    Args:
        caption: of the concept.
        book: of the language.
    """
    return caption.name


def choose_keywords(choice: Choice, language: Ints, concept: Ints, u: Draws) -> Parts:
    """Choose how many keywords, two to four if there are as many, and the first of them.

    Args:
        choice: what there is to choose from.
        language: int64 [texts].
        concept: int64 [texts].
        u: uniform draws.
    """
    available = choice.keywords[language, concept]
    return np.minimum(2 + pick(3, u.a), available), pick(available, u.b)


def write_keywords(caption: Caption, book: Phrasebook, count: int, start: int) -> str:
    """Write neighbouring keywords of CLDR's list, whose end meets its start, or the name if there are none.

    Args:
        caption: of the concept.
        book: of the language.
        count: how many keywords.
        start: the first.
    """
    return ", ".join((caption.keywords * 2)[start : start + count]) or caption.name


def choose_both(choice: Choice, language: Ints, concept: Ints, u: Draws) -> Parts:
    """Choose keywords, and what separates them from the name.

    Args:
        choice: what there is to choose from.
        language: int64 [texts].
        concept: int64 [texts].
        u: uniform draws.
    """
    return (*choose_keywords(choice, language, concept, u), pick(len(SEPARATORS), u.d))


def write_both(caption: Caption, book: Phrasebook, count: int, start: int, separator: int) -> str:
    """Write the name and some keywords.

    Args:
        caption: of the concept.
        book: of the language.
        count: how many keywords.
        start: the first.
        separator: number of the separator.
    """
    return caption.name + SEPARATORS[separator] + write_keywords(caption, book, count, start)


def choose_frame(choice: Choice, language: Ints, concept: Ints, u: Draws) -> Parts:
    """Choose a place, or a clause and a stretch of it.

    Args:
        choice: what there is to choose from.
        language: int64 [texts].
        concept: int64 [texts].
        u: uniform draws.

    Returns:
        Number of the place or clause; length of the stretch in words (characters where no spaces separate words), 0 for
        a place; first word or character of the stretch.
    """
    place = u.a < 0.5
    item = pick(np.where(place, choice.territories[language], choice.clauses[language]), u.b)
    length = np.where(choice.spaced[language], 2 + pick(4, u.c), 4 + pick(6, u.c))
    units = choice.clause_units[language, np.where(place, 0, item)]
    start = pick(np.maximum(1, units - length), u.d)
    return item, np.where(place, 0, length), np.where(place, 0, start)


def write_frame(caption: Caption, book: Phrasebook, item: int, length: int, start: int) -> str:
    """Write the name among words of its language: with a place in CLDR's pattern, or after part of a clause.

    Args:
        caption: of the concept.
        book: of the language.
        item, length, start: see `choose_frame`.
    """
    if not length:
        return book.pattern.format(caption.name, book.territories[item])
    clause = book.clauses[item]
    if not book.spaced:
        return cut(clause, start, start + length) + caption.name
    return " ".join(clause.split()[start : start + length]) + " " + caption.name


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


def choose_file_name(choice: Choice, language: Ints, concept: Ints, u: Draws) -> Parts:
    """Choose a pattern and a number.

    Args:
        choice: what there is to choose from.
        language: int64 [texts].
        concept: int64 [texts].
        u: uniform draws.
    """
    return pick(len(FILE_NAMES), u.a), pick(10_000, u.b)


def write_file_name(caption: Caption, book: Phrasebook, pattern: int, number: int) -> str:
    """Write a file name, as left in an alt attribute.

    Args:
        caption: of the concept.
        book: of the language.
        pattern: number of the pattern.
        number: what it counts.
    """
    return FILE_NAMES[pattern].format(number)


def choose_boilerplate(choice: Choice, language: Ints, concept: Ints, u: Draws) -> Parts:
    """Choose an interface text, and the numbers that it may count with.

    Args:
        choice: what there is to choose from.
        language: int64 [texts].
        concept: int64 [texts].
        u: uniform draws.

    Returns:
        Number of the text; how many images its gallery has, 2 to 24; which of them this is, from 1.
    """
    total = 2 + pick(23, u.b)
    return pick(choice.interface[language], u.a), total, 1 + pick(total, u.c)


def write_boilerplate(caption: Caption, book: Phrasebook, item: int, total: int, current: int) -> str:
    """Write what a button, a gallery or a message of the page says.

    Args:
        caption: of the concept.
        book: of the language.
        item, total, current: see `choose_boilerplate`.
    """
    return book.interface[item].replace("{current}", str(current)).replace("{total}", str(total))


def choose_generic(choice: Choice, language: Ints, concept: Ints, u: Draws) -> Parts:
    """Choose a generic phrase by a Zipf law over the order of the phrasebook.

    Args:
        choice: what there is to choose from.
        language: int64 [texts].
        concept: int64 [texts].
        u: uniform draws.
    """
    return ((choice.generic[language, :-1] <= u.a[:, None]).sum(axis=1),)


def write_generic(caption: Caption, book: Phrasebook, item: int) -> str:
    """Write a phrase that fits any image.

    Args:
        caption: of the concept.
        book: of the language.
        item: number of the phrase.
    """
    return book.generic[item]


@dataclass(frozen=True)
class Shape:
    """A shape of text: how the parts of many are chosen, and how one is written."""

    choose: Callable[[Choice, Ints, Ints, Draws], Parts]
    write: Callable[..., str]
    names_concept: bool = True  # false: the concept is not in the text


FORMS: Mapping[str, Shape] = {
    "name": Shape(choose_name, write_name),
    "keywords": Shape(choose_keywords, write_keywords),
    "both": Shape(choose_both, write_both),
    "frame": Shape(choose_frame, write_frame),
}

#: Kinds of noise whose text says nothing of any concept.
WORDLESS: Mapping[str, Shape] = {
    "file_name": Shape(choose_file_name, write_file_name, names_concept=False),
    "boilerplate": Shape(choose_boilerplate, write_boilerplate, names_concept=False),
    "uninformative": Shape(choose_generic, write_generic, names_concept=False),
}


def write_texts(
    shapes: Sequence[Shape],
    shape: Ints,
    language: Ints,
    concept: Ints,
    u: Draws,
    captions: Sequence[Sequence[Caption]],
    books: Sequence[Phrasebook],
) -> pa.StringArray:
    """Write many texts, each distinct one once.

    Args:
        shapes: what `shape` numbers.
        shape: int64 [texts].
        language: int64 [texts], number of the phrasebook.
        concept: int64 [texts], number of the captions.
        u: uniform draws.
        captions: by concept and language.
        books: by language.

    Returns:
        The texts, in the order of the rows.
    """
    choice = count_choice(captions, books)
    texts: list[str] = []
    number = np.zeros(len(shape), dtype=np.int64)
    for s, form in enumerate(shapes):
        rows = np.flatnonzero(shape == s)
        if not len(rows):
            continue
        subject = concept[rows] if form.names_concept else np.zeros_like(rows)
        columns = (language[rows], subject, *form.choose(choice, language[rows], concept[rows], u.take(rows)))
        first, numbers = _find_distinct(columns)
        number[rows] = numbers + len(texts)
        distinct = zip(*(column[first].tolist() for column in columns), strict=True)
        texts += [form.write(captions[c][spoken], books[spoken], *parts) for spoken, c, *parts in distinct]
    return pa.array(texts, pa.string()).take(pa.array(number))


def _find_distinct(columns: Sequence[Ints]) -> tuple[Ints, Ints]:
    """Number the distinct rows of some columns.

    Returns:
        For each distinct row, the first place it has; for each row, its number among the distinct ones.
    """
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        code = code * (int(column.max()) + 1) + column
    _, first, numbers = np.unique(code, return_index=True, return_inverse=True)
    return first, numbers

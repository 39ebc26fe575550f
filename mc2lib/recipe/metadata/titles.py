"""Titles and how often they were viewed, from the lines of Wikimedia's hourly page-view files.

A line is `domain_code title views bytes`, separated by single spaces. What becomes of it:

- `en`, `en.m` (mobile) and `en.zero` are views of the English Wikipedia; any other domain code
  (`en.b`, `commons.m`, ...) is another project, and skipped. Hyphens in a code are underscores in the
  metadata language, and related Wikipedias merge (`zh-yue` is `zh`).
- The title is percent-decoded; underscores and all white space become single spaces. A title that
  is then not UTF-8, or empty, is skipped and counted.
- The text before the first colon may be a namespace. Titles with MediaWiki's own English names (`Talk:Cat`), which
  every wiki knows, and titles that begin with a colon are skipped while counting. A wiki's names in its own language
  (`Spezial:Suche`, `Служебная:Поиск`) are listed in its dump; `find_articles` removes them from a language's sums.
  Without a dump a colon ends a namespace unless a space follows it: `Star Wars: Episode IV` is then an article, and
  `Re:Zero` is lost.
- `-` means "no title was found", and is skipped. Main pages stay: they are articles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from mc2lib.languages import MERGED, WIKIPEDIAS
from mc2lib.recipe.metadata.counting.count_table import Table
from mc2lib.recipe.metadata.counting.counts import Bytes, Counts, Integers
from mc2lib.recipe.metadata.counting.hash_tables import hash_bytes, intern
from mc2lib.recipe.metadata.counting.scanner import code_point

#: Desktop, mobile and the free mobile site of a Wikipedia.
SITES = ("", ".m", ".zero")

#: Domains that are not named after the current code of their Wikipedia.
OLD_DOMAINS = {"be-x-old": "be_tarask"}

#: MediaWiki's own names of namespaces, which every wiki knows in addition to those in its language.
NAMESPACES = (
    "media", "special", "talk", "user", "user talk", "project", "project talk", "file", "file talk", "image",
    "image talk", "mediawiki", "mediawiki talk", "template", "template talk", "help", "help talk", "category",
    "category talk",
)  # fmt: skip
LONGEST_NAMESPACE = max(map(len, NAMESPACES))

#: Prefixes of other projects in links between wikis, in addition to the codes of Wikipedias.
_PROJECTS = """w wikipedia wikt wiktionary c commons d wikidata s wikisource b wikibooks q wikiquote n wikinews
    v wikiversity voy wikivoyage m meta species mw wmf"""
PROJECTS = frozenset(_PROJECTS.split())

#: The most capitals in the shortcut of a namespace (`WP:NPOV`); dumps do not list shortcuts.
SHORTCUT_CAPITALS = 3

#: Separates language and title in the key that views are counted under; less than all other bytes.
PARTING = b"\0"


@dataclass
class Tally:
    """What became of the lines of page-view files; their sum is the number of lines.

    Args:
        titles: lines that were counted.
        other_projects: lines of a project that is not a known Wikipedia.
        namespaces: titles with a colon after a namespace of `NAMESPACES`, or at their beginning.
        untitled: titles that are `-`, or empty once decoded.
        invalid: titles that are not UTF-8 once decoded.
        broken: lines without four fields, or whose views are not a number.
    """

    titles: int = 0
    other_projects: int = 0
    namespaces: int = 0
    untitled: int = 0
    invalid: int = 0
    broken: int = 0

    def add(self, numbers: Integers) -> None:
        """Add one number per field, int64 [6], in order."""
        for field, number in zip(fields(self), numbers.tolist(), strict=True):
            setattr(self, field.name, getattr(self, field.name) + number)


def add_views(table: Table, lines: Bytes, tally: Tally) -> Iterator[Counts]:
    """Add the views of some lines to a table, as words `language NUL title`.

    Args:
        table: counts them; views of the same title add up.
        lines: uint8, whole lines; the last one may lack its line feed.
        tally: lines are added to it.

    Yields:
        Counts that did not fit, see `Table.add`.
    """
    names, places, languages = _domains()
    numbers = np.zeros(len(fields(Tally)), np.int64)
    scratch = np.empty(256, np.uint8)
    spaces = _spaces()
    namespaces, namespace_places = _namespaces()
    table.state[:3] = 0, 0, -1

    def step() -> int:
        nonlocal scratch
        longest = _longest_line(lines) + 64
        scratch = scratch if len(scratch) >= longest else np.empty(longest, np.uint8)
        return int(
            _add_lines(
                lines, names, places, languages, namespaces, namespace_places, spaces, scratch, numbers, table.state,
                table.slots, table.ends, table.word_counts, table.arena,
            )
        )  # fmt: skip

    yield from table.fill(step)
    tally.add(numbers)


def find_articles(titles: pa.LargeBinaryArray, namespaces: frozenset[str] | None) -> npt.NDArray[np.bool_]:
    """Find the titles of articles, by the text before their first colon.

    Args:
        titles: large_binary [n], as `add_views` counts them.
        namespaces: the names of a language's namespaces, see `fold_namespaces`; None if no dump names them.

    Returns:
        bool [n]. A title is not an article if a namespace's name precedes its colon, in upper or lower case and with or
        without a space after the colon; nor if, without a space after it, the prefix of another wiki or a shortcut of
        up to three capitals does. If no names are known, no title with a colon and no space after it is an article.
    """
    articles = np.ones(len(titles), bool)
    rows = np.flatnonzero(pc.match_substring(titles, ":").to_numpy(zero_copy_only=False))
    for row, title in zip(rows.tolist(), titles.take(pa.array(rows)).to_pylist(), strict=True):
        articles[row] = _is_article(title.decode(), namespaces)
    return articles


def fold_namespaces(names: Iterable[str]) -> frozenset[str]:
    """The names of a wiki's namespaces and those that every wiki knows, as `find_articles` compares them."""
    return frozenset(name for written in names if (name := _fold(written))) | frozenset(NAMESPACES)


def _is_article(title: str, namespaces: frozenset[str] | None) -> bool:
    before, _, after = title.partition(":")
    prefix = _fold(before)
    if not prefix or prefix in (namespaces or NAMESPACES):
        return False
    if not after or after.startswith(" "):
        return True
    shortcut = len(before) <= SHORTCUT_CAPITALS and before.isalpha() and before.isupper()
    return namespaces is not None and not shortcut and prefix not in PROJECTS and prefix not in _interwikis()


def _fold(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).casefold()


@cache
def _interwikis() -> frozenset[str]:
    return frozenset(code.replace("_", "-") for code in WIKIPEDIAS) | frozenset(OLD_DOMAINS)


def domain_languages() -> dict[str, str]:
    """By domain code of page-view files, the metadata language that its views count for."""
    codes = {code.replace("_", "-"): code for code in WIKIPEDIAS} | OLD_DOMAINS
    return {name + site: MERGED.get(code, code) for name, code in codes.items() for site in SITES}


@cache
def _domains() -> tuple[Bytes, Integers, Bytes]:
    """Domain codes, sorted and end to end; where each begins and ends; and 32 bytes that begin each one's keys."""
    languages = domain_languages()
    names = sorted(languages)
    places = np.cumsum([0, *(len(name) for name in names)])
    keys = np.zeros((len(names), 32), np.uint8)
    for row, name in zip(keys, names, strict=True):
        key = languages[name].encode() + PARTING
        row[: len(key)] = np.frombuffer(key, np.uint8)
        row[31] = len(key)
    return np.frombuffer("".join(names).encode(), np.uint8), places, keys


@cache
def _namespaces() -> tuple[Bytes, Integers]:
    """`NAMESPACES`, sorted and end to end, and where each begins and ends."""
    names = sorted(NAMESPACES)
    return np.frombuffer("".join(names).encode(), np.uint8), np.cumsum([0, *map(len, names)])


@cache
def _spaces() -> npt.NDArray[np.bool_]:
    """Whether each code point is white space to Python, bool [0x3001]; none above is."""
    return np.array([chr(point).isspace() for point in range(0x3001)])


@njit(cache=True)
def _longest_line(lines: Bytes) -> int:  # pragma: no cover (compiled)
    longest: Any = 0
    start = 0
    for place in range(len(lines)):
        if lines[place] == 10:
            longest = max(longest, place - start)
            start = place + 1
    return max(longest, len(lines) - start)


@njit(cache=True)
def _number(data: Bytes, start: int, stop: int) -> Any:  # pragma: no cover (compiled)
    """The decimal number data[start:stop]; -1 if it is not one, or has more than 12 digits."""
    if stop <= start or stop - start > 12:
        return -1
    number: Any = 0
    for place in range(start, stop):
        digit = np.int64(data[place]) - 48
        if digit < 0 or digit > 9:
            return -1
        number = 10 * number + digit
    return number


@njit(cache=True)
def _find(data: Bytes, start: int, stop: int, names: Bytes, places: Integers) -> int:  # pragma: no cover (compiled)
    """The row of the name data[start:stop] among sorted names; -1 if it is not among them."""
    low, high = 0, len(places) - 2
    while low <= high:
        middle = (low + high) >> 1
        begin, end = places[middle], places[middle + 1]
        shared = min(end - begin, stop - start)
        order: Any = 0
        for i in range(shared):
            if names[begin + i] != data[start + i]:
                order = np.int64(names[begin + i]) - np.int64(data[start + i])
                break
        if order == 0:
            order = (end - begin) - (stop - start)
        if order == 0:
            return middle
        if order < 0:
            low = middle + 1
        else:
            high = middle - 1
    return -1


@njit(cache=True)
def _hex(byte: Any) -> int:  # pragma: no cover (compiled)
    if 48 <= byte <= 57:
        return byte - 48
    if 65 <= byte <= 70:
        return byte - 55
    if 97 <= byte <= 102:
        return byte - 87
    return -1


@njit(cache=True)
def _decode(data: Bytes, start: int, stop: int, out: Bytes, begin: int) -> int:  # pragma: no cover (compiled)
    """Percent-decode data[start:stop] to `out` from `begin`, with spaces for underscores; return where it ends."""
    end = begin
    place = start
    while place < stop:
        byte: Any = np.int64(data[place])
        if byte == 37 and place + 2 < stop:
            high, low = _hex(np.int64(data[place + 1])), _hex(np.int64(data[place + 2]))
            if high >= 0 and low >= 0:
                byte = 16 * high + low
                place += 2
        out[end] = 32 if byte == 95 else byte
        end += 1
        place += 1
    return end


@njit(cache=True)
def _tidy(out: Bytes, begin: int, end: int, spaces: npt.NDArray[np.bool_]) -> int:  # pragma: no cover (compiled)
    """Reduce runs of white space to one space, and drop it at the ends; return where the text ends, -1 if not UTF-8."""
    kept = begin
    place = begin
    gap = False
    while place < end:
        point: Any = np.int64(out[place])
        width = 1
        if point >= 0x80:
            point, width = code_point(out, place, end)
            if width == 1:
                return -1
        if point < len(spaces) and spaces[point]:
            gap = kept > begin
            place += width
            continue
        if gap:
            out[kept] = 32
            kept += 1
            gap = False
        for _ in range(width):
            out[kept] = out[place]
            kept += 1
            place += 1
    return kept


@njit(cache=True)
def _in_namespace(
    title: Bytes, start: int, stop: int, names: Bytes, places: Integers
) -> bool:  # pragma: no cover (compiled)
    """Whether the first colon begins the title or follows a namespace's name; writes to `title` at `stop`."""
    for place in range(start, stop):
        if title[place] == 58:
            length = place - start
            if length == 0 or length > LONGEST_NAMESPACE:
                return length == 0
            for i in range(length):
                byte: Any = np.int64(title[start + i])
                title[stop + i] = byte + 32 if 65 <= byte <= 90 else byte
            return _find(title, stop, stop + length, names, places) >= 0
    return False


@njit(cache=True)
def _add_lines(
    lines: Bytes,
    names: Bytes,
    places: Integers,
    languages: Bytes,
    namespaces: Bytes,
    namespace_places: Integers,
    spaces: npt.NDArray[np.bool_],
    scratch: Bytes,
    numbers: Integers,
    state: Integers,
    slots: npt.NDArray[np.uint64],
    ends: Integers,
    word_counts: Integers,
    arena: Bytes,
) -> int:  # pragma: no cover (compiled)
    """Count lines from where `state` says until all are counted or a table is full.

    The places of `numbers` are the fields of `Tally`.
    """
    place = state[1]
    domain = -1
    domain_start: Any = 0
    domain_stop: Any = -1
    while place < len(lines):
        line = place
        cuts = np.int64(0)
        first: Any = 0
        second: Any = 0
        third: Any = 0
        while place < len(lines) and lines[place] != 10:
            if lines[place] == 32:
                cuts += 1
                if cuts == 1:
                    first = place
                elif cuts == 2:
                    second = place
                elif cuts == 3:
                    third = place
            place += 1
        stop = place
        place += 1
        if cuts != 3 or first == line:
            numbers[5] += 1
            continue
        views = _number(lines, second + 1, third)
        if views < 0 or _number(lines, third + 1, stop) < 0:
            numbers[5] += 1
            continue
        same = domain_stop - domain_start == first - line
        if same:
            for i in range(first - line):
                if lines[domain_start + i] != lines[line + i]:
                    same = False
                    break
        if not same:
            domain = _find(lines, line, first, names, places)
            domain_start, domain_stop = line, first
        if domain < 0:
            numbers[1] += 1
            continue
        begin: Any = np.int64(languages[domain, 31])
        for i in range(begin):
            scratch[i] = languages[domain, i]
        if second - first == 2 and lines[first + 1] == 45:
            numbers[3] += 1
            continue
        end = _tidy(scratch, begin, _decode(lines, first + 1, second, scratch, begin), spaces)
        if end < 0:
            numbers[4] += 1
        elif end == begin:
            numbers[3] += 1
        elif _in_namespace(scratch, begin, end, namespaces, namespace_places):
            numbers[2] += 1
        else:
            word = intern(scratch, 0, end, hash_bytes(scratch, 0, end), state, slots, ends, arena)
            if word < 0:
                state[1] = line
                return -word
            word_counts[word] += views
            numbers[0] += 1
    state[1] = place
    return 0

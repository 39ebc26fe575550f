"""Wiki markup into plain paragraphs: what a reader sees, without templates, tables, references and files.

Two linear passes over the UTF-8 bytes, compiled. The first takes out what nests (templates, links, tables,
HTML): every byte is written once and a construct that closes takes back what was written since it opened. So
nothing recurses, nothing is searched twice, and a construct that never closes stays as text. The second goes
line by line: headings, lists, quotes, spaces. Entities come last.
"""

from __future__ import annotations

import html.entities
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from mc2lib.languages import WIKIPEDIAS

Bytes: TypeAlias = npt.NDArray[np.uint8]
Numbers: TypeAlias = npt.NDArray[np.int64]
Hashes: TypeAlias = npt.NDArray[np.uint64]

#: What a link's prefix means, and what an HTML tag does.
VISIBLE, HIDDEN, INTERLANGUAGE = 0, 1, 2
INLINE, BLOCK, BREAK, OPAQUE, FORMULA, LITERAL, TABLE_TAG, LIST_TAG = range(8)

#: Extension tags whose content is no text, or no markup.
_OPAQUE = """ref references gallery timeline syntaxhighlight source score graph mapframe maplink templatedata
    templatestyles pre imagemap inputbox categorytree includeonly indicator script style"""
_BLOCK = """p div blockquote center h1 h2 h3 h4 h5 h6 li dd dt tr td th caption thead tbody tfoot hr poem section
    article dl noinclude onlyinclude"""
_INLINE = """b i u s em strong small big sub sup span font tt code kbd samp var cite q del ins strike abbr bdi bdo dfn
    mark a img ruby rb rp rt rtc time data wbr nobr langconvert translate tvar"""
_TAGS = {
    OPAQUE: _OPAQUE,
    BLOCK: _BLOCK,
    INLINE: _INLINE,
    FORMULA: "math chem ce hiero",  # a sentence goes on after it
    BREAK: "br",
    LITERAL: "nowiki",
    TABLE_TAG: "table",
    LIST_TAG: "ul ol menu dir",
}

#: MediaWiki's own names of the namespaces -2, 6 and 14, which every wiki knows beside its own.
_CORE_HIDDEN = ("Media", "File", "Image", "Category")
_HIDDEN_NUMBERS = (-2, 6, 14)

#: Endings of files: a link with a prefix and such an ending is a file, whatever a wiki's alias of `File` is.
_FILE_ENDINGS = "jpg jpeg png svg gif tif tiff webp ogg oga ogv webm mp3 wav flac pdf djvu mid stl xcf"

#: Kinds of what is open; LINK and EXTERNAL close only as the innermost, the others close what lies in them.
TEMPLATE, LINK, EXTERNAL, TABLE, HTML_TABLE, HTML_LIST, VARIANT = range(7)
#: Columns of the stack: kind, place of the opening in the output, the entry of this kind below, first pipe, hidden.
KIND, AT, BELOW, PIPE, CLASS = range(5)
#: Beside the innermost entry of each kind: how many are open, and how many of them are links and variants.
HEIGHT, LABELS = 7, 8
#: What is open at once; deeper openings stay as text.
MAX_DEPTH = 1 << 16
#: Links, and language variants, that are open at once: their labels move when they close, each time they nest.
MAX_LINKS = 16

_ENTITY = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));")
_SPACES, _LINE_ENDS = re.compile(r"[ \t]{2,}|\t"), re.compile(r" ?\n[ \n]*")
_DOUBLED = re.compile(r"([\[\]{}])\1+")
#: Soft hyphen, direction marks, byte order mark: seen by nobody, and they would make another word of a word.
_UNSEEN = ("\u00ad", "\u200e", "\u200f", "\ufeff")


@dataclass(frozen=True)
class LinkNames:
    """What the prefixes of a wiki's links mean: sorted 64-bit hashes of the names, and each one's meaning."""

    hashes: Hashes
    meanings: Bytes


def link_names(namespaces: Mapping[int, str] | None = None, languages: Iterable[str] = WIKIPEDIAS) -> LinkNames:
    """The names before the colon of a link that hide it: files, categories and other languages.

    Args:
        namespaces: namespace number to the wiki's own name, as its dump's siteinfo lists them.
        languages: codes of Wikipedias; with a hyphen where they have an underscore, as links write them.

    Returns:
        the names, for `plain_text`.
    """
    own = [name for number, name in (namespaces or {}).items() if number in _HIDDEN_NUMBERS]
    meanings: dict[int, int] = {}
    for code in languages:
        meanings[_hash_name(code.replace("_", "-"))] = INTERLANGUAGE
    for name in (*_CORE_HIDDEN, *own):
        for written in (name, name.lower(), name[:1].lower() + name[1:], name.upper()):
            meanings[_hash_name(written.replace("_", " "))] = HIDDEN
    hashes = np.array(sorted(meanings), np.uint64)
    return LinkNames(hashes, np.array([meanings[int(value)] for value in hashes], np.uint8))


def plain_text(markup: str, names: LinkNames | None = None, *, lists: bool = False) -> str:
    """The text of a page of wiki markup.

    Templates, tables, references, comments, files, categories, interlanguage links, formulas, galleries, code,
    magic words and bare addresses go; labels of links, headings with text under them and everything else stay.
    Time and memory are linear in the length of the markup, whatever it holds.

    Args:
        markup: one page's wikitext; any text will do.
        names: what the wiki's link prefixes mean; None: those that every wiki knows.
        lists: whether the items of bulleted and numbered lists are kept. Without them the text is running
            prose, as wikiextractor gives it.

    Returns:
        paragraphs, one a line, with single spaces and no empty line. It never holds `[[`, `]]`, `{{` or `}}`.

    Source: MetaCLIP 2, §3.1 (text of the dumps).
    """
    names = _CORE_NAMES if names is None else names
    data = np.frombuffer(markup.encode("utf-8", "replace"), np.uint8)
    cut = np.empty(len(data) + 1, np.uint8)
    n = _cut(data, cut, _SPECIAL, _TAG_HASHES, _TAG_MEANINGS, names.hashes, names.meanings, _ENDING_HASHES, lists)
    out = np.empty(2 * n + 1, np.uint8)
    n = _write_lines(cut[:n], out, lists)
    return _decode_entities(out[:n].tobytes().decode("utf-8", "replace"))


def _decode_entities(text: str) -> str:
    before = text
    if "&" in text:
        text = _ENTITY.sub(_entity, text)
    if not text.isascii():
        text = text.replace("\u00a0", " ")
        for mark in _UNSEEN:
            if mark in text:
                text = text.replace(mark, "")
    if text is before or text == before:
        return text
    if any(pair in text for pair in ("[[", "]]", "{{", "}}")):
        text = _DOUBLED.sub(r"\1", text)
    text = _SPACES.sub(" ", text) if "  " in text or "\t" in text else text
    if "\n " in text or " \n" in text or "\n\n" in text:
        text = _LINE_ENDS.sub("\n", text)
    return text.strip(" \n")


def _entity(match: re.Match[str]) -> str:
    decimal, hexadecimal, name = match.groups()
    if name:
        return html.entities.html5.get(f"{name};", match[0])
    point = int(decimal) if decimal else int(hexadecimal, 16)
    if point < 32 or 127 <= point < 160:
        return " "
    return "\ufffd" if point > 0x10FFFF or 0xD800 <= point < 0xE000 else chr(point)


# ---------------------------------------------------------------------- names


def _hash_name(name: str) -> int:
    """FNV-1a of a name, ASCII in lower case, as `_hash` has it of bytes."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ (byte + 32 if 65 <= byte <= 90 else byte)) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


@njit(cache=True)
def _hash(data: Bytes, start: int, stop: int) -> np.uint64:  # pragma: no cover (compiled)
    value = np.uint64(0xCBF29CE484222325)
    for i in range(start, stop):
        byte = data[i]
        if 65 <= byte <= 90:
            byte += 32
        elif byte == 95:  # links write a space or an underscore
            byte = np.uint8(32)
        value = (value ^ np.uint64(byte)) * np.uint64(0x100000001B3)
    return value


@njit(cache=True)
def _meaning(hashes: Hashes, meanings: Bytes, value: np.uint64, unknown: int) -> int:  # pragma: no cover (compiled)
    i = np.searchsorted(hashes, value)
    return int(meanings[i]) if i < len(hashes) and hashes[i] == value else unknown


# ---------------------------------------------------------------------- what nests


@njit(cache=True)
def _cut(
    data: Bytes,
    out: Bytes,
    special: Bytes,
    tag_hashes: Hashes,
    tag_meanings: Bytes,
    names: Hashes,
    meanings: Bytes,
    endings: Hashes,
    lists: bool,
) -> int:  # pragma: no cover (compiled)
    """Write `data` without what nests to `out`; return how many bytes."""
    n = len(data)
    stack = np.empty((min(n // 2 + 1, MAX_DEPTH), 5), np.int32)
    last = np.full(9, -1, np.int64)  # the innermost entry of each kind, the height of the stack, the open labels
    last[HEIGHT] = last[LABELS] = 0
    unclosed = np.zeros(len(tag_hashes), np.uint8)  # opaque tags of which no closing one follows
    i = o = 0
    while i < n:
        byte = data[i]
        if not special[byte]:
            out[o] = byte
            i, o = i + 1, o + 1
        elif byte == 60:  # <
            i, o = _tag(data, i, out, o, stack, last, tag_hashes, tag_meanings, unclosed, lists)
        elif byte == 123 or byte == 125:  # { }
            i, o = _braces(data, i, out, o, stack, last)
        elif byte == 91 or byte == 93:  # [ ]
            i, o = _brackets(data, i, out, o, stack, last, names, meanings, endings)
        elif byte == 124:  # |
            i, o = _pipe(data, i, out, o, stack, last, names, meanings, endings)
        elif byte == 58:  # :
            i, o = _colon(data, i, out, o)
        else:  # end of line
            _drop_open_links(data, i, stack, last)
            out[o] = byte
            i, o = i + 1, o + 1
    return o


@njit(cache=True)
def _push(stack: npt.NDArray[np.int32], last: Numbers, kind: int, at: int) -> bool:  # pragma: no cover (compiled)
    top = last[HEIGHT]
    is_label = kind in (LINK, VARIANT)
    if top == len(stack) or (is_label and last[LABELS] == MAX_LINKS):
        return False
    last[LABELS] += is_label
    stack[top, KIND], stack[top, AT], stack[top, BELOW] = kind, at, last[kind]
    stack[top, PIPE], stack[top, CLASS] = -1, VISIBLE
    last[kind] = top
    last[HEIGHT] = top + 1
    return True


@njit(cache=True)
def _pop_to(stack: npt.NDArray[np.int32], last: Numbers, place: int) -> int:  # pragma: no cover (compiled)
    """Pop the entry at `place` and all above it; return where it opened."""
    for top in range(last[HEIGHT] - 1, place - 1, -1):
        last[stack[top, KIND]] = stack[top, BELOW]
        last[LABELS] -= stack[top, KIND] == LINK or stack[top, KIND] == VARIANT
    last[HEIGHT] = place
    return int(stack[place, AT])


@njit(cache=True)
def _top_is(stack: npt.NDArray[np.int32], last: Numbers, kind: int) -> bool:  # pragma: no cover (compiled)
    return last[HEIGHT] > 0 and stack[last[HEIGHT] - 1, KIND] == kind


@njit(cache=True)
def _drop_open_links(data: Bytes, i: int, stack: npt.NDArray[np.int32], last: Numbers) -> None:  # pragma: no cover
    """At the end of a line: addresses end; a link's name must have ended; an empty line or a heading ends all links."""
    after = data[i + 1] if i + 1 < len(data) else 61
    while last[HEIGHT] > 0:
        top = last[HEIGHT] - 1
        ends = stack[top, PIPE] < 0 or after == 61 or (after == 10 and stack[top, CLASS] == VISIBLE)
        if not (stack[top, KIND] == LINK and ends) and stack[top, KIND] != EXTERNAL:
            return
        _pop_to(stack, last, top)


@njit(cache=True)
def _run(data: Bytes, i: int) -> int:  # pragma: no cover (compiled)
    """Where the run of the byte at `i` ends."""
    j = i + 1
    while j < len(data) and data[j] == data[i]:
        j += 1
    return j


@njit(cache=True)
def _starts_line(data: Bytes, i: int) -> bool:  # pragma: no cover (compiled)
    """Whether only a few spaces, colons and list marks stand before `i` on its line."""
    for back in range(1, 17):
        if back > i:
            return True
        byte = data[i - back]
        if byte == 10 or byte == 62:  # a tag or a comment may stand before a table
            return True
        if byte != 32 and byte != 58 and byte != 42 and byte != 35:
            return False
    return False


@njit(cache=True)
def _braces(
    data: Bytes, i: int, out: Bytes, o: int, stack: npt.NDArray[np.int32], last: Numbers
) -> tuple[int, int]:  # pragma: no cover (compiled)
    stop = _run(data, i)
    length = stop - i
    if data[i] == 125:
        return _close_braces(data, i, out, o, stack, last)
    is_variant = length == 1 and i > 0 and data[i - 1] == 45 and o > 0 and out[o - 1] == 45  # -{
    if is_variant and _push(stack, last, VARIANT, o - 1):
        out[o] = 123
        return i + 1, o + 1
    if length % 2 == 1 and stop < len(data) and data[stop] == 124 and _starts_line(data, i):  # {|, {{{|
        stop -= 1
        length -= 1
        if length == 0:
            _push(stack, last, TABLE, o)
            out[o] = 123
            out[o + 1] = 124
            return i + 2, o + 2
    for _ in range(length // 2):
        _push(stack, last, TEMPLATE, o)
        out[o] = 123
        out[o + 1] = 123
        o += 2
    if length == 1:
        out[o] = 123
        o += 1
    return stop, o


@njit(cache=True)
def _close_braces(
    data: Bytes, i: int, out: Bytes, o: int, stack: npt.NDArray[np.int32], last: Numbers
) -> tuple[int, int]:  # pragma: no cover (compiled)
    stop = _run(data, i)
    left = stop - i
    if left == 1 and stop < len(data) and data[stop] == 45 and _top_is(stack, last, VARIANT):  # }-
        return stop + 1, _variant(out, _pop_to(stack, last, last[HEIGHT] - 1), o)
    closed = False
    while left >= 2 and last[TEMPLATE] >= 0:
        o = _pop_to(stack, last, last[TEMPLATE])
        left -= 2
        closed = True
    if closed and left == 1:  # the third brace of a parameter
        return stop, o
    out[o : o + left] = 125
    return stop, o + left


@njit(cache=True)
def _variant(out: Bytes, at: int, o: int) -> int:  # pragma: no cover (compiled)
    """What a reader of one variant sees of -{flags|zh-hans:a;zh-hant:b}-, written from `at`: its first text."""
    start = at + 2
    for j in range(start, o):
        if out[j] == 124:
            if j - start == 1 and (out[start] == 72 or out[start] == 84 or out[start] == 45):
                return at  # H, T, -: rules and titles, not shown
            start = j + 1
            break
    stop = o
    for j in range(start, o):
        byte = out[j]
        if byte == 58:
            start = j + 1
            while stop > start and out[stop - 1] == 32:
                stop -= 1
            for k in range(start, o):
                if out[k] == 59:
                    stop = k
                    break
            break
        if not (byte == 32 or byte == 45 or 97 <= byte <= 122):
            break
    for j in range(start, stop):
        out[at + j - start] = out[j]
    return at + stop - start


# ---------------------------------------------------------------------- links


@njit(cache=True)
def _brackets(
    data: Bytes,
    i: int,
    out: Bytes,
    o: int,
    stack: npt.NDArray[np.int32],
    last: Numbers,
    names: Hashes,
    meanings: Bytes,
    endings: Hashes,
) -> tuple[int, int]:  # pragma: no cover (compiled)
    n = len(data)
    twice = i + 1 < n and data[i + 1] == data[i]
    if data[i] == 93:
        if _top_is(stack, last, EXTERNAL):
            _pop_to(stack, last, last[HEIGHT] - 1)
            return i + 1, o
        if twice and _top_is(stack, last, LINK):
            return i + 2, _close_link(out, o, stack, last, names, meanings, endings)
    elif twice and not (i + 2 < n and data[i + 2] == 91 and i + 3 < n and data[i + 3] != 91):
        if _push(stack, last, LINK, o):
            out[o] = out[o + 1] = 91
            return i + 2, o + 2
    elif not twice:
        address = _scheme(data, i + 1)
        if address > 0 and _push(stack, last, EXTERNAL, o):
            return _address_end(data, address), o
    out[o] = data[i]
    return i + 1, o + 1


@njit(cache=True)
def _scheme(data: Bytes, i: int) -> int:  # pragma: no cover (compiled)
    """Where the address after the scheme at `i` begins, 0 if no scheme stands there."""
    n = len(data)
    j = i
    while j < n and j - i < 9 and (97 <= data[j] | 32 <= 122):
        j += 1
    if j + 1 < n and data[j] == 47 and data[j + 1] == 47 and j == i:  # //host
        return j + 2
    if j == i or j + 1 >= n or data[j] != 58:
        return 0
    if j + 2 < n and data[j + 1] == 47 and data[j + 2] == 47:
        return j + 3
    word = data[i] | 32
    is_mail = j - i == 6 and word == 109 and data[i + 1] | 32 == 97  # mailto:
    is_news = j - i == 4 and (word == 110 and data[i + 2] | 32 == 119)  # news:
    return j + 1 if is_mail or is_news else 0


@njit(cache=True)
def _address_end(data: Bytes, i: int) -> int:  # pragma: no cover (compiled)
    while i < len(data):
        byte = data[i]
        if byte <= 32 or byte == 34 or byte == 60 or byte == 62 or byte == 91 or byte == 93 or byte == 127:
            break
        if byte == 123 or byte == 125 or byte == 124:  # the address is a template's argument
            break
        if byte == 0xE3 and i + 2 < len(data) and data[i + 1] == 0x80 and data[i + 2] <= 0x82:  # ideographic space
            break
        if byte == 39 and i + 1 < len(data) and data[i + 1] == 39:
            break
        i += 1
    return i


@njit(cache=True)
def _colon(data: Bytes, i: int, out: Bytes, o: int) -> tuple[int, int]:  # pragma: no cover (compiled)
    """Take back http, https or ftp before `://`, and leave the address out."""
    if i + 2 < len(data) and data[i + 1] == 47 and data[i + 2] == 47:
        start = o
        while start > 0 and o - start < 6 and (97 <= out[start - 1] | 32 <= 122):
            start -= 1
        length = o - start
        first = out[start] | 32 if length else 0
        is_web = (length == 4 or length == 5) and first == 104
        if is_web or (length == 3 and first == 102):
            out[start] = 32
            end = _address_end(data, i + 3)
            while data[end - 1] in (33, 44, 46, 58, 59, 63):  # ! , . : ; ? end a sentence, not an address
                end -= 1
            return max(end, i + 1), start + 1
    out[o] = 58
    return i + 1, o + 1


@njit(cache=True)
def _pipe(
    data: Bytes,
    i: int,
    out: Bytes,
    o: int,
    stack: npt.NDArray[np.int32],
    last: Numbers,
    names: Hashes,
    meanings: Bytes,
    endings: Hashes,
) -> tuple[int, int]:  # pragma: no cover (compiled)
    if _top_is(stack, last, LINK):
        top = last[HEIGHT] - 1
        if stack[top, PIPE] < 0:
            stack[top, PIPE] = o
            stack[top, CLASS] = _link_class(out, stack[top, AT] + 2, o, names, meanings, endings)
    elif last[TABLE] >= 0 and i + 1 < len(data) and data[i + 1] == 125 and _starts_line(data, i):  # |}
        braces = _run(data, i + 1) - i - 1
        if braces != 2 or last[TABLE] > last[TEMPLATE]:
            return i + 2, _pop_to(stack, last, last[TABLE])
    out[o] = 124
    return i + 1, o + 1


@njit(cache=True)
def _link_class(
    out: Bytes, start: int, stop: int, names: Hashes, meanings: Bytes, endings: Hashes
) -> int:  # pragma: no cover (compiled)
    """What the link to out[start:stop] is: VISIBLE, HIDDEN or INTERLANGUAGE."""
    while start < stop and out[start] == 32:
        start += 1
    while stop > start and out[stop - 1] == 32:
        stop -= 1
    if start < stop and out[start] == 58:  # [[:Category:…]] is shown
        return VISIBLE
    colon = start
    while colon < stop and colon - start < 64 and out[colon] != 58:
        colon += 1
    if colon in (stop, start) or out[colon] != 58:
        return VISIBLE
    end = colon
    while end > start and out[end - 1] == 32:
        end -= 1
    meaning = _meaning(names, meanings, _hash(out, start, end), VISIBLE)
    if meaning == VISIBLE:
        dot = stop
        while dot > colon and stop - dot < 6 and out[dot - 1] != 46:
            dot -= 1
        if dot > colon + 1 and out[dot - 1] == 46:
            value = _hash(out, dot, stop)
            place = np.searchsorted(endings, value)
            if place < len(endings) and endings[place] == value:
                return HIDDEN
    return meaning


@njit(cache=True)
def _close_link(
    out: Bytes,
    o: int,
    stack: npt.NDArray[np.int32],
    last: Numbers,
    names: Hashes,
    meanings: Bytes,
    endings: Hashes,
) -> int:  # pragma: no cover (compiled)
    """Replace the link written since it opened by its label; return the new length."""
    top = last[HEIGHT] - 1
    pipe, meaning = stack[top, PIPE], stack[top, CLASS]
    at = _pop_to(stack, last, top)
    start = at + 2
    if pipe < 0:
        meaning = _link_class(out, start, o, names, meanings, endings)
    if meaning != VISIBLE:
        return at
    if pipe >= 0:
        start = pipe + 1
    elif start < o and out[start] == 58:
        start += 1
    for j in range(start, o):
        out[at + j - start] = out[j]
    return at + o - start


# ---------------------------------------------------------------------- HTML


@njit(cache=True)
def _tag(
    data: Bytes,
    i: int,
    out: Bytes,
    o: int,
    stack: npt.NDArray[np.int32],
    last: Numbers,
    tag_hashes: Hashes,
    tag_meanings: Bytes,
    unclosed: Bytes,
    lists: bool,
) -> tuple[int, int]:  # pragma: no cover (compiled)
    n = len(data)
    if i + 3 < n and data[i + 1] == 33 and data[i + 2] == 45 and data[i + 3] == 45:  # <!--
        return _comment_end(data, i, out, o), o
    start = i + 1
    closing = start < n and data[start] == 47
    if closing:
        start += 1
    stop = start
    while stop < n and stop - start < 20 and (97 <= data[stop] | 32 <= 122 or 48 <= data[stop] <= 57):
        stop += 1
    value = _hash(data, start, stop)
    place = np.searchsorted(tag_hashes, value)
    if stop == start or place == len(tag_hashes) or tag_hashes[place] != value:
        out[o] = 60
        return i + 1, o + 1
    end = stop
    while end < n and data[end] != 62 and data[end] != 60:
        end += 1
    if end == n or data[end] == 60:  # no end of the tag
        out[o] = 60
        return i + 1, o + 1
    alone = data[end - 1] == 47
    meaning = tag_meanings[place]
    is_opaque = meaning in (OPAQUE, FORMULA, LITERAL)
    if is_opaque and not closing and not alone and not unclosed[place]:
        close = _closing_tag(data, end + 1, start, stop)
        if close == n:
            unclosed[place] = 1
            return end + 1, o
        if meaning == LITERAL:
            length = close - end - 1
            out[o : o + length] = data[end + 1 : close]
            o += length
        elif meaning == FORMULA:
            out[o] = 32
            o += 1
        while close < n and data[close] != 62:
            close += 1
        return close + 1 if close < n else n, o
    return end + 1, _transparent(out, o, stack, last, meaning, closing, alone, lists)


@njit(cache=True)
def _transparent(
    out: Bytes,
    o: int,
    stack: npt.NDArray[np.int32],
    last: Numbers,
    meaning: int,
    closing: bool,
    alone: bool,
    lists: bool,
) -> int:  # pragma: no cover (compiled)
    """The output's length after a tag that keeps its content, or nests."""
    if meaning == TABLE_TAG or (meaning == LIST_TAG and not lists):
        kind = HTML_TABLE if meaning == TABLE_TAG else HTML_LIST
        if closing and last[kind] >= 0:
            o = _pop_to(stack, last, last[kind])
        elif not closing and not alone:
            _push(stack, last, kind, o)
    if meaning == BREAK:
        out[o] = 32
        return o + 1
    if meaning in (BLOCK, TABLE_TAG, LIST_TAG):
        out[o] = 10
        return o + 1
    return o


@njit(cache=True)
def _comment_end(data: Bytes, i: int, out: Bytes, o: int) -> int:  # pragma: no cover (compiled)
    """Where the comment at `i` ends: with its line, if it is alone there; with the text, if it never closes."""
    n = len(data)
    j = i + 4
    while j + 2 < n and not (data[j] == 45 and data[j + 1] == 45 and data[j + 2] == 62):
        j += 1
    if j + 2 >= n:
        return n
    j += 3
    if j < n and data[j] == 10 and (o == 0 or out[o - 1] == 10):
        j += 1
    return j


@njit(cache=True)
def _closing_tag(data: Bytes, i: int, start: int, stop: int) -> int:  # pragma: no cover (compiled)
    """Where the tag that closes the one named data[start:stop] begins, the text's length if none does."""
    n = len(data)
    length = stop - start
    while i + length + 1 < n:
        if data[i] == 60 and data[i + 1] == 47:
            same = 0
            while same < length and data[i + 2 + same] | 32 == data[start + same] | 32:
                same += 1
            after = data[i + 2 + length] if i + 2 + length < n else 62
            if same == length and (after == 62 or after <= 32):
                return i
        i += 1
    return n


# ---------------------------------------------------------------------- lines


@njit(cache=True)
def _write_lines(data: Bytes, out: Bytes, lists: bool) -> int:  # pragma: no cover (compiled)
    """Write the lines of `data` that hold text to `out`; return how many bytes."""
    n = len(data)
    headings = np.zeros((7, 2), np.int64)  # by level, those that no text followed yet
    i = o = 0
    while i <= n:
        stop = i
        while stop < n and data[stop] != 10:
            stop += 1
        start, end = i, stop
        mark = data[start] if start < end else 0
        is_item = mark == 42 or mark == 35 or mark == 59  # * # ;
        i = stop + 1
        while start < end and data[start] <= 32:
            start += 1
        while end > start and data[end - 1] <= 32:
            end -= 1
        if start == end:
            continue
        level = _heading_level(data, start, end)
        if level:
            headings[level, 0], headings[level, 1] = start + level, end - level
            headings[level + 1 :] = 0
            continue
        if is_item and not lists:
            continue
        if is_item or mark == 58:
            start = _skip_marks(data, start, end)
        if start == end or data[start] == 123 or data[start] == 124 or not _has_text(data, start, end):
            continue
        for rank in range(1, 7):
            if headings[rank, 1] > headings[rank, 0]:
                o = _write_line(data, headings[rank, 0], headings[rank, 1], out, o)
        headings[:] = 0
        o = _write_line(data, start, end, out, o)
    return o - 1 if o else 0


@njit(cache=True)
def _heading_level(data: Bytes, start: int, end: int) -> int:  # pragma: no cover (compiled)
    level = 0
    while level < 6 and start + level < end - level - 1 and data[start + level] == data[end - level - 1] == 61:
        level += 1
    return level


@njit(cache=True)
def _skip_marks(data: Bytes, start: int, end: int) -> int:  # pragma: no cover (compiled)
    """Where the text of a line begins after its list marks and indents."""
    while start < end and (data[start] == 42 or data[start] == 35 or data[start] == 59 or data[start] == 58):
        start += 1
    while start < end and data[start] <= 32:
        start += 1
    return start


@njit(cache=True)
def _has_text(data: Bytes, start: int, end: int) -> bool:  # pragma: no cover (compiled)
    for j in range(start, end):
        byte = data[j]
        if byte >= 128 or 97 <= byte | 32 <= 122 or 48 <= byte <= 57:
            return True
    return False


@njit(cache=True)
def _write_line(data: Bytes, start: int, end: int, out: Bytes, o: int) -> int:  # pragma: no cover (compiled)
    """Write one line without quotes, magic words, doubled brackets and spaces, and its end."""
    first = o
    i = start
    elision = _elision(data, start, end)
    while i < end:
        byte = data[i]
        if byte <= 32:
            if o > first and out[o - 1] != 32:
                out[o] = 32
                o += 1
            i += 1
        elif byte == 39 and i + 1 < end and data[i + 1] == 39:
            i, o = _quotes(data, i, start, end, elision, out, o)
        elif byte == 95 and i + 4 < end and data[i + 1] == 95:
            i, o = _magic_word(data, i, end, out, o)
        elif (byte == 91 or byte == 93 or byte == 123 or byte == 125) and o > first and out[o - 1] == byte:
            i += 1
        else:
            out[o] = byte
            i, o = i + 1, o + 1
    while o > first and out[o - 1] == 32:
        o -= 1
    if o == first:
        return o
    out[o] = 10
    return o + 1


@njit(cache=True)
def _is_word_byte(byte: int) -> bool:  # pragma: no cover (compiled)
    return byte >= 128 or 97 <= byte | 32 <= 122 or 48 <= byte <= 57


@njit(cache=True)
def _elision(data: Bytes, start: int, end: int) -> int:  # pragma: no cover (compiled)
    """The run of three quotes of a line that is an apostrophe and two, as in l'''Italie'', or -1.

    It is looked for where both bold and italic are left open: after one letter, else after a word, else anywhere.
    """
    bold = italic = False
    best, rank = -1, 4
    i = start
    while i < end:
        if data[i] != 39:
            i += 1
            continue
        stop = min(_run(data, i), end)
        length = stop - i
        if length == 2 or length >= 5:
            italic = not italic
        if length >= 3:
            bold = not bold
        if length >= 3 and length != 5:
            after_space = stop - 4 < start or data[stop - 4] == 32
            own = 3 if after_space else 1 if stop - 5 < start or data[stop - 5] == 32 else 2
            if own < rank:
                best, rank = i, own
        i = stop
    return best if bold and italic else -1


@njit(cache=True)
def _quotes(
    data: Bytes, i: int, first: int, end: int, elision: int, out: Bytes, o: int
) -> tuple[int, int]:  # pragma: no cover (compiled)
    """Leave out the quotes of bold and italic; keep an apostrophe before them.

    A letter alone before three quotes keeps one too: what stood between was a template for the apostrophe.
    """
    stop = min(_run(data, i), end)
    length = stop - i
    alone = i > first and 97 <= data[i - 1] | 32 <= 122 and (i - 1 == first or data[i - 2] == 32)
    after_word = i > first and _is_word_byte(data[i - 1])  # otherwise what stood between two pairs is gone
    alone = length == 3 and alone and stop < end and _is_word_byte(data[stop])
    if i == elision or alone or (length == 4 and after_word):
        out[o] = 39
        o += 1
    return stop, o


@njit(cache=True)
def _magic_word(data: Bytes, i: int, end: int, out: Bytes, o: int) -> tuple[int, int]:  # pragma: no cover (compiled)
    """Leave out __NOTOC__ and the like, in any language; they are capitals, and short."""
    j = i + 2
    while j < end and j - i < 64 and (data[j] >= 128 or 65 <= data[j] <= 90 or data[j] == 95):
        if data[j] == 95 and j > i + 2 and j + 1 < end and data[j + 1] == 95:
            return j + 2, o
        j += 1
    out[o] = 95
    return i + 1, o + 1


_CORE_NAMES = link_names()
_SPECIAL = np.zeros(256, np.uint8)
_SPECIAL[[ord(mark) for mark in "<{}[]|:\n"]] = 1
_TAG_OF = {_hash_name(name): meaning for meaning, words in _TAGS.items() for name in words.split()}
_TAG_HASHES = np.array(sorted(_TAG_OF), np.uint64)
_TAG_MEANINGS = np.array([_TAG_OF[int(value)] for value in _TAG_HASHES], np.uint8)
_ENDING_HASHES = np.array(sorted(_hash_name(ending) for ending in _FILE_ENDINGS.split()), np.uint64)

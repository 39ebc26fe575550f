"""The tokens that needles and texts are cut into, and the tables that cut them.

Characters are looked up in pages of a table. A token ends after a character that some needle ends with, and before one
that some needle starts with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from mc2lib.recipe.curation.perfect_hash import HALF, MIXER, PRIME, Codes, Offsets, Shorts

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint32]
Ids = npt.NDArray[np.int32]

#: Code points, and pages of 256 of them.
POINTS = 0x110000
PAGES = POINTS >> 8

#: Flags in the two low bits of `chars`, below the token: whether some needle starts, or ends, with the character.
STARTS = 1
ENDS = 2


def make_pages(marks: Bytes) -> tuple[Shorts, Words]:
    """Lay out the table of characters.

    Args:
        marks: uint8 [0x110000], see `mark_borders`.

    Returns:
        The `pages` and `chars` of an index; no character has a token yet.
    """
    used = np.flatnonzero(marks.reshape(PAGES, 256).any(1))
    pages = np.zeros(PAGES, np.uint16)
    pages[used] = np.arange(1, len(used) + 1)
    chars = np.zeros((len(used) + 1, 256), np.uint32)
    chars[1:] = marks.reshape(PAGES, 256)[used] & np.uint8(STARTS | ENDS)
    return pages, chars.reshape(-1)


@njit(cache=True, nogil=True)
def _decode(data: Bytes, place: int, stop: int) -> tuple[Any, int]:  # pragma: no cover (compiled)
    """The code point at `place` and its width in bytes; a byte that is not UTF-8 is a point that no needle has."""
    lead = np.int64(data[place])
    if lead < 0x80:
        return lead, 1
    width = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if lead < 0xC2 or lead > 0xF4 or place + width > stop:
        return 0xD800, 1
    point = lead & (0x7F >> width)
    whole = True
    for i in range(place + 1, place + width):
        byte = np.int64(data[i])
        whole &= byte & 0xC0 == 0x80
        point = point << 6 | (byte & 0x3F)
    least = 0x80 if width == 2 else (0x800 if width == 3 else 0x10000)
    if whole and least <= point < POINTS and point & 0x1FF800 != 0xD800:
        return point, width
    return 0xD800, 1


@njit(cache=True, nogil=True)
def mark_borders(data: Bytes, begins: Offsets, ends: Offsets, behind: Bytes) -> Bytes:  # pragma: no cover (compiled)
    """Mark the characters of needles.

    A needle after a space may start wherever its first character does, because a token ends with each space.

    Args:
        data: uint8, the needles end to end.
        begins: int64 [n], the first byte of each, after its space if it has one.
        ends: int64 [n], the byte after each.
        behind: uint8 [n], 1 for needles that begin with a space.

    Returns:
        uint8 [0x110000], by code point: 0 if no needle has it, else 4 and the flags STARTS and ENDS.
    """
    marks = np.zeros(POINTS, np.uint8)
    for needle in range(len(begins)):
        place, stop = begins[needle], ends[needle]
        if behind[needle]:
            marks[32] |= 4 | ENDS
        elif place < stop:
            marks[_decode(data, place, stop)[0]] |= STARTS
        while place < stop:
            point, width = _decode(data, place, stop)
            marks[point] |= 4
            place += width
            if place >= stop:
                marks[point] |= ENDS
    return marks


@njit(cache=True, nogil=True)
def cut(
    hay: Bytes,
    place: Any,
    stop: int,
    pages: Shorts,
    chars: Words,
    base: Any,
    tokens: Words,
    codes: Codes,
    at: Ids,
    n: Any,
) -> Any:  # pragma: no cover (compiled)
    """Cut hay[place:stop] into tokens.

    Args:
        hay: uint8, spaced-out texts or needles.
        place: the first byte.
        stop: the byte after the last.
        pages: of the index.
        chars: of the index.
        base: see `base_of`.
        tokens: uint32, gets each token's number if it is one known character, else 0.
        codes: uint64, gets a code of each token's characters.
        at: int32, gets where each token begins and, after the last one, where that ends.
        n: how many tokens they hold already.

    Returns:
        How many tokens they hold now.
    """
    code = np.uint64(0)
    border = np.uint32(1)
    while place < stop:
        point: Any = np.int64(hay[place])
        width = 1
        if point >= 0x80:
            point, width = _decode(hay, place, stop)
        char = chars[np.int64(pages[point >> 8]) << 8 | point & 255]
        border |= char & np.uint32(STARTS)
        at[n] = place
        n += np.int64(border)
        code = (code & (np.uint64(border) - np.uint64(1))) + np.uint64(point + 1)
        code *= base
        codes[n - 1] = code
        tokens[n - 1] = (char >> np.uint32(2)) * border
        border = (char >> np.uint32(1)) & np.uint32(1)
        place += width
    at[n] = stop
    return n


@njit(cache=True, nogil=True)
def base_of(seed: int) -> Any:  # pragma: no cover (compiled)
    """The number that codes are polynomials of: odd, and different for each seed."""
    return (np.uint64(seed) * PRIME) | np.uint64(1)


@njit(cache=True, nogil=True)
def tokenise(
    data: Bytes, begins: Offsets, ends: Offsets, pages: Shorts, chars: Words, seed: int
) -> tuple[Words, Offsets, Offsets]:  # pragma: no cover (compiled)
    """Cut all needles into tokens, and number the tokens.

    Tokens of one character get their numbers in `chars`, from 1 on; token n_chars + 1 + i is words[i].

    Args:
        data: uint8, the needles end to end.
        begins: int64 [n], the first byte of each.
        ends: int64 [n], the byte after each.
        pages: see `make_pages`.
        chars: see `make_pages`; gets the numbers of tokens.
        seed: of the codes.

    Returns:
        The tokens of all needles, end to end; where each needle's begin, int64 [n + 1], empty if two words have the
        same code; and for each word where it begins and ends in `data`, and its code, int64 [w, 3].
    """
    n_bytes = longest = 0
    for i in range(len(begins)):
        n_bytes += ends[i] - begins[i]
        longest = max(longest, ends[i] - begins[i])
    base = base_of(seed)
    zero = np.int64(0)  # with a literal, `cut` would be compiled twice
    tokens = np.empty(longest + 1, np.uint32)
    codes = np.empty(longest + 1, np.uint64)
    at = np.empty(longest + 1, np.int32)
    hay = np.empty(longest, np.uint8)
    for i in range(len(chars)):
        chars[i] &= np.uint32(STARTS | ENDS)
    n_chars = n_words = 0
    for i in range(len(begins)):
        size = ends[i] - begins[i]
        for j in range(size):
            hay[j] = data[begins[i] + j]
        for j in range(cut(hay, zero, size, pages, chars, base, tokens, codes, at, zero)):
            point, width = _decode(hay, at[j], size)
            char = np.int64(pages[point >> 8]) << 8 | point & 255
            if width < at[j + 1] - at[j]:
                n_words += 1
            elif chars[char] >> np.uint32(2) == 0:
                n_chars += 1
                chars[char] |= np.uint32(n_chars << 2)
    room = 16
    while room < 2 * n_words:
        room *= 2
    known = np.zeros(room, np.int64)
    words = np.empty((n_words, 3), np.int64)
    paths = np.empty(n_bytes, np.uint32)
    bounds = np.zeros(len(begins) + 1, np.int64)
    n_words = n_tokens = 0
    for i in range(len(begins)):
        size = ends[i] - begins[i]
        for j in range(size):
            hay[j] = data[begins[i] + j]
        for j in range(cut(hay, zero, size, pages, chars, base, tokens, codes, at, zero)):
            token = np.int64(tokens[j])
            if token == 0:
                code = codes[j]
                slot = np.int64(((code ^ (code >> HALF)) * MIXER) >> HALF) & (room - 1)
                while known[slot] != 0 and np.uint64(words[known[slot] - 1, 2]) != code:
                    slot = (slot + 1) & (room - 1)
                begin, end = begins[i] + at[j], begins[i] + at[j + 1]
                if known[slot] == 0:
                    words[n_words, 0], words[n_words, 1], words[n_words, 2] = begin, end, np.int64(code)
                    n_words += 1
                    known[slot] = n_words
                token = known[slot]
                first, last = words[token - 1, 0], words[token - 1, 1]
                if last - first != end - begin:
                    return paths, bounds[:0], words[:0]
                for k in range(end - begin):
                    if data[first + k] != data[begin + k]:
                        return paths, bounds[:0], words[:0]
                token += n_chars
            paths[n_tokens] = token
            n_tokens += 1
        bounds[i + 1] = n_tokens
    return paths[:n_tokens].copy(), bounds, words[:n_words].copy()


@njit(cache=True, nogil=True)
def lay_out_words(
    data: Bytes, words: Offsets, places: Offsets, room: int
) -> tuple[Words, Words]:  # pragma: no cover (compiled)
    """Lay out the table of words.

    Args:
        data: uint8, the needles end to end.
        words: int64 [w, 3], see `tokenise`.
        places: int64 [w], the place of each in a perfect hash table.
        room: places in that table.

    Returns:
        The `word_slots` and `words` of an index.
    """
    size = 1
    for i in range(len(words)):
        size += 1 + (words[i, 1] - words[i, 0] + 3) // 4
    slots = np.zeros((room, 2), np.uint32)
    stored = np.zeros(size, np.uint32)
    content = stored.view(np.uint8)
    place = 1
    for i in range(len(words)):
        begin, end = words[i, 0], words[i, 1]
        slots[places[i], 0] = np.uint32(np.uint64(words[i, 2]) >> HALF)
        slots[places[i], 1] = place
        stored[place] = end - begin
        for j in range(end - begin):
            content[4 * (place + 1) + j] = data[begin + j]
        place += 1 + (end - begin + 3) // 4
    return slots, stored

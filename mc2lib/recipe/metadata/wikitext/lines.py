"""The second pass over wiki markup: headings, lists, quotes and spaces, line by line."""

from __future__ import annotations

import numpy as np
from numba import njit

from mc2lib.recipe.metadata.wikitext.markup_names import Bytes
from mc2lib.recipe.metadata.wikitext.open_constructs import run_end


@njit(cache=True)
def write_lines(data: Bytes, out: Bytes, lists: bool) -> int:  # pragma: no cover (compiled)
    """Write the lines that contain text.

    Args:
        data: uint8 [n], what the first pass wrote.
        out: uint8 [>= 2n + 1], the output.
        lists: whether list items are kept.

    Returns:
        How many bytes of `out` are written.
    """
    n = len(data)
    headings = np.zeros((7, 2), np.int64)  # by level, the headings that no text has followed yet
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
            i, o = _drop_quotes(data, i, start, end, elision, out, o)
        elif byte == 95 and i + 4 < end and data[i + 1] == 95:
            i, o = _drop_magic_word(data, i, end, out, o)
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
    """Where a line has three quotes that mean an apostrophe and two, as in l'''Italie''; -1 if nowhere.

    That is so where both bold and italic stay open: after one letter, else after a word, else anywhere.
    """
    bold = italic = False
    best, rank = -1, 4
    i = start
    while i < end:
        if data[i] != 39:
            i += 1
            continue
        stop = min(run_end(data, i), end)
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
def _drop_quotes(
    data: Bytes, i: int, first: int, end: int, elision: int, out: Bytes, o: int
) -> tuple[int, int]:  # pragma: no cover (compiled)
    """Leave out the quotes of bold and italic, but keep an apostrophe before them.

    A single letter before three quotes keeps one too: a template for the apostrophe was between them.
    """
    stop = min(run_end(data, i), end)
    length = stop - i
    alone = i > first and 97 <= data[i - 1] | 32 <= 122 and (i - 1 == first or data[i - 2] == 32)
    after_word = i > first and _is_word_byte(data[i - 1])  # otherwise the text between two pairs was removed
    alone = length == 3 and alone and stop < end and _is_word_byte(data[stop])
    if i == elision or alone or (length == 4 and after_word):
        out[o] = 39
        o += 1
    return stop, o


@njit(cache=True)
def _drop_magic_word(
    data: Bytes, i: int, end: int, out: Bytes, o: int
) -> tuple[int, int]:  # pragma: no cover (compiled)
    """Leave out __NOTOC__ and the like, in any language: short words in capitals."""
    j = i + 2
    while j < end and j - i < 64 and (data[j] >= 128 or 65 <= data[j] <= 90 or data[j] == 95):
        if data[j] == 95 and j > i + 2 and j + 1 < end and data[j + 1] == 95:
            return j + 2, o
        j += 1
    out[o] = 95
    return i + 1, o + 1

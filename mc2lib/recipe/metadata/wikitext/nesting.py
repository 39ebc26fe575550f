"""The first pass over wiki markup: removes everything that nests.

`open_constructs` says what the arguments `data`, `i`, `out`, `o`, `stack` and `last` hold.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from mc2lib.recipe.metadata.wikitext.html_tags import read_tag
from mc2lib.recipe.metadata.wikitext.links import read_brackets, read_colon, read_pipe
from mc2lib.recipe.metadata.wikitext.markup_names import Bytes, Hashes
from mc2lib.recipe.metadata.wikitext.open_constructs import (
    HEIGHT,
    LABELS,
    MAX_DEPTH,
    TABLE,
    TEMPLATE,
    VARIANT,
    Numbers,
    Stack,
    drop_open_links,
    pop_to,
    push,
    run_end,
    starts_line,
    top_is,
)

#: By byte, 1 for those at which something may begin or end; all others are text.
SPECIAL = np.zeros(256, np.uint8)
SPECIAL[[ord(mark) for mark in "<{}[]|:\n"]] = 1


@njit(cache=True)
def cut_nested(
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
    """Write markup without what nests.

    Args:
        data: see `open_constructs`.
        out: see `open_constructs`.
        special: uint8 [256], 1 for the bytes that begin or end something; SPECIAL.
        tag_hashes: uint64 [t], ascending; TAG_HASHES.
        tag_meanings: uint8 [t], what each tag does.
        names: uint64 [n], ascending hashes of link prefixes.
        meanings: uint8 [n], what each prefix means.
        endings: uint64 [e], ascending hashes of file extensions.
        lists: whether HTML lists are kept.

    Returns:
        How many bytes of `out` are written.
    """
    n = len(data)
    stack = np.empty((min(n // 2 + 1, MAX_DEPTH), 5), np.int32)
    last = np.full(9, -1, np.int64)
    last[HEIGHT] = last[LABELS] = 0
    unclosed = np.zeros(len(tag_hashes), np.uint8)  # opaque tags that no closing tag follows
    i = o = 0
    while i < n:
        byte = data[i]
        if not special[byte]:
            out[o] = byte
            i, o = i + 1, o + 1
        elif byte == 60:  # <
            i, o = read_tag(data, i, out, o, stack, last, tag_hashes, tag_meanings, unclosed, lists)
        elif byte == 123 or byte == 125:  # { }
            i, o = _read_braces(data, i, out, o, stack, last)
        elif byte == 91 or byte == 93:  # [ ]
            i, o = read_brackets(data, i, out, o, stack, last, names, meanings, endings)
        elif byte == 124:  # |
            i, o = read_pipe(data, i, out, o, stack, last, names, meanings, endings)
        elif byte == 58:  # :
            i, o = read_colon(data, i, out, o)
        else:  # end of line
            drop_open_links(data, i, stack, last)
            out[o] = byte
            i, o = i + 1, o + 1
    return o


@njit(cache=True)
def _read_braces(
    data: Bytes, i: int, out: Bytes, o: int, stack: Stack, last: Numbers
) -> tuple[int, int]:  # pragma: no cover (compiled)
    """Open or close templates, parameters, tables and language variants."""
    stop = run_end(data, i)
    length = stop - i
    if data[i] == 125:
        return _close_braces(data, i, out, o, stack, last)
    is_variant = length == 1 and i > 0 and data[i - 1] == 45 and o > 0 and out[o - 1] == 45  # -{
    if is_variant and push(stack, last, VARIANT, o - 1):
        out[o] = 123
        return i + 1, o + 1
    if length % 2 == 1 and stop < len(data) and data[stop] == 124 and starts_line(data, i):  # {|, {{{|
        stop -= 1
        length -= 1
        if length == 0:
            push(stack, last, TABLE, o)
            out[o] = 123
            out[o + 1] = 124
            return i + 2, o + 2
    for _ in range(length // 2):
        push(stack, last, TEMPLATE, o)
        out[o] = 123
        out[o + 1] = 123
        o += 2
    if length == 1:
        out[o] = 123
        o += 1
    return stop, o


@njit(cache=True)
def _close_braces(
    data: Bytes, i: int, out: Bytes, o: int, stack: Stack, last: Numbers
) -> tuple[int, int]:  # pragma: no cover (compiled)
    stop = run_end(data, i)
    left = stop - i
    if left == 1 and stop < len(data) and data[stop] == 45 and top_is(stack, last, VARIANT):  # }-
        return stop + 1, _variant(out, pop_to(stack, last, last[HEIGHT] - 1), o)
    closed = False
    while left >= 2 and last[TEMPLATE] >= 0:
        o = pop_to(stack, last, last[TEMPLATE])
        left -= 2
        closed = True
    if closed and left == 1:  # the third brace of a parameter
        return stop, o
    out[o : o + left] = 125
    return stop, o + left


@njit(cache=True)
def _variant(out: Bytes, at: int, o: int) -> int:  # pragma: no cover (compiled)
    """Reduce -{flags|zh-hans:a;zh-hant:b}-, written from `at` on, to its first text: what a reader of one variant sees.

    Returns:
        The output's new length.
    """
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

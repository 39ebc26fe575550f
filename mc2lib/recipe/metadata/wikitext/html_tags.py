"""HTML and extension tags in wiki markup, and comments.

`open_constructs` says what the arguments `data`, `i`, `out`, `o`, `stack` and `last` hold.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from mc2lib.recipe.metadata.wikitext.markup_names import (
    BLOCK,
    BREAK,
    FORMULA,
    LIST_TAG,
    LITERAL,
    OPAQUE,
    TABLE_TAG,
    Bytes,
    Hashes,
    hash_name_bytes,
)
from mc2lib.recipe.metadata.wikitext.open_constructs import HTML_LIST, HTML_TABLE, Numbers, Stack, pop_to, push


@njit(cache=True)
def read_tag(
    data: Bytes,
    i: int,
    out: Bytes,
    o: int,
    stack: Stack,
    last: Numbers,
    tag_hashes: Hashes,
    tag_meanings: Bytes,
    unclosed: Bytes,
    lists: bool,
) -> tuple[int, int]:  # pragma: no cover (compiled)
    """Read a `<`: skip a comment, skip an opaque tag with its content, or leave out a tag that keeps its content.

    Args:
        data: see `open_constructs`.
        i: see `open_constructs`.
        out: see `open_constructs`.
        o: see `open_constructs`.
        stack: see `open_constructs`.
        last: see `open_constructs`.
        tag_hashes: uint64 [t], ascending; TAG_HASHES.
        tag_meanings: uint8 [t], what each tag does.
        unclosed: uint8 [t], set to 1 for opaque tags that no closing tag follows, so that each is searched for once.
        lists: whether HTML lists are kept.

    Returns:
        The next `i` and `o`.
    """
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
    value = hash_name_bytes(data, start, stop)
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
    stack: Stack,
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
            o = pop_to(stack, last, last[kind])
        elif not closing and not alone:
            push(stack, last, kind, o)
    if meaning == BREAK:
        out[o] = 32
        return o + 1
    if meaning in (BLOCK, TABLE_TAG, LIST_TAG):
        out[o] = 10
        return o + 1
    return o


@njit(cache=True)
def _comment_end(data: Bytes, i: int, out: Bytes, o: int) -> int:  # pragma: no cover (compiled)
    """Where the comment at `i` ends: with its line if it is alone there, with the text if it never closes."""
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
    """Where the tag that closes the one named data[start:stop] begins; the text's length if there is none."""
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

"""Links and addresses in wiki markup, reduced to what a reader sees of them.

`open_constructs` says what the arguments `data`, `i`, `out`, `o`, `stack` and `last` hold.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from mc2lib.recipe.metadata.wikitext.markup_names import HIDDEN, VISIBLE, Bytes, Hashes, hash_name_bytes, meaning_of
from mc2lib.recipe.metadata.wikitext.open_constructs import (
    AT,
    CLASS,
    EXTERNAL,
    HEIGHT,
    LINK,
    PIPE,
    TABLE,
    TEMPLATE,
    Numbers,
    Stack,
    pop_to,
    push,
    run_end,
    starts_line,
    top_is,
)


@njit(cache=True)
def read_brackets(
    data: Bytes,
    i: int,
    out: Bytes,
    o: int,
    stack: Stack,
    last: Numbers,
    names: Hashes,
    meanings: Bytes,
    endings: Hashes,
) -> tuple[int, int]:  # pragma: no cover (compiled)
    """Read square brackets: open or close a link or an external address.

    Args:
        data: see `open_constructs`.
        i: see `open_constructs`.
        out: see `open_constructs`.
        o: see `open_constructs`.
        stack: see `open_constructs`.
        last: see `open_constructs`.
        names: uint64 [n], ascending hashes of link prefixes.
        meanings: uint8 [n], what each prefix means.
        endings: uint64 [e], ascending hashes of file extensions.

    Returns:
        The next `i` and `o`.
    """
    n = len(data)
    twice = i + 1 < n and data[i + 1] == data[i]
    if data[i] == 93:
        if top_is(stack, last, EXTERNAL):
            pop_to(stack, last, last[HEIGHT] - 1)
            return i + 1, o
        if twice and top_is(stack, last, LINK):
            return i + 2, _close_link(out, o, stack, last, names, meanings, endings)
    elif twice and not (i + 2 < n and data[i + 2] == 91 and i + 3 < n and data[i + 3] != 91):
        if push(stack, last, LINK, o):
            out[o] = out[o + 1] = 91
            return i + 2, o + 2
    elif not twice:
        address = _scheme(data, i + 1)
        if address > 0 and push(stack, last, EXTERNAL, o):
            return _address_end(data, address), o
    out[o] = data[i]
    return i + 1, o + 1


@njit(cache=True)
def _scheme(data: Bytes, i: int) -> int:  # pragma: no cover (compiled)
    """Where the address after the scheme at `i` begins; 0 if there is no scheme at `i`."""
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
    """Where the address that continues at `i` ends."""
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
def read_colon(data: Bytes, i: int, out: Bytes, o: int) -> tuple[int, int]:  # pragma: no cover (compiled)
    """Read a colon: if it is that of `http://`, `https://` or `ftp://`, take the scheme back and skip the address.

    Args:
        data: see `open_constructs`.
        i: see `open_constructs`.
        out: see `open_constructs`.
        o: see `open_constructs`.

    Returns:
        The next `i` and `o`.
    """
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
def read_pipe(
    data: Bytes,
    i: int,
    out: Bytes,
    o: int,
    stack: Stack,
    last: Numbers,
    names: Hashes,
    meanings: Bytes,
    endings: Hashes,
) -> tuple[int, int]:  # pragma: no cover (compiled)
    """Read a pipe: it ends the target of a link, or closes a table as `|}`.

    Args:
        data: see `open_constructs`.
        i: see `open_constructs`.
        out: see `open_constructs`.
        o: see `open_constructs`.
        stack: see `open_constructs`.
        last: see `open_constructs`.
        names: uint64 [n], ascending hashes of link prefixes.
        meanings: uint8 [n], what each prefix means.
        endings: uint64 [e], ascending hashes of file extensions.

    Returns:
        The next `i` and `o`.
    """
    if top_is(stack, last, LINK):
        top = last[HEIGHT] - 1
        if stack[top, PIPE] < 0:
            stack[top, PIPE] = o
            stack[top, CLASS] = _link_class(out, stack[top, AT] + 2, o, names, meanings, endings)
    elif last[TABLE] >= 0 and i + 1 < len(data) and data[i + 1] == 125 and starts_line(data, i):  # |}
        braces = run_end(data, i + 1) - i - 1
        if braces != 2 or last[TABLE] > last[TEMPLATE]:
            return i + 2, pop_to(stack, last, last[TABLE])
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
    meaning = meaning_of(names, meanings, hash_name_bytes(out, start, end), VISIBLE)
    if meaning == VISIBLE:
        dot = stop
        while dot > colon and stop - dot < 6 and out[dot - 1] != 46:
            dot -= 1
        if dot > colon + 1 and out[dot - 1] == 46:
            value = hash_name_bytes(out, dot, stop)
            place = np.searchsorted(endings, value)
            if place < len(endings) and endings[place] == value:
                return HIDDEN
    return meaning


@njit(cache=True)
def _close_link(
    out: Bytes,
    o: int,
    stack: Stack,
    last: Numbers,
    names: Hashes,
    meanings: Bytes,
    endings: Hashes,
) -> int:  # pragma: no cover (compiled)
    """Replace the link that was written since it opened with its label; return the output's new length."""
    top = last[HEIGHT] - 1
    pipe, meaning = stack[top, PIPE], stack[top, CLASS]
    at = pop_to(stack, last, top)
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

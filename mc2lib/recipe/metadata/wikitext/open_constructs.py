"""The stack of constructs that are open while wiki markup is read: where each began, and what closes it.

Every reader of the first pass takes some of these arguments:

- `data`: uint8 [bytes], the markup, and `i`: the byte at which to read.
- `out`: uint8 [>= bytes], the output, and `o`: how many bytes of it are written.
- `stack`: int32 [depth, 5], the open constructs, outermost first; columns KIND to CLASS.
- `last`: int64 [9], the row in `stack` of the innermost construct of each kind (-1: none), then HEIGHT and LABELS.

Most return the next `i` and the next `o`.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from mc2lib.recipe.metadata.wikitext.markup_names import VISIBLE, Bytes

Numbers: TypeAlias = npt.NDArray[np.int64]
Stack: TypeAlias = npt.NDArray[np.int32]

#: Kinds of constructs. LINK and EXTERNAL close only when innermost; the others close everything inside them too.
TEMPLATE, LINK, EXTERNAL, TABLE, HTML_TABLE, HTML_LIST, VARIANT = range(7)
#: Columns of `stack`: kind, where it opened in `out`, the row of the next outer one of its kind, its first pipe in
#: `out`, and what its link prefix means.
KIND, AT, BELOW, PIPE, CLASS = range(5)
#: Places in `last` after the kinds: how many constructs are open, and how many of them are links and variants.
HEIGHT, LABELS = 7, 8
#: How many constructs may be open at once; deeper openings stay as text.
MAX_DEPTH = 1 << 16
#: How many links and language variants may be open at once: when one closes its label is moved, so nesting costs.
MAX_LINKS = 16


@njit(cache=True)
def push(stack: Stack, last: Numbers, kind: int, at: int) -> bool:  # pragma: no cover (compiled)
    """Open a construct.

    Args:
        stack: see the module.
        last: see the module.
        kind: one of TEMPLATE to VARIANT.
        at: where it opens in the output, bytes.

    Returns:
        Whether there was room; if not, the opening stays as text.
    """
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
def pop_to(stack: Stack, last: Numbers, place: int) -> int:  # pragma: no cover (compiled)
    """Close the construct at a row of the stack and everything inside it.

    Args:
        stack: see the module.
        last: see the module.
        place: its row.

    Returns:
        Where it opened in the output, bytes.
    """
    for top in range(last[HEIGHT] - 1, place - 1, -1):
        last[stack[top, KIND]] = stack[top, BELOW]
        last[LABELS] -= stack[top, KIND] == LINK or stack[top, KIND] == VARIANT
    last[HEIGHT] = place
    return int(stack[place, AT])


@njit(cache=True)
def top_is(stack: Stack, last: Numbers, kind: int) -> bool:  # pragma: no cover (compiled)
    """Whether the innermost open construct is of a kind.

    Args:
        stack: see the module.
        last: see the module.
        kind: one of TEMPLATE to VARIANT.
    """
    return last[HEIGHT] > 0 and stack[last[HEIGHT] - 1, KIND] == kind


@njit(cache=True)
def drop_open_links(data: Bytes, i: int, stack: Stack, last: Numbers) -> None:  # pragma: no cover
    """Close what cannot go on past the end of a line.

    Addresses end there, links whose target has not ended yet are text, and an empty line or a heading ends all links.

    Args:
        data: see the module.
        i: the line feed.
        stack: see the module.
        last: see the module.
    """
    after = data[i + 1] if i + 1 < len(data) else 61
    while last[HEIGHT] > 0:
        top = last[HEIGHT] - 1
        ends = stack[top, PIPE] < 0 or after == 61 or (after == 10 and stack[top, CLASS] == VISIBLE)
        if not (stack[top, KIND] == LINK and ends) and stack[top, KIND] != EXTERNAL:
            return
        pop_to(stack, last, top)


@njit(cache=True)
def run_end(data: Bytes, i: int) -> int:  # pragma: no cover (compiled)
    """Where the run of bytes that equal the one at `i` ends.

    Args:
        data: see the module.
        i: the first byte of the run.
    """
    j = i + 1
    while j < len(data) and data[j] == data[i]:
        j += 1
    return j


@njit(cache=True)
def starts_line(data: Bytes, i: int) -> bool:  # pragma: no cover (compiled)
    """Whether only a few spaces, colons and list marks precede `i` on its line.

    Args:
        data: see the module.
        i: a byte.
    """
    for back in range(1, 17):
        if back > i:
            return True
        byte = data[i - back]
        if byte == 10 or byte == 62:  # a tag or a comment may precede a table
            return True
        if byte != 32 and byte != 58 and byte != 42 and byte != 35:
            return False
    return False

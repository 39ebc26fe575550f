"""fastText's prediction over a batch of texts in Arrow's buffers, bit for bit what the library gives.

The n-grams are the same, the same rows are added in the same order in single precision, and the same tree is searched.
Nothing here holds Python's lock.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from mc2lib.recipe.curation.language_id.fasttext_labels import find_likeliest, go_down, search_tree
from mc2lib.recipe.curation.language_id.fasttext_model import (
    HIERARCHICAL,
    Arrays,
    Bytes,
    Floats,
    Ints,
    Longs,
    Number,
    Words,
)
from mc2lib.recipe.curation.language_id.fasttext_ngrams import (
    EOS,
    LOW,
    PRIME,
    START,
    find_characters,
    find_row,
    find_word,
    gather_ngrams,
    hash_bytes,
    signed,
)

#: How many rows of the input matrix are gathered before they are added.
GATHERED = 4096
#: How many texts' labels are searched for in parallel.
ABREAST = 64
#: How many words of a batch are remembered with their rows, by hash, and how many rows in total.
MET = 1 << 13
MET_ROWS = 1 << 17

#: What a byte may be: part of a word, white space, or the first byte of wider white space.
WORD, BLANK, WIDE_BLANK = 0, 1, 2
_KINDS = np.zeros(256, np.uint8)
_KINDS[[0, 9, 10, 11, 12, 13, 28, 29, 30, 31, 32]] = BLANK
_KINDS[[0xC2, 0xE1, 0xE2, 0xE3]] = WIDE_BLANK

_SPACE = np.uint8(ord(" "))
_LABEL = np.frombuffer(b"__label__", np.uint8).copy()
_EOS = np.frombuffer(EOS, np.uint8).copy()
#: In n-grams of words, the hashes of words are signed.
_EOS_HASH = hash_bytes(EOS) - (1 << 32 if hash_bytes(EOS) >= 1 << 31 else 0)

_OPEN, _CLOSE = np.uint64(ord("<")), np.uint64(ord(">"))
_WORD_NGRAM_FACTOR = np.uint64(116_049_371)


@njit(cache=True, nogil=True)
def predict(data: Bytes, offsets: Longs, loss: Number, arrays: Arrays, labels: Ints, probabilities: Floats) -> None:
    """Write the most probable label of each text and its probability; texts without an answer keep what is there.

    Args:
        data: uint8, the texts end to end.
        offsets: int64 [n + 1], where each text begins and ends.
        loss: of the model.
        arrays: of the model.
        labels: int32 [n], written.
        probabilities: float32 [n], written.
    """
    # arrays are taken out of their tuples once: in the loops that would cost more than the work
    buckets, rows, output, eos = arrays.buckets, arrays.rows, arrays.output, arrays.eos
    words, word_offsets, slots, known = arrays.vocabulary
    expanded, expanded_offsets = arrays.expanded, arrays.expanded_offsets
    marks, left, right = buckets.marks, arrays.tree.left, arrays.tree.right
    slack, factor = arrays.tree.slack, arrays.tree.factor
    minn, maxn = buckets.minn, buckets.maxn
    count, inverse, first_row = buckets.size, buckets.inverse, buckets.first
    longest = 0
    for text in range(len(labels)):
        longest = max(longest, offsets[text + 1] - offsets[text])
    hidden = np.zeros((ABREAST, rows.shape[1]), np.float32)
    answered = np.empty(ABREAST, np.int64)
    gathered = np.empty(GATHERED, np.int64)
    token, starts = np.empty(longest + 2, np.uint64), np.empty(longest + 3, np.int64)
    hashes = np.empty(longest // 2 + 2 if arrays.word_ngrams > 1 else 0, np.int64)
    scores = np.zeros(output.shape[1] if loss != HIERARCHICAL else 0, np.float32)
    nodes, reached = np.empty(len(left) + 2, np.int32), np.empty(len(left) + 2, np.float32)
    walks, chances = np.empty((2, ABREAST), np.int64), np.empty((2, ABREAST), np.float64)
    met_at, met_size = np.full(MET, -1), np.empty(MET, np.int64)
    met_rows_at, met_rows_end = np.empty(MET, np.int64), np.empty(MET, np.int64)
    met_rows = np.empty(max(MET_ROWS, 1 + (longest + 2) * (maxn + 1)), np.int64)
    n_rows, n_answered = 0, 0

    for text in range(len(labels)):
        sums = hidden[n_answered]
        sums[:] = 0
        at, end = offsets[text], offsets[text + 1]
        total, tokens, anything = 0, 0, False
        while True:
            if at < end and _KINDS[data[at]] == WORD:
                anything = True
            elif at + 1 < end and data[at] == _SPACE and _KINDS[data[at + 1]] == WORD:  # nearly always
                anything = True
                at += 1
            else:
                at, seen = _skip_blanks(data, at, end)
                anything |= seen
                if at >= end:
                    break
            first = at
            at, value = _read_word(data, at, end)
            size = at - first
            if size == len(_EOS) and _begins(data, first, _EOS):
                break  # an end of line, to fastText
            met = np.int64(value) & (MET - 1)
            if met_at[met] < 0 or met_size[met] != size or not _same(data, met_at[met], first, size):
                number, _ = find_word(data, first, size, value, words, word_offsets, slots)
                if number >= known or (number < 0 and size >= len(_LABEL) and _begins(data, first, _LABEL)):
                    continue  # labels are not words
                if n_rows + 1 + (size + 2) * (maxn + 1) > len(met_rows):
                    met_at[:] = -1
                    n_rows = 0
                met_at[met], met_size[met], met_rows_at[met] = first, size, n_rows
                if 0 <= number < len(expanded_offsets) - 1:
                    for i in range(expanded_offsets[number], expanded_offsets[number + 1]):
                        met_rows[n_rows] = expanded[i]
                        n_rows += 1
                else:
                    met_rows[n_rows] = number
                    n_rows += number >= 0
                    characters = 0
                    if maxn > 0:
                        _enclose(data, first, size, token)
                        characters = find_characters(token, size + 2, starts)
                    for character in range(characters):
                        n_rows = gather_ngrams(
                            token,
                            starts,
                            character,
                            characters,
                            minn,
                            maxn,
                            count,
                            inverse,
                            first_row,
                            marks,
                            met_rows,
                            n_rows,
                        )
                met_rows_end[met] = n_rows
            if len(hashes):
                hashes[tokens] = np.int32(value)
                tokens += 1
            total += _add_rows(sums, rows, met_rows, met_rows_at[met], met_rows_end[met])
        if anything:
            total += _add_rows(sums, rows, eos, 0, len(eos))
            if len(hashes):
                hashes[tokens] = _EOS_HASH
                total += _add_word_ngrams(
                    hashes, tokens + 1, arrays.word_ngrams, count, first_row, marks, sums, rows, gathered
                )
            if total:
                share = np.float32(1.0 / total)
                for i in range(len(sums)):
                    sums[i] *= share
                answered[n_answered] = text
                n_answered += 1
        if n_answered < ABREAST and text + 1 < len(labels):
            continue
        if loss == HIERARCHICAL:
            go_down(hidden, n_answered, left, right, slack, factor, output, walks, chances)
        for k in range(n_answered):
            if loss != HIERARCHICAL:
                label, score = find_likeliest(hidden[k], output, scores, loss)
            elif walks[0, k] < 0:
                label, score = search_tree(hidden[k], left, right, output, nodes, reached)
            else:
                label, score = walks[0, k], np.float32(chances[0, k])
            if label >= 0:
                labels[answered[k]] = label
                probabilities[answered[k]] = math.exp(score)
        n_answered = 0


@njit(cache=True, nogil=True)
def _skip_blanks(data: Bytes, at: Number, end: Number) -> tuple[Number, bool]:
    """Where the next word starts, or `end`; and whether there is a word, or a zero byte before it."""
    zero = False
    while at < end and _KINDS[data[at]] != WORD:
        blank = _blank(data, at, end)
        if blank == 0:
            break
        zero |= data[at] == 0
        at += blank
    return at, zero or at < end


@njit(cache=True, nogil=True)
def _read_word(data: Bytes, at: Number, end: Number) -> tuple[Number, Number]:
    """Where the word at `at` ends, and its hash."""
    value = START
    while at < end:
        kind = _KINDS[data[at]]
        if kind != WORD and (kind == BLANK or _blank(data, at, end) > 0):
            break
        value = (value ^ signed(data[at])) * PRIME
        at += 1
    return at, value & LOW


@njit(cache=True, nogil=True)
def _same(data: Bytes, one: Number, other: Number, size: Number) -> bool:
    different = np.uint8(0)
    for i in range(size):
        different |= data[one + i] ^ data[other + i]
    return different == 0


@njit(cache=True, nogil=True)
def _enclose(data: Bytes, first: Number, size: Number, token: Words) -> None:
    """Write a word between `<` and `>` to `token`."""
    token[0], token[size + 1] = _OPEN, _CLOSE
    for i in range(size):
        token[i + 1] = signed(data[first + i])


@njit(cache=True, nogil=True)
def _begins(data: Bytes, at: Number, expected: Bytes) -> bool:
    same = True
    for i in range(len(expected)):
        same &= data[at + i] == expected[i]
    return same


@njit(cache=True, nogil=True)
def _blank(data: Bytes, at: Number, end: Number) -> Number:
    """How many bytes the white space at `at` has, 0 if it is none; as in Python, and the zero byte."""
    byte = data[at]
    kind = _KINDS[byte]
    if kind != WIDE_BLANK:
        return np.int64(kind)
    if byte == 0xC2:  # NEL, no-break space
        return 2 if at + 1 < end and (data[at + 1] == 0x85 or data[at + 1] == 0xA0) else 0
    if at + 2 >= end:
        return 0
    second, third = data[at + 1], data[at + 2]
    if byte == 0xE1:  # Ogham space
        return 3 if second == 0x9A and third == 0x80 else 0
    if byte == 0xE3:  # ideographic space
        return 3 if second == 0x80 and third == 0x80 else 0
    if second == 0x80:  # en quad to hair space, separators of lines and paragraphs, narrow no-break space
        return 3 if 0x80 <= third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF else 0
    return 3 if second == 0x81 and third == 0x9F else 0  # mathematical space


@njit(cache=True, nogil=True)
def _add_rows(hidden: Floats, rows: Floats, gathered: Longs, begin: Number, end: Number) -> Number:
    at = begin
    while at + 4 <= end:  # four at a time, added in the same order: fewer sums wait for the previous one
        a, b, c, d = gathered[at], gathered[at + 1], gathered[at + 2], gathered[at + 3]
        for j in range(len(hidden)):
            hidden[j] = (((hidden[j] + rows[a, j]) + rows[b, j]) + rows[c, j]) + rows[d, j]
        at += 4
    for i in range(at, end):
        row = gathered[i]
        for j in range(len(hidden)):
            hidden[j] += rows[row, j]
    return end - begin


@njit(cache=True, nogil=True)
def _add_word_ngrams(
    hashes: Longs,
    tokens: Number,
    longest: Number,
    count: Number,
    first_row: Number,
    marks: Words,
    hidden: Floats,
    rows: Floats,
    gathered: Longs,
) -> Number:
    """Add the rows of n-grams of words, from pairs up to the longest of the model; return how many."""
    filled, total = 0, 0
    for first in range(tokens):
        value = np.uint64(hashes[first])
        for last in range(first + 1, min(tokens, first + longest)):
            value = value * _WORD_NGRAM_FACTOR + np.uint64(hashes[last])
            if filled == GATHERED:
                total, filled = total + _add_rows(hidden, rows, gathered, 0, filled), 0
            row, kept = find_row(value % count, first_row, marks)
            gathered[filled] = row
            filled += kept
    return total + _add_rows(hidden, rows, gathered, 0, filled)

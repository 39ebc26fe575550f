"""fastText's n-grams of characters: how words and n-grams are hashed, and the rows that they have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from mc2lib.recipe.curation.language_id.fasttext_model import Buckets, Bytes, Ints, Longs, Number, Words

#: The end of a line, which is a word of its own.
EOS = b"</s>"

FNV_START, FNV_PRIME = 2_166_136_261, 16_777_619

_ONE, _HALF, _BITS = np.uint64(1), np.uint64(32), np.uint64(63)
LOW, START, PRIME = np.uint64(0xFFFFFFFF), np.uint64(FNV_START), np.uint64(FNV_PRIME)
_LEAD, _INSIDE = np.uint64(0xC0), np.uint64(0x80)


def hash_bytes(text: bytes) -> int:
    """fastText's FNV-1a of some bytes, which it treats as signed."""
    value = FNV_START
    for byte in text:
        value = (value ^ (byte | (0xFFFFFF00 if byte > 127 else 0))) * FNV_PRIME & 0xFFFFFFFF
    return value


@njit(cache=True)
def hash_words(data: Bytes, offsets: Longs) -> Words:
    """Enter words into a hash table with open addressing; a word that occurs twice has its last number, as in fastText.

    Args:
        data: uint8, the words end to end.
        offsets: int64 [n + 1], where each begins and ends.

    Returns:
        uint64 [power of two], the `slots` of a `Vocabulary`.
    """
    size = 16
    while size < 2 * len(offsets):
        size *= 2
    slots = np.zeros(size, np.uint64)
    for word in range(len(offsets) - 1):
        start, length = offsets[word], offsets[word + 1] - offsets[word]
        value = np.uint64(FNV_START)
        for i in range(start, start + length):
            value = (value ^ signed(data[i])) * np.uint64(FNV_PRIME)
        value &= np.uint64(0xFFFFFFFF)
        _, at = find_word(data, start, length, value, data, offsets, slots)
        slots[at] = value << np.uint64(32) | np.uint64(word + 1)
    return slots


@njit(cache=True, nogil=True, inline="always")
def find_word(
    data: Bytes, start: int, length: int, value: Number, words: Bytes, offsets: Longs, slots: Words
) -> tuple[Number, Number]:
    """Find a word or label in a vocabulary.

    Args:
        data: uint8, the text.
        start: the word's first byte in it.
        length: the word's bytes.
        value: uint64, its FNV-1a.
        words: uint8, the vocabulary's `data`.
        offsets: int64 [n + 1], the vocabulary's.
        slots: uint64, the vocabulary's.

    Returns:
        Its number, or -1, and the slot that it has or would have.
    """
    last = np.uint64(len(slots) - 1)
    at = value & last
    number: Number = -1
    while slots[at]:
        if slots[at] >> np.uint64(32) == value:
            word = np.int64(slots[at] & np.uint64(0xFFFFFFFF)) - 1
            first = offsets[word]
            same = offsets[word + 1] - first == length
            i = 0
            while same and i < length:
                same = data[start + i] == words[first + i]
                i += 1
            if same:
                number = word
                break
        at = (at + np.uint64(1)) & last
    return number, at


@njit(cache=True, nogil=True)
def signed(byte: Number) -> Number:
    """A byte as fastText's hash reads it: a signed char, widened (uint64 of which the lower 32 bits count)."""
    value = np.uint64(byte)
    return value | np.uint64(0xFFFFFF00) if value > np.uint64(127) else value


@njit(cache=True)
def expand_words(data: Bytes, offsets: Longs, words: int, buckets: Buckets) -> tuple[Ints, Longs]:
    """Collect the rows of the first words and of their n-grams.

    Args:
        data: uint8, the words end to end.
        offsets: int64 [n + 1], where each begins and ends.
        words: for how many words.
        buckets: from a hashed n-gram to its row.

    Returns:
        The rows end to end, int32, and where each word's begin and end, int64 [words + 1].
    """
    ends = np.zeros(words + 1, np.int64)
    longest = 0
    for word in range(words):
        longest = max(longest, offsets[word + 1] - offsets[word])
        size = offsets[word + 1] - offsets[word] + 2
        ends[word + 1] = ends[word] + 1 + size * min(size, buckets.maxn)
    rows = np.empty(ends[-1], np.int32)
    token, starts = np.empty(longest + 2, np.uint64), np.empty(longest + 3, np.int64)
    gathered = np.empty(buckets.maxn, np.int64)
    filled = 0
    for word in range(words):
        length = offsets[word + 1] - offsets[word] + 2
        token[0], token[length - 1] = np.uint64(60), np.uint64(62)  # < and >
        for i in range(length - 2):
            token[i + 1] = signed(data[offsets[word] + i])
        ends[word] = filled
        rows[filled] = word
        filled += 1
        characters = find_characters(token, length, starts) if buckets.maxn else 0
        for first in range(characters):
            found = gather_ngrams(
                token,
                starts,
                first,
                characters,
                buckets.minn,
                buckets.maxn,
                buckets.size,
                buckets.inverse,
                buckets.first,
                buckets.marks,
                gathered,
                0,
            )
            for i in range(found):
                rows[filled] = gathered[i]
                filled += 1
    ends[words] = filled
    return rows[:filled].copy(), ends


@njit(cache=True, nogil=True)
def find_characters(token: Words, length: Number, starts: Longs) -> Number:
    """Find where the characters of a word start.

    Args:
        token: uint64 [>= length], the word's bytes, `signed`.
        length: how many bytes it has.
        starts: int64 [>= length + 1], gets where each character starts and, last, where the word ends.

    Returns:
        How many characters there are.
    """
    characters = 0
    for i in range(length):
        starts[characters] = i
        characters += (token[i] & _LEAD) != _INSIDE
    starts[characters] = length
    return characters


@njit(cache=True, nogil=True, inline="always")
def gather_ngrams(
    token: Words,
    starts: Longs,
    first: Number,
    characters: Number,
    minn: Number,
    maxn: Number,
    count: Number,
    inverse: Number,
    first_row: Number,
    marks: Words,
    gathered: Longs,
    filled: Number,
) -> Number:
    """Gather the rows of the n-grams that begin with one character of a word.

    Args:
        token: uint64, the word's bytes between `<` and `>`, `signed`.
        starts: int64, see `find_characters`.
        first: the character, counted from 0.
        characters: how many the word has.
        minn: characters in the shortest n-gram.
        maxn: characters in the longest.
        count: uint64, number of buckets.
        inverse: see `Buckets`.
        first_row: row of the first bucket.
        marks: see `Buckets`.
        gathered: int64, gets the rows.
        filled: how many it holds already.

    Returns:
        How many rows `gathered` holds now.
    """
    narrow = starts[characters] == characters  # one byte per character
    value = START
    for last in range(first, min(characters, first + maxn)):
        if narrow:
            value = (value ^ token[last]) * PRIME
        else:
            for i in range(starts[last], starts[last + 1]):
                value = (value ^ token[i]) * PRIME
        # `<` and `>` alone are not n-grams
        if last - first + 1 >= minn and (last > first or (first > 0 and last + 1 < characters)):
            # without a branch: the row is always written, and stays only if its n-gram was kept
            row, kept = find_row(_remainder(value & LOW, count, inverse), first_row, marks)
            gathered[filled] = row
            filled += kept
    return filled


def _make_count_ones(typing_context: Any, number: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


#: How many bits of a uint64 are set.
_count_ones: Any = intrinsic(_make_count_ones)


@njit(cache=True, nogil=True)
def _remainder(value: Number, count: Number, inverse: Number) -> Number:
    """`value` (below 2^32) modulo `count`, without a division (Lemire, Kaser and Kurz, 2019)."""
    fraction = inverse * value
    low = (fraction & LOW) * count >> _HALF
    return ((fraction >> _HALF) * count + low) >> _HALF


@njit(cache=True, nogil=True)
def find_row(bucket: Number, first_row: Number, marks: Words) -> tuple[Number, Number]:
    """Find the row of a bucket in the input matrix.

    Args:
        bucket: uint64.
        first_row: row of the first bucket.
        marks: see `Buckets`.

    Returns:
        The row, and 1, or 0 if the bucket was pruned.
    """
    if len(marks) == 0:
        return first_row + np.int64(bucket), 1
    block = (bucket >> np.uint64(6)) * np.uint64(2)
    bits, place = marks[block], bucket & _BITS
    ones = _count_ones(bits & ((_ONE << place) - _ONE))
    return first_row + np.int64(marks[block + _ONE] + ones), np.int64(bits >> place & _ONE)

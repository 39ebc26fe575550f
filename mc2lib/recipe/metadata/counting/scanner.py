"""The scanner: reads texts byte by byte, and counts their words and pairs in hash tables."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import numpy as np
from numba import njit

from mc2lib.recipe.metadata.counting.counts import Bytes, Integers, Keys
from mc2lib.recipe.metadata.counting.hash_tables import BATCH, count_pairs, intern, mix
from mc2lib.recipe.metadata.words import WORD_SPACE

#: Classes of characters; CODED is a byte of a character that is not ASCII.
WORD, SPACE, MARK, CODED = 0, 1, 2, 3

#: Between words and between clauses of a text that a segmenter has split: bytes that never occur in UTF-8.
WORD_BREAK, CLAUSE_BREAK = 0xFF, 0xFE

#: Why a kernel stopped.
DONE, WORDS_FULL, ARENA_FULL, PAIRS_FULL = 0, 1, 2, 3


@cache
def character_classes() -> Bytes:
    """Each code point's class, uint8 [0x110000]: WORD, SPACE (as `str.split` sees it) or MARK (P*, S*)."""
    categories = (unicodedata.category(chr(point))[0] for point in range(0x110000))
    marks = np.fromiter((category in "PS" for category in categories), bool, 0x110000)
    classes = np.where(marks, MARK, WORD).astype(np.uint8)
    classes[[point for point in range(0x3001) if chr(point).isspace()]] = SPACE
    classes[ord(WORD_SPACE)] = SPACE
    classes.setflags(write=False)
    return classes


@cache
def byte_classes(split: bool) -> Bytes:
    """Each byte's class, uint8 [256]: that of an ASCII character, or CODED.

    Args:
        split: whether a segmenter has split the texts, so that only its breaks separate words.
    """
    kinds = np.full(256, WORD if split else CODED, np.uint8)
    if split:
        kinds[[WORD_BREAK, CLAUSE_BREAK]] = SPACE, MARK
    else:
        kinds[:0x80] = character_classes()[:0x80]
    return kinds


@njit(cache=True)
def code_point(data: Bytes, place: int, stop: int) -> tuple[int, int]:  # pragma: no cover (compiled)
    """Decode a character that is not ASCII.

    Continuation bytes after a broken first byte are broken too, so a broken character is one clause break.

    Args:
        data: uint8 [bytes].
        place: its first byte.
        stop: the end of its text.

    Returns:
        Its code point and its width in bytes; U+FFFD and 1 if the bytes are not UTF-8.
    """
    first: Any = np.int64(data[place])
    if 0xC2 <= first < 0xE0:
        if place + 1 < stop and data[place + 1] & 0xC0 == 0x80:
            return (first & 0x1F) << 6 | (np.int64(data[place + 1]) & 0x3F), 2
    elif 0xE0 <= first < 0xF0:
        if place + 2 < stop and data[place + 1] & 0xC0 == 0x80 and data[place + 2] & 0xC0 == 0x80:
            point = (first & 0x0F) << 12 | (np.int64(data[place + 1]) & 0x3F) << 6 | (np.int64(data[place + 2]) & 0x3F)
            if point >= 0x800 and not 0xD800 <= point < 0xE000:
                return point, 3
    elif 0xF0 <= first < 0xF5:
        followed = place + 3 < stop and data[place + 1] & 0xC0 == 0x80 and data[place + 2] & 0xC0 == 0x80
        if followed and data[place + 3] & 0xC0 == 0x80:
            point = (first & 0x07) << 18 | (np.int64(data[place + 1]) & 0x3F) << 12
            point |= (np.int64(data[place + 2]) & 0x3F) << 6 | (np.int64(data[place + 3]) & 0x3F)
            if 0x10000 <= point < 0x110000:
                return point, 4
    return 0xFFFD, 1


@njit(cache=True)
def scan_texts(
    data: Bytes,
    offsets: Integers,
    classes: Bytes,
    kinds: Bytes,
    state: Integers,
    slots: Keys,
    ends: Integers,
    word_counts: Integers,
    arena: Bytes,
    pairs: Keys,
) -> int:  # pragma: no cover (compiled)
    """Count from where `state` says until everything is counted or a table is full.

    Args:
        data: uint8 [bytes], the texts end to end.
        offsets: int64 [n + 1], where each text begins and ends.
        classes: uint8 [0x110000], see `character_classes`.
        kinds: uint8 [256], see `byte_classes`.
        state: int64 [7], see `hash_tables`.
        slots: see `hash_tables`.
        ends: see `hash_tables`.
        word_counts: int64 [words], by word id.
        arena: see `hash_tables`.
        pairs: see `hash_tables`.

    Returns:
        DONE, or what is full.
    """
    most_pairs = np.int64(0.6 * len(pairs)) - BATCH
    if state[5] > most_pairs:
        return 3
    place = state[1]
    before = state[2]
    batch = np.empty(BATCH, np.uint64)
    homes = np.empty(BATCH, np.int64)
    n_batch = 0
    for text in range(state[0], len(offsets) - 1):
        stop = offsets[text + 1]
        while place < stop:
            begin = place
            code = np.uint64(0xCBF29CE484222325)
            kind = np.uint8(0)
            width = 1
            while place < stop:  # to the end of the word
                byte = data[place]
                kind = kinds[byte]
                if kind == 0:
                    code = (code ^ np.uint64(byte)) * np.uint64(0x100000001B3)
                    place += 1
                    continue
                width = 1
                if kind == 3:
                    point, width = code_point(data, place, stop)
                    kind = classes[point]
                if kind != 0:
                    break
                for i in range(place, place + width):
                    code = (code ^ np.uint64(data[i])) * np.uint64(0x100000001B3)
                place += width
            if place > begin:
                word = intern(data, begin, place, mix(code), state, slots, ends, arena)
                if word < 0:
                    count_pairs(batch, n_batch, homes, pairs, state)
                    state[0], state[1], state[2] = text, begin, before
                    return -word
                word_counts[word] += 1
                if before >= 0:
                    batch[n_batch] = np.uint64(before) << np.uint64(32) | np.uint64(word)
                    n_batch += 1
                before = word
                if n_batch == BATCH:
                    count_pairs(batch, n_batch, homes, pairs, state)
                    n_batch = 0
                    if state[5] > most_pairs:
                        state[0], state[1], state[2] = text, place, before
                        return 3
            if place < stop:  # at what separates the words
                if kind == 2:
                    before = -1
                place += width
        before = -1
        if text + 2 < len(offsets):
            place = offsets[text + 1]
    count_pairs(batch, n_batch, homes, pairs, state)
    state[0], state[1], state[2] = len(offsets) - 1, place, -1
    return 0

"""Counting texts in memory: a table of words and pairs that grows, and is handed out when it reaches a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.recipe.metadata.counting.counts import LOW, Bytes, Counts, Integers, as_binary
from mc2lib.recipe.metadata.counting.hash_tables import (
    BEFORE,
    N_BYTES,
    N_PAIRS,
    N_WORDS,
    PLACE,
    TEXT,
    compact_pairs,
    hash_bytes,
    intern,
    refill_pairs,
    refill_words,
    sort_pairs,
)
from mc2lib.recipe.metadata.counting.scanner import (
    ARENA_FULL,
    CLAUSE_BREAK,
    DONE,
    WORD_BREAK,
    WORDS_FULL,
    byte_classes,
    character_classes,
    scan_texts,
)
from mc2lib.recipe.metadata.segment import Segmenter, split_bytes

Number = TypeVar("Number", np.uint8, np.int64)

#: Slots at first: tables begin small, since most of the 329 languages have a few thousand words.
_SMALLEST = 1 << 12
#: Share of the slots that may be in use.
_LOAD = 0.6

#: Bytes per word that `drain` needs in addition to the tables: order, rank, offsets, counts, and what sorting takes.
_DRAIN_BYTES = 48


def count_texts(texts: pa.Array | pa.ChunkedArray, segment: Segmenter | None = None) -> Counts:
    """Count the words and pairs of some texts, all in memory.

    Args:
        texts: string or binary, of either width; nulls count as empty. Bytes that are not UTF-8 separate clauses, as
            the replacement character does.
        segment: splits a text without spaces into words, see `mc2lib.recipe.metadata.segment`; None splits at spaces
            and marks.
    """
    table = Table()
    for _ in table.add(texts, segment):
        raise AssertionError("a table without a limit is never full")
    return table.drain()


class Table:
    """Counts that grow text by text, and are handed out when they reach a limit.

    Args:
        limit: bytes that the tables may take, including what `drain` needs; None for no limit. A single word longer
            than that is held all the same.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.state = np.zeros(7, np.int64)
        self.state[BEFORE] = -1
        self.slots = np.zeros(2 * _SMALLEST, np.uint64)
        self.ends = np.zeros(_word_room(len(self.slots)) + 1, np.int64)
        self.word_counts = np.zeros(_word_room(len(self.slots)), np.int64)
        self.arena = np.empty(8 * _SMALLEST, np.uint8)
        self.pairs = np.zeros((8 * _SMALLEST, 2), np.uint64)  # key and count side by side; count 0 is free

    @property
    def held(self) -> int:
        """Bytes that the tables take, with what `drain` will need."""
        columns = (self.slots, self.ends, self.word_counts, self.arena, self.pairs)
        return sum(column.nbytes for column in columns) + _DRAIN_BYTES * len(self.word_counts) + len(self.arena)

    @property
    def empty(self) -> bool:
        """Whether nothing has been counted since the last `drain`."""
        return not self.state[N_WORDS]

    def add(self, texts: pa.Array | pa.ChunkedArray, segment: Segmenter | None = None) -> Iterator[Counts]:
        """Count some texts; whenever the tables are full, hand out what they hold and start again.

        Args:
            texts: see `count_texts`.
            segment: see `count_texts`.

        Yields:
            Counts to add to those of the last `drain`. They are views of the tables: write them before asking for
            the next ones. The iterator must be exhausted.
        """
        data, offsets = as_binary(texts)
        if segment is not None:
            data, offsets = split_bytes(data, offsets, segment, WORD_BREAK, CLAUSE_BREAK)
        classes, kinds = character_classes(), byte_classes(segment is not None)
        self.state[[TEXT, PLACE, BEFORE]] = 0, offsets[0], -1
        yield from self.fill(lambda: self._scan(data, offsets, classes, kinds))

    def fill(self, step: Callable[[], int]) -> Iterator[Counts]:
        """Repeat `step`, which resumes where it stopped, until it returns DONE; make room whenever it does not."""
        while (full := step()) != DONE:
            if not self._grow(full):
                before = self._word(int(self.state[BEFORE])) if self.state[BEFORE] >= 0 else None
                yield self.drain()
                self._begin_after(before)

    def drain(self) -> Counts:
        """Hand out all counts and forget them; the pairs are views of the tables until these are used again."""
        n_words, n_pairs = int(self.state[N_WORDS]), int(self.state[N_PAIRS])
        buffers = [None, pa.py_buffer(self.ends[: n_words + 1]), pa.py_buffer(self.arena[: self.state[N_BYTES]])]
        words = pa.LargeBinaryArray.from_buffers(pa.large_binary(), n_words, buffers)
        order = pc.array_sort_indices(words)
        rank = np.empty(n_words, np.uint32)
        rank[order.to_numpy()] = np.arange(n_words, dtype=np.uint32)
        compact_pairs(self.pairs, rank)
        pairs = self.pairs[:n_pairs]
        sort_pairs(pairs)
        counts = self.word_counts[:n_words][order.to_numpy()]
        drained = Counts(words.take(order), counts, pairs[:, 0], pairs[:, 1].view(np.int64))
        self.state[[N_WORDS, N_BYTES, N_PAIRS]] = 0
        self.state[BEFORE] = -1
        return drained

    def _scan(self, data: Bytes, offsets: Integers, classes: Bytes, kinds: Bytes) -> int:
        return int(
            scan_texts(
                data, offsets, classes, kinds, self.state, self.slots, self.ends, self.word_counts, self.arena,
                self.pairs,
            )
        )  # fmt: skip

    def _word(self, word: int) -> Bytes:
        return self.arena[self.ends[word] : self.ends[word + 1]].copy()

    def _begin_after(self, before: Bytes | None) -> None:
        """Clear the tables; intern the word that the next pair begins with, without counting it again."""
        self.slots[:] = 0
        self.word_counts[:] = 0
        self.pairs[:] = 0
        if before is not None:
            if len(before) > len(self.arena):
                self.arena = np.empty(len(before), np.uint8)
            code = np.uint64(hash_bytes(before, 0, len(before)))
            self.state[BEFORE] = intern(before, 0, len(before), code, self.state, self.slots, self.ends, self.arena)

    def _grow(self, full: int) -> bool:
        """Enlarge what is full; False if the limit forbids it, so that only draining makes room."""
        if full == WORDS_FULL:
            return self._grow_words()
        if full == ARENA_FULL:
            return self._grow_arena()
        return self._grow_pairs()

    def _room(self, now: int, unit: float) -> int:
        """Twice `now`, or what the limit leaves (old and new coexist for a moment); 0 if that is not worth it."""
        if self.limit is None:
            return 2 * now
        room = min(2 * now, int((self.limit - self.held) / unit))
        return room if room >= 1.2 * now else 0

    def _grow_words(self) -> bool:
        # a slot takes 8 bytes, and _LOAD words per slot take 16 bytes each and what draining needs
        room = self._room(len(self.slots), 8 + _LOAD * (16 + _DRAIN_BYTES))
        n_words = int(self.state[N_WORDS])
        if n_words >= LOW - np.uint64(1):
            room = 0
        if room:
            self.slots = np.zeros(room, np.uint64)
            refill_words(self.slots, self.ends, self.arena, n_words)
            self.ends = _longer(self.ends, _word_room(room) + 1)
            self.word_counts = _longer(self.word_counts, _word_room(room))
        return bool(room)

    def _grow_arena(self) -> bool:
        room = self._room(len(self.arena), 2)
        if not room and self.state[N_WORDS] <= 1:
            room = 2 * len(self.arena)  # one word and its predecessor must fit, whatever the limit
        if room:
            self.arena = _longer(self.arena, room)
        return bool(room)

    def _grow_pairs(self) -> bool:
        room = self._room(len(self.pairs), 16)
        if room:
            pairs = np.zeros((room, 2), np.uint64)
            refill_pairs(self.pairs, pairs)
            self.pairs = pairs
        return bool(room)


def _word_room(slots: int) -> int:
    return int(_LOAD * slots)


def _longer(column: npt.NDArray[Number], length: int) -> npt.NDArray[Number]:
    grown = np.zeros(length, column.dtype)
    grown[: len(column)] = column
    return grown

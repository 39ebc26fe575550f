"""Exact counts of words and of pairs of neighbouring words, at the speed of compiled code.

The rules are those of `mc2lib.recipe.metadata.words`: `count_texts` gives what a `Counter` over `split_clauses`
gives. Texts stay UTF-8 bytes. A scanner looks up each code point's class (word, space, mark), words are
interned in a hash table that compares their bytes (a hash alone never decides), and pairs are counted by
the two words' ids in one 64-bit key.

`Counts` are canonical: words by their bytes, which is code point order, pairs by their two words. So the
sum of many parts does not depend on how the text was cut into parts, nor on their order.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from mc2lib.errors import InputError
from mc2lib.recipe.metadata.segment import Segmenter, split_bytes
from mc2lib.recipe.metadata.words import WORD_SPACE

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

Number = TypeVar("Number", np.uint8, np.int64)

#: Classes of characters; CODED is a byte of a character that is not ASCII.
WORD, SPACE, MARK, CODED = 0, 1, 2, 3

#: Between words and between clauses of a text that a segmenter has split: bytes that UTF-8 never holds.
WORD_BREAK, CLAUSE_BREAK = 0xFF, 0xFE

#: What a kernel stopped for.
DONE, WORDS_FULL, ARENA_FULL, PAIRS_FULL = 0, 1, 2, 3

#: Places of a kernel's state: text, byte, the word before (-1 at a clause's start), and what the tables hold.
TEXT, PLACE, BEFORE, N_WORDS, N_BYTES, N_PAIRS = 0, 1, 2, 3, 4, 5

#: Pairs that are counted at a time.
BATCH = 256

_LOW = np.uint64(0xFFFF_FFFF)
_HALF = np.uint64(32)

#: Tables begin small: 329 languages, most of them of a few thousand words.
_SMALLEST = 1 << 12
_LOAD = 0.6

#: Bytes a word that `drain` needs beside the tables: order, rank, offsets, counts, and what sorting takes.
_DRAIN_BYTES = 48


@dataclass(frozen=True)
class Counts:
    """How often each word, and each pair of neighbouring words, stands in a text.

    Args:
        words: large_binary [n], distinct, UTF-8, ascending by bytes.
        word_counts: int64 [n].
        pairs: uint64 [m], distinct, ascending; the first word's row << 32 | the second's.
        pair_counts: int64 [m].
    """

    words: pa.LargeBinaryArray
    word_counts: Integers
    pairs: Keys
    pair_counts: Integers

    @property
    def total(self) -> int:
        """Number of words of the text."""
        return int(self.word_counts.sum())

    def word_blocks(self) -> Iterator[Integers]:
        """The counts of the words, in order, block by block."""
        yield self.word_counts

    def pair_blocks(self) -> Iterator[tuple[Keys, Integers]]:
        """The pairs and their counts, in order, block by block."""
        yield self.pairs, self.pair_counts

    def take_words(self, rows: Integers) -> pa.LargeBinaryArray:
        """The words of some rows."""
        return self.words.take(pa.array(rows))


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
def _byte_classes(split: bool) -> Bytes:
    """Each byte's class: that of an ASCII character, or CODED; in texts split before, only their breaks count."""
    kinds = np.full(256, WORD if split else CODED, np.uint8)
    if split:
        kinds[[WORD_BREAK, CLAUSE_BREAK]] = SPACE, MARK
    else:
        kinds[:0x80] = character_classes()[:0x80]
    return kinds


def count_texts(texts: pa.Array | pa.ChunkedArray, segment: Segmenter | None = None) -> Counts:
    """Count the words and pairs of some texts, all in memory.

    Args:
        texts: string or binary, of either width; nulls are empty. Where bytes are no UTF-8 they part
            clauses, as the replacement character does.
        segment: what splits a text without spaces, see `mc2lib.recipe.metadata.segment`; None splits at spaces
            and marks.
    """
    table = Table()
    for _ in table.add(texts, segment):
        raise AssertionError("a table without a limit is never full")
    return table.drain()


def merge_counts(parts: Sequence[Counts]) -> Counts:
    """The sum of several counts; the same for any order of `parts`."""
    words, word_counts, rows = merge_words([(part.words, part.word_counts) for part in parts])
    keys = [relabel(part.pairs, of) for part, of in zip(parts, rows, strict=True)]
    pairs, pair_counts = merge_pairs([(key, part.pair_counts) for key, part in zip(keys, parts, strict=True)])
    return Counts(words, word_counts, pairs, pair_counts)


def merge_words(
    parts: Sequence[tuple[pa.LargeBinaryArray, Integers]],
) -> tuple[pa.LargeBinaryArray, Integers, list[Integers]]:
    """Add up lists of words.

    Args:
        parts: words, large_binary, and their counts, int64.

    Returns:
        distinct words, ascending by bytes; their counts; and for each part the row of each of its words.
    """
    encoded = pa.concat_arrays([pa.array([], pa.large_binary()), *(words for words, _ in parts)]).dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    rows = rank[encoded.indices.to_numpy()]
    counts = np.zeros(len(order), np.int64)
    _add_at(counts, rows, np.concatenate([np.zeros(0, np.int64), *(counts for _, counts in parts)]))
    cuts = np.cumsum([len(words) for words, _ in parts])[:-1]
    return encoded.dictionary.take(pa.array(order)), counts, np.split(rows, cuts) if parts else []


def merge_pairs(parts: Sequence[tuple[Keys, Integers]]) -> tuple[Keys, Integers]:
    """Add up the counts of equal keys; keys come back ascending.

    Args:
        parts: keys, uint64, of the same list of words, and their counts, int64.
    """
    keys = np.concatenate([np.zeros(0, np.uint64), *(keys for keys, _ in parts)])
    counts = np.concatenate([np.zeros(0, np.int64), *(counts for _, counts in parts)])
    order = np.argsort(keys, kind="stable")  # finds the runs that are in order, and merges them
    keys, counts = keys[order], counts[order]
    if not len(keys):
        return keys, counts
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[starts], np.add.reduceat(counts, starts)


def relabel(pairs: Keys, rows: npt.NDArray[np.integer]) -> Keys:
    """Pairs with each word's row replaced by `rows` of it; order is kept if `rows` ascend."""
    of = rows.astype(np.uint64)
    return of[pairs >> _HALF] << _HALF | of[pairs & _LOW]


def as_binary(texts: pa.Array | pa.ChunkedArray) -> tuple[Bytes, Integers]:
    """The bytes of some texts, end to end, and where each begins and ends; views where Arrow allows it.

    Args:
        texts: string or binary, of either width; nulls are empty.

    Returns:
        uint8 and int64 [n + 1].

    Raises:
        InputError: another type.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = pa.concat_arrays(texts.chunks) if texts.num_chunks else pa.array([], pa.large_binary())
    if texts.null_count:
        texts = pc.fill_null(texts, b"" if pa.types.is_binary(texts.type) else "")
    kind = texts.type
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        width: type[np.signedinteger] = np.int64
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        width = np.int32
    else:
        raise InputError("texts", f"type {kind}", "Cast the texts to string.")
    _, offsets, data = texts.buffers()
    if offsets is None or not offsets.size:
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    places = np.frombuffer(offsets, width)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8), places.astype(np.int64)


class Table:
    """Counts that grow text by text, and are handed out when they reach a limit.

    Args:
        limit: bytes that the tables may hold, with what handing out needs; None is no limit. One word
            longer than that is held all the same.
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
        """Count some texts; whenever the tables are full, hand out what they hold and begin anew.

        Args:
            texts: see `count_texts`.
            segment: see `count_texts`.

        Returns:
            counts to be added up with those of the last `drain`. They look into the tables: they must
            be written away before the next are asked for. The iterator must be used up.
        """
        data, offsets = as_binary(texts)
        if segment is not None:
            data, offsets = split_bytes(data, offsets, segment, WORD_BREAK, CLAUSE_BREAK)
        classes, kinds = character_classes(), _byte_classes(segment is not None)
        self.state[[TEXT, PLACE, BEFORE]] = 0, offsets[0], -1
        yield from self.fill(lambda: self._scan(data, offsets, classes, kinds))

    def fill(self, step: Callable[[], int]) -> Iterator[Counts]:
        """Repeat `step`, which goes on where it stopped, until it is DONE; make room whenever it is not."""
        while (full := step()) != DONE:
            if not self._grow(full):
                before = self._word(int(self.state[BEFORE])) if self.state[BEFORE] >= 0 else None
                yield self.drain()
                self._begin_after(before)

    def drain(self) -> Counts:
        """Hand out all counts, and forget them; the pairs look into the tables until these are used again."""
        n_words, n_pairs = int(self.state[N_WORDS]), int(self.state[N_PAIRS])
        buffers = [None, pa.py_buffer(self.ends[: n_words + 1]), pa.py_buffer(self.arena[: self.state[N_BYTES]])]
        words = pa.LargeBinaryArray.from_buffers(pa.large_binary(), n_words, buffers)
        order = pc.array_sort_indices(words)
        rank = np.empty(n_words, np.uint32)
        rank[order.to_numpy()] = np.arange(n_words, dtype=np.uint32)
        _compact(self.pairs, rank)
        pairs = self.pairs[:n_pairs]
        _sort(pairs)
        counts = self.word_counts[:n_words][order.to_numpy()]
        drained = Counts(words.take(order), counts, pairs[:, 0], pairs[:, 1].view(np.int64))
        self.state[[N_WORDS, N_BYTES, N_PAIRS]] = 0
        self.state[BEFORE] = -1
        return drained

    def _scan(self, data: Bytes, offsets: Integers, classes: Bytes, kinds: Bytes) -> int:
        return int(
            _scan(
                data, offsets, classes, kinds, self.state, self.slots, self.ends, self.word_counts, self.arena,
                self.pairs,
            )
        )  # fmt: skip

    def _word(self, word: int) -> Bytes:
        return self.arena[self.ends[word] : self.ends[word + 1]].copy()

    def _begin_after(self, before: Bytes | None) -> None:
        """Clear the tables; the word that a pair begins with is known again, but not counted again."""
        self.slots[:] = 0
        self.word_counts[:] = 0
        self.pairs[:] = 0
        if before is not None:
            if len(before) > len(self.arena):
                self.arena = np.empty(len(before), np.uint8)
            code = np.uint64(hash_bytes(before, 0, len(before)))
            self.state[BEFORE] = intern(before, 0, len(before), code, self.state, self.slots, self.ends, self.arena)

    def _grow(self, full: int) -> bool:
        """Make room in what is full; False if the limit forbids it and draining will make room."""
        if full == WORDS_FULL:
            return self._grow_words()
        if full == ARENA_FULL:
            return self._grow_arena()
        return self._grow_pairs()

    def _room(self, now: int, unit: float) -> int:
        """Twice `now`, or what the limit leaves (old and new are held side by side); 0 if that is not worth it."""
        if self.limit is None:
            return 2 * now
        room = min(2 * now, int((self.limit - self.held) / unit))
        return room if room >= 1.2 * now else 0

    def _grow_words(self) -> bool:
        # a slot is 8 bytes, and each has room for _LOAD words of 16 bytes and of what draining needs
        room = self._room(len(self.slots), 8 + _LOAD * (16 + _DRAIN_BYTES))
        n_words = int(self.state[N_WORDS])
        if n_words >= _LOW - np.uint64(1):
            room = 0
        if room:
            self.slots = np.zeros(room, np.uint64)
            _refill_words(self.slots, self.ends, self.arena, n_words)
            self.ends = _longer(self.ends, _word_room(room) + 1)
            self.word_counts = _longer(self.word_counts, _word_room(room))
        return bool(room)

    def _grow_arena(self) -> bool:
        room = self._room(len(self.arena), 2)
        if not room and self.state[N_WORDS] <= 1:
            room = 2 * len(self.arena)  # one word (and the one before) must fit, whatever the limit
        if room:
            self.arena = _longer(self.arena, room)
        return bool(room)

    def _grow_pairs(self) -> bool:
        room = self._room(len(self.pairs), 16)
        if room:
            pairs = np.zeros((room, 2), np.uint64)
            _refill_pairs(self.pairs, pairs)
            self.pairs = pairs
        return bool(room)


def _word_room(slots: int) -> int:
    return int(_LOAD * slots)


def _longer(column: npt.NDArray[Number], length: int) -> npt.NDArray[Number]:
    grown = np.zeros(length, column.dtype)
    grown[: len(column)] = column
    return grown


@njit(cache=True, inline="always")
def _mix(code: np.uint64) -> np.uint64:  # pragma: no cover (compiled)
    """SplitMix64's finaliser."""
    code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return code ^ (code >> np.uint64(31))


@njit(cache=True, inline="always")
def _home(code: np.uint64, slots: int) -> Any:  # pragma: no cover (compiled)
    """The slot where a search begins: the hash's low half, scaled to the number of slots."""
    return np.int64(((code & np.uint64(0xFFFFFFFF)) * np.uint64(slots)) >> np.uint64(32))


@njit(cache=True)
def hash_bytes(data: Bytes, start: int, stop: int) -> np.uint64:  # pragma: no cover (compiled)
    """FNV-1a of data[start:stop], well mixed."""
    code = np.uint64(0xCBF29CE484222325)
    for place in range(start, stop):
        code = (code ^ np.uint64(data[place])) * np.uint64(0x100000001B3)
    return _mix(code)


@njit(cache=True, inline="always")
def intern(
    data: Bytes, start: int, stop: int, code: np.uint64, state: Integers, slots: Keys, ends: Integers, arena: Bytes
) -> Any:  # pragma: no cover (compiled)
    """The id of the word data[start:stop]; a new one takes the next id, and a count to be set.

    Args:
        data, start, stop: the word's bytes.
        code: `hash_bytes` of them.
        state, slots, ends, arena: the table, see `Table`.

    Returns:
        the id; -1 if there is no room for one more word, -2 for its bytes.
    """
    tag = code >> np.uint64(32) << np.uint64(32)
    slot = _home(code, len(slots))
    length = stop - start
    while slots[slot] != np.uint64(0):
        if (slots[slot] ^ tag) >> np.uint64(32) == np.uint64(0):
            word = np.int64(slots[slot] & np.uint64(0xFFFFFFFF)) - 1
            begin = ends[word]
            if ends[word + 1] - begin == length:
                same = True
                for i in range(length):
                    if arena[begin + i] != data[start + i]:
                        same = False
                        break
                if same:
                    return word
        slot += 1
        if slot == len(slots):
            slot = 0
    word = state[3]
    if word + 1 >= len(ends):
        return -1
    used = state[4]
    if used + length > len(arena):
        return -2
    for i in range(length):
        arena[used + i] = data[start + i]
    ends[word] = used
    ends[word + 1] = used + length
    slots[slot] = tag | np.uint64(word + 1)
    state[3] = word + 1
    state[4] = used + length
    return word


@njit(cache=True)
def code_point(data: Bytes, place: int, stop: int) -> tuple[int, int]:  # pragma: no cover (compiled)
    """The code point of the bytes from `place`, not ASCII, and its width; U+FFFD, width 1, if they are no UTF-8.

    What follows a broken beginning are continuation bytes, broken in their turn: the same clause break.
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
def _scan(
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
    """Count on from where `state` says, until all is counted or a table is full."""
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
                word = intern(data, begin, place, _mix(code), state, slots, ends, arena)
                if word < 0:
                    _count_pairs(batch, n_batch, homes, pairs, state)
                    state[0], state[1], state[2] = text, begin, before
                    return -word
                word_counts[word] += 1
                if before >= 0:
                    batch[n_batch] = np.uint64(before) << np.uint64(32) | np.uint64(word)
                    n_batch += 1
                before = word
                if n_batch == BATCH:
                    _count_pairs(batch, n_batch, homes, pairs, state)
                    n_batch = 0
                    if state[5] > most_pairs:
                        state[0], state[1], state[2] = text, place, before
                        return 3
            if place < stop:  # at what parts the words
                if kind == 2:
                    before = -1
                place += width
        before = -1
        if text + 2 < len(offsets):
            place = offsets[text + 1]
    _count_pairs(batch, n_batch, homes, pairs, state)
    state[0], state[1], state[2] = len(offsets) - 1, place, -1
    return 0


@njit(cache=True)
def _count_pairs(
    batch: Keys, n_batch: int, homes: Integers, pairs: Keys, state: Integers
) -> None:  # pragma: no cover (compiled)
    """Count some pairs, for which there is room.

    A table larger than the caches is slow to reach: all places are asked for first, side by side, and
    then searched.
    """
    touched = np.uint64(0)
    for i in range(n_batch):
        homes[i] = _home(_mix(batch[i]), len(pairs))
        touched |= pairs[homes[i], 1]
    state[6] = np.int64(touched & np.uint64(1))  # a result, or the loads would be left out
    for i in range(n_batch):
        key, slot = batch[i], homes[i]
        while pairs[slot, 0] != key and pairs[slot, 1] != np.uint64(0):
            slot += 1
            if slot == len(pairs):
                slot = 0
        if pairs[slot, 1] == np.uint64(0):
            pairs[slot, 0] = key
            state[5] += 1
        pairs[slot, 1] += np.uint64(1)


@njit(cache=True)
def _refill_words(slots: Keys, ends: Integers, arena: Bytes, n_words: int) -> None:  # pragma: no cover (compiled)
    for word in range(n_words):
        code = hash_bytes(arena, ends[word], ends[word + 1])
        slot = _home(code, len(slots))
        while slots[slot] != np.uint64(0):
            slot += 1
            if slot == len(slots):
                slot = 0
        slots[slot] = code >> np.uint64(32) << np.uint64(32) | np.uint64(word + 1)


@njit(cache=True)
def _refill_pairs(old: Keys, new: Keys) -> None:  # pragma: no cover (compiled)
    for row in range(len(old)):
        if old[row, 1] != np.uint64(0):
            slot = _home(_mix(old[row, 0]), len(new))
            while new[slot, 1] != np.uint64(0):
                slot += 1
                if slot == len(new):
                    slot = 0
            new[slot, 0] = old[row, 0]
            new[slot, 1] = old[row, 1]


@njit(cache=True)
def _compact(pairs: Keys, rank: npt.NDArray[np.uint32]) -> None:  # pragma: no cover (compiled)
    """Move the pairs to the front of their table, each word's id replaced by its rank."""
    n = 0
    for slot in range(len(pairs)):
        if pairs[slot, 1] != np.uint64(0):
            first = np.uint64(rank[pairs[slot, 0] >> np.uint64(32)])
            second = np.uint64(rank[pairs[slot, 0] & np.uint64(0xFFFFFFFF)])
            pairs[n, 0] = first << np.uint64(32) | second
            pairs[n, 1] = pairs[slot, 1]
            n += 1


@njit(cache=True)
def _sort(pairs: Keys) -> None:  # pragma: no cover (compiled)
    """Sort pairs by their distinct keys, in place: quicksort, the smaller side first."""
    lows = np.empty(128, np.int64)
    highs = np.empty(128, np.int64)
    lows[0], highs[0] = 0, len(pairs) - 1
    depth = 1
    while depth > 0:
        depth -= 1
        low, high = lows[depth], highs[depth]
        while high - low > 24:
            first, middle, last = pairs[low, 0], pairs[(low + high) >> 1, 0], pairs[high, 0]
            pivot = max(min(first, middle), min(max(first, middle), last))
            i, j = low, high
            while i <= j:
                while pairs[i, 0] < pivot:
                    i += 1
                while pairs[j, 0] > pivot:
                    j -= 1
                if i <= j:
                    pairs[i, 0], pairs[j, 0] = pairs[j, 0], pairs[i, 0]
                    pairs[i, 1], pairs[j, 1] = pairs[j, 1], pairs[i, 1]
                    i += 1
                    j -= 1
            if j - low < high - i:  # the larger side waits, so that no more than 64 ever do
                lows[depth], highs[depth] = i, high
                high = j
            else:
                lows[depth], highs[depth] = low, j
                low = i
            depth += 1
        for i in range(low + 1, high + 1):
            key, count = pairs[i, 0], pairs[i, 1]
            j = i - 1
            while j >= low and pairs[j, 0] > key:
                pairs[j + 1, 0] = pairs[j, 0]
                pairs[j + 1, 1] = pairs[j, 1]
                j -= 1
            pairs[j + 1, 0] = key
            pairs[j + 1, 1] = count


@njit(cache=True)
def _add_at(sums: Integers, rows: Integers, values: Integers) -> None:  # pragma: no cover (compiled)
    for i in range(len(rows)):
        sums[rows[i]] += values[i]

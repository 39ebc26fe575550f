"""The hash tables that words and pairs are counted in.

Open addressing. A table of words consists of

- `slots`: uint64 [s], the upper half of a word's hash above its id + 1; 0 is free,
- `ends`: int64 [words + 1], where each word begins and ends in `arena`,
- `arena`: uint8, the bytes of the words, end to end.

A table of pairs is `pairs`: uint64 [p, 2], a key (first word's id << 32 | second's) and its count; count 0 is free.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from mc2lib.recipe.metadata.counting.counts import Bytes, Integers, Keys

#: Places in a kernel's `state`, int64 [7]: text, byte, the previous word (-1 at a clause's start), and how many words,
#: bytes of words and pairs the tables hold.
TEXT, PLACE, BEFORE, N_WORDS, N_BYTES, N_PAIRS = 0, 1, 2, 3, 4, 5

#: Pairs that are counted at a time.
BATCH = 256


@njit(cache=True, inline="always")
def mix(code: np.uint64) -> np.uint64:  # pragma: no cover (compiled)
    """SplitMix64's finaliser."""
    code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return code ^ (code >> np.uint64(31))


@njit(cache=True, inline="always")
def _home(code: np.uint64, slots: int) -> Any:  # pragma: no cover (compiled)
    """The slot at which a search begins: the lower half of the hash, scaled to the number of slots."""
    return np.int64(((code & np.uint64(0xFFFFFFFF)) * np.uint64(slots)) >> np.uint64(32))


@njit(cache=True)
def hash_bytes(data: Bytes, start: int, stop: int) -> np.uint64:  # pragma: no cover (compiled)
    """FNV-1a of some bytes, then `mix`.

    Args:
        data: uint8.
        start: the first byte.
        stop: the byte after the last.
    """
    code = np.uint64(0xCBF29CE484222325)
    for place in range(start, stop):
        code = (code ^ np.uint64(data[place])) * np.uint64(0x100000001B3)
    return mix(code)


@njit(cache=True, inline="always")
def intern(
    data: Bytes, start: int, stop: int, code: np.uint64, state: Integers, slots: Keys, ends: Integers, arena: Bytes
) -> Any:  # pragma: no cover (compiled)
    """Find a word, or enter it with the next id; its count is the caller's to set.

    Args:
        data: uint8.
        start: the word's first byte.
        stop: the byte after its last.
        code: `hash_bytes` of it.
        state: int64 [7], see the module.
        slots: see the module.
        ends: see the module.
        arena: see the module.

    Returns:
        Its id; -1 if there is no room for one more word, -2 if there is none for its bytes.
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
def count_pairs(
    batch: Keys, n_batch: int, homes: Integers, pairs: Keys, state: Integers
) -> None:  # pragma: no cover (compiled)
    """Count some pairs, for which there is room.

    A table larger than the caches is slow to reach: all slots are touched first, so that their loads overlap, and then
    searched.

    Args:
        batch: uint64 [BATCH], keys.
        n_batch: how many of them to count.
        homes: int64 [BATCH], scratch space.
        pairs: see the module.
        state: int64 [7], see the module.
    """
    touched = np.uint64(0)
    for i in range(n_batch):
        homes[i] = _home(mix(batch[i]), len(pairs))
        touched |= pairs[homes[i], 1]
    state[6] = np.int64(touched & np.uint64(1))  # without a result the compiler would drop the loads
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
def refill_words(slots: Keys, ends: Integers, arena: Bytes, n_words: int) -> None:  # pragma: no cover (compiled)
    """Enter the words of a table into new, empty slots.

    Args:
        slots: uint64 [s], zeros.
        ends: see the module.
        arena: see the module.
        n_words: how many words the table holds.
    """
    for word in range(n_words):
        code = hash_bytes(arena, ends[word], ends[word + 1])
        slot = _home(code, len(slots))
        while slots[slot] != np.uint64(0):
            slot += 1
            if slot == len(slots):
                slot = 0
        slots[slot] = code >> np.uint64(32) << np.uint64(32) | np.uint64(word + 1)


@njit(cache=True)
def refill_pairs(old: Keys, new: Keys) -> None:  # pragma: no cover (compiled)
    """Enter the pairs of a table into a larger, empty one.

    Args:
        old: see the module.
        new: uint64 [p, 2], zeros.
    """
    for row in range(len(old)):
        if old[row, 1] != np.uint64(0):
            slot = _home(mix(old[row, 0]), len(new))
            while new[slot, 1] != np.uint64(0):
                slot += 1
                if slot == len(new):
                    slot = 0
            new[slot, 0] = old[row, 0]
            new[slot, 1] = old[row, 1]


@njit(cache=True)
def compact_pairs(pairs: Keys, rank: npt.NDArray[np.uint32]) -> None:  # pragma: no cover (compiled)
    """Move the pairs to the front of their table, with each word's id replaced by its rank.

    Args:
        pairs: see the module.
        rank: uint32 [words], by id.
    """
    n = 0
    for slot in range(len(pairs)):
        if pairs[slot, 1] != np.uint64(0):
            first = np.uint64(rank[pairs[slot, 0] >> np.uint64(32)])
            second = np.uint64(rank[pairs[slot, 0] & np.uint64(0xFFFFFFFF)])
            pairs[n, 0] = first << np.uint64(32) | second
            pairs[n, 1] = pairs[slot, 1]
            n += 1


@njit(cache=True)
def sort_pairs(pairs: Keys) -> None:  # pragma: no cover (compiled)
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

"""Perfect hash tables: each key has one place, chosen when the table is built, so a look-up is one read, no branch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from mc2lib.errors import InputError

Shorts = npt.NDArray[np.uint16]
Codes = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]

#: Share of a table's places that are in use, and how many keys share a pilot, the number that places them.
FILL = 0.85
TOGETHER = 4

PRIME = np.uint64(0x9E3779B97F4A7C15)
MIXER = np.uint64(0xD6E8FEB86659FD93)
HALF = np.uint64(32)


def room_for_keys(keys: int) -> int:
    """How many places the table of some keys has.

    Args:
        keys: how many keys.
    """
    return max(1, int(np.ceil(keys / FILL)))


def place_keys(keys: Codes) -> tuple[Shorts, Offsets]:
    """Choose a place for each key; keys that share a pilot with the most others choose first.

    Args:
        keys: uint64 [n], distinct.

    Returns:
        The pilots, uint16, and the place of each key, int64 [n], below `room_for_keys(n)`.

    Raises:
        InputError: no pilots place all keys.

    Source: Pibiri and Trani, PTHash, SIGIR 2021.
    """
    pilots = np.zeros(max(1, -(-len(keys) // TOGETHER)), np.uint16)
    mixed = (keys ^ (keys >> HALF)) * MIXER
    buckets = (((mixed >> HALF) * np.uint64(len(pilots))) >> HALF).astype(np.int64)
    sizes = np.bincount(buckets, minlength=len(pilots))
    ends = np.cumsum(sizes)
    members, order = np.argsort(buckets, kind="stable"), np.argsort(-sizes, kind="stable")
    places = np.zeros(len(keys), np.int64)
    if not _find_pilots(keys, members, ends - sizes, ends, order, room_for_keys(len(keys)), pilots, places):
        raise InputError("metadata", f"no hash table holds its {len(keys):,} words", "Split the list.")
    return pilots, places


@njit(cache=True, nogil=True)
def _find_pilots(
    keys: Codes, members: Offsets, begins: Offsets, ends: Offsets, order: Offsets, room: int, pilots: Any, places: Any
) -> bool:  # pragma: no cover (compiled)
    """Choose pilots so that each key has its own place; False if that is impossible."""
    taken = np.zeros(room, np.uint8)
    for bucket in order:
        begin, end = begins[bucket], ends[bucket]
        pilot = 0
        while begin < end:
            pilots[bucket] = pilot
            placed = begin
            while placed < end:
                key = keys[members[placed]]
                mixed = (((key ^ (key >> HALF)) * MIXER) ^ (np.uint64(pilot) * PRIME)) * MIXER
                mixed = (mixed ^ (mixed >> HALF)) * PRIME
                place = np.int64(((mixed >> HALF) * np.uint64(room)) >> HALF)
                if taken[place]:
                    break
                taken[place] = 1
                places[members[placed]] = place
                placed += 1
            if placed == end:
                break
            for i in range(begin, placed):
                taken[places[members[i]]] = 0
            pilot += 1
            if pilot > 65535:
                return False
    return True

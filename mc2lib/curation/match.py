"""Which entries of a metadata list stand in each text: exact substrings, under the recipe's border rules.

Entries become needles: set off as texts are, with a space at each end that needs a word border. The
needles are sorted as bytes, so all that share a prefix lie side by side; from each place in a text
the range of needles that agree with it is narrowed byte by byte. Bytes themselves are compared, never
only their hash, so no match is ever false.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from mc2lib.errors import InputError
from mc2lib.languages import is_borderless

#: Punctuation that spaces set off, in entries and texts alike.
SET_OFF = ",.;:?!`"
#: What becomes a space. The recipe names tabs and newlines; a carriage return is half of one.
BLANKS = "\t\n\r"

_SPACING = str.maketrans({mark: f" {mark} " for mark in SET_OFF} | dict.fromkeys(BLANKS, " "))

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Index:
    """One metadata list, ready to match.

    Args:
        data: needles' bytes, end to end, in sorted order.
        offsets: int64 [n + 1], where each needle lies in `data`.
        entries: int32 [n], the entry id of each needle.
        pairs: int32 [65,537], the first needle not below each two-byte beginning.
        singles: int32 [257], the same for one byte.
    """

    data: Bytes
    offsets: Offsets
    entries: Ids
    pairs: Ids
    singles: Ids

    @property
    def size(self) -> int:
        """Number of entries."""
        return len(self.entries)


def space_out(text: str) -> str:
    """`text` with `,.;:?!` and the backtick set off by spaces, and tabs and newlines as spaces."""
    return text.translate(_SPACING)


def make_needle(entry: str, bordered: bool) -> str:
    """What to look for in a spaced-out, padded text to find `entry`.

    Args:
        entry: not empty.
        bordered: whether the language needs word borders; even then an end that is punctuation or of
            a script without spaces needs none.

    Source: MetaCLIP 2, §3.2.
    """
    left = " " if bordered and not is_borderless(entry[0]) else ""
    right = " " if bordered and not is_borderless(entry[-1]) else ""
    return f"{left}{space_out(entry)}{right}"


def build_index(entries: Iterable[str], bordered: bool) -> Index:
    """Prepare a metadata list for `match`.

    Args:
        entries: in entry id order.
        bordered: whether the language sets spaces between words.

    Raises:
        InputError: an entry is empty.
    """
    entries = list(entries)
    if not all(entries):
        raise InputError("metadata", f"entry {entries.index('')} is empty", "Build the metadata again.")
    needles = pa.array([make_needle(entry, bordered) for entry in entries], pa.large_string()).cast(pa.large_binary())
    order = pc.array_sort_indices(needles)
    ordered = needles.take(order)
    data, offsets = _buffers(ordered)
    pairs, singles = _count_beginnings(data, offsets)
    return Index(data, offsets, order.to_numpy().astype(np.int32), pairs, singles)


def match(texts: pa.Array | pa.ChunkedArray, index: Index) -> pa.ListArray:
    """Find the distinct entries in each text.

    Args:
        texts: string or large_string [n], no nulls. Texts that repeat are matched once.
        index: see `build_index`.

    Returns:
        list<int32> [n] of entry ids, ascending and distinct; empty where nothing matches.

    Raises:
        InputError: a text is null.
    """
    if texts.null_count:
        raise InputError("alt_text", f"{texts.null_count} texts are null", "Drop those pairs.")
    encoded = _joined(texts).cast(pa.large_string()).dictionary_encode()
    data, offsets = _buffers(encoded.dictionary.cast(pa.large_binary()))
    ends, found = _match(data, offsets, index.data, index.offsets, index.entries, index.pairs, index.singles)
    if len(found) > np.iinfo(np.int32).max:
        raise InputError("alt_text", f"{len(found)} matches in one batch", "Match in smaller batches.")
    distinct = pa.ListArray.from_arrays(pa.array(ends.astype(np.int32)), pa.array(found))
    return distinct.take(encoded.indices)


def match_languages(
    texts: pa.Array | pa.ChunkedArray, languages: pa.Array | pa.ChunkedArray, indices: Mapping[str, Index]
) -> pa.ListArray:
    """Match each text against its own language's list only.

    Args:
        texts: string [n].
        languages: string [n].
        indices: by language; a text of a language without one matches nothing.

    Returns:
        list<int32> [n]; ids are of the text's own language's list.
    """
    texts = _joined(texts)
    encoded = _joined(languages).dictionary_encode()
    codes, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    parts = [pa.array([], pa.list_(pa.int32()))]
    for code, name in enumerate(names):
        rows = order[bounds[code] : bounds[code + 1]]
        if name in indices:
            parts.append(match(texts.take(pa.array(rows)), indices[name]))
        else:
            parts.append(pa.array([[]] * len(rows), pa.list_(pa.int32())))
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays(parts).take(pa.array(back))


def _joined(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array of a column's chunks."""
    if isinstance(array, pa.ChunkedArray):
        return pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array


def _buffers(strings: pa.Array) -> tuple[Bytes, Offsets]:
    """The bytes and offsets of a large_binary array, as NumPy views."""
    _, offsets, data = strings.buffers()
    if offsets is None or offsets.size == 0:
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    view = np.frombuffer(offsets, np.int64)[strings.offset : strings.offset + len(strings) + 1]
    return np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(0, np.uint8), view


@njit(cache=True)
def _count_beginnings(data: Bytes, offsets: Offsets) -> tuple[Ids, Ids]:  # pragma: no cover (compiled)
    """Where the sorted needles of each two-byte, and one-byte, beginning start.

    A needle of one byte counts to the two-byte beginnings from (byte, 0), where it sorts first.
    """
    pairs = np.zeros(65537, np.int32)
    singles = np.zeros(257, np.int32)
    for needle in range(len(offsets) - 1):
        start, stop = offsets[needle], offsets[needle + 1]
        first = np.int64(data[start])
        second = np.int64(data[start + 1]) if stop - start > 1 else np.int64(0)
        singles[first + 1] += 1
        pairs[first * 256 + second + 1] += 1
    for i in range(65536):
        pairs[i + 1] += pairs[i]
    for i in range(256):
        singles[i + 1] += singles[i]
    return pairs, singles


@njit(cache=True)
def _space_out(data: Bytes, start: int, stop: int, out: Bytes) -> int:  # pragma: no cover (compiled)
    """Write the padded, spaced-out text data[start:stop] to `out`; return its length."""
    out[0] = 32
    n = 1
    for i in range(start, stop):
        byte = data[i]
        # , . ; : ? ! `
        if byte == 44 or byte == 46 or byte == 59 or byte == 58 or byte == 63 or byte == 33 or byte == 96:
            out[n] = 32
            out[n + 1] = byte
            out[n + 2] = 32
            n += 3
        elif byte == 9 or byte == 10 or byte == 13:
            out[n] = 32
            n += 1
        else:
            out[n] = byte
            n += 1
    out[n] = 32
    return n + 1


@njit(cache=True)
def _first_at_least(
    data: Bytes, offsets: Offsets, low: int, high: int, depth: int, byte: int
) -> int:  # pragma: no cover (compiled)
    """The first needle of [low, high) whose byte at `depth` is at least `byte`."""
    while low < high:
        middle = (low + high) >> 1
        if data[offsets[middle] + depth] < byte:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True)
def _match(
    texts: Bytes, text_offsets: Offsets, data: Bytes, offsets: Offsets, entries: Ids, pairs: Ids, singles: Ids
) -> tuple[Offsets, Ids]:  # pragma: no cover (compiled)
    n_texts = len(text_offsets) - 1
    ends = np.zeros(n_texts + 1, np.int64)
    found = np.empty(max(1024, 8 * n_texts), np.int32)
    n_found = 0
    longest = 0
    for text in range(n_texts):
        longest = max(longest, text_offsets[text + 1] - text_offsets[text])
    hay = np.empty(3 * longest + 2, np.uint8)
    for text in range(n_texts):
        length = _space_out(texts, text_offsets[text], text_offsets[text + 1], hay)
        begin = n_found
        for place in range(length):
            first = int(hay[place])
            low = int(singles[first])
            high = int(singles[first + 1])
            depth = 1
            if low < high and offsets[low + 1] - offsets[low] > 1 and place + 1 < length:
                # no needle of one byte: begin at the second
                second = int(hay[place + 1])
                low = int(pairs[first * 256 + second])
                high = int(pairs[first * 256 + second + 1])
                depth = 2
            while low < high:
                # needles that end here are a match; equal ones (a tab for a space) lie side by side
                while low < high and offsets[low + 1] - offsets[low] == depth:
                    if n_found == len(found):
                        grown = np.empty(2 * len(found), np.int32)
                        grown[:n_found] = found
                        found = grown
                    found[n_found] = entries[low]
                    n_found += 1
                    low += 1
                if low >= high or place + depth >= length:
                    break
                byte = int(hay[place + depth])
                low = _first_at_least(data, offsets, low, high, depth, byte)
                if low < high and data[offsets[high - 1] + depth] != byte:
                    high = _first_at_least(data, offsets, low, high, depth, byte + 1)
                depth += 1
        # an entry may stand in a text twice
        if n_found - begin > 1:
            ordered = np.sort(found[begin:n_found])
            n_found = begin
            for i in range(len(ordered)):
                if i == 0 or ordered[i] != ordered[i - 1]:
                    found[n_found] = ordered[i]
                    n_found += 1
        ends[text + 1] = n_found
    return ends, found[:n_found].copy()

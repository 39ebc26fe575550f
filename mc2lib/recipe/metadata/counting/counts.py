"""Counts of words and pairs: their order, and how they add up.

`Counts` are canonical: words ascend by their bytes, which is code point order, and pairs by their two words. So the sum
of many parts depends neither on how the text was divided into parts nor on their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from mc2lib.errors import InputError

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

LOW = np.uint64(0xFFFF_FFFF)
HALF = np.uint64(32)


@dataclass(frozen=True)
class Counts:
    """How often each word, and each pair of neighbouring words, occurs in a text.

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
        """Number of words in the text."""
        return int(self.word_counts.sum())

    def word_blocks(self) -> Iterator[Integers]:
        """Yield the counts of the words, in order, block by block."""
        yield self.word_counts

    def pair_blocks(self) -> Iterator[tuple[Keys, Integers]]:
        """Yield the pairs and their counts, in order, block by block."""
        yield self.pairs, self.pair_counts

    def take_words(self, rows: Integers) -> pa.LargeBinaryArray:
        """The words in some rows."""
        return self.words.take(pa.array(rows))


def merge_counts(parts: Sequence[Counts]) -> Counts:
    """Add up several counts; the result is the same for any order of `parts`."""
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
        The distinct words, ascending by bytes; their counts; and for each part the row of each of its words.
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
    """Add up the counts of equal keys.

    Args:
        parts: keys, uint64, of one list of words, and their counts, int64.

    Returns:
        The distinct keys, ascending, and their counts.
    """
    keys = np.concatenate([np.zeros(0, np.uint64), *(keys for keys, _ in parts)])
    counts = np.concatenate([np.zeros(0, np.int64), *(counts for _, counts in parts)])
    order = np.argsort(keys, kind="stable")  # finds runs that are already in order, and merges them
    keys, counts = keys[order], counts[order]
    if not len(keys):
        return keys, counts
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[starts], np.add.reduceat(counts, starts)


def relabel(pairs: Keys, rows: npt.NDArray[np.integer]) -> Keys:
    """Renumber the words of pairs; the pairs stay in order if `rows` ascends.

    Args:
        pairs: uint64 [m], first word's row << 32 | second's.
        rows: integers [n], each word's new row.
    """
    of = rows.astype(np.uint64)
    return of[pairs >> HALF] << HALF | of[pairs & LOW]


def as_binary(texts: pa.Array | pa.ChunkedArray) -> tuple[Bytes, Integers]:
    """The bytes of some texts, end to end, and where each begins and ends; views where Arrow allows it.

    Args:
        texts: string or binary, of either width; nulls count as empty.

    Returns:
        The bytes, uint8, and the offsets, int64 [n + 1].

    Raises:
        InputError: `texts` is of another type.
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


@njit(cache=True)
def _add_at(sums: Integers, rows: Integers, values: Integers) -> None:  # pragma: no cover (compiled)
    for i in range(len(rows)):
        sums[rows[i]] += values[i]

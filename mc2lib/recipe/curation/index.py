"""A metadata list made ready to match: tokens, the words among them, and a trie of needles.

Entries become needles: spaced out as texts are, with a space at each end that needs a word border. A needle can only
start and end where the needles of the metadata do. At those places texts and needles are cut into tokens: after a
character that some needle ends with, and before one that some needle starts with. Between spaces a token is a word; in
a script without spaces it is a character. The needles form a trie of tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.errors import InputError
from mc2lib.params import DEFAULT_RULES, MatchRules
from mc2lib.recipe.curation.borders import make_needles
from mc2lib.recipe.curation.index_tokens import Bytes, Words, lay_out_words, make_pages, mark_borders, tokenise
from mc2lib.recipe.curation.index_trie import ENTRY, end_paths, fold_trie, grow_trie
from mc2lib.recipe.curation.perfect_hash import HALF, Offsets, Shorts, place_keys, room_for_keys

#: How many hashes are tried until one distinguishes all tokens of a list; the first nearly always does.
SEEDS = 64
#: The largest list, and the longest text, in bytes: offsets in them have 31 bits, and spacing out triples a text.
MOST_BYTES = 1 << 29


@dataclass(frozen=True)
class Index:
    """One metadata list, ready to match; all arrays are read-only and may be memory-mapped.

    Args:
        size: number of entries.
        seed: of the words' hash.
        rules: how entries were spelled and bordered; `match` spells texts likewise.
        pages: uint16 [4352], the page of each 256 code points.
        chars: uint32, pages of 256: the token that a character is << 2 | STARTS and ENDS.
        word_pilots: uint16, see `place_keys`.
        word_slots: uint32 [w, 2], a check and the place in `words`; slot i is the token `first word + i`.
        words: uint32, at each place the length of a word in bytes and its bytes, which fill whole items.
        roots: uint32 [tokens, 2], what a first token ends in, and how it continues.
        edge_pilots: uint16, see `place_keys`.
        edges: uint32 [e, 4], node, token, what ends there and how it continues.
        tails: uint32, stretches of tokens without a fork.
        several: uint32, entries whose needles are equal.
        everywhere: uint32, entries that consist of spaces.
    """

    size: int
    seed: int
    rules: MatchRules
    pages: Shorts
    chars: Words
    word_pilots: Shorts
    word_slots: Words
    words: Words
    roots: Words
    edge_pilots: Shorts
    edges: Words
    tails: Words
    several: Words
    everywhere: Words

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by name, in the order in which compiled code takes them."""
        return {field.name: getattr(self, field.name) for field in fields(self)[3:]}

    @property
    def nbytes(self) -> int:
        """The size of all arrays in bytes."""
        return sum(array.nbytes for array in self.arrays.values())


def build_index(entries: Iterable[str] | pa.Array | pa.ChunkedArray, rules: MatchRules = DEFAULT_RULES) -> Index:
    """Prepare a metadata list for `match`.

    Args:
        entries: in entry id order.
        rules: how entries and texts are spelled, and where they need borders.

    Raises:
        InputError: an entry is empty, or the list is larger than an index can hold.
    """
    strings = _one_array(entries)
    size = len(strings)
    if (empty := pc.index(pc.binary_length(strings), 0).as_py()) >= 0:
        raise InputError("metadata", f"entry {empty} is empty", "Build the metadata again.")
    if size >= ENTRY:
        raise InputError("metadata", f"{size:,} entries in one list", "Split the list.")
    needles = make_needles(strings, rules).cast(pa.large_binary())
    del strings
    data, offsets = buffers(needles)
    if size and offsets[-1] - offsets[0] >= MOST_BYTES:
        raise InputError("metadata", f"{offsets[-1]:,} bytes in one list", "Split the list.")
    behind = (data[offsets[:-1]] == ord(" ")).astype(np.uint8)  # the leading space is checked at the path's end
    begins, ends = offsets[:-1] + behind, np.ascontiguousarray(offsets[1:])
    pages, chars = make_pages(mark_borders(data, begins, ends, behind))
    for seed in range(1, SEEDS + 1):
        paths, bounds, words = tokenise(data, begins, ends, pages, chars, seed)
        if len(bounds):
            break
    else:
        raise InputError("metadata", "no hash distinguishes its words", "Drop entries of thousands of bytes.")
    return _assemble(size, seed, rules, pages, chars, data, behind, paths, bounds, words)


def _one_array(entries: Iterable[str] | pa.Array | pa.ChunkedArray) -> pa.Array:
    """Entries as one large_string array."""
    if isinstance(entries, pa.ChunkedArray):
        entries = entries.combine_chunks()
    return entries.cast(pa.large_string()) if isinstance(entries, pa.Array) else pa.array(entries, pa.large_string())


def buffers(strings: pa.Array) -> tuple[Bytes, Offsets]:
    """The bytes and offsets of a large_binary array, as read-only NumPy views."""
    _, offsets, data = strings.buffers()
    view, filled = np.zeros(1, np.int64), np.zeros(0, np.uint8)
    if offsets is not None and offsets.size:
        # NumPy reads whole items only, but a buffer may end between two
        whole = np.frombuffer(offsets, np.int64, offsets.size // 8)
        view = np.require(whole[strings.offset : strings.offset + len(strings) + 1], requirements="A")
    if data is not None and data.size:
        filled = np.frombuffer(data, np.uint8)
    view.flags.writeable = filled.flags.writeable = False
    return filled, view


def _assemble(
    size: int,
    seed: int,
    rules: MatchRules,
    pages: Shorts,
    chars: Words,
    data: Bytes,
    behind: Bytes,
    paths: Words,
    bounds: Offsets,
    words: Offsets,
) -> Index:
    """Give the words of tokenised needles their places, then lay out the trie."""
    n_chars = int(chars.max(initial=0) >> 2)  # tokens of one character come first
    codes = words[:, 2].copy().view(np.uint64)
    word_pilots, places = place_keys(codes)
    word_slots, stored = lay_out_words(data, words, places, room_for_keys(len(codes)))
    first_word = n_chars + 1
    tokens = np.concatenate([np.arange(first_word), first_word + places]).astype(np.uint32)
    paths = tokens[paths]
    parents, labels, leaves = grow_trie(paths, bounds)
    ends, several, everywhere = end_paths(leaves, behind, len(parents))
    roots, keys, fates, tails = fold_trie(parents, labels, ends, first_word + len(word_slots))
    edge_pilots, places = place_keys(keys)
    edges = np.zeros((room_for_keys(len(keys)), 4), np.uint32)
    edges[places, 0], edges[places, 1] = keys >> HALF, keys & np.uint64(0xFFFFFFFF)
    edges[places, 2:] = fates
    arrays = (pages, chars, word_pilots, word_slots, stored, roots, edge_pilots, edges, tails, several, everywhere)
    for array in arrays:
        array.flags.writeable = False  # as if mapped from a file, so that the matcher is compiled once
    return Index(size, seed, rules, *arrays)

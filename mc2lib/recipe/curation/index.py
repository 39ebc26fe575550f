"""A metadata list made ready to match: tokens, the words among them, and a trie of needles.

Entries become needles: set off as texts are, with a space at each end that needs a word border. A needle can
only start and end where the metadata's needles do. There, texts and needles alike are cut into tokens: after
a character that some needle ends with, before one that some needle starts with. Between spaces a token is a
word, in a script without spaces a character. Needles lie in a trie of tokens.

Characters are looked up in pages of a table, words and edges in perfect hash tables: one place each where
they can be, chosen when the index is built, so that a look-up is one read and takes no branch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from mc2lib.errors import InputError
from mc2lib.params import DEFAULT_RULES, MatchRules
from mc2lib.recipe.curation.borders import make_needles

Bytes = npt.NDArray[np.uint8]
Shorts = npt.NDArray[np.uint16]
Words = npt.NDArray[np.uint32]
Codes = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int32]

#: Hashes tried until one tells all tokens of a list apart; the first nearly always does.
SEEDS = 64
#: Share of a hash table's places in use, and how many keys share a pilot, the number that places them.
FILL = 0.85
TOGETHER = 4
#: Bytes of a list, and of a text: places in them have 31 bits, and spaces make a text three times as long.
MOST_BYTES = 1 << 29
#: Code points, and pages of 256 of them.
POINTS = 0x110000
PAGES = POINTS >> 8

#: `chars` holds token << 2 and these.
STARTS = 1
ENDS = 2
#: What a path of the trie ends in: the entry + 1, or the place in `several` of a count and so many of these.
ENTRY = np.uint32((1 << 30) - 1)
AFTER_SPACE = np.uint32(1 << 30)  # counts only behind a space
SEVERAL = np.uint32(1 << 31)
#: What goes on: 0 nothing, the node's number, or the place in `tails` of a count, so many tokens, and their end.
TAIL = np.uint32(1 << 31)
PLACE = np.uint32((1 << 31) - 1)

PRIME = np.uint64(0x9E3779B97F4A7C15)
MIXER = np.uint64(0xD6E8FEB86659FD93)
HALF = np.uint64(32)


@dataclass(frozen=True)
class Index:
    """One metadata list, ready to match; all arrays are read-only and may be memory-mapped.

    Args:
        size: number of entries.
        seed: of the words' hash.
        rules: how entries were spelled and bordered; `match` spells texts likewise.
        pages: uint16 [4352], the page of each 256 code points.
        chars: uint32, pages of 256: the token that a character is << 2 | whether needles start, end with it.
        word_pilots: uint16, see `_place_keys`.
        word_slots: uint32 [w, 2], check and place in `words`; slot i is the token `first word + i`.
        words: uint32, at each place a length in bytes and the bytes of a word, which fill whole items.
        roots: uint32 [tokens, 2], what ends with a first token, and what goes on.
        edge_pilots: uint16, see `_place_keys`.
        edges: uint32 [e, 4], node, token, what ends there and what goes on.
        tails: uint32, stretches of tokens without a fork.
        several: uint32, entries whose needles are equal.
        everywhere: uint32, entries of spaces alone.
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
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays.values())


def build_index(entries: Iterable[str] | pa.Array | pa.ChunkedArray, rules: MatchRules = DEFAULT_RULES) -> Index:
    """Prepare a metadata list for `match`.

    Args:
        entries: in entry id order.
        rules: how entries and texts are spelled, and where they need borders.

    Raises:
        InputError: an entry is empty, or there is more of them than an index can hold.
    """
    strings = _one_array(entries)
    size = len(strings)
    if (empty := pc.index(pc.binary_length(strings), 0).as_py()) >= 0:
        raise InputError("metadata", f"entry {empty} is empty", "Build the metadata again.")
    if size >= ENTRY:
        raise InputError("metadata", f"{size:,} entries in one list", "Part the list.")
    needles = make_needles(strings, rules).cast(pa.large_binary())
    del strings
    data, offsets = buffers(needles)
    if size and offsets[-1] - offsets[0] >= MOST_BYTES:
        raise InputError("metadata", f"{offsets[-1]:,} bytes in one list", "Part the list.")
    behind = (data[offsets[:-1]] == ord(" ")).astype(np.uint8)  # the space in front is asked for at the path's end
    begins, ends = offsets[:-1] + behind, np.ascontiguousarray(offsets[1:])
    pages, chars = _make_pages(_mark_borders(data, begins, ends, behind))
    for seed in range(1, SEEDS + 1):
        paths, bounds, words = _tokenise(data, begins, ends, pages, chars, seed)
        if len(bounds):
            break
    else:
        raise InputError("metadata", "words that no hash tells apart", "Drop entries of thousands of bytes.")
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
        # NumPy reads whole items only, a buffer may end between two
        whole = np.frombuffer(offsets, np.int64, offsets.size // 8)
        view = np.require(whole[strings.offset : strings.offset + len(strings) + 1], requirements="A")
    if data is not None and data.size:
        filled = np.frombuffer(data, np.uint8)
    view.flags.writeable = filled.flags.writeable = False
    return filled, view


def _make_pages(marks: Bytes) -> tuple[Shorts, Words]:
    """`pages` and `chars` of code points' marks: 0 for one that no needle has, else 4 and STARTS, ENDS."""
    used = np.flatnonzero(marks.reshape(PAGES, 256).any(1))
    pages = np.zeros(PAGES, np.uint16)
    pages[used] = np.arange(1, len(used) + 1)
    chars = np.zeros((len(used) + 1, 256), np.uint32)
    chars[1:] = marks.reshape(PAGES, 256)[used] & np.uint8(STARTS | ENDS)
    return pages, chars.reshape(-1)


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
    """The index of needles that are cut into tokens: words found their places, then the trie is laid out."""
    n_chars = int(chars.max(initial=0) >> 2)  # tokens of one character come first
    codes = words[:, 2].copy().view(np.uint64)
    word_pilots, places = _place_keys(codes)
    word_slots, stored = _lay_out_words(data, words, places, _room(len(codes)))
    first_word = n_chars + 1
    tokens = np.concatenate([np.arange(first_word), first_word + places]).astype(np.uint32)
    paths = tokens[paths]
    parents, labels, leaves = _grow_trie(paths, bounds)
    ends, several, everywhere = _end_paths(leaves, behind, len(parents))
    roots, keys, fates, tails = _fold_trie(parents, labels, ends, first_word + len(word_slots))
    edge_pilots, places = _place_keys(keys)
    edges = np.zeros((_room(len(keys)), 4), np.uint32)
    edges[places, 0], edges[places, 1] = keys >> HALF, keys & np.uint64(0xFFFFFFFF)
    edges[places, 2:] = fates
    arrays = (pages, chars, word_pilots, word_slots, stored, roots, edge_pilots, edges, tails, several, everywhere)
    for array in arrays:
        array.flags.writeable = False  # as if mapped from a file: the compiled code is made for one kind only
    return Index(size, seed, rules, *arrays)


def _end_paths(leaves: Ids, behind: Bytes, n_nodes: int) -> tuple[Words, Words, Words]:
    """What ends at each node [n_nodes], `several` and `everywhere`; needle i's path ends at node leaves[i]."""
    words = np.arange(1, len(leaves) + 1, dtype=np.uint32) | (behind.astype(np.uint32) << np.uint32(30))
    everywhere = np.flatnonzero(leaves < 0).astype(np.uint32)  # a padded text has a space, whatever it says
    order = np.argsort(leaves, kind="stable")[len(everywhere) :]
    nodes, first, counts = np.unique(leaves[order], return_index=True, return_counts=True)
    ends = np.zeros(n_nodes, np.uint32)
    ends[nodes] = words[order[first]]
    several = [np.zeros(1, np.uint32)]
    place = 1
    for at in np.flatnonzero(counts > 1):
        group = words[order[first[at] : first[at] + counts[at]]]
        ends[nodes[at]] = SEVERAL | np.uint32(place)
        several += [np.array([len(group)], np.uint32), group]
        place += 1 + len(group)
    return ends, np.concatenate(several), everywhere


def _room(keys: int) -> int:
    """Places of a hash table."""
    return max(1, int(np.ceil(keys / FILL)))


def _place_keys(keys: Codes) -> tuple[Shorts, Offsets]:
    """Pilots, and the place of each key, for distinct keys: those that share a pilot with most others choose first.

    Source: Pibiri and Trani, PTHash, SIGIR 2021.
    """
    pilots = np.zeros(max(1, -(-len(keys) // TOGETHER)), np.uint16)
    mixed = (keys ^ (keys >> HALF)) * MIXER
    buckets = (((mixed >> HALF) * np.uint64(len(pilots))) >> HALF).astype(np.int64)
    sizes = np.bincount(buckets, minlength=len(pilots))
    ends = np.cumsum(sizes)
    members, order = np.argsort(buckets, kind="stable"), np.argsort(-sizes, kind="stable")
    places = np.zeros(len(keys), np.int64)
    if not _find_pilots(keys, members, ends - sizes, ends, order, _room(len(keys)), pilots, places):
        raise InputError("metadata", f"{len(keys):,} words that find no places", "Part the list.")
    return pilots, places


@njit(cache=True, nogil=True)
def _find_pilots(
    keys: Codes, members: Offsets, begins: Offsets, ends: Offsets, order: Offsets, room: int, pilots: Any, places: Any
) -> bool:  # pragma: no cover (compiled)
    """Choose pilots so that each key has a place of its own; False if none do."""
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


@njit(cache=True, nogil=True)
def _decode(data: Bytes, place: int, stop: int) -> tuple[Any, int]:  # pragma: no cover (compiled)
    """The code point at `place` and its width in bytes; what is no UTF-8 is a point that no needle has, of one byte."""
    lead = np.int64(data[place])
    if lead < 0x80:
        return lead, 1
    width = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if lead < 0xC2 or lead > 0xF4 or place + width > stop:
        return 0xD800, 1
    point = lead & (0x7F >> width)
    whole = True
    for i in range(place + 1, place + width):
        byte = np.int64(data[i])
        whole &= byte & 0xC0 == 0x80
        point = point << 6 | (byte & 0x3F)
    least = 0x80 if width == 2 else (0x800 if width == 3 else 0x10000)
    if whole and least <= point < POINTS and point & 0x1FF800 != 0xD800:
        return point, width
    return 0xD800, 1


@njit(cache=True, nogil=True)
def _mark_borders(data: Bytes, begins: Offsets, ends: Offsets, behind: Bytes) -> Bytes:  # pragma: no cover (compiled)
    """By code point: 4 if a needle has it, and whether needles start, end with it.

    A needle behind a space starts wherever its first character does, because a token ends with each space.
    """
    marks = np.zeros(POINTS, np.uint8)
    for needle in range(len(begins)):
        place, stop = begins[needle], ends[needle]
        if behind[needle]:
            marks[32] |= 4 | ENDS
        elif place < stop:
            marks[_decode(data, place, stop)[0]] |= STARTS
        while place < stop:
            point, width = _decode(data, place, stop)
            marks[point] |= 4
            place += width
            if place >= stop:
                marks[point] |= ENDS
    return marks


@njit(cache=True, nogil=True)
def cut(
    hay: Bytes,
    place: Any,
    stop: int,
    pages: Shorts,
    chars: Words,
    base: Any,
    tokens: Words,
    codes: Codes,
    at: Ids,
    n: Any,
) -> Any:  # pragma: no cover (compiled)
    """Cut hay[place:stop] into tokens, written from the n-th on; returns the new n.

    Writes each one's token if it is one known character, else 0; a code of its characters; where it begins, and
    after the last one where that ends.
    """
    code = np.uint64(0)
    border = np.uint32(1)
    while place < stop:
        point: Any = np.int64(hay[place])
        width = 1
        if point >= 0x80:
            point, width = _decode(hay, place, stop)
        char = chars[np.int64(pages[point >> 8]) << 8 | point & 255]
        border |= char & np.uint32(STARTS)
        at[n] = place
        n += np.int64(border)
        code = (code & (np.uint64(border) - np.uint64(1))) + np.uint64(point + 1)
        code *= base
        codes[n - 1] = code
        tokens[n - 1] = (char >> np.uint32(2)) * border
        border = (char >> np.uint32(1)) & np.uint32(1)
        place += width
    at[n] = stop
    return n


@njit(cache=True, nogil=True)
def base_of(seed: int) -> Any:  # pragma: no cover (compiled)
    """What codes are polynomials of: odd, another for each seed."""
    return (np.uint64(seed) * PRIME) | np.uint64(1)


@njit(cache=True, nogil=True)
def _tokenise(
    data: Bytes, begins: Offsets, ends: Offsets, pages: Shorts, chars: Words, seed: int
) -> tuple[Words, Offsets, Offsets]:  # pragma: no cover (compiled)
    """The tokens of all needles end to end; where each needle's begin [n + 1]; and the words.

    Tokens of one character get their numbers in `chars`, from 1 on, and others follow on: number n_chars + 1 + i
    is words[i], of which [i] is begin and end in `data`, and the code. No bounds: two words have one code.
    """
    n_bytes = longest = 0
    for i in range(len(begins)):
        n_bytes += ends[i] - begins[i]
        longest = max(longest, ends[i] - begins[i])
    base = base_of(seed)
    zero = np.int64(0)  # as a literal, `cut` is compiled twice
    tokens = np.empty(longest + 1, np.uint32)
    codes = np.empty(longest + 1, np.uint64)
    at = np.empty(longest + 1, np.int32)
    hay = np.empty(longest, np.uint8)
    for i in range(len(chars)):
        chars[i] &= np.uint32(STARTS | ENDS)
    n_chars = n_words = 0
    for i in range(len(begins)):
        size = ends[i] - begins[i]
        for j in range(size):
            hay[j] = data[begins[i] + j]
        for j in range(cut(hay, zero, size, pages, chars, base, tokens, codes, at, zero)):
            point, width = _decode(hay, at[j], size)
            char = np.int64(pages[point >> 8]) << 8 | point & 255
            if width < at[j + 1] - at[j]:
                n_words += 1
            elif chars[char] >> np.uint32(2) == 0:
                n_chars += 1
                chars[char] |= np.uint32(n_chars << 2)
    room = 16
    while room < 2 * n_words:
        room *= 2
    known = np.zeros(room, np.int64)
    words = np.empty((n_words, 3), np.int64)
    paths = np.empty(n_bytes, np.uint32)
    bounds = np.zeros(len(begins) + 1, np.int64)
    n_words = n_tokens = 0
    for i in range(len(begins)):
        size = ends[i] - begins[i]
        for j in range(size):
            hay[j] = data[begins[i] + j]
        for j in range(cut(hay, zero, size, pages, chars, base, tokens, codes, at, zero)):
            token = np.int64(tokens[j])
            if token == 0:
                code = codes[j]
                slot = np.int64(((code ^ (code >> HALF)) * MIXER) >> HALF) & (room - 1)
                while known[slot] != 0 and np.uint64(words[known[slot] - 1, 2]) != code:
                    slot = (slot + 1) & (room - 1)
                begin, end = begins[i] + at[j], begins[i] + at[j + 1]
                if known[slot] == 0:
                    words[n_words, 0], words[n_words, 1], words[n_words, 2] = begin, end, np.int64(code)
                    n_words += 1
                    known[slot] = n_words
                token = known[slot]
                first, last = words[token - 1, 0], words[token - 1, 1]
                if last - first != end - begin:
                    return paths, bounds[:0], words[:0]
                for k in range(end - begin):
                    if data[first + k] != data[begin + k]:
                        return paths, bounds[:0], words[:0]
                token += n_chars
            paths[n_tokens] = token
            n_tokens += 1
        bounds[i + 1] = n_tokens
    return paths[:n_tokens].copy(), bounds, words[:n_words].copy()


@njit(cache=True, nogil=True)
def _lay_out_words(
    data: Bytes, words: Offsets, places: Offsets, room: int
) -> tuple[Words, Words]:  # pragma: no cover (compiled)
    """`word_slots` and `words` of an index."""
    size = 1
    for i in range(len(words)):
        size += 1 + (words[i, 1] - words[i, 0] + 3) // 4
    slots = np.zeros((room, 2), np.uint32)
    stored = np.zeros(size, np.uint32)
    content = stored.view(np.uint8)
    place = 1
    for i in range(len(words)):
        begin, end = words[i, 0], words[i, 1]
        slots[places[i], 0] = np.uint32(np.uint64(words[i, 2]) >> HALF)
        slots[places[i], 1] = place
        stored[place] = end - begin
        for j in range(end - begin):
            content[4 * (place + 1) + j] = data[begin + j]
        place += 1 + (end - begin + 3) // 4
    return slots, stored


@njit(cache=True, nogil=True)
def _grow_trie(paths: Words, bounds: Offsets) -> tuple[Ids, Words, Ids]:  # pragma: no cover (compiled)
    """Nodes in the order in which paths need them: each one's parent (-1 for none) and token; each path's last node.

    An empty path's is -1.
    """
    room = 16
    while room < len(paths) + len(paths) // 2:
        room *= 2
    known = np.zeros(room, np.int32)
    parents = np.empty(len(paths), np.int32)
    labels = np.empty(len(paths), np.uint32)
    leaves = np.empty(len(bounds) - 1, np.int32)
    n = 0
    for i in range(len(leaves)):
        node = -1
        for j in range(bounds[i], bounds[i + 1]):
            key = np.uint64(node + 1) << HALF | np.uint64(paths[j])
            slot = np.int64(((key ^ (key >> HALF)) * MIXER) >> HALF) & (room - 1)
            while known[slot] != 0 and (parents[known[slot] - 1] != node or labels[known[slot] - 1] != paths[j]):
                slot = (slot + 1) & (room - 1)
            if known[slot] == 0:
                parents[n], labels[n] = node, paths[j]
                n += 1
                known[slot] = n
            node = known[slot] - 1
        leaves[i] = node
    return parents[:n].copy(), labels[:n].copy(), leaves


@njit(cache=True, nogil=True)
def _fold_trie(
    parents: Ids, labels: Words, ends: Words, n_tokens: int
) -> tuple[Words, Codes, Words, Words]:  # pragma: no cover (compiled)
    """`roots`; the edges' keys (node << 32 | token) and what they lead to [e, 2]; `tails`."""
    n = len(parents)
    below = np.zeros(n, np.int32)  # ends of paths further down
    for node in range(n - 1, -1, -1):
        if parents[node] >= 0:
            below[parents[node]] += below[node] + (ends[node] != 0)
    onward = np.zeros(n, np.uint32)
    n_forks = n_edges = 0
    size = 1
    for node in range(n):
        kept = parents[node] < 0 or below[parents[node]] > 1
        n_edges += kept and parents[node] >= 0
        if below[node] > 1:
            n_forks += 1
            onward[node] = n_forks
        size += 0 if kept else 3
    tails = np.zeros(size, np.uint32)
    place = 1
    for leaf in range(n):
        if ends[leaf] == 0:
            continue
        top, count = leaf, 0
        while parents[top] >= 0 and below[parents[top]] < 2:
            top = parents[top]
            count += 1
        if count == 0 or below[top] != 1 or ends[leaf] == 0:
            continue
        onward[top] = TAIL | np.uint32(place)
        tails[place] = count
        node = leaf
        for i in range(count):
            tails[place + count - i] = labels[node]
            node = parents[node]
        tails[place + count + 1] = ends[leaf]
        place += count + 2
    roots = np.zeros((n_tokens, 2), np.uint32)
    keys = np.empty(n_edges, np.uint64)
    fates = np.empty((n_edges, 2), np.uint32)
    n_edges = 0
    for node in range(n):
        if parents[node] < 0:
            roots[labels[node], 0], roots[labels[node], 1] = ends[node], onward[node]
        elif below[parents[node]] > 1:
            keys[n_edges] = np.uint64(onward[parents[node]]) << HALF | np.uint64(labels[node])
            fates[n_edges, 0], fates[n_edges, 1] = ends[node], onward[node]
            n_edges += 1
    return roots, keys, fates, tails[:place].copy()

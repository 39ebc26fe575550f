"""Which entries of a metadata list each text contains: exact substrings, under the recipe's border rules.

A text is cut into tokens once (see `mc2lib.recipe.curation.index`), then the trie of the list is walked from each.
Words are compared byte by byte and the edges of the trie token by token: no match is ever false, and none is ever
missed. Several hundred tokens, of one or more texts, are looked up and walked from in parallel, so that their reads
from memory overlap.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit

from mc2lib.errors import InputError
from mc2lib.params import DEFAULT_RULES, MatchRules
from mc2lib.recipe.curation.borders import BLANKS, SET_OFF, prepare_texts
from mc2lib.recipe.curation.index import MOST_BYTES, Index, buffers
from mc2lib.recipe.curation.index_tokens import Bytes, Ids, Words, base_of, cut
from mc2lib.recipe.curation.index_trie import AFTER_SPACE, ENTRY, PLACE, SEVERAL
from mc2lib.recipe.curation.perfect_hash import HALF, MIXER, PRIME, Offsets, Shorts

#: How many tokens are looked up and walked from in parallel, so that their reads from memory overlap.
ABREAST = 512
#: Up to this many matches are sorted by counting, for each, how many are less.
FEW = 512
#: How a byte is spaced out: 0 stays, 1 becomes a space, 2 gets a space on each side.
_KINDS = np.zeros(256, np.uint8)
_KINDS[[ord(blank) for blank in BLANKS]] = 1
_KINDS[[ord(mark) for mark in SET_OFF]] = 2


def match(texts: pa.Array | pa.ChunkedArray, index: Index) -> pa.ListArray:
    """Find the distinct entries in each text.

    Args:
        texts: string, string_view or binary of any width [n], no nulls; bytes that are not UTF-8 match nothing.
        index: see `build_index`.

    Returns:
        list<int32> [n] of entry ids, ascending and distinct; empty if nothing matches.

    Raises:
        InputError: a text is null, or there are more matches than one batch can hold.
    """
    data, offsets = _text_buffers(texts, index.rules)
    counts = np.zeros(len(offsets) - 1, np.int64)
    found = _match_rows(data, offsets, np.arange(len(counts)), index, counts)
    return _as_lists(counts, found)


def match_languages(
    texts: pa.Array | pa.ChunkedArray, languages: pa.Array | pa.ChunkedArray, indices: Mapping[str, Index]
) -> pa.ListArray:
    """Match each text against the list of its own language only, one language after another.

    Args:
        texts: see `match` [n].
        languages: string [n]; a null is a language without a list.
        indices: by language, all built by the same rules; a text of a language without one matches nothing.

    Returns:
        list<int32> [n] of entry ids in the list of the text's language.

    Raises:
        InputError: as `match`; or there are not as many languages as texts, or two indices have different rules.
    """
    data, offsets = _text_buffers(texts, _common_rules(indices))
    if len(languages) != len(offsets) - 1:
        raise InputError(
            "language", f"{len(languages)} languages, {len(offsets) - 1} texts", "Give one language per text."
        )
    encoded = _joined(languages).dictionary_encode(null_encoding="encode")
    codes, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    counts = np.zeros(len(codes), np.int64)
    parts = [
        _match_rows(data, offsets, order[bounds[code] : bounds[code + 1]], indices[name], counts)
        for code, name in enumerate(names)
        if name in indices
    ]
    found = np.concatenate(parts) if parts else np.zeros(0, np.int32)
    return _as_lists(counts, _in_row_order(order, counts, found))


def _common_rules(indices: Mapping[str, Index]) -> MatchRules:
    """The rules of all indices."""
    rules = {index.rules for index in indices.values()}
    if len(rules) > 1:
        raise InputError("index", f"built by different rules: {rules}", "Build all indices by the same rules.")
    return rules.pop() if rules else DEFAULT_RULES


def _match_rows(data: Bytes, offsets: Offsets, rows: Offsets, index: Index, counts: Offsets) -> Ids:
    """The matches of `rows`, end to end; the number of each goes to `counts`."""
    found: Ids = _match(data, offsets, rows, _KINDS, index.seed, counts, *index.arrays.values())
    return found


def _as_lists(counts: Offsets, found: Ids) -> pa.ListArray:
    if len(found) > np.iinfo(np.int32).max:
        raise InputError("alt_text", f"{len(found)} matches in one batch", "Match in smaller batches.")
    ends = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=ends[1:])
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(found))


def _text_buffers(texts: pa.Array | pa.ChunkedArray, rules: MatchRules) -> tuple[Bytes, Offsets]:
    """The bytes and offsets of texts that are spelled by the rules, as NumPy views; InputError if one is null."""
    if texts.null_count:
        raise InputError("alt_text", f"{texts.null_count} texts are null", "Drop those pairs.")
    joined = _joined(texts)
    if pa.types.is_string_view(joined.type):
        joined = joined.cast(pa.large_string())
    if pa.types.is_binary_view(joined.type) or pa.types.is_fixed_size_binary(joined.type):
        joined = joined.cast(pa.binary())
    data, offsets = buffers(prepare_texts(joined, rules).cast(pa.large_binary()))
    if len(offsets) > 1 and (longest := int(np.diff(offsets).max())) >= MOST_BYTES:
        raise InputError("alt_text", f"a text of {longest:,} bytes", "Drop that pair.")
    return data, offsets


def _joined(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The chunks of a column as one array."""
    if isinstance(array, pa.ChunkedArray):
        if array.num_chunks == 1:
            return array.chunk(0)
        return pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array


@njit(cache=True, nogil=True)
def _space_out(
    data: Bytes, start: int, stop: int, kinds: Bytes, out: Bytes, n: int
) -> int:  # pragma: no cover (compiled)
    """Write the padded, spaced-out text data[start:stop] to out[n:]; return its end."""
    out[n] = 32
    n += 1
    for i in range(start, stop):
        byte = data[i]
        kind = kinds[byte]
        if kind == 0:
            out[n] = byte
            n += 1
        elif kind == 1:
            out[n] = 32
            n += 1
        else:
            out[n] = 32
            out[n + 1] = byte
            out[n + 2] = 32
            n += 3
    out[n] = 32
    return n + 1


@njit(cache=True, nogil=True)
def _match(
    texts: Bytes,
    text_offsets: Offsets,
    rows: Offsets,
    kinds: Bytes,
    seed: int,
    counts: Offsets,
    pages: Shorts,
    chars: Words,
    word_pilots: Shorts,
    word_slots: Words,
    words: Words,
    roots: Words,
    edge_pilots: Shorts,
    edges: Words,
    tails: Words,
    several: Words,
    everywhere: Words,
) -> Ids:  # pragma: no cover (compiled)
    """The entries found in each of `rows`, end to end; the number of each goes to `counts`.

    Each loop reads from the index for many tokens or starts before the next loop uses what was read.
    """
    longest = total = 0
    for row in rows:
        longest = max(longest, text_offsets[row + 1] - text_offsets[row])
        total += text_offsets[row + 1] - text_offsets[row]
    # bytes of spaced-out texts; every token has at least one
    room = min(3 * longest + 16 * ABREAST, 3 * total + 2 * len(rows))
    hay = np.empty(room, np.uint8)
    tokens = np.empty(room + ABREAST, np.uint32)
    codes = np.empty(room + ABREAST, np.uint64)
    at = np.empty(room + ABREAST, np.int32)
    row_of = np.empty(room + ABREAST, np.int32)
    spaces = np.empty(room + ABREAST, np.uint32)
    homes = np.empty(room, np.int64)
    asked = np.empty(room + 1, np.int32)
    starts = np.empty(room + ABREAST, np.int32)
    nodes = np.empty(room + ABREAST, np.uint32)
    tail_starts = np.empty(room + ABREAST, np.int32)
    tail_places = np.empty(room + ABREAST, np.uint32)
    bounds = np.empty(ABREAST + 1, np.int64)
    few = np.empty((2, FEW), np.int32)
    hits = np.empty((8 * ABREAST, 2), np.int32)
    found = np.empty(8 * len(rows), np.int32)
    base = base_of(seed)
    content = words.view(np.uint8)
    n_buckets, n_slots = np.uint64(len(word_pilots)), np.uint64(len(word_slots))
    n_edge_buckets, n_edges = np.uint64(len(edge_pilots)), np.uint64(len(edges))
    first_word = np.uint32(len(roots) - len(word_slots))
    done = 0
    n_found: Any = np.int64(0)
    while done < len(rows):
        last = len(hits) - 1
        n = length = n_rows = n_asked = 0
        n_hits: Any = 0
        while n < ABREAST and n_rows < ABREAST and done + n_rows < len(rows):
            row = rows[done + n_rows]
            if n_rows and length + 3 * (text_offsets[row + 1] - text_offsets[row]) + 2 > room:
                break
            stop = _space_out(texts, text_offsets[row], text_offsets[row + 1], kinds, hay, length)
            first, n = n, cut(hay, length, stop, pages, chars, base, tokens, codes, at, n)
            length = stop
            for i in range(first, n):
                row_of[i] = n_rows
                spaces[i] = np.uint32(i > first and hay[at[i] - 1] == 32) << np.uint32(30)
                asked[n_asked] = i
                n_asked += tokens[i] == 0
            tokens[n] = 0  # between texts, a token that none has
            n += 1
            for entry in everywhere:
                hits[min(n_hits, last), 0], hits[min(n_hits, last), 1] = np.int32(entry), first
                n_hits += 1
            n_rows += 1
        for k in range(n_asked):
            code = codes[asked[k]]
            mixed = (code ^ (code >> HALF)) * MIXER
            bucket = ((mixed >> HALF) * n_buckets) >> HALF
            mixed = (mixed ^ (np.uint64(word_pilots[bucket]) * PRIME)) * MIXER
            mixed = (mixed ^ (mixed >> HALF)) * PRIME
            homes[k] = np.int64(((mixed >> HALF) * n_slots) >> HALF)
        n_likely = 0
        for k in range(n_asked):
            i, home = asked[k], homes[k]
            asked[n_likely], homes[n_likely] = i, home
            n_likely += word_slots[home, 0] == np.uint32(codes[i] >> HALF)
        for k in range(n_likely):
            i, home = asked[k], homes[k]
            place = np.int64(word_slots[home, 1])
            size = at[i + 1] - at[i]
            if words[place] == size:
                differ = np.uint8(0)
                for j in range(size):
                    differ |= content[4 * (place + 1) + j] ^ hay[at[i] + j]
                if differ == 0:
                    tokens[i] = first_word + np.uint32(home)
        n_active: Any = 0
        n_tails: Any = 0
        for i in range(n - 1):
            token = np.int64(tokens[i])
            end, onward = roots[token, 0], roots[token, 1]
            if end & SEVERAL != 0:
                n_hits = _add_several(hits, n_hits, several, end, i, spaces[i])
            else:
                hits[min(n_hits, last), 0], hits[min(n_hits, last), 1] = np.int32(end & ENTRY) - 1, i
                n_hits += np.int64(end != 0) & np.int64(end & AFTER_SPACE <= spaces[i])
            tail = np.int64(onward >> np.uint32(31))
            starts[n_active] = tail_starts[n_tails] = i
            nodes[n_active] = tail_places[n_tails] = onward & PLACE
            more = np.int64(onward != 0) & np.int64(tokens[i + 1] != 0)
            n_tails += more & tail
            n_active += more & (1 - tail)
        depth = 1
        while n_active + n_tails:
            for k in range(n_tails):
                start, place = np.int64(tail_starts[k]), np.int64(tail_places[k])
                size = np.int64(tails[place])
                same = 0
                while same < size and tails[place + 1 + same] == tokens[start + depth + same]:
                    same += 1
                if same == size:
                    end = tails[place + 1 + size]
                    if end & SEVERAL != 0:
                        n_hits = _add_several(hits, n_hits, several, end, start, spaces[start])
                    else:
                        hits[min(n_hits, last), 0], hits[min(n_hits, last), 1] = np.int32(end & ENTRY) - 1, start
                        n_hits += np.int64(end & AFTER_SPACE <= spaces[start])
            for k in range(n_active):
                key = np.uint64(nodes[k]) << HALF | np.uint64(tokens[starts[k] + depth])
                mixed = (key ^ (key >> HALF)) * MIXER
                bucket = ((mixed >> HALF) * n_edge_buckets) >> HALF
                mixed = (mixed ^ (np.uint64(edge_pilots[bucket]) * PRIME)) * MIXER
                mixed = (mixed ^ (mixed >> HALF)) * PRIME
                homes[k] = np.int64(((mixed >> HALF) * n_edges) >> HALF)
            n_going: Any = 0
            for k in range(n_active):
                home, start = homes[k], np.int64(starts[k])
                homes[n_going], starts[n_going] = home, start
                n_going += np.int64(edges[home, 0] == nodes[k]) & np.int64(edges[home, 1] == tokens[start + depth])
            n_active = n_tails = 0
            for k in range(n_going):
                home, start = homes[k], np.int64(starts[k])
                end, onward = edges[home, 2], edges[home, 3]
                if end & SEVERAL != 0:
                    n_hits = _add_several(hits, n_hits, several, end, start, spaces[start])
                else:
                    hits[min(n_hits, last), 0], hits[min(n_hits, last), 1] = np.int32(end & ENTRY) - 1, start
                    n_hits += np.int64(end != 0) & np.int64(end & AFTER_SPACE <= spaces[start])
                tail = np.int64(onward >> np.uint32(31))
                starts[n_active] = tail_starts[n_tails] = start
                nodes[n_active] = tail_places[n_tails] = onward & PLACE
                more = np.int64(onward != 0) & np.int64(tokens[start + depth + 1] != 0)
                n_tails += more & tail
                n_active += more & (1 - tail)
            depth += 1
        if n_hits > last:  # again with more room: growing where a match is found would slow down every match
            hits = np.empty((2 * n_hits, 2), np.int32)
            continue
        found = _room_for(found, n_found, n_hits)
        for k in range(n_rows + 1):
            bounds[k] = 0
        for k in range(n_hits):
            bounds[row_of[hits[k, 1]] + 1] += 1
        for k in range(n_rows):
            bounds[k + 1] += bounds[k]
        for k in range(n_hits):
            row = row_of[hits[k, 1]]
            found[n_found + bounds[row]] = hits[k, 0]
            bounds[row] += 1
        base_found = stop = n_found
        for k in range(n_rows):
            begin, stop = stop, base_found + bounds[k]
            before, n_found = n_found, _sort_distinct(found, begin, stop, n_found, few)
            counts[rows[done + k]] = n_found - before
        done += n_rows
    return found[:n_found]


@njit(cache=True, nogil=True)
def _add_several(
    hits: Any, n_hits: Any, several: Words, end: Any, start: Any, space: Any
) -> Any:  # pragma: no cover (compiled)
    """Add entries whose needles are equal; return how many hits there are now, whether or not there is room."""
    place = np.int64(end & PLACE)
    last = len(hits) - 1
    for i in range(place + 1, place + 1 + np.int64(several[place])):
        hits[min(n_hits, last), 0], hits[min(n_hits, last), 1] = np.int32(several[i] & ENTRY) - 1, start
        n_hits += np.int64(several[i] & AFTER_SPACE <= space)
    return n_hits


@njit(cache=True, nogil=True)
def _room_for(found: Ids, n_found: int, more: int) -> Ids:  # pragma: no cover (compiled)
    """`found`, or a copy of what it holds with room for more."""
    if n_found + more <= len(found):
        return found
    grown = np.empty(2 * (n_found + more), np.int32)
    for i in range(n_found):  # a slice does the same, but takes a second longer to compile
        grown[i] = found[i]
    return grown


@njit(cache=True, nogil=True)
def _sort_distinct(found: Ids, begin: int, end: int, to: int, few: Any) -> int:  # pragma: no cover (compiled)
    """Move found[begin:end] to found[to:], sorted and without repeats; return the new end.

    An entry may occur in a text twice. The place of each is the number of smaller ones, counted without branches that
    could be mispredicted, several per step.
    """
    size = end - begin
    if size > FEW:
        _sort(found, begin, end)
        for i in range(begin, end):
            found[to] = found[i]
            to += i + 1 == end or found[i + 1] != found[i]
        return to
    for i in range(size):
        few[0, i] = found[begin + i]
        few[1, i] = -1
    for i in range(size):
        less = np.int32(0)
        here = few[0, i]
        for j in range(size):
            less = np.int32(less + np.int32(few[0, j] < here))  # narrow, so that more fit into a vector
        few[1, less] = here
    for i in range(size):
        found[to] = few[1, i]
        to += few[1, i] >= 0
    return to


@njit(cache=True, nogil=True)
def _sort(found: Ids, begin: int, end: int) -> None:  # pragma: no cover (compiled)
    """Sort found[begin:end] by Shell's method, which compiles a second faster than NumPy's."""
    gap = 1
    while gap < (end - begin) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(begin + gap, end):
            here = found[i]
            j = i
            while j >= begin + gap and found[j - gap] > here:
                found[j] = found[j - gap]
                j -= gap
            found[j] = here
        gap //= 3


@njit(cache=True, nogil=True)
def _in_row_order(order: Offsets, counts: Offsets, found: Ids) -> Ids:  # pragma: no cover (compiled)
    """Move lists from the order `order` of their rows into the order of the rows."""
    begins = np.zeros(len(counts) + 1, np.int64)
    for row in range(len(counts)):
        begins[row + 1] = begins[row] + counts[row]
    moved = np.empty(len(found), np.int32)
    at = 0
    for row in order:
        for i in range(counts[row]):
            moved[begins[row] + i] = found[at + i]
        at += counts[row]
    return moved

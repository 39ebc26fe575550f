"""Which entries of a metadata list stand in each text: exact substrings, under the recipe's border rules.

Entries become needles: set off as texts are, with a space at each end that needs a word border. A needle
can only start and end where the metadata's needles do, so it is cut into prefixes there: after a space,
after punctuation, after each character of a script without spaces. The prefixes that tell needles apart
lie in one hash table; a text is walked from each place where a needle may start, cut by cut, until no
needle goes on. A needle counts once its bytes are compared with the text's, so no match is ever false;
tables are built until no two prefixes can be taken for each other, so none is ever missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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
Words = npt.NDArray[np.uint32]
Slots = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int32]

#: Hashes tried until one tells all prefixes of a list apart; the first nearly always does.
SEEDS = 64
#: Share of the table's slots in use.
FILL = 0.62
#: Starts that are walked side by side, so that one waits for memory while others do.
ABREAST = 256
#: As many needles are compared one by one rather than told apart by further prefixes.
TOGETHER = 3
#: A slot holds tag << 32 | flags << 30 | place of the needle in `needles` + 1.
NEEDLE = np.uint64((1 << 30) - 1)
ENDS_HERE = np.uint64(1 << 30)  # the needle is the prefix itself
GOES_ON = np.uint64(1 << 31)  # longer prefixes are stored
#: How texts are spaced out: 0 as it is, 1 becomes a space, 2 gets a space on each side.
_KINDS = np.zeros(256, np.uint8)
_KINDS[[ord(blank) for blank in BLANKS]] = 1
_KINDS[[ord(mark) for mark in SET_OFF]] = 2
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIXER = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class Index:
    """One metadata list, ready to match; all arrays are read-only and may be memory-mapped.

    Args:
        needles: uint32, in sorted order each needle's entry id, its length in bytes << 1 | whether the next
            one is compared with it, and its bytes, which fill whole words: what is read together lies together.
        table: uint64, open hash table of prefixes, see the constants above.
        borders: uint8 [2, 8192], bitmaps by two bytes: how needles start, what prefixes end with.
        size: number of entries.
        longest: bytes of the longest needle.
        seed: of the hash.
    """

    needles: Words
    table: Slots
    borders: Bytes
    size: int
    longest: int
    seed: int

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in (self.needles, self.table, self.borders))


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


def build_index(entries: Iterable[str] | pa.Array | pa.ChunkedArray, bordered: bool) -> Index:
    """Prepare a metadata list for `match`.

    Args:
        entries: in entry id order.
        bordered: whether the language sets spaces between words.

    Raises:
        InputError: an entry is empty, or there is more of them than an index can hold.
    """
    entries = entries.to_pylist() if isinstance(entries, pa.Array | pa.ChunkedArray) else list(entries)
    if not all(entries):
        raise InputError("metadata", f"entry {entries.index('')} is empty", "Build the metadata again.")
    needles = pa.array([make_needle(entry, bordered) for entry in entries], pa.large_string()).cast(pa.large_binary())
    del entries
    order = pc.array_sort_indices(needles)
    data, offsets = _buffers(needles.take(order))
    data = data[: offsets[-1]]
    widths = np.diff(offsets)
    places = np.zeros(len(offsets), np.int64)
    np.cumsum(2 + (widths + 3) // 4, out=places[1:])
    if places[-1] >= NEEDLE:
        raise InputError("metadata", f"{len(order)} entries, {len(data):,} bytes in one list", "Part the list.")
    shared = _shared(data, offsets)
    borders = _find_borders(data, offsets)
    slots = int(_count_prefixes(data, offsets, shared, borders[1]) / FILL) + 2
    seed, more = 1, np.zeros(len(order), np.uint8)
    while (table := _fill_table(data, offsets, places, shared, borders[1], slots, seed, more)) is None:
        seed += 1
        if seed > SEEDS:
            raise InputError("metadata", "entries that no hash tells apart", "Drop entries of thousands of bytes.")
    words = _lay_out(data, offsets, places, order.to_numpy().astype(np.uint32), more)
    for array in (words, table, borders):
        array.flags.writeable = False  # as if mapped from a file: the compiled code is made for one kind only
    return Index(
        needles=words,
        table=table,
        borders=borders,
        size=len(order),
        longest=int(widths.max(initial=0)),
        seed=seed,
    )


def match(texts: pa.Array | pa.ChunkedArray, index: Index) -> pa.ListArray:
    """Find the distinct entries in each text.

    Args:
        texts: string, string_view or binary of any width [n], no nulls; bytes that are no UTF-8 match nothing.
        index: see `build_index`.

    Returns:
        list<int32> [n] of entry ids, ascending and distinct; empty where nothing matches.

    Raises:
        InputError: a text is null, or there are more matches than one batch holds.
    """
    data, offsets = _text_buffers(texts)
    counts = np.zeros(len(offsets) - 1, np.int64)
    found = _match_rows(data, offsets, np.arange(len(counts)), index, counts)
    return _as_lists(counts, found)


def match_languages(
    texts: pa.Array | pa.ChunkedArray, languages: pa.Array | pa.ChunkedArray, indices: Mapping[str, Index]
) -> pa.ListArray:
    """Match each text against its own language's list only, one language after another.

    Args:
        texts: as `match` takes them [n].
        languages: string [n]; a null is a language without a list.
        indices: by language; a text of a language without one matches nothing.

    Returns:
        list<int32> [n]; ids are of the text's own language's list.

    Raises:
        InputError: as `match`, or there are not as many languages as texts.
    """
    data, offsets = _text_buffers(texts)
    if len(languages) != len(offsets) - 1:
        raise InputError("language", f"{len(languages)} languages, {len(offsets) - 1} texts", "Give one a text.")
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


def _match_rows(data: Bytes, offsets: Offsets, rows: Offsets, index: Index, counts: Offsets) -> Ids:
    """The matches of `rows`, one after another; how many each has goes to `counts`."""
    starts, ends = index.borders
    arrays = (index.needles, index.needles.view(np.uint8), index.table, starts, ends)
    found: Ids = _match(data, offsets, rows, *arrays, index.longest, index.seed, counts, _KINDS)
    return found


def _as_lists(counts: Offsets, found: Ids) -> pa.ListArray:
    if len(found) > np.iinfo(np.int32).max:
        raise InputError("alt_text", f"{len(found)} matches in one batch", "Match in smaller batches.")
    ends = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=ends[1:])
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(found))


def _text_buffers(texts: pa.Array | pa.ChunkedArray) -> tuple[Bytes, Offsets]:
    """The bytes and offsets of texts, as NumPy views; InputError if one is null."""
    if texts.null_count:
        raise InputError("alt_text", f"{texts.null_count} texts are null", "Drop those pairs.")
    joined = _joined(texts)
    if pa.types.is_string_view(joined.type):
        joined = joined.cast(pa.large_string())
    if pa.types.is_binary_view(joined.type) or pa.types.is_fixed_size_binary(joined.type):
        joined = joined.cast(pa.binary())
    return _buffers(joined.cast(pa.large_binary()))


def _joined(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array of a column's chunks."""
    if isinstance(array, pa.ChunkedArray):
        if array.num_chunks == 1:
            return array.chunk(0)
        return pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array


def _buffers(strings: pa.Array) -> tuple[Bytes, Offsets]:
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


@njit(cache=True, nogil=True)
def _space_out(data: Bytes, start: int, stop: int, kinds: Bytes, out: Bytes) -> int:  # pragma: no cover (compiled)
    """Write the padded, spaced-out text data[start:stop] to `out`; return its length."""
    out[0] = 32
    n = 1
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
    out[n + 1] = 0  # the byte after the last is looked at, never matched
    return n + 1


@njit(cache=True, nogil=True)
def _cut_width(ends: Bytes, data: Bytes, place: int, stop: int) -> int:  # pragma: no cover (compiled)
    """Bytes of the character at `place` if a prefix may end with it, else 0.

    Only the character's own bytes are looked at, so that bytes that are no UTF-8 around a needle do not hide it.
    """
    lead = np.int64(data[place])
    width = 1
    pair = lead << 8
    if lead >= 0x80:
        if lead < 0xC0:
            return 0
        width = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
        if place + width > stop:
            return 0
        for i in range(place + 1, place + width):
            if data[i] & 0xC0 != 0x80:
                return 0
        pair |= np.int64(data[place + 1])
    return width if (ends[pair >> 3] >> (pair & 7)) & 1 else 0


@njit(cache=True, nogil=True)
def _base(seed: int) -> Any:  # pragma: no cover (compiled)
    """What codes are polynomials of: odd, another for each seed."""
    return (np.uint64(seed) * _PRIME) | np.uint64(1)


@njit(cache=True, nogil=True)
def _shared(data: Bytes, offsets: Offsets) -> Ids:  # pragma: no cover (compiled)
    """int32 [n + 1]: bytes that needle i begins with as needle i - 1 does; 0 at both ends."""
    n = len(offsets) - 1
    shared = np.zeros(n + 1, np.int32)
    for i in range(1, n):
        before, here = offsets[i - 1], offsets[i]
        most = min(here - before, offsets[i + 1] - here)
        same = 0
        while same < most and data[before + same] == data[here + same]:
            same += 1
        shared[i] = same
    return shared


@njit(cache=True, nogil=True)
def _find_borders(data: Bytes, offsets: Offsets) -> Bytes:  # pragma: no cover (compiled)
    """Bitmaps of two bytes: those that start a needle, and the last characters of needles.

    A needle of one byte starts with any two. A character counts by its first two bytes; one of one byte by
    itself and 0. Nearly all needles of spaced languages start with a space: a cut there would part nothing,
    and is made only when a space alone is a needle, which stands as a space and 1.
    """
    borders = np.zeros((2, 8192), np.uint8)
    for needle in range(len(offsets) - 1):
        start, stop = offsets[needle], offsets[needle + 1]
        first = np.int64(data[start])
        for second in range(256):
            if stop - start == 1 or second == data[start + 1]:
                pair = first << 8 | second
                borders[0, pair >> 3] |= 1 << (pair & 7)
                if stop - start > 1:
                    break
        last = stop - 1
        while last > start and data[last] & 0xC0 == 0x80:
            last -= 1
        pair = np.int64(data[last]) << 8
        if stop - last > 1:
            pair |= np.int64(data[last + 1])
        elif stop - start == 1 and first == 32:
            borders[1, (pair | 1) >> 3] |= 2
        borders[1, pair >> 3] |= 1 << (pair & 7)
    return borders


@njit(cache=True, nogil=True)
def _last_together(shared: Ids, needle: int, size: int) -> int:  # pragma: no cover (compiled)
    """The needle after those with the first `size` bytes of `needle`, the first such; 0 if they are too many."""
    for after in range(needle + 1, needle + 1 + TOGETHER):
        if shared[after] < size:
            return after
    return 0


@njit(cache=True, nogil=True)
def _count_prefixes(data: Bytes, offsets: Offsets, shared: Ids, ends: Bytes) -> int:  # pragma: no cover (compiled)
    """How many prefixes `_fill_table` will store."""
    n = 0
    done = 0
    lone_space = (ends[(32 << 8) >> 3] >> 1) & 1
    for needle in range(len(offsets) - 1):
        if needle < done:
            continue
        start, stop = offsets[needle], offsets[needle + 1]
        for place in range(start, stop):
            width = _cut_width(ends, data, place, stop)
            size = place + width - start
            if width == 0 or size <= shared[needle] or (place == start and data[place] == 32 and not lone_space):
                continue
            n += 1
            done = _last_together(shared, needle, size)
            if done:
                break
    return n


@njit(cache=True, nogil=True)
def _fill_table(
    data: Bytes, offsets: Offsets, places: Offsets, shared: Ids, ends: Bytes, slots: int, seed: int, more: Bytes
) -> Slots | None:  # pragma: no cover (compiled)
    """The table of prefixes, each with the first needle that has it; None if two cannot be told apart.

    Prefixes of more than TOGETHER needles are stored, and of each the next ones that fewer have.
    """
    table = np.zeros(slots, np.uint64)
    done = 0
    base = _base(seed)
    lone_space = (ends[(32 << 8) >> 3] >> 1) & 1
    for needle in range(len(offsets) - 1):
        start, stop = offsets[needle], offsets[needle + 1]
        if needle < done:
            continue
        code = np.uint64(0)
        coded = start
        for place in range(start, stop):
            width = _cut_width(ends, data, place, stop)
            size = place + width - start
            if width == 0 or size <= shared[needle] or (place == start and data[place] == 32 and not lone_space):
                continue
            while coded < start + size:
                code = code * base + np.uint64(data[coded])
                coded += 1
            mixed = (code ^ (code >> np.uint64(32))) * _MIXER
            slot: Any = np.int64(((mixed >> np.uint64(32)) * np.uint64(slots)) >> np.uint64(32))
            tag = (mixed ^ (mixed >> np.uint64(29))) & np.uint64(0xFFFFFFFF)
            while table[slot] != 0:
                if table[slot] >> np.uint64(32) == tag:
                    return None
                slot = slot + 1 if slot + 1 < slots else 0
            value = (tag << np.uint64(32)) | np.uint64(places[needle] + 1)
            done = _last_together(shared, needle, size)
            if start + size == stop:
                value |= ENDS_HERE
            if done == 0:
                value |= GOES_ON
            table[slot] = value
            if done:
                more[needle : done - 1] = 1
                break
            same = needle + 1
            while start + size == stop and shared[same] == size and offsets[same + 1] - offsets[same] == size:
                more[same - 1] = 1  # the same needle of another entry
                same += 1
    return table


@njit(cache=True, nogil=True)
def _lay_out(
    data: Bytes, offsets: Offsets, places: Offsets, entries: Words, more: Bytes
) -> Words:  # pragma: no cover (compiled)
    """Each needle's entry, length and bytes, at its place."""
    words = np.zeros(places[-1], np.uint32)
    content = words.view(np.uint8)
    for needle in range(len(entries)):
        place = places[needle]
        start, stop = offsets[needle], offsets[needle + 1]
        words[place] = entries[needle]
        words[place + 1] = (stop - start) << 1 | more[needle]
        for i in range(stop - start):
            content[4 * (place + 2) + i] = data[start + i]
    return words


@njit(cache=True, nogil=True)
def _match(
    texts: Bytes,
    text_offsets: Offsets,
    rows: Offsets,
    words: Words,
    content: Bytes,
    table: Slots,
    starts: Bytes,
    ends: Bytes,
    longest: int,
    seed: int,
    counts: Offsets,
    kinds: Bytes,
) -> Ids:  # pragma: no cover (compiled)
    """The entries found in each of `rows`, one row after another; how many each has goes to `counts`.

    The places where needles may start are walked abreast, cut by cut, in three passes each: find the next
    cut and its slot, read the slots, use them. The reads wait for memory together, not one by one.
    """
    found = np.empty(max(1024, 8 * len(rows)), np.int32)
    n_found = 0
    slots = len(table)
    longest_text = 0
    for row in rows:
        longest_text = max(longest_text, text_offsets[row + 1] - text_offsets[row])
    room = 3 * longest_text + 4
    hay = np.empty(room, np.uint8)
    sums = np.empty(room, np.uint64)  # of the bytes before, as a polynomial
    cuts = np.empty(room, np.int64)
    all_starts = np.empty(room, np.int64)
    first_cuts = np.empty(room, np.int64)
    base = _base(seed)
    powers = np.ones(longest + 1, np.uint64)
    for i in range(longest):
        powers[i + 1] = powers[i] * base
    spaces = ends[(32 << 8) >> 3] & 3
    skips_space = spaces == 1  # a cut, but no needle
    begun = np.empty(ABREAST, np.int64)
    next_cut = np.empty(ABREAST, np.int64)
    tags = np.empty(ABREAST, np.uint64)
    homes = np.empty(ABREAST, np.int64)
    values = np.empty(ABREAST, np.uint64)
    likely = np.empty(ABREAST, np.int64)
    likely_at = np.empty(ABREAST, np.int64)
    sizes = np.empty(ABREAST, np.int64)
    done = 0
    while done < len(rows):
        row = rows[done]
        length = _space_out(texts, text_offsets[row], text_offsets[row + 1], kinds, hay)
        begin = n_found
        n_cuts: Any = 0
        n_starts: Any = 0
        total = np.uint64(0)
        for place in range(length):
            byte = np.int64(hay[place])
            pair = byte << 8 | np.int64(hay[place + 1])
            sums[place] = total
            total = total * base + np.uint64(byte)
            all_starts[n_starts] = place
            first_cuts[n_starts] = n_cuts + (byte == 32 and skips_space)
            n_starts += np.int64((starts[pair >> 3] >> (pair & 7)) & 1)
            # _cut_width, written out: handing arrays to a function at each byte costs ten times what it does
            width = 1
            pair = byte << 8
            if byte >= 0xC0:
                width = 2 if byte < 0xE0 else (3 if byte < 0xF0 else 4)
                pair |= np.int64(hay[place + 1])
                whole = place + width <= length
                for i in range(place + 1, min(place + width, length)):
                    whole &= hay[i] & 0xC0 == 0x80
                width = width if whole else 0
            elif byte >= 0x80:
                width = 0
            cuts[n_cuts] = place + width
            n_cuts += np.int64((ends[pair >> 3] >> (pair & 7)) & 1) * (width > 0)
        sums[length] = total
        taken = 0
        while taken < n_starts:
            n_active = min(ABREAST, n_starts - taken)
            for i in range(n_active):
                begun[i] = all_starts[taken + i]
                next_cut[i] = first_cuts[taken + i]
            taken += n_active
            while n_active:
                n_asked = 0
                for i in range(n_active):
                    if next_cut[i] >= n_cuts:
                        continue
                    begins = begun[i]
                    size = cuts[next_cut[i]] - begins
                    if size > longest:
                        continue
                    code = sums[begins + size] - sums[begins] * powers[size]
                    mixed = (code ^ (code >> np.uint64(32))) * _MIXER
                    homes[n_asked] = np.int64(((mixed >> np.uint64(32)) * np.uint64(slots)) >> np.uint64(32))
                    tags[n_asked] = (mixed ^ (mixed >> np.uint64(29))) & np.uint64(0xFFFFFFFF)
                    begun[n_asked], next_cut[n_asked] = begins, next_cut[i] + 1
                    n_asked += 1
                for i in range(n_asked):
                    values[i] = table[homes[i]]
                n_active = 0
                n_likely = 0
                for i in range(n_asked):
                    value, slot, tag = values[i], homes[i], tags[i]
                    while value != 0 and value >> np.uint64(32) != tag:
                        slot = slot + 1 if slot + 1 < slots else 0
                        value = table[slot]
                    if value == 0:
                        continue
                    if value & (ENDS_HERE | GOES_ON) != GOES_ON:
                        likely[n_likely] = np.int64(value & NEEDLE) - 1
                        likely_at[n_likely] = begun[i]
                        n_likely += 1
                    if value & GOES_ON != 0:
                        begun[n_active], next_cut[n_active] = begun[i], next_cut[i]
                        n_active += 1
                for i in range(n_likely):
                    sizes[i] = words[likely[i] + 1]
                for i in range(n_likely):
                    needle, about, at = likely[i], sizes[i], likely_at[i]
                    while True:
                        size = about >> 1
                        first = 4 * (needle + 2)
                        same = 0
                        if at + size <= length:
                            while same < size and content[first + same] == hay[at + same]:
                                same += 1
                        if same == size:
                            if n_found < len(found):
                                found[n_found] = np.int32(words[needle])
                            n_found += 1
                        if about & 1 == 0:
                            break
                        needle += 2 + ((size + 3) >> 2)
                        about = np.int64(words[needle + 1])
        if n_found > len(found):
            # once more, with room: making it where a match is found would slow down every match
            grown = np.empty(2 * n_found, np.int32)
            for i in range(begin):  # a slice is the same, and takes a second more to compile
                grown[i] = found[i]
            found, n_found = grown, begin
            continue
        n_found = _sort_distinct(found, begin, n_found)
        counts[row] = n_found - begin
        done += 1
    return found[:n_found].copy()


@njit(cache=True, nogil=True)
def _sort_distinct(found: Ids, begin: int, end: int) -> int:  # pragma: no cover (compiled)
    """Sort found[begin:end], drop repeats, and return the new end: an entry may stand in a text twice."""
    if end - begin > 96:
        found[begin:end].sort()
    else:
        for i in range(begin + 1, end):
            here = found[i]
            j = i
            while j > begin and found[j - 1] > here:
                found[j] = found[j - 1]
                j -= 1
            found[j] = here
    n = begin
    for i in range(begin, end):
        if i == begin or found[i] != found[n - 1]:
            found[n] = found[i]
            n += 1
    return n


@njit(cache=True, nogil=True)
def _in_row_order(order: Offsets, counts: Offsets, found: Ids) -> Ids:  # pragma: no cover (compiled)
    """Lists that stand in the order `order` of their rows, in the order of the rows."""
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

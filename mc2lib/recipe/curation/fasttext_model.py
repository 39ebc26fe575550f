"""fastText models: what a `.bin` or `.ftz` file holds, as arrays that `lid` reads while it predicts.

The format is fastText's version 12: arguments, dictionary, input matrix, output matrix, all in
little-endian order and without alignment. Nothing in the file is trusted: every length is held
against what is there, every index against what it points into.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.extending import intrinsic

from mc2lib.errors import InputError

MAGIC = 793_712_314
VERSIONS = (11, 12)

#: fastText's numbers for the loss a model was trained with, and for a classifier among its models.
HIERARCHICAL, NEGATIVE, SOFTMAX, ONE_VS_ALL = 1, 2, 3, 4
SUPERVISED = 3

#: The end of a line, a word of its own.
EOS = b"</s>"

FNV_START, FNV_PRIME = 2_166_136_261, 16_777_619
CENTROIDS = 256
#: fastText's count of a tree node that is not there yet; no label may be as common.
NO_COUNT = 10**15
#: No model has longer n-grams of characters.
MAX_NGRAM = 1024
#: The rows of so many words, the commonest first, are kept ready; those of others are looked up each time.
EXPANDED = 50_000

_ONE, _HALF, _BITS = np.uint64(1), np.uint64(32), np.uint64(63)
_LOW, _START, _PRIME = np.uint64(0xFFFFFFFF), np.uint64(FNV_START), np.uint64(FNV_PRIME)
_LEAD, _INSIDE = np.uint64(0xC0), np.uint64(0x80)

Bytes: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int32]
Longs: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint64]
Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
#: A number inside compiled code, which gives it a width of its own.
Number: TypeAlias = Any

_REMEDY = "Give a whole fastText classifier (.bin or .ftz), such as lid.176.ftz."


class Vocabulary(NamedTuple):
    """The words and labels that a model knows.

    Args:
        data: their bytes, end to end.
        offsets: int64 [n + 1], where each lies in `data`.
        slots: uint64 [power of two], open addressing: a word's FNV-1a above its number + 1, or 0.
        words: how many are words; the rest are labels.
    """

    data: Bytes
    offsets: Longs
    slots: Words
    words: int


class Buckets(NamedTuple):
    """Which row of the input matrix belongs to a hashed n-gram.

    Args:
        size: uint64, buckets there are.
        inverse: uint64, 2^64 / size, rounded up.
        first: row of the first one.
        minn, maxn: characters of the shortest and the longest n-gram; there are none if `maxn` is 0.
        marks: uint64 [2 * n]: a bit a bucket, set if it was kept and, beside every 64 of them, how many
            were kept before. The n-th bucket that was kept has the n-th row. Empty if all were.
    """

    size: Number
    inverse: Number
    first: int
    minn: int
    maxn: int
    marks: Words


class Tree(NamedTuple):
    """The tree of a hierarchical softmax; labels are its leaves 0..n-1, the last node is its root.

    Args:
        left, right: int32 [2n - 1], children; -1 at a leaf.
        slack: how far the search's cuts can be off, with room, since a leaf may be a little better than
            a node above it.
        factor: e to minus that.
    """

    left: Ints
    right: Ints
    slack: float
    factor: float


class Arrays(NamedTuple):
    """All that predicting reads.

    Args:
        vocabulary, buckets, tree: see there; the tree is empty for other losses.
        eos: int64 [<= 1], the number of the word that ends each line.
        word_ngrams: words in the longest n-gram of words.
        rows: float32 [rows, dim], the input matrix.
        output: float32 [labels, dim] for the hierarchical softmax, else its transpose.
        expanded: int32, the rows of the commonest words and their n-grams, end to end.
        expanded_offsets: int64 [words + 1], where each word's lie.
    """

    vocabulary: Vocabulary
    buckets: Buckets
    tree: Tree
    eos: Longs
    word_ngrams: int
    rows: Floats
    output: Floats
    expanded: Ints
    expanded_offsets: Longs


@dataclass(frozen=True)
class FastText:
    """A fastText classifier.

    Args:
        name: where it was read from.
        labels: by number, as the file spells them (`__label__en`).
        loss: HIERARCHICAL, SOFTMAX, or one of the two that give each label its own probability.
        arrays: what predicting reads.
    """

    name: str
    labels: tuple[str, ...]
    loss: int
    arrays: Arrays


# ---------------------------------------------------------------------- reading


class _Reader:
    """Takes numbers and arrays off a model file's bytes, in order, and never past their end."""

    def __init__(self, content: bytes | memoryview, name: str) -> None:
        self.data = np.frombuffer(content, np.uint8)
        self.at, self.name = 0, name

    def array(self, dtype: npt.DTypeLike, count: int, what: str) -> npt.NDArray[Any]:
        """The next `count` numbers; a view, perhaps not aligned."""
        size = np.dtype(dtype).itemsize * count
        left = len(self.data) - self.at
        if count < 0 or size > left:
            self.refuse(f"{what} needs {size:,} bytes, {left:,} are left" if count >= 0 else f"{what}: {count} long")
        taken = self.data[self.at : self.at + size]
        self.at += size
        return taken.view(dtype)

    def numbers(self, dtype: npt.DTypeLike, count: int, what: str) -> list[int]:
        """The next `count` whole numbers."""
        return [int(number) for number in self.array(dtype, count, what)]

    def number(self, dtype: npt.DTypeLike, what: str) -> int:
        """The next whole number."""
        return self.numbers(dtype, 1, what)[0]

    def refuse(self, fault: str) -> None:
        """Raise: the file is no model that can be used."""
        raise InputError(self.name, f"{fault} (at byte {self.at:,})", _REMEDY)

    def require(self, holds: bool, fault: str) -> None:
        """Raise with `fault` unless it `holds`."""
        if not holds:
            self.refuse(fault)


class _Arguments(NamedTuple):
    dim: int
    word_ngrams: int
    loss: int
    bucket: int
    minn: int
    maxn: int


def parse_model(content: bytes | memoryview, name: str = "model") -> FastText:
    """The classifier in a fastText file.

    Args:
        content: all of the file; a large matrix is not copied, so keep a mapped file open.
        name: of the file, for messages.

    Raises:
        InputError: not a fastText file, truncated, inconsistent, of another version, or word vectors
            rather than a classifier.
    """
    reader = _Reader(content, name)
    arguments = _read_arguments(reader)
    data, offsets, counts, words, kept = _read_dictionary(reader, arguments)
    quantised = bool(reader.number(np.uint8, "the input matrix"))
    rows = _read_matrix(reader, quantised, "the input matrix")
    quantised_output = bool(reader.number(np.uint8, "the output matrix")) and quantised
    output = _read_matrix(reader, quantised_output, "the output matrix")
    labels = _label_names(reader, data, offsets, words)
    _check_matrices(reader, arguments, rows, output, words, len(labels), kept)

    buckets, rows = _place_buckets(arguments, words, kept, rows)
    vocabulary = Vocabulary(data, offsets, _hash_words(data, offsets), words)
    eos, _ = find_word(np.frombuffer(EOS, np.uint8), 0, len(EOS), np.uint64(hash_bytes(EOS)), *vocabulary[:3])
    arrays = Arrays(
        vocabulary,
        buckets,
        _build_tree(counts[words:].tolist() if arguments.loss == HIERARCHICAL else []),
        np.array([eos] if 0 <= eos < words else [], np.int64),
        arguments.word_ngrams,
        rows,
        np.require(output if arguments.loss == HIERARCHICAL else output.T, np.float32, ["C", "A", "W"]),
        *_expand_words(data, offsets, min(words, EXPANDED), buckets),
    )
    return FastText(name, labels, arguments.loss, arrays)


def _read_arguments(reader: _Reader) -> _Arguments:
    magic, version = reader.numbers("<i4", 2, "the head")
    reader.require(magic == MAGIC, "not a fastText model")
    reader.require(version in VERSIONS, f"fastText format {version}, not 12")
    dim, _, _, _, _, word_ngrams, loss, model, bucket, minn, maxn, _ = reader.numbers("<i4", 12, "the arguments")
    reader.array("<f8", 1, "the arguments")
    reader.require(model == SUPERVISED, "word vectors, not a classifier")
    reader.require(HIERARCHICAL <= loss <= ONE_VS_ALL, f"no loss has number {loss}")
    reader.require(0 < dim <= 1 << 16, f"{dim} dimensions")
    if version == VERSIONS[0]:
        maxn = 0  # classifiers of that format knew no character n-grams
    reader.require(maxn <= MAX_NGRAM, f"n-grams of {maxn} characters")
    reader.require(bucket > 0 or (maxn <= 0 and word_ngrams <= 1), f"n-grams in {bucket} buckets")
    return _Arguments(dim, word_ngrams, loss, max(bucket, 1), minn, maxn)


def _read_dictionary(reader: _Reader, arguments: _Arguments) -> tuple[Bytes, Longs, Longs, int, Ints | None]:
    """Words and labels end to end, where each lies, their counts, how many are words, and the buckets kept."""
    size, words, labels = reader.numbers("<i4", 3, "the dictionary")
    _, pruned = reader.numbers("<i8", 2, "the dictionary")
    reader.require(words >= 0 and labels > 0 and words + labels == size, f"{words} words and {labels} labels of {size}")
    reader.require(size <= len(reader.data) // 10, f"{size:,} words and labels cannot be in so small a file")
    starts, ends, reached = _scan_entries(reader.data, reader.at, size)
    reader.require(reached >= 0, "the dictionary is cut off")
    reader.at = reached
    counts = _gather(reader.data, ends + 1, 8).view("<i8").ravel()
    types = reader.data[ends + 9]
    reader.require(not types[:words].any() and bool((types[words:] == 1).all()), "words and labels are mixed up")
    reader.require(bool((counts >= 0).all() and (counts < NO_COUNT).all()), "counts out of range")
    kept = None
    if pruned >= 0:
        kept = reader.array("<i4", 2 * pruned, "the list of kept n-grams").reshape(-1, 2).astype(np.int32)
        inside = kept.size == 0 or (kept.min() >= 0 and kept[:, 0].max() < arguments.bucket)
        reader.require(bool(inside), "an n-gram is kept that has no bucket")
    offsets = np.concatenate([[0], np.cumsum(ends - starts)])
    return _join(reader.data, starts, offsets), offsets, counts, words, kept


def _read_matrix(reader: _Reader, quantised: bool, what: str) -> Floats:
    """A matrix: the file's own numbers, or float32 products of norm and centroid as fastText takes them."""
    normed = bool(reader.number(np.uint8, what)) if quantised else False
    rows, columns = reader.numbers("<i8", 2, what)
    reader.require(0 <= rows < 1 << 40 and 0 < columns <= 1 << 16, f"{what} is {rows} by {columns}")
    if not quantised:
        return reader.array("<f4", rows * columns, what).reshape(rows, columns)
    size = reader.number("<i4", what)
    codes = reader.array(np.uint8, size, what)
    parts, width, last, centroids = _read_centroids(reader, columns, what)
    reader.require(size == rows * parts, f"{what} has {size} codes for {rows} rows")
    norms = np.ones(rows, np.float32)
    if normed:
        norm_codes = reader.array(np.uint8, rows, what)
        *_, norm_centroids = _read_centroids(reader, 1, what)
        norms = norm_centroids[norm_codes]
    matrix = np.empty((rows, columns), np.float32)
    _dequantise(codes.reshape(rows, parts), norms, centroids, width, last, matrix)
    return matrix


def _read_centroids(reader: _Reader, columns: int, what: str) -> tuple[int, int, int, Floats]:
    """A product quantiser's number of parts, their width, that of the last, and its centroids."""
    dim, parts, width, last = reader.numbers("<i4", 4, what)
    fits = width > 0 and 0 < last <= width and parts > 0 and dim == columns == (parts - 1) * width + last
    reader.require(fits, f"{what} is {columns} wide, its quantiser has {parts} parts of {width} and {last}")
    centroids = reader.array("<f4", dim * CENTROIDS, what).astype(np.float32)
    reader.require(bool(np.isfinite(centroids).all()), f"{what} has centroids that are no numbers")
    return parts, width, last, centroids


def _label_names(reader: _Reader, data: Bytes, offsets: Longs, words: int) -> tuple[str, ...]:
    spans = zip(offsets[words:-1].tolist(), offsets[words + 1 :].tolist(), strict=True)
    names = tuple(data[start:end].tobytes().decode("utf-8", "replace") for start, end in spans)
    reader.require(all(names), "a label without a name")
    return names


def _check_matrices(
    reader: _Reader, arguments: _Arguments, rows: Floats, output: Floats, words: int, labels: int, kept: Ints | None
) -> None:
    """Refuse what would make predicting read outside a matrix, or meet a number that is none."""
    ngrams = arguments.bucket if arguments.maxn > 0 or arguments.word_ngrams > 1 else 0
    needed = words + (ngrams if kept is None else int(kept[:, 1].max(initial=-1)) + 1)
    reader.require(rows.shape[0] >= needed, f"the input matrix has {rows.shape[0]:,} rows of {needed:,}")
    reader.require(rows.shape[1] == arguments.dim, f"the input matrix is {rows.shape[1]} wide, not {arguments.dim}")
    least = labels - 1 if arguments.loss == HIERARCHICAL else labels
    fits = output.shape[0] >= least and output.shape[1] == arguments.dim
    fits = fits and (arguments.loss == HIERARCHICAL or output.shape[0] == labels)
    reader.require(fits, f"the output matrix is {output.shape} for {labels} labels of {arguments.dim} numbers")
    reader.require(bool(np.isfinite(output).all()), "the output matrix has entries that are no numbers")


# ---------------------------------------------------------------------- preparing


def _place_buckets(arguments: _Arguments, words: int, kept: Ints | None, rows: Floats) -> tuple[Buckets, Floats]:
    """The way from a bucket to its row; rows of kept buckets are put in the buckets' order."""
    inverse = (((1 << 64) - 1) // arguments.bucket + 1) & ((1 << 64) - 1)
    minn, maxn = max(arguments.minn, 0), max(arguments.maxn, 0)
    found = Buckets(np.uint64(arguments.bucket), np.uint64(inverse), words, minn, maxn, np.zeros(0, np.uint64))
    if kept is None:
        return found, rows
    # a bucket listed twice has the row that was listed last
    buckets, first = np.unique(kept[::-1, 0], return_index=True)
    order = kept[::-1, 1][first]
    marks = np.zeros((arguments.bucket // 64 + 1, 2), np.uint64)
    np.bitwise_or.at(marks[:, 0], buckets >> 6, np.uint64(1) << (buckets & 63).astype(np.uint64))
    marks[:, 1] = np.searchsorted(buckets, np.arange(len(marks)) * 64)
    return found._replace(marks=marks.ravel()), np.concatenate([rows[:words], rows[words + order]])


def _build_tree(counts: Sequence[int]) -> Tree:
    """The Huffman tree of label counts, joined in fastText's order; empty if there are none."""
    leaves = len(counts)
    total = max(2 * leaves - 1, 0)
    weights = [*counts, *[NO_COUNT] * (total - leaves)]
    left, right = [-1] * total, [-1] * total
    depth = [0] * total
    leaf, node = leaves - 1, leaves
    for parent in range(leaves, total):
        children = []
        for _ in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                children.append(leaf)
                leaf -= 1
            else:
                children.append(node)
                node += 1
        left[parent], right[parent] = children
        weights[parent] = weights[children[0]] + weights[children[1]]
        depth[parent] = 1 + max(depth[children[0]], depth[children[1]])
    # a step down the tree adds log(f + 1e-5) <= 1e-5, and rounding less than as much again
    slack = 4 * (2e-5 * (depth[-1] if depth else 0) + 1e-5)
    return Tree(np.array(left, np.int32), np.array(right, np.int32), slack, math.exp(-slack))


def hash_bytes(text: bytes) -> int:
    """fastText's FNV-1a of some bytes, which it takes for signed."""
    value = FNV_START
    for byte in text:
        value = (value ^ (byte | (0xFFFFFF00 if byte > 127 else 0))) * FNV_PRIME & 0xFFFFFFFF
    return value


@njit(cache=True)
def _scan_entries(data: Bytes, at: int, size: int) -> tuple[Longs, Longs, int]:
    """Where each dictionary entry's name starts and ends, and where the last entry ends (-1: past the data)."""
    starts = np.empty(size, np.int64)
    ends = np.empty(size, np.int64)
    for entry in range(size):
        starts[entry] = at
        while at < len(data) and data[at] != 0:
            at += 1
        ends[entry] = at
        at += 10  # the zero, a count of eight bytes, a type of one
        if at > len(data):
            return starts, ends, -1
    return starts, ends, at


def _gather(data: Bytes, starts: Longs, width: int) -> Bytes:
    return np.ascontiguousarray(data[starts[:, None] + np.arange(width)])


@njit(cache=True)
def _join(data: Bytes, starts: Longs, offsets: Longs) -> Bytes:
    joined = np.empty(offsets[-1], np.uint8)
    for entry in range(len(starts)):
        for i in range(offsets[entry + 1] - offsets[entry]):
            joined[offsets[entry] + i] = data[starts[entry] + i]
    return joined


@njit(cache=True)
def _dequantise(codes: Bytes, norms: Floats, centroids: Floats, width: int, last: int, matrix: Floats) -> None:
    rows, parts = codes.shape
    for row in range(rows):
        for part in range(parts):
            wide = last if part == parts - 1 else width
            first = part * CENTROIDS * width + codes[row, part] * wide
            for i in range(wide):
                matrix[row, part * width + i] = norms[row] * centroids[first + i]


@njit(cache=True)
def _hash_words(data: Bytes, offsets: Longs) -> Words:
    """Open addressing by FNV-1a; a word that stands twice is its last number, as in fastText."""
    size = 16
    while size < 2 * len(offsets):
        size *= 2
    slots = np.zeros(size, np.uint64)
    for word in range(len(offsets) - 1):
        start, length = offsets[word], offsets[word + 1] - offsets[word]
        value = np.uint64(FNV_START)
        for i in range(start, start + length):
            value = (value ^ signed(data[i])) * np.uint64(FNV_PRIME)
        value &= np.uint64(0xFFFFFFFF)
        _, at = find_word(data, start, length, value, data, offsets, slots)
        slots[at] = value << np.uint64(32) | np.uint64(word + 1)
    return slots


@njit(cache=True, nogil=True, inline="always")
def find_word(
    data: Bytes, start: int, length: int, value: Number, words: Bytes, offsets: Longs, slots: Words
) -> tuple[Number, Number]:
    """The number of a word or label, or -1, and the slot it has or would have.

    Args:
        data, start, length: where it lies.
        value: uint64, its FNV-1a.
        words, offsets, slots: of the vocabulary.
    """
    last = np.uint64(len(slots) - 1)
    at = value & last
    number: Number = -1
    while slots[at]:
        if slots[at] >> np.uint64(32) == value:
            word = np.int64(slots[at] & np.uint64(0xFFFFFFFF)) - 1
            first = offsets[word]
            same = offsets[word + 1] - first == length
            i = 0
            while same and i < length:
                same = data[start + i] == words[first + i]
                i += 1
            if same:
                number = word
                break
        at = (at + np.uint64(1)) & last
    return number, at


@njit(cache=True, nogil=True)
def signed(byte: Number) -> Number:
    """A byte as fastText's hash takes it: a signed char, widened (uint64, its low 32 bits count)."""
    value = np.uint64(byte)
    return value | np.uint64(0xFFFFFF00) if value > np.uint64(127) else value


# ---------------------------------------------------------------------- n-grams


@njit(cache=True)
def _expand_words(data: Bytes, offsets: Longs, words: int, buckets: Buckets) -> tuple[Ints, Longs]:
    """The rows of the first words and of their n-grams, end to end, and where each word's lie."""
    ends = np.zeros(words + 1, np.int64)
    longest = 0
    for word in range(words):
        longest = max(longest, offsets[word + 1] - offsets[word])
        size = offsets[word + 1] - offsets[word] + 2
        ends[word + 1] = ends[word] + 1 + size * min(size, buckets.maxn)
    rows = np.empty(ends[-1], np.int32)
    token, starts = np.empty(longest + 2, np.uint64), np.empty(longest + 3, np.int64)
    gathered = np.empty(buckets.maxn, np.int64)
    filled = 0
    for word in range(words):
        length = offsets[word + 1] - offsets[word] + 2
        token[0], token[length - 1] = np.uint64(60), np.uint64(62)  # < and >
        for i in range(length - 2):
            token[i + 1] = signed(data[offsets[word] + i])
        ends[word] = filled
        rows[filled] = word
        filled += 1
        characters = find_characters(token, length, starts) if buckets.maxn else 0
        for first in range(characters):
            found = gather_ngrams(
                token,
                starts,
                first,
                characters,
                buckets.minn,
                buckets.maxn,
                buckets.size,
                buckets.inverse,
                buckets.first,
                buckets.marks,
                gathered,
                0,
            )
            for i in range(found):
                rows[filled] = gathered[i]
                filled += 1
    ends[words] = filled
    return rows[:filled].copy(), ends


@njit(cache=True, nogil=True)
def find_characters(token: Words, length: Number, starts: Longs) -> Number:
    """Where each character of a word starts, and at last its end; how many they are."""
    characters = 0
    for i in range(length):
        starts[characters] = i
        characters += (token[i] & _LEAD) != _INSIDE
    starts[characters] = length
    return characters


@njit(cache=True, nogil=True, inline="always")
def gather_ngrams(
    token: Words,
    starts: Longs,
    first: Number,
    characters: Number,
    minn: Number,
    maxn: Number,
    count: Number,
    inverse: Number,
    first_row: Number,
    marks: Words,
    gathered: Longs,
    filled: Number,
) -> Number:
    """Gather the rows of the n-grams that begin with a word's `first` character; how many are gathered now."""
    narrow = starts[characters] == characters  # a byte a character
    value = _START
    for last in range(first, min(characters, first + maxn)):
        if narrow:
            value = (value ^ token[last]) * _PRIME
        else:
            for i in range(starts[last], starts[last + 1]):
                value = (value ^ token[i]) * _PRIME
        # `<` and `>` alone are none
        if last - first + 1 >= minn and (last > first or (first > 0 and last + 1 < characters)):
            # without a branch: the row is written, and stays if its n-gram was kept
            row, kept = find_row(_remainder(value & _LOW, count, inverse), first_row, marks)
            gathered[filled] = row
            filled += kept
    return filled


def _make_count_ones(typing_context: Any, number: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


#: How many bits of a uint64 are set.
_count_ones: Any = intrinsic(_make_count_ones)


@njit(cache=True, nogil=True)
def _remainder(value: Number, count: Number, inverse: Number) -> Number:
    """`value` (below 2^32) modulo `count`, without a division (Lemire, Kaser and Kurz, 2019)."""
    fraction = inverse * value
    low = (fraction & _LOW) * count >> _HALF
    return ((fraction >> _HALF) * count + low) >> _HALF


@njit(cache=True, nogil=True)
def find_row(bucket: Number, first_row: Number, marks: Words) -> tuple[Number, Number]:
    """A bucket's row of the input matrix, and 1 or, if it was pruned, 0."""
    if len(marks) == 0:
        return first_row + np.int64(bucket), 1
    block = (bucket >> np.uint64(6)) * np.uint64(2)
    bits, place = marks[block], bucket & _BITS
    ones = _count_ones(bits & ((_ONE << place) - _ONE))
    return first_row + np.int64(marks[block + _ONE] + ones), np.int64(bits >> place & _ONE)

"""fastText's model files, read into arrays.

The format is fastText's version 12: arguments, dictionary, input matrix and output matrix, in little-endian order and
without alignment. Nothing in the file is trusted: every length is checked against what is there, every index against
what it points into.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from mc2lib.errors import InputError
from mc2lib.recipe.curation.language_id.fasttext_model import (
    HIERARCHICAL,
    NO_COUNT,
    ONE_VS_ALL,
    Arguments,
    Arrays,
    Bytes,
    FastText,
    Floats,
    Ints,
    Longs,
    Vocabulary,
    build_tree,
    place_buckets,
)
from mc2lib.recipe.curation.language_id.fasttext_ngrams import EOS, expand_words, find_word, hash_bytes, hash_words

MAGIC = 793_712_314
VERSIONS = (11, 12)
SUPERVISED = 3
CENTROIDS = 256
#: No model has longer n-grams of characters.
MAX_NGRAM = 1024
#: The rows of this many words, the most common first, are kept ready; those of others are looked up each time.
EXPANDED = 50_000

_REMEDY = "Give a whole fastText classifier (.bin or .ftz), such as lid.176.ftz."


class _Reader:
    """Reads numbers and arrays from the bytes of a model file, in order, and never past their end."""

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
        """Raise InputError: the file is not a usable model."""
        raise InputError(self.name, f"{fault} (at byte {self.at:,})", _REMEDY)

    def require(self, holds: bool, fault: str) -> None:
        """Raise InputError with a fault unless a condition holds."""
        if not holds:
            self.refuse(fault)


def parse_model(content: bytes | memoryview, name: str = "model") -> FastText:
    """Read the classifier in a fastText file.

    Args:
        content: the whole file; a large matrix is not copied, so keep a mapped file open.
        name: the file's name, for messages.

    Raises:
        InputError: the file is not a fastText file, is truncated or inconsistent, has another version, or holds word
            vectors rather than a classifier.
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

    buckets, rows = place_buckets(arguments, words, kept, rows)
    vocabulary = Vocabulary(data, offsets, hash_words(data, offsets), words)
    eos, _ = find_word(np.frombuffer(EOS, np.uint8), 0, len(EOS), np.uint64(hash_bytes(EOS)), *vocabulary[:3])
    arrays = Arrays(
        vocabulary,
        buckets,
        build_tree(counts[words:].tolist() if arguments.loss == HIERARCHICAL else []),
        np.array([eos] if 0 <= eos < words else [], np.int64),
        arguments.word_ngrams,
        rows,
        np.require(output if arguments.loss == HIERARCHICAL else output.T, np.float32, ["C", "A", "W"]),
        *expand_words(data, offsets, min(words, EXPANDED), buckets),
    )
    return FastText(name, labels, arguments.loss, arrays)


def _read_arguments(reader: _Reader) -> Arguments:
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
    return Arguments(dim, word_ngrams, loss, max(bucket, 1), minn, maxn)


def _read_dictionary(reader: _Reader, arguments: Arguments) -> tuple[Bytes, Longs, Longs, int, Ints | None]:
    """Words and labels end to end, the offset and count of each, how many are words, and the buckets that were kept."""
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
    return _join_names(reader.data, starts, offsets), offsets, counts, words, kept


def _read_matrix(reader: _Reader, quantised: bool, what: str) -> Floats:
    """A matrix: the file's own numbers, or float32 products of norm and centroid as fastText computes them."""
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
    """A product quantiser's number of parts, their width, the width of the last part, and its centroids."""
    dim, parts, width, last = reader.numbers("<i4", 4, what)
    fits = width > 0 and 0 < last <= width and parts > 0 and dim == columns == (parts - 1) * width + last
    reader.require(fits, f"{what} is {columns} wide, its quantiser has {parts} parts of {width} and {last}")
    centroids = reader.array("<f4", dim * CENTROIDS, what).astype(np.float32)
    reader.require(bool(np.isfinite(centroids).all()), f"{what} has centroids that are not finite")
    return parts, width, last, centroids


def _label_names(reader: _Reader, data: Bytes, offsets: Longs, words: int) -> tuple[str, ...]:
    spans = zip(offsets[words:-1].tolist(), offsets[words + 1 :].tolist(), strict=True)
    names = tuple(data[start:end].tobytes().decode("utf-8", "replace") for start, end in spans)
    reader.require(all(names), "a label without a name")
    return names


def _check_matrices(
    reader: _Reader, arguments: Arguments, rows: Floats, output: Floats, words: int, labels: int, kept: Ints | None
) -> None:
    """Refuse a model whose prediction would read outside a matrix or meet NaN or infinity."""
    ngrams = arguments.bucket if arguments.maxn > 0 or arguments.word_ngrams > 1 else 0
    needed = words + (ngrams if kept is None else int(kept[:, 1].max(initial=-1)) + 1)
    reader.require(rows.shape[0] >= needed, f"the input matrix has {rows.shape[0]:,} rows of {needed:,}")
    reader.require(rows.shape[1] == arguments.dim, f"the input matrix is {rows.shape[1]} wide, not {arguments.dim}")
    least = labels - 1 if arguments.loss == HIERARCHICAL else labels
    fits = output.shape[0] >= least and output.shape[1] == arguments.dim
    fits = fits and (arguments.loss == HIERARCHICAL or output.shape[0] == labels)
    reader.require(fits, f"the output matrix is {output.shape} for {labels} labels of {arguments.dim} numbers")
    reader.require(bool(np.isfinite(output).all()), "the output matrix has entries that are not finite")


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
def _join_names(data: Bytes, starts: Longs, offsets: Longs) -> Bytes:
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

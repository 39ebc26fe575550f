"""fastText models: what a `.bin` or `.ftz` file holds, as the arrays that predicting reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

#: fastText's numbers for the loss that a model was trained with.
HIERARCHICAL, NEGATIVE, SOFTMAX, ONE_VS_ALL = 1, 2, 3, 4
#: fastText's count for a tree node that does not exist yet; no label may be that common.
NO_COUNT = 10**15

Bytes: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int32]
Longs: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint64]
Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
#: A number inside compiled code, which chooses its width.
Number: TypeAlias = Any


class Arguments(NamedTuple):
    """The numbers at the head of a model file that predicting depends on.

    Args:
        dim: length of a hidden vector.
        word_ngrams: words in the longest n-gram of words.
        loss: HIERARCHICAL to ONE_VS_ALL.
        bucket: how many buckets n-grams are hashed into.
        minn: characters in the shortest n-gram.
        maxn: characters in the longest n-gram; 0 if there are none.
    """

    dim: int
    word_ngrams: int
    loss: int
    bucket: int
    minn: int
    maxn: int


class Vocabulary(NamedTuple):
    """The words and labels that a model knows.

    Args:
        data: their bytes, end to end.
        offsets: int64 [n + 1], where each begins and ends in `data`.
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
        size: uint64, number of buckets.
        inverse: uint64, 2^64 / size, rounded up.
        first: row of the first bucket.
        minn: characters in the shortest n-gram.
        maxn: characters in the longest n-gram; 0 if there are none.
        marks: uint64 [2 * n]: one bit per bucket, set if the bucket was kept, and after every 64 bits how many buckets
            were kept before them. The n-th bucket that was kept has the n-th row. Empty if all were kept.
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
        left: int32 [2n - 1], each node's left child; -1 at a leaf.
        right: int32 [2n - 1], each node's right child; -1 at a leaf.
        slack: how far the search's cuts can be off, with a margin, since a leaf may score a little better than a node
            above it.
        factor: e to the power of minus `slack`.
    """

    left: Ints
    right: Ints
    slack: float
    factor: float


class Arrays(NamedTuple):
    """Everything that predicting reads.

    Args:
        vocabulary: words and labels.
        buckets: from a hashed n-gram to its row.
        tree: of the hierarchical softmax; empty for other losses.
        eos: int64 [0 or 1], the number of the word that ends each line.
        word_ngrams: words in the longest n-gram of words.
        rows: float32 [rows, dim], the input matrix.
        output: float32 [labels, dim] for the hierarchical softmax, else its transpose.
        expanded: int32, the rows of the most common words and of their n-grams, end to end.
        expanded_offsets: int64 [words + 1], where each word's rows begin and end.
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
        name: the file that it was read from.
        labels: by number, as the file spells them (`__label__en`).
        loss: HIERARCHICAL, SOFTMAX, or one of the two that give each label its own probability.
        arrays: what predicting reads.
    """

    name: str
    labels: tuple[str, ...]
    loss: int
    arrays: Arrays


def place_buckets(arguments: Arguments, words: int, kept: Ints | None, rows: Floats) -> tuple[Buckets, Floats]:
    """Map buckets to rows of the input matrix, and put the rows of kept buckets into the order of the buckets.

    Args:
        arguments: of the model.
        words: how many rows belong to words; those of buckets follow.
        kept: int32 [k, 2], the buckets that pruning kept and the row of each; None if all were.
        rows: float32 [rows, dim], the input matrix.

    Returns:
        The map, and the matrix in its order.
    """
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


def build_tree(counts: Sequence[int]) -> Tree:
    """Build the Huffman tree of label counts, joined in fastText's order; it is empty if there are no labels."""
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
    # a step down the tree adds log(f + 1e-5) <= 1e-5, and rounding adds less than that again
    slack = 4 * (2e-5 * (depth[-1] if depth else 0) + 1e-5)
    return Tree(np.array(left, np.int32), np.array(right, np.int32), slack, math.exp(-slack))

"""The best words and pairs of counts of any size, ranked and cut without sorting all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.params import Metadata
from mc2lib.recipe.metadata.merge import Source
from mc2lib.recipe.metadata.ranking import admit_bigrams

Integers = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Scores = npt.NDArray[np.float64]

#: NumPy's logarithm may differ from the C library's in the last bits: pairs that it puts this close below the cut are
#: scored exactly.
_MARGIN = 1e-9

#: How many pairs, beyond twice the number wanted, are held before the best of them are chosen.
SLACK = 65536


class Counted(Protocol):
    """Counts in memory (`Counts`) or on disk, read block by block."""

    @property
    def total(self) -> int:
        """Number of words in the text."""

    @property
    def word_counts(self) -> Integers:
        """The count of each word, int64."""

    def word_blocks(self) -> Iterator[Integers]:
        """Yield the counts of the words, in order, block by block."""

    def pair_blocks(self) -> Iterator[tuple[Keys, Integers]]:
        """Yield the pairs and their counts, in order, block by block."""

    def take_words(self, rows: Integers) -> pa.LargeBinaryArray:
        """The words in some rows."""


def word_source(counted: Counted, minimum_count: int = 1) -> Source:
    """Make a source of words, or of titles by views, ranked by falling count.

    Args:
        counted: counts of a language's text, or views of its titles.
        minimum_count: rarer words are not candidates, so shares are not taken of them either.

    Source: MetaCLIP 2, §3.1.
    """
    candidates = sum(int((block >= minimum_count).sum()) for block in counted.word_blocks())
    return Source(candidates, lambda top: rank_words(counted, top, minimum_count))


def pair_source(counted: Counted, between: str, rules: Metadata, minimum_count: int = 1) -> Source:
    """Make a source of bigrams, ranked by falling PMI.

    Args:
        counted: counts of a language's text.
        between: what joins two words, see `mc2lib.recipe.metadata.segment.joiner`.
        rules: with `bigram_rule: pmi`, only bigrams above `bigram_pmi` are given.
        minimum_count: rarer pairs are not candidates.

    Source: MetaCLIP 2, §3.1.
    """
    candidates = sum(int((counts >= minimum_count).sum()) for _, counts in counted.pair_blocks())
    return Source(candidates, lambda top: admit_bigrams(rank_pairs(counted, between, top, minimum_count), rules))


def rank_words(counted: Counted, top: int | None = None, minimum_count: int = 1) -> list[str]:
    """Rank words by falling count, equals in code point order.

    Args:
        counted: counts of a text.
        top: how many at most; None for all.
        minimum_count: rarer words are left out.
    """
    rows, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    first = 0
    for block in counted.word_blocks():
        found = np.flatnonzero(block >= minimum_count)
        rows, counts = np.concatenate([rows, first + found]), np.concatenate([counts, block[found]])
        if top is not None and len(rows) > top:
            kept = _largest(counts, top)
            rows, counts = rows[kept], counts[kept]
        first += len(block)
    ordered = rows[np.argsort(-counts, kind="stable")]
    return [word.decode() for word in counted.take_words(ordered).to_pylist()]


def rank_pairs(
    counted: Counted, between: str, top: int | None = None, minimum_count: int = 1
) -> list[tuple[str, float]]:
    """Rank pairs of neighbouring words by falling pointwise mutual information.

    The numbers and the order are those of `mc2lib.recipe.metadata.ranking.rank_bigrams`: equals are ranked by falling
    count, then in code point order.

    Args:
        counted: counts of a text.
        between: what joins two words.
        top: how many at most; None for all.
        minimum_count: rarer pairs are left out.

    Returns:
        (bigram, PMI in bits), best first.

    Source: MetaCLIP 2, §3.1.
    """
    best = _Best(counted, between, top)
    for keys, counts in counted.pair_blocks():
        if minimum_count > 1:
            keys, counts = keys[counts >= minimum_count], counts[counts >= minimum_count]
        best.add(keys, counts)
    return best.ranked()


class _Best:
    """The best pairs seen so far, by PMI, count and code points; no more than a few times `top` are held."""

    def __init__(self, counted: Counted, between: str, top: int | None) -> None:
        self.counted, self.between, self.top = counted, between.encode(), top
        self.word_counts, self.total = counted.word_counts, counted.total
        self.floor = -math.inf
        self.keys, self.counts, self.scores = np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0)

    def add(self, keys: Keys, counts: Integers) -> None:
        """Take a block of pairs, of any size."""
        if self.top is None:
            self._hold(keys, counts)
            return
        step = 2 * self.top + SLACK
        for start in range(0, len(keys), step):
            self._add_some(keys[start : start + step], counts[start : start + step], self.top)

    def ranked(self) -> list[tuple[str, float]]:
        """All pairs that are held, best first."""
        if self.top is not None:
            self._cut(self.top)
        table = pa.table({"score": self.scores, "count": self.counts, "bigram": self._bigrams(self.keys)})
        order = [("score", "descending"), ("count", "descending"), ("bigram", "ascending")]
        table = table.take(pc.sort_indices(table, order))
        names = (name.decode() for name in table["bigram"].to_pylist())
        return list(zip(names, table["score"].to_pylist(), strict=True))

    def _add_some(self, keys: Keys, counts: Integers, top: int) -> None:
        if self.floor > -math.inf:
            first, second = self._word_counts(keys)
            near = np.log2(counts.astype(np.float64) * self.total / (first.astype(np.float64) * second))
            keep = near >= self.floor - _MARGIN
            keys, counts = keys[keep], counts[keep]
        self._hold(keys, counts)
        if len(self.keys) > 2 * top + SLACK:
            self._cut(top)

    def _hold(self, keys: Keys, counts: Integers) -> None:
        self.keys, self.counts = np.concatenate([self.keys, keys]), np.concatenate([self.counts, counts])
        self.scores = np.concatenate([self.scores, self._score(keys, counts)])

    def _score(self, keys: Keys, counts: Integers) -> Scores:
        """PMI by Python's integers and the C library's logarithm: equal on every machine, however large the counts."""
        first, second = self._word_counts(keys)
        total = self.total
        rows = zip(counts.tolist(), first.tolist(), second.tolist(), strict=True)
        return np.fromiter((math.log2(xy * total / (x * y)) for xy, x, y in rows), np.float64, len(keys))

    def _word_counts(self, keys: Keys) -> tuple[Integers, Integers]:
        first, second = _rows(keys)
        return self.word_counts[first], self.word_counts[second]

    def _cut(self, top: int) -> None:
        """Keep the best `top`; if equals do not all fit, the first in code point order."""
        if len(self.keys) <= top:
            return
        if not top:
            kept = np.zeros(0, np.int64)
        else:
            order = np.lexsort((-self.counts, -self.scores))
            score, count = self.scores[order[top - 1]], self.counts[order[top - 1]]
            better = (self.scores > score) | (self.scores == score) & (self.counts > count)
            equal = np.flatnonzero((self.scores == score) & (self.counts == count))
            room = top - int(better.sum())
            if len(equal) > room:
                by_name = pc.array_sort_indices(self._bigrams(self.keys[equal])).to_numpy()
                equal = equal[by_name[:room]]
            kept = np.sort(np.concatenate([np.flatnonzero(better), equal]))
            self.floor = float(score)
        self.keys, self.counts, self.scores = self.keys[kept], self.counts[kept], self.scores[kept]

    def _bigrams(self, keys: Keys) -> pa.LargeBinaryArray:
        first, second = (self.counted.take_words(rows) for rows in _rows(keys))
        return pc.binary_join_element_wise(first, second, pa.scalar(self.between, pa.large_binary()))


def _rows(keys: Keys) -> tuple[Integers, Integers]:
    return (keys >> np.uint64(32)).astype(np.int64), (keys & np.uint64(0xFFFF_FFFF)).astype(np.int64)


def _largest(counts: Integers, top: int) -> Integers:
    """The places of the `top` largest counts, ascending; of equals the first."""
    if not top:
        return np.zeros(0, np.int64)
    least = np.partition(counts, len(counts) - top)[len(counts) - top]
    more, equal = np.flatnonzero(counts > least), np.flatnonzero(counts == least)
    return np.sort(np.concatenate([more, equal[: top - len(more)]]))

"""Measures by concept: how well each concept is named, and which concepts are the head and the tail of a pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mc2lib.recipe.evaluation.zero_shot import Labels, Ranks, reciprocal

ENGLISH = "en"

Scores = npt.NDArray[np.float64]

#: What each drawing scores, by measure; a measure of a set of drawings is their mean.
SCORES: dict[str, Callable[[Ranks], Scores]] = {
    "top1": lambda ranks: (ranks < 1).astype(np.float64),
    "top5": lambda ranks: (ranks < 5).astype(np.float64),
    "mrr": reciprocal,
}


class ConceptMeasure(NamedTuple):
    """The mean of one measure over the test drawings of one concept."""

    measure: str
    concept: int  # its number
    drawings: int
    value: float


def measure_concepts(ranks: Ranks, labels: Labels, languages: Sequence[str]) -> list[ConceptMeasure]:
    """`SCORES` of every concept with drawings, in English (`en_`) and as the mean of the other languages (`world_`).

    The mean of a measure over concepts, each weighted by its drawings, is the measure of all drawings.

    Args:
        ranks: int [l, n], the rank of each drawing's concept in each language, 0 for the nearest.
        labels: int [n], each drawing's concept.
        languages: the l languages.
    """
    concepts, places, drawings = np.unique(labels, return_inverse=True, return_counts=True)
    english = np.array([language == ENGLISH for language in languages])
    found: list[ConceptMeasure] = []
    for measure, score in SCORES.items():
        for name, rows in (("en", english), ("world", ~english)):
            if rows.any():
                of_drawings = score(ranks[rows]).mean(axis=0)
                values = np.bincount(places, of_drawings) / drawings
                numbers = zip(concepts.tolist(), drawings.tolist(), values.tolist(), strict=True)
                found += [ConceptMeasure(f"{name}_{measure}", *row) for row in numbers]
    return found


def split_by_frequency(pairs: npt.NDArray[np.integer], labels: Labels) -> tuple[Labels, Labels]:
    """The drawings of the head and of the tail: the third of the concepts with the most pairs, and with the fewest.

    Only concepts with drawings are split, so both thirds hold as many concepts: a third of them rounded down, but at
    least one. Of concepts with equally many pairs the one with the lower number counts as the more frequent.

    Args:
        pairs: int [c], how many pairs of the raw pool show each concept.
        labels: int [n], each drawing's concept 0..c-1.

    Returns:
        the rows of `labels` that are of the head, and those of the tail, each ascending.

    Examples:
        >>> head, tail = split_by_frequency(np.array([5, 90, 0, 20]), np.array([0, 1, 3, 3]))
        >>> head.tolist(), tail.tolist()
        ([1], [0])
    """
    concepts = np.unique(labels)
    by_frequency = concepts[np.argsort(-pairs[concepts], kind="stable")]
    third = max(1, len(concepts) // 3)
    head, tail = by_frequency[:third], by_frequency[-third:]
    return np.flatnonzero(np.isin(labels, head)), np.flatnonzero(np.isin(labels, tail))

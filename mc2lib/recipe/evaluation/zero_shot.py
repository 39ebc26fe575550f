"""Zero-shot classification: an image's class is the one whose prompts are nearest to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mc2lib.errors import InputError

Features = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]
Ranks = npt.NDArray[np.int64]

#: Similarities that are held at once: bounds the memory, changes no result.
BLOCK = 1 << 24


def normalise(features: Features) -> Features:
    """Rows of length one; a row of zeros stays one, and so ties with everything.

    Args:
        features: float [n, d].
    """
    length = np.linalg.norm(features, axis=-1, keepdims=True)
    return np.asarray(features / np.where(length > 0, length, 1), dtype=features.dtype)


def class_embeddings(prompts: Features, classes: Labels, count: int) -> Features:
    """Mean prompt of each class: normalise, mean, normalise.

    Args:
        prompts: float [p, d], one row per prompt.
        classes: int [p], the class 0..count-1 each prompt belongs to.
        count: number of classes.

    Returns:
        float [count, d], rows of length one.

    Raises:
        InputError: a class has no prompt.

    Source: OpenAI's CLIP evaluation, as MetaCLIP 2, §4, uses it.

    Examples:
        >>> prompts, classes = np.array([[2.0, 0.0], [0.0, 3.0], [0.0, -1.0]]), np.array([0, 0, 1])
        >>> class_embeddings(prompts, classes, count=2).round(3).tolist()
        [[0.707, 0.707], [0.0, -1.0]]
    """
    sizes = np.bincount(classes, minlength=count)
    if len(sizes) > count or sizes.min() == 0:
        fault = f"not every class of 0..{count - 1} has prompts, or others do"
        raise InputError("prompts", fault, "Prompt each class.")
    order = slice(None) if (classes[1:] >= classes[:-1]).all() else np.argsort(classes, kind="stable")
    starts = np.cumsum(sizes) - sizes
    total = np.add.reduceat(normalise(prompts)[order], starts, axis=0)
    return normalise(total)  # the length of the sum is divided out, so the sum serves as the mean


def rank_classes(images: Features, classes: Features, labels: Labels) -> Ranks:
    """How many wrong classes are at least as similar to each image as its own.

    Ties count against the model: one that maps everything to one point scores zero, not 1/classes
    by the luck of an argmax. So do NaNs.

    Args:
        images: float [n, d], rows of length one.
        classes: float [c, d], rows of length one.
        labels: int [n], each image's class.

    Returns:
        int64 [n], 0 where the own class is the single most similar one.

    Examples:
        Three images of the classes 0, 1 and 0; the third is nearer to class 1.

        >>> images, classes = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]), np.eye(2)
        >>> rank_classes(images, classes, np.array([0, 1, 0])).tolist()
        [0, 0, 1]
    """
    ranks = np.zeros(len(images), np.int64)
    rows = max(1, BLOCK // max(1, len(classes)))
    for begin in range(0, len(images), rows):
        similarity = images[begin : begin + rows] @ classes.T
        own = np.take_along_axis(similarity, labels[begin : begin + rows, None], axis=1)
        # The own class is never below itself, so it is counted once and taken off.
        ranks[begin : begin + rows] = np.count_nonzero(~(similarity < own), axis=1) - 1
    return ranks


def share_within(ranks: Ranks, k: int) -> float:
    """Share of ranks below k: top-k accuracy, or recall at k.

    Examples:
        >>> share_within(np.array([0, 1, 4, 0]), k=1), share_within(np.array([0, 1, 4, 0]), k=5)
        (0.5, 1.0)
    """
    return float(np.mean(ranks < k))


def reciprocal(ranks: Ranks) -> npt.NDArray[np.float64]:
    """One over the place of each answer, whose mean is the mean reciprocal rank (MRR).

    Rank 0 is place 1. It tells a model that nearly finds the answer from one that never does, where top-1 is near zero
    for both.

    Args:
        ranks: int [n], how many wrong answers come first; ties as whatever counted the ranks has it.

    Returns:
        float64 [n] in 0..1.

    Examples:
        >>> reciprocal(np.array([0, 1, 3])).tolist()
        [1.0, 0.5, 0.25]
    """
    return np.asarray(1 / (ranks + 1.0))

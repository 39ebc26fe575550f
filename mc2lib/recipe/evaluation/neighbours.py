"""Controls that know no language: the nearest training image in raw pixels, and chance."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import numpy.typing as npt

from mc2lib.recipe.evaluation.zero_shot import Labels, Ranks

Pixels = npt.NDArray[np.uint8]

#: Test images compared at once: bounds the memory, changes no result.
BLOCK = 1024

#: The rank of what the control cannot name.
UNREACHABLE = np.iinfo(np.int64).max


def rank_pixel_neighbours(train: Pixels, train_classes: Labels, test: Pixels, test_classes: Labels) -> Ranks:
    """How many wrong classes have a training image at least as near to each test image as its own class has.

    Nearness is the Euclidean distance of RGB values; a class is as near as its nearest image. Sums
    of squares of 8-bit values are exact in float64, so ties are ties, and they count against.

    Args:
        train: uint8 [m, h, w, 3].
        train_classes: int [m].
        test: uint8 [n, h, w, 3].
        test_classes: int [n].

    Returns:
        int64 [n]; UNREACHABLE for a class without training images: no k takes it in.
    """
    classes, column = np.unique(train_classes, return_inverse=True)
    rows = _flatten(train)
    squared = np.sum(rows * rows, axis=1)
    order = np.argsort(column, kind="stable")
    starts = np.searchsorted(column[order], np.arange(len(classes)))
    ranks = []
    for begin in range(0, len(test), BLOCK):
        block = _flatten(test[begin : begin + BLOCK])
        # |x|² is the same for a row's every candidate and leaves their order alone.
        distance = squared[None, :] - 2 * (block @ rows.T)
        nearest = np.minimum.reduceat(distance[:, order], starts, axis=1)
        right = test_classes[begin : begin + BLOCK, None] == classes[None, :]
        own = np.where(right, nearest, np.inf).min(axis=1, keepdims=True)
        wrong = np.count_nonzero(~right & (nearest <= own), axis=1)
        ranks.append(np.where(right.any(axis=1), wrong, UNREACHABLE))
    return np.concatenate(ranks).astype(np.int64) if ranks else np.zeros(0, np.int64)


def _flatten(images: Pixels) -> npt.NDArray[np.float64]:
    return images.reshape(len(images), -1).astype(np.float64)


def recall_by_chance(positives: int, gallery: int, k: int) -> float:
    """Probability that k of `gallery` items drawn at random hold one of `positives` right ones.

    Top-k accuracy by chance is `recall_by_chance(1, classes, k)`.

    Examples:
        >>> recall_by_chance(1, 400, 1), recall_by_chance(2, 4, 1)
        (0.0025, 0.5)
    """
    return float(1 - Fraction(comb(gallery - positives, k), comb(gallery, k))) if k < gallery else 1.0

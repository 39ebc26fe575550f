"""Alignment and uniformity of an embedding: how near true pairs are, how evenly all is spread."""

from __future__ import annotations

import numpy as np

from mc2lib.errors import InputError
from mc2lib.recipe.evaluation.zero_shot import Features


def alignment(images: Features, texts: Features) -> float:
    """Mean squared distance of true pairs; lower is better.

    Args:
        images: float [n, d], rows of length one.
        texts: float [n, d], rows of length one; row i is true of image i.

    Returns:
        a number in 0..4.

    Source: Wang and Isola, 2020; MetaCLIP 2, §4 (embedding quality).

    Examples:
        >>> alignment(np.eye(2), np.eye(2)), alignment(np.eye(2), -np.eye(2))
        (0.0, 4.0)
    """
    difference = images.astype(np.float64) - texts.astype(np.float64)
    return float(np.mean(np.sum(difference * difference, axis=1)))


def uniformity(features: Features) -> float:
    """Logarithm of the mean of exp(-2 squared distance) over all distinct pairs of rows; lower is better.

    Args:
        features: float [n, d], rows of length one, n of two or more.

    Returns:
        a number in -8..0; 0 if all rows are one point.

    Raises:
        InputError: fewer than two rows.

    Source: Wang and Isola, 2020 (t = 2); MetaCLIP 2, §4 (embedding quality).
    """
    n = len(features)
    if n < 2:
        raise InputError("uniformity", f"{n} rows make no pair", "Give two or more.")
    rows = features.astype(np.float64)
    gram = rows @ rows.T
    squared = np.diag(gram)
    distance = np.clip(squared[:, None] + squared[None, :] - 2 * gram, 0, None)
    total = np.exp(-2 * distance).sum() - n  # each row's pair with itself adds exp(0)
    return float(np.log(max(total, np.finfo(np.float64).tiny) / (n * (n - 1))))

"""Embedding quality: how near true pairs are, how evenly all is spread, and how far images are from texts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mc2lib.errors import InputError
from mc2lib.recipe.evaluation.zero_shot import BLOCK, Features


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
    return float(np.mean(squared_distances(images, texts)))


def squared_distances(images: Features, texts: Features) -> npt.NDArray[np.float64]:
    """Squared distance of each pair, whose mean is the alignment.

    Args:
        images: float [n, d], rows of length one.
        texts: float [n, d], rows of length one; row i is true of image i.
    """
    difference = images.astype(np.float64) - texts.astype(np.float64)
    return np.asarray(np.sum(difference * difference, axis=1))


def modality_gap(images: Features, texts: Features) -> float:
    """Distance between the mean image and the mean text; 0 if both kinds are spread over the same place.

    Args:
        images: float [n, d], rows of length one.
        texts: float [m, d], rows of length one.

    Returns:
        a number in 0..2.

    Source: Liang et al., 2022 (Mind the gap).
    """
    difference = images.mean(axis=0, dtype=np.float64) - texts.mean(axis=0, dtype=np.float64)
    return float(np.linalg.norm(difference))


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
    at_once = max(1, BLOCK // n)
    blocks = [slice(begin, begin + at_once) for begin in range(0, n, at_once)]
    # by the same product as below, so that a row's distance to itself is exactly 0
    squared = np.concatenate([np.diag(rows[block] @ rows[block].T) for block in blocks])
    total = -float(n)  # each row's pair with itself adds exp(0)
    for block in blocks:
        distance = np.clip(squared[block, None] + squared[None, :] - 2 * (rows[block] @ rows.T), 0, None)
        total += float(np.exp(-2 * distance).sum())
    return float(np.log(max(total, np.finfo(np.float64).tiny) / (n * (n - 1))))

"""Bootstrap over images: 95 % intervals of any mean, of macro means, and of the difference of two models.

An image is drawn with all that was measured with it: its captions, in every language. So the macro mean over
languages, whose values share their images, gets an honest interval, and two models are compared on the same draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mc2lib.hashing import key, uniform

Floats = npt.NDArray[np.float64]

RESAMPLES = 1000
#: Draws of images that are held at once.
DRAWS = 1 << 22
#: The ends of a 95 % interval.
ENDS = (0.025, 0.975)


class Sample(NamedTuple):
    """What one measure is the mean of, image by image: the sum of `sums` over the sum of `counts`."""

    images: npt.NDArray[np.int64]  # [k], of the set's n images, each at most once
    sums: npt.NDArray[np.float32]  # [k]
    counts: npt.NDArray[np.float32]  # [k]

    @property
    def value(self) -> float:
        """The measure; NaN if nothing was counted."""
        return _share(self.sums.sum(dtype=np.float64), self.counts.sum(dtype=np.float64))

    @property
    def n(self) -> int:
        """How many answers it is the mean of."""
        return int(self.counts.sum(dtype=np.float64))


class Comparison(NamedTuple):
    """How far one model is ahead of another: the difference, its 95 % interval, and how often draws contradict it."""

    difference: float
    low: float
    high: float
    p: float


def _share(total: float, count: float) -> float:
    return float(total / count) if count else float("nan")


def count_by_image(images: npt.NDArray[np.integer], hits: npt.ArrayLike) -> Sample:
    """The sample of answers that are each of one image.

    Args:
        images: int [a], the image of each answer.
        hits: bool or float [a], what each answer scored.
    """
    found, places = np.unique(images, return_inverse=True)
    sums = np.bincount(places, np.asarray(hits, np.float64), len(found))
    return Sample(found.astype(np.int64), sums.astype(np.float32), np.bincount(places).astype(np.float32))


def resample(samples: Sequence[Sample], images: int, seed: int = 0, resamples: int = RESAMPLES) -> Floats:
    """The measures again, on images drawn with replacement; all measures of one row on the same draw.

    Args:
        samples: m measures of the same set of images.
        images: how many images the set has.
        seed: of the draws; equal seeds and sets give equal draws, whatever is measured.
        resamples: how many draws.

    Returns:
        float64 [resamples, m]; NaN where a draw holds none of a measure's images.
    """
    values = np.full((resamples, len(samples)), np.nan)
    at_once = max(1, DRAWS // max(1, images))
    chunks = [slice(begin, begin + at_once) for begin in range(0, len(samples), at_once)]
    for chunk in chunks:
        sums, counts = (_spread(samples[chunk], images, field) for field in ("sums", "counts"))
        for rows, weights in _draw(images, seed, resamples):
            counted = weights @ counts.T
            np.divide(weights @ sums.T, counted, out=values[rows, chunk], where=counted > 0)
    return values


def _spread(samples: Sequence[Sample], images: int, field: str) -> Floats:
    """One field of some samples over all images of the set, [m, n]."""
    matrix = np.zeros((len(samples), images))
    for row, sample in enumerate(samples):
        matrix[row, sample.images] = getattr(sample, field)
    return matrix


def _draw(images: int, seed: int, resamples: int) -> Iterator[tuple[slice, Floats]]:
    """How often each image is in each draw, some draws at a time."""
    at_once = max(1, DRAWS // max(1, images))
    salt = key("bootstrap", seed, images)
    for begin in range(0, resamples, at_once):
        size = min(at_once, resamples - begin)
        ids = np.arange(begin * images, (begin + size) * images, dtype=np.uint64)
        drawn = (uniform(ids, salt) * images).astype(np.int64).reshape(size, images)
        drawn += np.arange(size)[:, None] * images
        weights = np.bincount(drawn.ravel(), minlength=size * images).reshape(size, images)
        yield slice(begin, begin + size), weights.astype(np.float64)


def interval(values: Floats) -> tuple[float, float]:
    """The ends of the 95 % interval of one measure's resampled values; NaN if there are none.

    Args:
        values: float [resamples], NaNs left out.
    """
    finite = values[~np.isnan(values)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, ENDS)
    return float(low), float(high)


def compare(first: Sequence[Sample], second: Sequence[Sample], images: int, seed: int = 0) -> Comparison:
    """Compare two models by the mean of their measures, such as over languages, on the same draws of images.

    Args:
        first: a model's measures.
        second: the other's measures, in the same order and of the same images.
        images: how many images the set has.
        seed: of the draws.

    Returns:
        first less second; `p` is twice the share of draws in which the sign is the other or none, where what was
        measured counts as one draw more, so that it is never 0.
    """
    difference = float(np.mean([one.value - other.value for one, other in zip(first, second, strict=True)]))
    drawn = resample([*first, *second], images, seed)
    means = drawn[:, : len(first)].mean(axis=1) - drawn[:, len(first) :].mean(axis=1)
    means = means[~np.isnan(means)]
    low, high = interval(means)
    other = min(int(np.sum(means <= 0)), int(np.sum(means >= 0)))
    return Comparison(difference, low, high, min(1.0, 2 * (other + 1) / (len(means) + 1)))

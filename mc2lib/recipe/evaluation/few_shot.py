"""Few-shot geo-localisation: a linear probe from k images per country, and which country it says of the others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mc2lib.errors import InputError
from mc2lib.hashing import key, mix
from mc2lib.recipe.evaluation.zero_shot import Features, Labels

#: Images per country.
SHOTS = (5, 10, 25)
#: Ridge penalty, and the constant feature that stands for the bias, so large that it is hardly penalised.
PENALTY = 2.0**10
BIAS = 100.0
#: Added to each feature's spread before it divides.
LEAST_SPREAD = 1e-5


class Probe(NamedTuple):
    """A linear classifier of standardised features."""

    mean: npt.NDArray[np.float64]  # [d]
    spread: npt.NDArray[np.float64]  # [d]
    weights: npt.NDArray[np.float64]  # [d + 1, classes]


def split_images(count: int, train: int, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Shuffle images into those that shots are drawn from and those that are tested.

    Args:
        count: images.
        train: how many shots are drawn from.
        seed: of the draw.
    """
    order = np.argsort(mix(np.arange(count), key("split", seed)), kind="stable")
    return np.sort(order[:train]), np.sort(order[train:])


def draw_shots(labels: Labels, shots: int, seed: int) -> npt.NDArray[np.int64]:
    """At most `shots` images of each class, drawn without replacement; rows of `labels`, ascending.

    More shots of one seed hold the fewer.

    Args:
        labels: int [n], the class of each image.
        shots: of each class.
        seed: of the draw.
    """
    drawn = np.argsort(mix(np.arange(len(labels)), key("shots", seed)), kind="stable")
    by_class = drawn[np.argsort(labels[drawn], kind="stable")]  # of one class, in the order drawn
    sizes = np.bincount(labels)
    within = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(by_class[within < shots])


def fit_probe(features: Features, labels: Labels, classes: int) -> Probe:
    """Fit a least-squares classifier with a ridge penalty, targets of 1 for the own class and -1 for the others.

    Args:
        features: float [n, d], rows of length one.
        labels: int [n], 0..classes-1.
        classes: number of classes.

    Raises:
        InputError: there are no shots.

    Source: MetaCLIP 2, §4 (few-shot geo-localisation), which evaluates with Big Vision's `fewshot_lsr`.
    """
    if not len(features):
        raise InputError("shots", "there are none", "Give each country an image.")
    rows = features.astype(np.float64)
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + LEAST_SPREAD
    inputs = _standardise(rows, mean, spread)
    targets = np.full((len(rows), classes), -1.0)
    targets[np.arange(len(rows)), labels] = 1.0
    if len(rows) >= inputs.shape[1]:
        penalty = PENALTY * np.eye(inputs.shape[1])
        weights = np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ targets)
    else:  # the same weights, from the smaller of the two systems
        weights = inputs.T @ np.linalg.solve(inputs @ inputs.T + PENALTY * np.eye(len(rows)), targets)
    return Probe(mean, spread, weights)


def apply_probe(probe: Probe, features: Features) -> npt.NDArray[np.int64]:
    """The class that a probe gives each image, int64 [n].

    Args:
        probe: of `fit_probe`.
        features: float [n, d], rows of length one.
    """
    scores = _standardise(features.astype(np.float64), probe.mean, probe.spread) @ probe.weights
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def _standardise(
    rows: npt.NDArray[np.float64], mean: npt.NDArray[np.float64], spread: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.concatenate([(rows - mean) / spread, np.full((len(rows), 1), BIAS)], axis=1)


def locate(
    features: Features, labels: Labels, train: Labels, test: Labels, shots: int, seed: int
) -> npt.NDArray[np.bool_]:
    """Whether each test image's country is found from `shots` images per country.

    A country without a shot cannot be answered with, so its images count as missed.

    Args:
        features: float [n, d], rows of length one.
        labels: int [n], the country of each image.
        train: rows that shots are drawn from.
        test: rows to test.
        shots: of each country.
        seed: of the draw.

    Returns:
        bool, one per row of `test`.
    """
    rows = train[draw_shots(labels[train], shots, seed)]
    known, compact = np.unique(labels[rows], return_inverse=True)
    said = apply_probe(fit_probe(features[rows], compact, len(known)), features[test])
    return np.asarray(known[said] == labels[test])

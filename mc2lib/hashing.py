"""Counter-based hashing: every draw in the study is a pure function of its keys.

A draw depends on (seed, what it is for, the item's id) and on nothing else: not on the order of
shards, the number of workers or the point where a killed run continued.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]


def key(*parts: object) -> int:
    """A 64-bit key of any printable parts, the same on every machine (BLAKE2b).

    Examples:
        >>> key("keep pair", 0, 1) == key("keep pair", 0, 1) != key("keep pair", 0, 2)
        True
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def mix(ids: npt.ArrayLike, salt: int) -> U64:
    """Hash 64-bit ids under a salt: SplitMix64's finaliser over `ids ^ mixed salt`.

    Args:
        ids: integers, any shape; taken as uint64.
        salt: a 64-bit key, see `key`.

    Returns:
        uint64 array of the same shape, uniform over 0..2^64-1.
    """
    with np.errstate(over="ignore"):
        z = np.asarray(ids).astype(np.uint64) + np.uint64(salt) * np.uint64(0x9E3779B97F4A7C15)
        for _ in range(2):
            z = z + np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
    return z


def uniform(ids: npt.ArrayLike, salt: int) -> npt.NDArray[np.float64]:
    """Uniform draws in [0, 1) from 64-bit ids under a salt, with 53 random bits each.

    Examples:
        >>> salt = key("an example")
        >>> uniform([7, 8, 9], salt).round(3).tolist()
        [0.017, 0.455, 0.979]
        >>> uniform([9, 7], salt).round(3).tolist()  # a draw depends on its own id alone
        [0.979, 0.017]
    """
    return (mix(ids, salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(ids: npt.ArrayLike, salt: int) -> npt.NDArray[np.float64]:
    """Standard normal draws from 64-bit ids under a salt (Box-Muller)."""
    first = uniform(ids, salt)
    second = uniform(ids, salt ^ 0xA5A5A5A5A5A5A5A5)
    return np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2.0 * np.pi * second)


def choose(ids: npt.ArrayLike, salt: int, weights: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Draw an index per id with the given weights (need not sum to one).

    Examples:
        >>> choose([1, 2, 3, 4, 5, 6], key("language"), weights=[4, 1]).tolist()
        [0, 0, 0, 1, 0, 0]
    """
    edges = np.cumsum(np.asarray(weights, dtype=np.float64))
    return np.searchsorted(edges, uniform(ids, salt) * edges[-1], side="right").clip(0, len(edges) - 1)

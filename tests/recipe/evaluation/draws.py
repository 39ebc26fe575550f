"""Features to test with."""

from __future__ import annotations

import numpy as np


def draw_units(*shape: int, seed: int) -> np.ndarray:
    """Random rows of length one, float64 of this shape."""
    rows = np.random.default_rng(seed).normal(size=shape)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

"""From hidden vectors to labels: fastText's search of its tree of labels, and its softmax and sigmoid."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from mc2lib.recipe.curation.language_id.fasttext_model import (
    SOFTMAX,
    Doubles,
    Floats,
    Ints,
    Longs,
    Number,
)

#: fastText visits no node less probable than this: log(0 + 1e-5), in its single precision.
_LEAST = np.float32(math.log(1e-5))


@njit(cache=True, nogil=True)
def _log(x: Number) -> Number:
    return np.float32(math.log(np.float64(x) + 1e-5))


@njit(cache=True, nogil=True)
def _chance(output: Floats, row: Number, hidden: Floats) -> Number:
    """The probability of the right child of the node with a row."""
    total = np.float32(0)
    for i in range(len(hidden)):
        total += output[row, i] * hidden[i]
    return np.float32(1.0 / np.float64(np.float32(1) + math.exp(-total)))


@njit(cache=True, nogil=True)
def go_down(
    hidden: Floats,
    count: Number,
    left: Ints,
    right: Ints,
    slack: Number,
    factor: Number,
    output: Floats,
    walks: Longs,
    chances: Doubles,
) -> None:
    """Find the leaf that each text reaches by always taking the more probable child; -1 if other leaves come close.

    All texts descend in parallel: a step waits for a serial
    sum, and the sums of other texts are computed meanwhile. The scores of nodes that are not entered are kept as
    products in double precision. If all of them are worse than the leaf by more than `slack`, fastText's search ends at
    this leaf, whatever its order.

    Args:
        hidden: float32 [>= count, dim].
        count: how many texts.
        left: of the tree.
        right: of the tree.
        slack: of the tree.
        factor: of the tree.
        output: float32 [labels - 1, dim], the vectors of the inner nodes.
        walks: int64 [2, >= count]; the first row gets the leaves, the second is scratch space.
        chances: float64 [2, >= count]; the first row gets the scores, the second is scratch space.
    """
    leaves = (len(left) + 1) // 2
    passed = np.zeros(count)
    products = np.ones(count)
    scores = np.zeros(count, np.float32)
    for k in range(count):
        walks[0, k], walks[1, k] = len(left) - 1, k
    going = count if len(left) > 1 else 0
    while going:
        for i in range(going):
            k = walks[1, i]
            chances[1, i] = _chance(output, walks[0, k] - leaves, hidden[k])
        still = 0
        for i in range(going):
            k = walks[1, i]
            node = walks[0, k]
            more = np.float32(chances[1, i])
            less = np.float32(1.0 - np.float64(more))
            node = np.int64(right[node] if more > less else left[node])
            taken, other = max(more, less), min(more, less)
            passed[k] = max(passed[k], products[k] * (other + 1e-5))
            products[k] *= taken + 1e-5
            scores[k] += _log(taken)
            walks[0, k], walks[1, still] = node, k
            still += left[node] >= 0
        going = still
    for k in range(count):
        chances[0, k] = scores[k]
        if passed[k] >= products[k] * factor or scores[k] - slack < _LEAST:
            walks[0, k] = -1


@njit(cache=True, nogil=True)
def search_tree(
    hidden: Floats, left: Ints, right: Ints, output: Floats, nodes: Ints, scores: Floats
) -> tuple[Number, Number]:
    """Find the leaf at which fastText's depth-first search ends.

    Scores may rise by 1e-5 per step, so what the search cuts off depends on its order, which is fastText's: left before
    right, and the later of equals wins.

    Args:
        hidden: float32 [dim].
        left: of the tree.
        right: of the tree.
        output: float32 [labels - 1, dim], the vectors of the inner nodes.
        nodes: int32 [nodes + 2], scratch space.
        scores: float32 [nodes + 2], scratch space.

    Returns:
        The leaf, -1 if there is none, and the log of its probability.
    """
    leaves = (len(left) + 1) // 2
    label, best = -1, np.float32(-np.inf)
    nodes[0], scores[0] = len(left) - 1, np.float32(0)
    waiting = 1
    while waiting:
        waiting -= 1
        node, score = nodes[waiting], scores[waiting]
        if score < _LEAST or score < best:
            continue
        if left[node] < 0:
            label, best = node, score
            continue
        more = _chance(output, node - leaves, hidden)
        nodes[waiting], scores[waiting] = right[node], score + _log(more)
        nodes[waiting + 1], scores[waiting + 1] = left[node], score + _log(np.float32(1.0 - np.float64(more)))
        waiting += 2
    return label, best


@njit(cache=True, nogil=True)
def find_likeliest(hidden: Floats, output: Floats, scores: Floats, loss: Number) -> tuple[Number, Number]:
    """Find the most probable label.

    Args:
        hidden: float32 [dim].
        output: float32 [dim, labels].
        scores: float32 [labels], scratch space.
        loss: SOFTMAX, or one of the two that give each label its own probability.

    Returns:
        The label, and the log of its probability.
    """
    # the sums of all labels in parallel, each in order
    scores[:] = 0
    for i in range(len(hidden)):
        weight = hidden[i]
        for j in range(len(scores)):
            scores[j] += output[i, j] * weight
    if loss == SOFTMAX:
        _softmax(scores)
    else:
        for j in range(len(scores)):
            scores[j] = _sigmoid(scores[j])
    most = np.float32(0)
    for j in range(len(scores)):
        most = max(scores[j], most)
    near = most * np.float32(0.9999)
    label, best = -1, np.float32(-np.inf)
    for j in range(len(scores)):
        if scores[j] >= near:
            score = _log(scores[j])
            if score >= best:  # of labels whose logs are equal, fastText names the last
                label, best = j, score
    return label, best


@njit(cache=True, nogil=True)
def _softmax(scores: Floats) -> None:
    most = scores[0]
    for j in range(len(scores)):
        most = max(scores[j], most)
    total = np.float32(0)
    for j in range(len(scores)):
        scores[j] = math.exp(scores[j] - most)
        total += scores[j]
    for j in range(len(scores)):
        scores[j] /= total


@njit(cache=True, nogil=True)
def _sigmoid(x: Number) -> Number:
    """The sigmoid of the next lower of 512 steps from -8 to 8, which is what fastText's table has."""
    if x < -8:
        return np.float32(0)
    if x > 8:
        return np.float32(1)
    step = np.int64((x + np.float32(8)) * np.float32(512) / np.float32(8) / np.float32(2))
    return np.float32(1.0 / (1.0 + np.float64(math.exp(np.float32(8 - step / 32)))))

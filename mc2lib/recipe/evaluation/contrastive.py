"""Held-out contrastive loss: the loss of training, on pairs of drawings and captions that no model was trained on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mc2lib.recipe.evaluation.zero_shot import Features, Labels


def held_out_loss(images: Features, captions: Features, labels: Labels, logit_scale: float) -> float:
    """Symmetric contrastive loss in nats, the mean over batches that hold each concept once.

    The concepts with drawings make up every batch, so the batch size is their number m. Batch k pairs the k-th drawing
    of each concept, in the order of rows, with the concept's caption; a concept with fewer drawings than another starts
    again with its first. No two pairs of a batch share a concept, so there are no false negatives, and the loss of
    a model that tells nothing apart is ln m.

    Args:
        images: float [n, d], rows of length one.
        captions: float [c, d], one per concept, rows of length one.
        labels: int [n], each image's concept 0..c-1; a concept may have no image.
        logit_scale: what the model multiplies similarities by.

    Source: MetaCLIP 2, §3.3, which trains with CLIP's loss.

    Examples:
        A model that maps everything to one point:

        >>> one = np.ones((4, 1))
        >>> round(held_out_loss(one, one, np.arange(4), 100.0), 3), round(float(np.log(4)), 3)
        (1.386, 1.386)
    """
    concepts = np.unique(labels)
    logits = logit_scale * (images.astype(np.float64) @ captions[concepts].astype(np.float64).T)
    return float(np.mean([_symmetric_loss(logits[rows]) for rows in batch_by_concept(labels)]))


def batch_by_concept(labels: Labels) -> npt.NDArray[np.int64]:
    """Rows of images such that each batch has one image of every concept.

    Args:
        labels: int [n], each image's concept.

    Returns:
        int64 [batches, concepts], concepts ascending; as many batches as the most images of a concept.

    Examples:
        >>> batch_by_concept(np.array([7, 3, 7])).tolist()
        [[1, 0], [1, 2]]
    """
    order = np.argsort(labels, kind="stable")
    _, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    batch = np.arange(sizes.max())[:, None]
    return np.asarray(order[starts + batch % sizes], dtype=np.int64)


def _symmetric_loss(logits: npt.NDArray[np.float64]) -> float:
    """Mean cross-entropy of a square of logits whose right answers are on its diagonal, over rows and over columns."""
    right = np.diagonal(logits)
    by_image, by_text = (_log_sum_exp(logits, axis) - right for axis in (1, 0))
    return float(np.mean(by_image + by_text) / 2)


def _log_sum_exp(logits: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
    highest = logits.max(axis=axis, keepdims=True)
    total = np.exp(logits - highest).sum(axis=axis)
    return np.asarray(np.log(total) + highest.squeeze(axis))

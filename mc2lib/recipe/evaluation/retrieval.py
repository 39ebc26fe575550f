"""Text-to-image and image-to-text retrieval, with any number of right answers a query."""

from __future__ import annotations

import numpy as np

from mc2lib.errors import InputError
from mc2lib.recipe.evaluation.zero_shot import Features, Labels, Ranks


def rank_gallery(queries: Features, gallery: Features, query_groups: Labels, gallery_groups: Labels) -> Ranks:
    """How many wrong items are at least as similar to each query as its best right one.

    An item is right if it is of the query's group, so recall at k is the share of ranks below k:
    image to text hits if any own caption is in the top k, text to image if any own image is.
    Ties and NaNs count against the model.

    Args:
        queries: float [q, d], rows of length one.
        gallery: float [g, d], rows of length one.
        query_groups: int [q], the concept of each query.
        gallery_groups: int [g], the concept of each item.

    Returns:
        int64 [q], 0 where a right item is the single most similar one.

    Raises:
        InputError: a query has no right item in the gallery.

    Source: MetaCLIP 2, §4 (XM3600 recall with all captions).

    Examples:
        Two captions of image 0: it is found by its better one.

        >>> images, captions = np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0], [0.6, 0.8]])
        >>> rank_gallery(images, captions, np.array([0, 1]), np.array([0, 0, 1])).tolist()
        [0, 1]
    """
    right = query_groups[:, None] == gallery_groups[None, :]
    if not right.any(axis=1).all():
        lost = int(np.argmin(right.any(axis=1)))
        raise InputError(f"query {lost}", "has no right answer in the gallery", "Leave it out, or add its answer.")
    similarity = queries @ gallery.T
    best = np.where(right, similarity, -np.inf).max(axis=1, keepdims=True)
    ranks: Ranks = np.count_nonzero(~right & ~(similarity < best), axis=1).astype(np.int64)
    return ranks

"""Text-to-image and image-to-text retrieval, with any number of right answers per query, in bounded memory."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mc2lib.errors import InputError
from mc2lib.recipe.evaluation.zero_shot import BLOCK, Features, Labels, Ranks


class Answers(NamedTuple):
    """The right items of each query: those of query i are `items[starts[i]:starts[i + 1]]`."""

    starts: npt.NDArray[np.int64]  # [q + 1]
    items: npt.NDArray[np.int64]


class RetrievalRanks(NamedTuple):
    """Ranks in both directions; `captions` has one per caption, `images` one per image that has a caption."""

    asked: npt.NDArray[np.int64]  # the images that were asked with, ascending
    images: Ranks
    captions: Ranks


def collect_answers(queries: Labels, items: Labels, count: int) -> Answers:
    """Sort pairs of a query and a right item by query, each pair once.

    Args:
        queries: int [p], 0..count-1.
        items: int [p], the gallery's rows.
        count: number of queries.

    Raises:
        InputError: a query has no right item.
    """
    pairs = np.unique(np.stack([queries, items], axis=1).astype(np.int64), axis=0)
    sizes = np.bincount(pairs[:, 0], minlength=count)
    if len(sizes) and sizes.min() == 0:
        lost = int(np.argmin(sizes))
        raise InputError(f"query {lost}", "has no right answer in the gallery", "Leave it out, or add its answer.")
    return Answers(np.concatenate([[0], np.cumsum(sizes)]), pairs[:, 1])


def rank_answers(
    queries: Features,
    gallery: Features,
    answers: Answers,
    copies: npt.NDArray[np.int64] | None = None,
    block: int = BLOCK,
) -> Ranks:
    """How many wrong items are at least as similar to each query as its best right one.

    Recall at k is the share of ranks below k. Ties and NaNs count against the model. The matrix of similarities is
    made `block` numbers at a time, never whole.

    Args:
        queries: float [q, d], rows of length one.
        gallery: float [g, d], rows of length one.
        answers: the right items of each query.
        copies: int [g], how often each item is in the gallery; once if left out.
        block: similarities held at once: bounds the memory, changes no result.

    Returns:
        int64 [q], 0 where a right item is the single most similar one.

    Source: MetaCLIP 2, §4 (recall).
    """
    ranks = np.zeros(len(queries), np.int64)
    rows = max(1, block // max(1, len(gallery)))
    for begin in range(0, len(queries), rows):
        similarity = queries[begin : begin + rows] @ gallery.T
        starts = answers.starts[begin : begin + len(similarity) + 1]
        items = answers.items[starts[0] : starts[-1]]
        of_row = np.repeat(np.arange(len(similarity)), np.diff(starts))
        right = similarity[of_row, items]
        best = np.maximum.reduceat(right, starts[:-1] - starts[0])  # NaN if a right one is
        above = ~(similarity < best[:, None])
        right_above = ~(right < best[of_row])
        if copies is None:
            counted = np.count_nonzero(above, axis=1)
            own = right_above.astype(np.int64)
        else:
            counted = above @ copies
            own = right_above * copies[items]
        ranks[begin : begin + len(similarity)] = counted - np.add.reduceat(own, starts[:-1] - starts[0])
    return ranks


def rank_gallery(queries: Features, gallery: Features, query_groups: Labels, gallery_groups: Labels) -> Ranks:
    """`rank_answers` where an item is right if it is of the query's group.

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
    order = np.argsort(gallery_groups, kind="stable")
    first = np.searchsorted(gallery_groups[order], query_groups, side="left")
    sizes = np.searchsorted(gallery_groups[order], query_groups, side="right") - first
    queries_of = np.repeat(np.arange(len(query_groups)), sizes)
    within = np.arange(len(queries_of)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    items = order[np.repeat(first, sizes) + within]
    return rank_answers(queries, gallery, collect_answers(queries_of, items, len(query_groups)))


def rank_captions(
    images: Features, texts: Features, caption_images: Labels, caption_texts: Labels, block: int = BLOCK
) -> RetrievalRanks:
    """Rank all captions of one language both ways; several captions may be of one image, several images of one text.

    Image to text asks with every image that has a caption, and any of its captions is right. Text to image asks with
    every caption, among all images. Where two images have the same text, it is right for both and both are right for
    it: which of two equal captions ranks first would be the order of the file, and says nothing of a model.

    Args:
        images: float [n, d], rows of length one.
        texts: float [m, d], distinct texts, rows of length one.
        caption_images: int [c], the image of each caption.
        caption_texts: int [c], the text of each caption.
        block: as of `rank_answers`.

    Returns:
        ranks of the c captions, and of the images that have one.

    Raises:
        InputError: there are no captions.

    Source: MetaCLIP 2, §4 (XM3600 recall with all captions).
    """
    if not len(caption_images):
        raise InputError("captions", "there are none", "Give each language the captions of some images.")
    asked, image_queries = np.unique(caption_images, return_inverse=True)
    of_images = collect_answers(image_queries, caption_texts, len(asked))
    copies = np.bincount(caption_texts, minlength=len(texts))
    used = np.flatnonzero(copies)  # a text that is no caption here is no part of the gallery
    place = np.zeros(len(texts), np.int64)
    place[used] = np.arange(len(used))
    texts, of_images = texts[used], Answers(of_images.starts, place[of_images.items])
    image_ranks = rank_answers(images[asked], texts, of_images, copies[used], block)
    of_texts = collect_answers(place[caption_texts], caption_images, len(used))
    text_ranks = rank_answers(texts, images, of_texts, block=block)
    return RetrievalRanks(asked.astype(np.int64), image_ranks, text_ranks[place[caption_texts]])

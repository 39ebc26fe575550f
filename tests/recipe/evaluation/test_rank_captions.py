"""Several captions per image, captions that images share, ties, blocks: against a slow oracle of the protocol."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.errors import InputError
from mc2lib.recipe.evaluation.retrieval import Answers, collect_answers, rank_answers, rank_captions
from tests.oracles.evaluation import image_to_text, text_to_image

TEXT = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])


@st.composite
def sets(draw):
    """Images, distinct texts and captions on a coarse grid, so that ties and shared captions are common."""
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    images = random.integers(-2, 3, (n, 2)).astype(np.float32)
    texts = random.integers(-2, 3, (m, 2)).astype(np.float32)
    size = draw(st.integers(1, 9))
    return images, texts, random.integers(0, n, size), random.integers(0, m, size)


@settings(max_examples=200)
@given(sets(), st.integers(1, 3), st.sampled_from([1, 3, 1 << 20]))
def test_both_ways_equal_the_protocol_in_blocks_of_any_size(drawn, k, block):
    images, texts, of_image, of_text = drawn
    captions = [(int(i), int(t), texts[t]) for i, t in zip(of_image, of_text, strict=True)]
    found = rank_captions(images, texts, of_image, of_text, block)
    assert (found.images < k).tolist() == image_to_text(images, captions, k)
    assert (found.captions < k).tolist() == text_to_image(images, captions, k)
    assert found.asked.tolist() == sorted(set(of_image.tolist()))


def test_any_own_caption_counts_and_every_caption_is_a_query():
    images = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = rank_captions(images, TEXT, np.array([0, 0, 1]), np.array([0, 2, 1]))
    assert found.images.tolist() == [0, 0]
    assert found.captions.tolist() == [0, 1, 0]  # the second caption of image 0 is nearer to image 1


def test_a_shared_caption_is_right_for_both_images():
    images = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    found = rank_captions(images, TEXT, np.array([0, 1, 2]), np.array([0, 0, 1]))
    assert found.images.tolist() == [0, 0, 0]
    assert found.captions.tolist() == [0, 0, 0]


def test_a_wrong_caption_counts_as_often_as_it_is_there():
    images = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    found = rank_captions(images, TEXT, np.array([0, 1, 2]), np.array([1, 0, 0]))
    assert found.images[0] == 2  # both images 1 and 2 are called by the text that is nearer


def test_texts_that_are_no_captions_of_this_language_are_no_candidates():
    images = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = rank_captions(images, TEXT, np.array([0, 1]), np.array([2, 1]))
    assert found.images.tolist() == [0, 0]  # text 0 would be nearer to image 0, and is of another language


def test_images_without_a_caption_are_asked_with_in_no_language_but_stay_candidates():
    images = np.array([[1.0, 0.0], [1.0, 0.0]])
    found = rank_captions(images, TEXT, np.array([1]), np.array([0]))
    assert (found.asked.tolist(), found.images.tolist(), found.captions.tolist()) == ([1], [0], [1])


def test_nan_counts_against_both_ways():
    images = np.array([[np.nan, 0.0], [0.0, 1.0]])
    found = rank_captions(images, TEXT, np.array([0, 1]), np.array([0, 1]))
    assert (found.images.tolist(), found.captions.tolist()) == ([1, 0], [1, 1])


def test_no_captions_and_queries_without_answer_are_named():
    with pytest.raises(InputError, match="captions: there are none"):
        rank_captions(TEXT, TEXT, np.zeros(0, int), np.zeros(0, int))
    with pytest.raises(InputError, match="query 1: has no right answer"):
        collect_answers(np.array([0, 2]), np.array([0, 0]), 3)


def test_the_matrix_is_never_whole(monkeypatch):
    sizes = []

    class Watched(np.ndarray):
        def __matmul__(self, other):
            result = np.asarray(self) @ np.asarray(other)
            sizes.append(result.size)
            return result

    queries = np.random.default_rng(0).normal(size=(1000, 4)).view(Watched)
    gallery = np.random.default_rng(1).normal(size=(700, 4))
    answers = Answers(np.arange(1001), np.arange(1000) % 700)
    blocked = rank_answers(queries, gallery, answers, block=7000)
    assert max(sizes) <= 7000
    assert (blocked == rank_answers(queries, gallery, answers)).all()

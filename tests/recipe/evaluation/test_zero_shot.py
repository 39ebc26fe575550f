"""Zero-shot: hand-computed cases, a slow oracle, invariances and ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.errors import InputError
from mc2lib.recipe.evaluation.zero_shot import class_embeddings, normalise, rank_classes, share_within


def test_class_embedding_is_the_normalised_mean_of_normalised_prompts():
    # A long prompt must not outweigh a short one: (3, 0) and (0, 1) meet at 45 degrees.
    prompts = np.array([[3.0, 0.0], [0.0, 1.0], [0.0, -5.0]])
    found = class_embeddings(prompts, np.array([0, 0, 1]), 2)
    np.testing.assert_allclose(found, [[0.5**0.5, 0.5**0.5], [0.0, -1.0]])


def test_a_class_without_prompts_is_refused():
    with pytest.raises(InputError, match=r"not every class of 0\.\.2"):
        class_embeddings(np.eye(2), np.array([0, 2]), 3)


def test_a_prompt_of_an_unknown_class_is_refused():
    with pytest.raises(InputError, match="or others do"):
        class_embeddings(np.eye(2), np.array([0, 1]), 1)


def test_ranks_by_hand():
    classes = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    images = np.array([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.0, -1.0]])
    # Similarities: (1, .8, 0), (1, .8, 0), (.6, .96, .8), (0, -.6, -1).
    ranks = rank_classes(images, classes, np.array([0, 1, 0, 2]))
    assert ranks.tolist() == [0, 1, 2, 2]
    assert share_within(ranks, 1) == 0.25
    assert share_within(ranks, 2) == 0.5
    assert share_within(ranks, 3) == 1.0


def test_ties_count_against():
    collapsed = np.ones((4, 2)) / 2**0.5
    ranks = rank_classes(collapsed, collapsed, np.arange(4))
    assert ranks.tolist() == [3, 3, 3, 3]  # an argmax would give the first image its class


def test_nan_counts_against():
    images = np.array([[np.nan, 0.0], [1.0, 0.0]])
    classes = np.array([[1.0, 0.0], [0.0, 1.0], [np.nan, 0.0]])
    assert rank_classes(images, classes, np.array([0, 0])).tolist() == [2, 1]


def test_normalise_leaves_a_zero_row():
    np.testing.assert_array_equal(normalise(np.array([[0.0, 0.0], [0.0, 2.0]])), [[0.0, 0.0], [0.0, 1.0]])


# Small integers: every product is exact, so ties are ties on every machine.
small = st.integers(-3, 3)


@st.composite
def tasks(draw):
    n, c, d = draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    images = np.array(draw(st.lists(small, min_size=n * d, max_size=n * d)), dtype=float).reshape(n, d)
    classes = np.array(draw(st.lists(small, min_size=c * d, max_size=c * d)), dtype=float).reshape(c, d)
    labels = np.array(draw(st.lists(st.integers(0, c - 1), min_size=n, max_size=n)))
    return images, classes, labels


def slow_rank(image, classes, label):
    scores = [sum(a * b for a, b in zip(image, each, strict=True)) for each in classes]
    return sum(score >= scores[label] for i, score in enumerate(scores) if i != label)


@settings(max_examples=80)
@given(tasks())
def test_ranks_equal_the_slow_oracle(task):
    images, classes, labels = task
    wanted = [slow_rank(image, classes, label) for image, label in zip(images, labels, strict=True)]
    assert rank_classes(images, classes, labels).tolist() == wanted


@settings(max_examples=80)
@given(tasks(), st.randoms(use_true_random=False))
def test_ranks_do_not_depend_on_the_order_of_classes_or_images(task, random):
    images, classes, labels = task
    places = list(range(len(classes)))
    random.shuffle(places)  # class i moves to places[i]
    moved = np.empty_like(classes)
    moved[places] = classes
    order = list(range(len(images)))
    random.shuffle(order)
    found = rank_classes(images[order], moved, np.array(places)[labels][order])
    assert found.tolist() == rank_classes(images, classes, labels)[order].tolist()


@settings(max_examples=40)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_share_grows_with_k(ranks):
    shares = [share_within(np.array(ranks), k) for k in range(1, 11)]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0

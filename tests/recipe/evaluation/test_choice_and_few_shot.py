"""Multiple choice and few-shot geo-localisation: by hand, and against slow oracles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.errors import InputError
from mc2lib.recipe.evaluation.choice import choose_options
from mc2lib.recipe.evaluation.few_shot import BIAS, PENALTY, apply_probe, draw_shots, fit_probe, locate, split_images
from tests.oracles.evaluation import choose, ridge


@settings(max_examples=100)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_choices_equal_the_slow_oracle(questions, options, seed):
    random = np.random.default_rng(seed)
    images = random.integers(-2, 3, (questions, 2)).astype(float)
    texts = random.integers(-2, 3, (questions, options, 2)).astype(float)
    labels = random.integers(0, options, questions)
    wanted = [choose(i, o, label) for i, o, label in zip(images, texts, labels, strict=True)]
    assert choose_options(images, texts, labels).tolist() == wanted


def test_a_tie_and_a_nan_are_no_answer():
    image = np.array([[1.0, 0.0]])
    assert not choose_options(image, np.array([[[1.0, 0.0], [1.0, 0.0]]]), np.array([0]))[0]
    assert not choose_options(image, np.array([[[np.nan, 0.0]]]), np.array([0]))[0]


def test_withheld_answers_are_refused_with_their_number():
    with pytest.raises(InputError, match=r"2 of 3 labels are outside 0..1; the first is -1 of question 1"):
        choose_options(np.zeros((3, 2)), np.zeros((3, 2, 2)), np.array([0, -1, 2]))


@pytest.mark.parametrize(("rows", "width"), [(6, 2), (3, 5)])
def test_the_probe_equals_gauss_elimination_in_both_forms(rows, width):
    random = np.random.default_rng(rows)
    features, labels = random.normal(size=(rows, width)), np.arange(rows) % 3
    probe = fit_probe(features, labels, 3)
    weights, mean, spread = ridge(features.tolist(), labels.tolist(), 3, PENALTY, BIAS)
    assert np.allclose(probe.weights, weights, atol=1e-9)
    assert np.allclose(probe.mean, mean) and np.allclose(probe.spread, spread)


def test_shots_are_at_most_k_of_each_class_and_more_hold_the_fewer():
    labels = np.array([0] * 8 + [1] * 3 + [3] * 20)
    few, many = draw_shots(labels, 5, 7), draw_shots(labels, 10, 7)
    assert np.bincount(labels[few]).tolist() == [5, 3, 0, 5] and np.bincount(labels[many]).tolist() == [8, 3, 0, 10]
    assert set(few) <= set(many)
    assert draw_shots(labels, 5, 8).tolist() != few.tolist()


def test_a_split_has_every_image_once():
    train, test = split_images(50, 20, 3)
    assert len(train) == 20 and sorted([*train, *test]) == list(range(50))
    assert split_images(50, 20, 4)[0].tolist() != train.tolist()


def test_countries_far_apart_are_found_and_one_without_a_shot_is_missed():
    random = np.random.default_rng(0)
    centres = np.eye(3)
    labels = np.repeat([0, 1, 2], 30)
    features = centres[labels] + random.normal(scale=0.05, size=(90, 3))
    train, test = np.arange(0, 90, 2), np.arange(1, 90, 2)
    assert locate(features, labels, train, test, 5, 0).all()
    hits = locate(features, labels, train[labels[train] != 2], test, 5, 0)
    assert not hits[labels[test] == 2].any() and hits[labels[test] != 2].all()


def test_no_shots_are_refused():
    with pytest.raises(InputError, match="shots: there are none"):
        fit_probe(np.zeros((0, 2)), np.zeros(0, int), 1)


def test_a_probe_answers_with_a_class():
    probe = fit_probe(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1]), 2)
    assert apply_probe(probe, np.array([[0.9, 0.1], [0.2, 0.8]])).tolist() == [0, 1]

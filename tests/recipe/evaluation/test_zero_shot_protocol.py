"""Template ensembles, several right classes, embedding quality: against slow oracles of the protocol."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.recipe.evaluation import geometry, zero_shot
from mc2lib.recipe.evaluation.geometry import modality_gap, uniformity
from mc2lib.recipe.evaluation.retrieval import collect_answers, rank_answers
from mc2lib.recipe.evaluation.zero_shot import class_embeddings, rank_classes
from tests.oracles.evaluation import ensemble, top_k
from tests.oracles.evaluation import uniformity as slow_uniformity


@settings(max_examples=50)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1), st.booleans())
def test_ensembles_equal_normalise_mean_normalise(classes, templates, seed, shuffled):
    random = np.random.default_rng(seed)
    prompts = random.normal(size=(classes * templates, 3))
    of_class = np.repeat(np.arange(classes), templates)
    order = random.permutation(len(of_class)) if shuffled else np.arange(len(of_class))
    found = class_embeddings(prompts[order], of_class[order], classes)
    for number, row in enumerate(found):
        assert row == pytest.approx(ensemble(prompts[of_class == number].tolist()), abs=1e-12)


@settings(max_examples=50)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_a_hit_is_any_right_class_in_the_top_k(images, classes, k, seed):
    random = np.random.default_rng(seed)
    rows, names = (random.integers(-2, 3, (n, 2)).astype(float) for n in (images, classes))
    right = [sorted(set(random.integers(0, classes, random.integers(1, 4)).tolist())) for _ in range(images)]
    pairs = np.array([(i, c) for i, found in enumerate(right) for c in found])
    ranks = rank_answers(rows, names, collect_answers(pairs[:, 0], pairs[:, 1], images))
    assert (ranks < k).tolist() == [top_k(row, names, found, k) for row, found in zip(rows, right, strict=True)]


def test_blocks_change_no_rank_and_no_uniformity(monkeypatch):
    random = np.random.default_rng(0)
    images, classes, labels = random.normal(size=(50, 4)), random.normal(size=(7, 4)), random.integers(0, 7, 50)
    whole, spread = rank_classes(images, classes, labels), uniformity(images)
    monkeypatch.setattr(zero_shot, "BLOCK", 20)
    monkeypatch.setattr(geometry, "BLOCK", 120)
    assert (rank_classes(images, classes, labels) == whole).all()
    assert uniformity(images) == pytest.approx(spread, abs=1e-12)
    assert spread == pytest.approx(slow_uniformity(images.tolist()), abs=1e-9)


def test_the_gap_is_between_the_means():
    images, texts = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[-0.6, 0.8]])
    assert modality_gap(images, texts) == pytest.approx(np.hypot(1.1, -0.3))
    assert modality_gap(images, images) == 0

"""The held-out loss against slow loops, and at its ends."""

from __future__ import annotations

import numpy as np
import pytest

from mc2lib.recipe.evaluation.contrastive import batch_by_concept, held_out_loss
from tests.oracles import evaluation as oracle
from tests.recipe.evaluation.draws import draw_units


@pytest.mark.parametrize("scale", [1.0, 14.3])
def test_against_the_oracle(scale):
    # Concepts 1 and 4 have no drawing, concept 0 has three, and two captions are the same.
    labels = np.array([2, 0, 3, 0, 5, 2, 0])
    images, captions = draw_units(7, 4, seed=1), draw_units(6, 4, seed=2)
    captions[3] = captions[5]
    expected = oracle.held_out_loss(images, captions, labels, scale)
    assert held_out_loss(images, captions, labels, scale) == pytest.approx(expected, rel=1e-12)


def test_a_batch_holds_every_concept_once_and_every_drawing_is_used():
    labels = np.array([2, 0, 3, 0, 5, 2, 0])
    batches = batch_by_concept(labels)
    assert (labels[batches] == [0, 2, 3, 5]).all()
    assert batches[:, 0].tolist() == [1, 3, 6] and batches[:, 1].tolist() == [0, 5, 0]
    assert set(batches.ravel()) == set(range(7))


def test_one_point_costs_the_logarithm_of_the_batch():
    one = np.ones((6, 1), np.float32)
    assert held_out_loss(one, one, np.array([0, 1, 1, 4]), 100.0) == pytest.approx(np.log(3), abs=1e-12)


def test_what_is_told_apart_costs_nothing_and_what_is_swapped_costs_the_scale():
    axes = np.eye(3, dtype=np.float32)
    assert held_out_loss(axes, axes, np.arange(3), 100.0) == pytest.approx(0, abs=1e-12)
    assert held_out_loss(axes[:2], axes[[1, 0, 2]], np.arange(2), 100.0) == pytest.approx(100.0)


def test_large_logits_do_not_overflow():
    axes = np.eye(2, dtype=np.float32)
    assert held_out_loss(axes, -axes, np.arange(2), 5000.0) == pytest.approx(5000.0)

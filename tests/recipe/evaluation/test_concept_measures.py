"""Measures by concept, and the head and tail of a pool, against slow loops."""

from __future__ import annotations

from statistics import fmean

import numpy as np
import pytest

from mc2lib.recipe.evaluation.concept_measures import measure_concepts, split_by_frequency
from mc2lib.recipe.evaluation.zero_shot import rank_classes
from tests.oracles import evaluation as oracle
from tests.recipe.evaluation.draws import draw_units

LANGUAGES = ("en", "de", "ru")
LABELS = np.array([4, 0, 1, 1, 4, 4, 0, 2])  # concept 3 has no drawing, and not every concept has as many
IMAGES = draw_units(8, 3, seed=3)
NAMES = draw_units(3, 6, 3, seed=4)
NAMES[1, 2] = NAMES[1, 4]  # German has one word for two concepts


@pytest.fixture(scope="module")
def found():
    ranks = np.stack([rank_classes(IMAGES, names, LABELS) for names in NAMES])
    return {(row.measure, row.concept): row for row in measure_concepts(ranks, LABELS, LANGUAGES)}


def score(measure, language, drawing):
    image, classes, label = IMAGES[drawing], NAMES[language], LABELS[drawing]
    if measure == "mrr":
        return oracle.reciprocal_rank(image, classes, label)
    return oracle.top_k(image, classes, [label], int(measure.removeprefix("top")))


@pytest.mark.parametrize("measure", ["top1", "top5", "mrr"])
def test_against_the_oracle(found, measure):
    for concept in (0, 1, 2, 4):
        drawings = [drawing for drawing, label in enumerate(LABELS) if label == concept]
        english = fmean(score(measure, 0, drawing) for drawing in drawings)
        world = fmean(fmean(score(measure, language, drawing) for drawing in drawings) for language in (1, 2))
        assert found[f"en_{measure}", concept].value == pytest.approx(english)
        assert found[f"world_{measure}", concept].value == pytest.approx(world)
        assert found[f"en_{measure}", concept].drawings == len(drawings)


def test_a_concept_without_drawings_has_no_row(found):
    assert {concept for _, concept in found} == {0, 1, 2, 4} and len(found) == 24


def test_a_set_without_english_has_no_row_for_it():
    names = {row.measure for row in measure_concepts(np.zeros((1, 2), np.int64), np.array([0, 1]), ("de",))}
    assert names == {"world_top1", "world_top5", "world_mrr"}


@pytest.mark.parametrize("seed", range(20))
def test_head_and_tail_against_the_oracle(seed):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 12, size=random.integers(1, 30))
    pairs = random.integers(0, 5, size=12)  # ties, at the border of a third too
    head, tail = split_by_frequency(pairs, labels)
    frequent, rare = oracle.frequent_and_rare(pairs.tolist(), labels.tolist())
    assert head.tolist() == [row for row, label in enumerate(labels) if label in frequent]
    assert tail.tolist() == [row for row, label in enumerate(labels) if label in rare]

"""All measures of one model: a table worked out by hand, and what is counted where."""

from __future__ import annotations

import numpy as np
import pytest

from mc2lib.recipe.evaluation.concept_measures import measure_concepts
from mc2lib.recipe.evaluation.measures import (
    MACRO,
    GroundTruth,
    Measure,
    ModelFeatures,
    measure_chance,
    measure_model,
    measure_ranks,
    rank_seen,
    summarise,
)
from tests.oracles import evaluation as oracle
from tests.recipe.evaluation.draws import draw_units

# Three concepts on the axes of space, two drawings each; the third concept is held out.
AXES = np.eye(3)
LABELS = np.array([0, 0, 1, 1, 2, 2])
SEEN = np.array([True, True, False])
SCRIPTS = {"en": "Latin", "de": "Latin", "ru": "Cyrillic"}
# English names each concept right, German swaps the first two, Russian knows the first alone.
NAMES = np.stack([AXES, AXES[[1, 0, 2]], np.stack([AXES[0], -AXES[1], -AXES[2]])])
# In Russian the second concept is the frequent one, elsewhere the first.
PAIRS = np.array([[9, 1, 0], [9, 1, 0], [1, 9, 0]])


def truth_of(languages, labels=LABELS, seen=SEEN, pairs=PAIRS):
    return GroundTruth(labels, seen, pairs[: len(languages)], languages, SCRIPTS)


def measure(images, names, truth, scale=1.0):
    return measure_model(ModelFeatures(images, names, names, scale), truth)


@pytest.fixture(scope="module")
def found():
    rows = measure(AXES[LABELS], NAMES, truth_of(("en", "de", "ru")))
    return {(row.measure, row.language): row.value for row in rows}


@pytest.mark.parametrize(
    ("measure", "language", "value"),
    [
        ("top1", "en", 1.0),
        ("top1", "de", 0.0),
        ("top1", "ru", 0.5),
        ("top1", MACRO, 0.25),
        ("world_top1", "", 0.25),
        ("en_top1", "", 1.0),
        ("top1_script", "Latin", 0.0),  # German alone: English is no part of its script's mean
        ("top1_script", "Cyrillic", 0.5),
        ("top5", "ru", 1.0),
        ("mrr", "en", 1.0),
        ("mrr", "de", 1 / 3),  # the other swapped name comes first, the third name ties with the own one
        ("mrr", "ru", (1 + 1 / 3) / 2),  # the second concept's name is the farthest of three
        ("world_mrr", "", 0.5),
        ("mrr_script", "Cyrillic", 2 / 3),
        ("unseen_mrr", "ru", 1 / 3),
        ("head_top1", "ru", 0.0),
        ("tail_top1", "ru", 1.0),
        ("head_top1", "en", 1.0),
        ("world_tail_top1", "", 0.5),
        ("loss", "en", np.log(np.e + 1) - 1),  # logits 1 and 0, at a scale of 1
        ("loss", "de", np.log(np.e + 1)),  # 0 and 1
        ("en_loss", "", np.log(np.e + 1) - 1),
        ("unseen_top1", "en", 1.0),
        ("unseen_top1", "de", 1.0),
        ("unseen_top1", "ru", 0.0),
        ("world_unseen_top1", "", 0.5),
        ("t2i_r1", "en", 1.0),
        ("t2i_r1", "de", 0.0),
        ("t2i_r5", "de", 1.0),
        ("t2i_r5", "ru", 1.0),  # four wrong drawings before the right ones of the second concept: rank 4
        ("t2i_r1", "ru", 0.5),
        ("i2t_r1", "de", 0.0),
        ("i2t_r1", "ru", 0.5),
        ("en_i2t_r10", "", 1.0),
        ("alignment", "en", 0.0),
        ("alignment", "de", 2.0),
        ("alignment", "ru", 2.0),  # 0 for the first concept, 4 for the second
        ("text_uniformity", "en", -4.0),
    ],
)
def test_by_hand(found, measure, language, value):
    assert found[measure, language] == pytest.approx(value)


def test_image_uniformity_is_of_seen_drawings(found):
    # Four drawings in two points at squared distance 2: of 12 ordered pairs 4 coincide, 8 are at distance 2.
    assert found["image_uniformity", ""] == pytest.approx(np.log((4 + 8 * np.exp(-4)) / 12))


def test_without_held_out_concepts_there_is_no_unseen_measure():
    rows = measure(AXES[LABELS], NAMES[:1], truth_of(("en",), seen=np.ones(3, bool)))
    assert not [row for row in rows if "unseen" in row.measure]
    assert not [row for row in rows if row.measure.startswith("world")]  # nor a world of English alone


def test_a_concept_whose_drawings_were_all_dropped_is_not_asked_for():
    labels = np.array([0, 0, 2])
    rows = measure(AXES[labels], NAMES[:1], truth_of(("en",), labels))
    assert Measure("t2i_r1", "en", 1.0) in rows


def test_summary_weighs_each_language_alike():
    rows = summarise("top1", {"en": 0.9, "de": 0.2, "ru": 0.4, "uk": 0.9}, {**SCRIPTS, "uk": "Cyrillic"})
    assert {(row.measure, row.language): pytest.approx(row.value) for row in rows} == {
        ("top1_script", "Cyrillic"): 0.65,
        ("top1_script", "Latin"): 0.2,
        ("top1", MACRO): 0.5,
        ("world_top1", ""): 0.5,
        ("en_top1", ""): 0.9,
    }


def test_chance_by_hand():
    found = measure_chance(LABELS, SEEN)
    assert found["top1"] == found["unseen_top1"] == found["i2t_r1"] == pytest.approx(1 / 3)
    assert found["t2i_r1"] == pytest.approx(2 / 6)
    assert found["top5"] == found["t2i_r10"] == 1.0
    assert found["head_top1"] == found["tail_top1"] == pytest.approx(1 / 3)
    assert found["mrr"] == found["unseen_mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert found["loss"] == pytest.approx(np.log(2))  # of the two seen concepts


def test_zero_shot_against_the_oracle():
    labels, seen = np.array([0, 5, 1, 1, 2, 3, 4, 4, 5]), np.array([True, True, True, False, True, True])
    images, names, pairs = draw_units(9, 3, seed=5), draw_units(6, 3, seed=6), np.array([7, 2, 2, 9, 2, 0])
    names[2] = names[4] = names[1]  # one word for three concepts
    images[4] = names[1]
    found = measure(images, names[None], truth_of(("en",), labels, seen, pairs[None]), 7.0)
    values = {row.measure: row.value for row in found if row.language == "en"}
    hits = {i: oracle.top_k(images[i], names, [label], 1) for i, label in enumerate(labels)}
    places = {i: oracle.reciprocal_rank(images[i], names, label) for i, label in enumerate(labels)}
    head, tail = oracle.frequent_and_rare(pairs, labels[seen[labels]])
    for name, wanted in (
        ("mrr", [places[i] for i in places if seen[labels[i]]]),
        ("unseen_mrr", [places[i] for i in places if not seen[labels[i]]]),
        ("head_top1", [hits[i] for i in hits if labels[i] in head]),
        ("tail_top1", [hits[i] for i in hits if labels[i] in tail]),
    ):
        assert values[name] == pytest.approx(np.mean(wanted)), name
    known = seen[labels]
    assert values["loss"] == pytest.approx(oracle.held_out_loss(images[known], names, labels[known], 7.0))


def test_what_cannot_be_named_scores_nothing():
    unreachable = np.full(2, np.iinfo(np.int64).max)
    found = measure_ranks(unreachable, np.array([0, 1]), np.ones(2, bool), np.zeros(2, np.int64))
    assert list(found.values()) == pytest.approx([0.0] * len(found))


def test_the_mean_over_concepts_is_the_measure():
    labels, seen = np.array([0, 0, 0, 1, 2, 2]), np.array([True, True, False])
    features = ModelFeatures(draw_units(6, 3, seed=7), draw_units(3, 3, 3, seed=8), draw_units(3, 3, 3, seed=9), 1.0)
    truth = truth_of(("en", "de", "ru"), labels, seen)
    values = {row.measure: row.value for row in measure_model(features, truth)}
    rows = measure_concepts(*rank_seen(features, truth), truth.languages)
    for name in ("en_top1", "world_top1", "en_top5", "world_top5", "en_mrr", "world_mrr"):
        of_measure = [row for row in rows if row.measure == name]
        assert [row.drawings for row in of_measure] == [3, 1]
        assert sum(row.drawings * row.value for row in of_measure) / 4 == pytest.approx(values[name])


def test_a_model_that_maps_all_to_one_point_scores_nothing():
    one = np.ones((3, 2)) / 2**0.5
    rows = measure(one[LABELS % 3], one[None], truth_of(("en",)))
    assert {row.value for row in rows if row.measure.endswith(("top1", "_r1"))} == {0.0}
    assert Measure("mrr", "en", 1 / 3) in rows  # every other class comes first
    assert [row.value for row in rows if row.measure == "loss"] == [pytest.approx(np.log(2))]

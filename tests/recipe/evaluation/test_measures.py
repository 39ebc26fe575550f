"""All measures of one model: a table worked out by hand, and what is counted where."""

from __future__ import annotations

import numpy as np
import pytest

from mc2lib.recipe.evaluation.measures import MACRO, Measure, measure_chance, measure_model, summarise

# Three concepts on the axes of space, two drawings each; the third concept is held out.
AXES = np.eye(3)
LABELS = np.array([0, 0, 1, 1, 2, 2])
SEEN = np.array([True, True, False])
SCRIPTS = {"en": "Latin", "de": "Latin", "ru": "Cyrillic"}
# English names each concept right, German swaps the first two, Russian knows the first alone.
NAMES = np.stack([AXES, AXES[[1, 0, 2]], np.stack([AXES[0], -AXES[1], -AXES[2]])])


@pytest.fixture(scope="module")
def found():
    rows = measure_model(AXES[LABELS], LABELS, SEEN, NAMES, NAMES, ("en", "de", "ru"), SCRIPTS)
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
    rows = measure_model(AXES[LABELS], LABELS, np.ones(3, bool), NAMES[:1], NAMES[:1], ("en",), SCRIPTS)
    assert not [row for row in rows if "unseen" in row.measure]
    assert not [row for row in rows if row.measure.startswith("world")]  # nor a world of English alone


def test_a_concept_whose_drawings_were_all_dropped_is_not_asked_for():
    labels = np.array([0, 0, 2])
    rows = measure_model(AXES[labels], labels, SEEN, NAMES[:1], NAMES[:1], ("en",), SCRIPTS)
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


def test_a_model_that_maps_all_to_one_point_scores_nothing():
    one = np.ones((3, 2)) / 2**0.5
    rows = measure_model(one[LABELS % 3], LABELS, SEEN, one[None], one[None], ("en",), SCRIPTS)
    assert {row.value for row in rows if row.measure.endswith(("top1", "_r1"))} == {0.0}

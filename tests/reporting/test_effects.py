"""The list of effects: its arms are in the study, its directions are of whom they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mc2lib.reporting.effects import EFFECTS, TOPICS, Effect
from mc2lib.reporting.tables import CONTROLS

STUDY = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture(scope="module")
def arms():
    return YAML(typ="safe", pure=True).load(STUDY.read_text(encoding="utf-8"))["arms"]


def test_every_arm_that_an_effect_names_is_in_the_study(arms):
    assert {arm for each in EFFECTS for arm in each.weights} <= set(arms) | set(CONTROLS)


def test_keys_are_unique_topics_known_and_differences_balanced():
    assert len({each.key for each in EFFECTS}) == len(EFFECTS)
    assert {each.topic for each in EFFECTS} == set(TOPICS)
    for each in EFFECTS:
        assert len(each.plus) == len(each.minus) and not set(each.plus) & set(each.minus), each.key


def test_compared_arms_differ_in_what_the_title_says(arms):
    """An effect compares arms of one tower and mix, but for capacity, and for curation in two pools."""
    for each in EFFECTS:
        trained = [arms[arm] for arm in each.weights if arm not in CONTROLS]
        assert len({arm["tower"] for arm in trained}) == (2 if each.key == "capacity" else 1), each.key
        assert len({arm.get("mix", "base") for arm in trained}) == (2 if each.key == "stress_more" else 1), each.key


def test_a_direction_has_someone_who_expects_it_and_a_reason():
    assert {each.bar for each in EFFECTS} == {"paper", "ours", "none"}
    for each in EFFECTS:
        assert (each.direction == "none") == (each.bar == "none") == (not each.reason), each.key


def test_the_papers_bars_are_of_arms_that_the_paper_has():
    """Raw pools, pixels, longer training, this pool's noise and small vocabularies are of this study alone."""
    own = {"raw", "pixel neighbour", "large-worldwide-scaled-long", "tokenizer-pool", "tokenizer-bytes"}
    own |= {"clean-english", "clean-worldwide", "noisy-english", "noisy-worldwide"}
    for each in EFFECTS:
        if set(each.weights) & own:
            assert each.bar == "ours", each.key


def test_weights_and_sign():
    effect = Effect("k", "main", "T", "ours", "below", "why", "en_top1", ("a", "b"), ("c", "d"))
    assert effect.weights == {"a": 1, "b": 1, "c": -1, "d": -1} and effect.sign == -1

"""The interval over seeds and concepts: its mean, its coverage, and what it needs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mc2lib.reporting.concept_bootstrap import bootstrap_effect, bootstrap_interval
from mc2lib.reporting.effects import Effect
from mc2lib.reporting.statistics import t_interval

EFFECT = Effect("key", "main", "Title", "paper", "above", "why", "en_top1", ("a", "c"), ("b", "d"))
COLUMNS = ["arm", "seed", "measure", "concept", "drawings", "value"]


def simulate(rng, seeds, own, shared, seed_effect, concepts=120, drawn=50):
    """A study of no effect: each seed draws its concepts; cells hold noise of seed, concept, and their own."""
    of_seed, of_concept = rng.normal(0, seed_effect, seeds), rng.normal(0, shared, concepts)
    differences = rng.normal(0, own, (concepts, seeds)) + of_concept[:, None] + of_seed
    drawings = np.zeros((concepts, seeds))
    for seed in range(seeds):
        drawings[rng.choice(concepts, drawn, replace=False), seed] = rng.integers(1, 4, drawn)
    return differences * (drawings > 0), drawings


def seed_means(differences, drawings):
    return (differences * drawings).sum(axis=0) / drawings.sum(axis=0)


@pytest.mark.parametrize(
    ("own", "shared", "seed_effect"), [(1.0, 0.0, 0.0), (1.0, 0.0, 0.3), (0.3, 1.0, 0.0), (0.8, 0.5, 0.1)]
)
def test_it_covers_the_truth_as_often_as_it_says(own, shared, seed_effect):
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(200):
        low, high = bootstrap_interval(*simulate(rng, 6, own, shared, seed_effect))
        covered.append(low <= 0 <= high)
    assert 0.92 <= np.mean(covered) <= 0.995


def test_seeds_alone_miss_what_shared_concepts_bring():
    """The t interval is too narrow where seeds share concepts that matter: that is why there is another."""
    rng = np.random.default_rng(2)
    ends = [t_interval(seed_means(*simulate(rng, 6, 0.3, 1.0, 0.0))) for _ in range(200)]
    assert np.mean([low <= 0 <= high for low, high in ends]) < 0.9


def test_it_is_about_the_mean_and_no_narrower_than_the_seeds_own():
    rng = np.random.default_rng(3)
    for shared in (0.0, 1.0):
        study = simulate(rng, 4, 0.5, shared, 0.1)
        low, high = bootstrap_interval(*study)
        seeds_low, seeds_high = t_interval(seed_means(*study))
        assert (low + high) / 2 == pytest.approx((seeds_low + seeds_high) / 2)
        assert low <= seeds_low + 1e-12 and high >= seeds_high - 1e-12


def test_the_same_study_gives_the_same_interval():
    study = simulate(np.random.default_rng(4), 3, 1.0, 0.5, 0.0)
    assert bootstrap_interval(*study) == bootstrap_interval(*study)


def table(rng, arms="abcd", seeds=(0, 1, 2), measure="en_top1"):
    """Values by concept; seed s has the concepts 0..9 without concept s, concept c with c + 1 drawings."""
    rows = [
        (arm, seed, measure, str(concept), concept + 1, rng.random())
        for seed in seeds
        for arm in arms
        for concept in range(10)
        if concept != seed
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_arms_are_paired_by_seed_and_concept():
    """Four arms with signs, against the difference taken cell by cell."""
    concepts = table(np.random.default_rng(5))
    cells = concepts.set_index(["arm", "seed", "concept"])["value"]
    differences, drawings = np.zeros((10, 3)), np.zeros((10, 3))
    for seed in range(3):
        for concept in set(range(10)) - {seed}:
            at = {arm: cells[arm, seed, str(concept)] for arm in "abcd"}
            differences[concept, seed] = at["a"] + at["c"] - at["b"] - at["d"]
            drawings[concept, seed] = concept + 1
    shuffled = concepts.sample(frac=1, random_state=0)
    assert bootstrap_effect(shuffled, EFFECT, (0, 1, 2)) == pytest.approx(bootstrap_interval(differences, drawings))


def test_what_an_interval_needs():
    concepts = table(np.random.default_rng(6))
    assert bootstrap_effect(concepts, EFFECT, (0, 1)) is not None
    assert bootstrap_effect(concepts, EFFECT, (0,)) is None  # one seed
    assert bootstrap_effect(concepts, EFFECT, (0, 3)) is None  # no values of seed 3
    assert bootstrap_effect(concepts[concepts["arm"] != "d"], EFFECT, (0, 1)) is None
    assert bootstrap_effect(table(np.random.default_rng(6), measure="en_top5"), EFFECT, (0, 1)) is None
    assert bootstrap_effect(pd.DataFrame(columns=COLUMNS), EFFECT, (0, 1)) is None
    assert bootstrap_interval(np.ones((3, 2)), np.array([[1.0, 0], [1, 0], [1, 0]])) is None

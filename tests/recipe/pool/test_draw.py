import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.params import Forms, Noise, Pool
from mc2lib.recipe.pool.concepts import Caption, Split
from mc2lib.recipe.pool.draw import BLOCK, concept_shares, draw_pairs, language_shares
from mc2lib.recipe.pool.texts import Phrasebook

POOL = Pool(
    english_share=0.5,
    language_exponent=1.0,
    concept_exponent=1.0,
    concept_jitter=0.5,
    forms=Forms(1.0, 0.0, 0.0, 0.0),
    second_text=0.25,
    held_out_styles=("y",),
    held_out_share=0.1,
    mixes={
        "base": Noise(0.1, 0.1, 0.1, 0.1),
        "clean": Noise(0.0, 0.0, 0.0, 0.0),
        "stress": Noise(0.0, 0.0, 0.0, 0.0, uninformative=0.4),
    },
    concepts=3,
    pairs=1000,
    image_size=32,
)
SPLIT = Split(("apple", "bell", "cat"), ("dog",), ("pet",))
CAPTIONS = {
    c: {language: Caption(f"{c} {language}", ("thing",)) for language in ("en", "de")}
    for c in ("apple", "bell", "cat", "dog")
}
IMAGES = {c: [f"noto/{c}", f"fluent/{c}"] for c in SPLIT.trained}
BOOKS = {
    language: Phrasebook(
        language,
        ("born free and equal",),
        ("Japan",),
        "{0} ({1})",
        True,
        ("Close", "Next"),
        (f"{language} bullet", "x"),
    )
    for language in ("en", "de")
}


def draw(mix="base", pool=POOL, seed=0, block=BLOCK):
    pairs, truth = draw_pairs(SPLIT, CAPTIONS, IMAGES, BOOKS, pool, mix, seed, block)
    return pairs.to_pandas(), truth.to_pandas()


def test_shares_by_hand():
    assert language_shares(4, 0.4, 1.0) == pytest.approx([0.4, 0.6 * 6 / 11, 0.6 * 3 / 11, 0.6 * 2 / 11])
    assert language_shares(1, 0.4, 1.0).tolist() == [1.0]
    assert np.sort(concept_shares(["a", "b"], "en", 1.0, 0.0, 0)) == pytest.approx([1 / 3, 2 / 3])


@settings(max_examples=25)
@given(st.integers(0, 1000), st.floats(0, 2))
def test_concept_shares_sum_to_one_in_every_language(seed, exponent):
    for language in ("en", "ja"):
        assert concept_shares(["a", "b", "c"], language, exponent, 0.5, seed).sum() == pytest.approx(1)


def test_without_jitter_all_languages_have_one_order():
    names = [f"c{i}" for i in range(20)]
    assert concept_shares(names, "en", 1.0, 0.0, 7).tolist() == concept_shares(names, "th", 1.0, 0.0, 7).tolist()
    assert concept_shares(names, "en", 1.0, 0.5, 7).tolist() != concept_shares(names, "th", 1.0, 0.5, 7).tolist()


def test_a_clean_pair_says_what_the_image_shows_in_its_language():
    pairs, truth = draw("clean")
    assert len(pairs) == 1000 and pairs["pair_id"].is_unique and pairs["image_id"].nunique() == 800
    assert (truth["concept"] + " " + pairs["language"] == pairs["alt_text"]).all()
    assert (pairs["image"].str.split("/").str[1] == truth["concept"]).all()


def test_held_out_concepts_occur_nowhere():
    pairs, truth = draw()
    assert "dog" not in set(truth["concept"]) and not pairs["alt_text"].str.contains("dog").any()


def test_noise_does_what_its_kind_says():
    pairs, truth = draw()
    joined = pairs.merge(truth, on="pair_id")
    for kind in ("file_name", "boilerplate", "wrong_concept", "wrong_language"):
        assert 0.06 < (joined["noise"] == kind).mean() < 0.14
    wrong = joined[joined["noise"] == "wrong_concept"]
    assert (wrong["alt_text"].str.split().str[0] != wrong["concept"]).all()
    assert set(joined.loc[joined["noise"] == "boilerplate", "alt_text"]) == {"Close", "Next"}
    other = joined[joined["noise"] == "wrong_language"]
    assert (other["alt_text"].str.split().str[1] != other["language"]).all()


def test_mixes_of_a_seed_share_images_and_languages():
    (base, _), (clean, _) = draw("base"), draw("clean")
    assert base.drop(columns="alt_text").equals(clean.drop(columns="alt_text"))


def test_the_head_of_a_stressed_pool_says_nothing_of_its_images():
    pairs, truth = draw("stress")
    head = truth["noise"] == "uninformative"
    assert 0.36 < head.mean() < 0.44
    named = pairs["alt_text"][head] == pairs["language"][head] + " bullet"
    assert 0.6 < named.mean() < 0.73 and set(pairs["alt_text"][head][~named]) == {"x"}
    shown = pd.crosstab(truth["concept"][head], pairs["alt_text"][head] == "x", normalize="columns")
    assert (shown[True] - shown[False]).abs().max() < 0.15


def test_the_size_of_a_block_changes_nothing():
    for part, whole in zip(draw(block=7), draw(), strict=True):
        assert part.equals(whole)


def test_a_smaller_pool_is_the_same_study():
    """Draws are per pair: what pair 7 is does not depend on how many there are."""
    small = dataclasses.replace(POOL, pairs=500, second_text=0.0)
    large = dataclasses.replace(POOL, pairs=1000, second_text=0.0)
    assert draw("clean", large)[0].head(500).equals(draw("clean", small)[0])

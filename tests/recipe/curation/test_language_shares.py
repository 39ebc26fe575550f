"""Equal language shares, held to their definition pair by pair."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mc2lib.hashing import mix
from mc2lib.recipe.curation.language_shares import count_equal_shares, draw_equal_shares, find_scarcest

LANGUAGES = ("en", "de", "ja", "th")
counts = st.dictionaries(st.sampled_from(LANGUAGES), st.integers(0, 300))


def pool(pairs: dict[str, int]) -> tuple[np.ndarray, pa.Array]:
    """Ids and languages of a pool with so many pairs of each language, its languages interleaved."""
    languages = np.repeat(list(pairs), list(pairs.values())) if pairs else np.zeros(0, str)
    ids = mix(np.arange(len(languages)), 5)
    order = np.argsort(mix(ids, 6))
    return ids[order], pa.array(languages[order].tolist(), pa.string())


def count(languages: pa.Array, mask: np.ndarray) -> dict[str, int]:
    kept = languages.filter(pa.array(mask)).to_pylist()
    return {language: kept.count(language) for language in set(kept)}


@given(counts, counts, st.integers(0, 3))
def test_shares_are_the_wanted_ones_and_no_larger_subsample_has_them(pairs, wanted, seed):
    ids, languages = pool(pairs)
    kept = count(languages, draw_equal_shares(ids, languages, wanted, seed))
    asked = {language: number for language, number in wanted.items() if number}
    # the size that the scarcest language allows, as the definition has it
    total = sum(asked.values())
    size = min((Fraction(pairs.get(name, 0) * total, number) for name, number in asked.items()), default=0)
    assert set(kept) <= set(asked)
    for name, number in asked.items():
        exact = size * Fraction(number, total)
        assert abs(kept.get(name, 0) - exact) <= Fraction(1, 2)
        assert kept.get(name, 0) <= pairs.get(name, 0)
    if asked:
        scarcest = find_scarcest(pairs, wanted)
        assert kept.get(scarcest, 0) == pairs.get(scarcest, 0)  # so one more pair in all is one too many of it


def test_choice_does_not_depend_on_the_order_of_the_pairs():
    ids, languages = pool({"en": 400, "de": 90, "ja": 30})
    wanted = {"en": 10, "de": 5, "ja": 5}
    chosen = set(ids[draw_equal_shares(ids, languages, wanted, 0)].tolist())
    order = np.argsort(mix(ids, 77))
    moved = ids[order]
    assert set(moved[draw_equal_shares(moved, languages.take(pa.array(order)), wanted, 0)].tolist()) == chosen
    assert len(chosen) == 120 and set(ids[draw_equal_shares(ids, languages, wanted, 1)].tolist()) != chosen


def test_a_smaller_subsample_is_part_of_a_larger_one():
    """Pairs that go elsewhere do not move a language's choice: only how many of it are taken."""
    ids, languages = pool({"en": 400, "de": 90})
    large = draw_equal_shares(ids, languages, {"en": 4, "de": 1}, 0)
    small = draw_equal_shares(ids, languages, {"en": 1, "de": 1}, 0)
    english = np.array(languages.to_pylist()) == "en"
    assert (large[english] | ~small[english]).all() and 0 < small[english].sum() < large[english].sum()


def test_choice_is_even_over_the_pairs():
    ids = pool({"en": 4000, "de": 500})[0]
    stay = draw_equal_shares(np.sort(ids), pa.array(["en"] * 4000 + ["de"] * 500), {"en": 2, "de": 1}, 0)
    assert stay[:4000].sum() == 1000
    first = stay[:2000].sum()
    assert first == pytest.approx(500, abs=5 * np.sqrt(1000 * 0.25))


def test_a_language_that_is_not_there_leaves_nothing():
    assert count_equal_shares({"en": 5}, {"en": 2, "de": 1}) == {"en": 0, "de": 0}
    assert find_scarcest({"en": 5}, {"en": 2, "de": 1}) == "de"
    assert count_equal_shares({"en": 5}, {}) == {} == count_equal_shares({}, {"en": 0})

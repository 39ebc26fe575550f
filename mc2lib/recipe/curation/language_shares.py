"""Subsampling curated pairs so that every language has a wanted share: ways to curate compared at equal shares.

English accuracy follows the English share of what a model sees. Two ways to curate that leave different shares differ
in this first; at equal shares they differ only in which pairs of each language they keep.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from mc2lib.hashing import U64, key, mix
from mc2lib.recipe.curation.balance import Mask


def count_equal_shares(pairs: Mapping[str, int], wanted: Mapping[str, int]) -> dict[str, int]:
    """How many pairs of each language the largest subsample with the wanted shares holds.

    Args:
        pairs: of each language, as there are.
        wanted: of each language in the pool whose shares are wanted.

    Returns:
        by language of `wanted` a number of pairs, in proportion to `wanted` up to half a pair; all 0 where
        `pairs` lacks a language.

    Examples:
        German is the scarcest against what is wanted, so all of it stays and two thirds of the English pairs go.

        >>> count_equal_shares({"en": 60, "de": 10}, wanted={"en": 200, "de": 100})
        {'en': 20, 'de': 10}
    """
    wanted = {language: number for language, number in wanted.items() if number}
    if not wanted:
        return {}
    scarce = find_scarcest(pairs, wanted)
    there, of = pairs.get(scarce, 0), wanted[scarce]
    return {language: (2 * number * there + of) // (2 * of) for language, number in wanted.items()}


def find_scarcest(pairs: Mapping[str, int], wanted: Mapping[str, int]) -> str:
    """The language that limits a subsample with the wanted shares; arguments as of `count_equal_shares`.

    Examples:
        >>> find_scarcest({"en": 60, "de": 10}, wanted={"en": 200, "de": 100})
        'de'
    """
    return min(
        (language for language in wanted if wanted[language]), key=lambda name: pairs.get(name, 0) / wanted[name]
    )


def draw_equal_shares(pair_ids: U64, languages: pa.Array, wanted: Mapping[str, int], seed: int) -> Mask:
    """Choose the largest subsample of pairs in which every language has its wanted share.

    A language's pairs are chosen in the order of a hash of (seed, pair_id), so the outcome depends neither on the
    order of the pairs nor on how they are divided among workers.

    Args:
        pair_ids: uint64 [pairs], distinct.
        languages: string [pairs].
        wanted: pairs of each language in the pool whose shares are wanted.
        seed: of the choice.

    Returns:
        bool [pairs]: which stay; none of a language that `wanted` lacks.
    """
    encoded = languages.dictionary_encode()
    names, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)
    there = np.bincount(codes, minlength=len(names))
    take = count_equal_shares(dict(zip(names, there.tolist(), strict=True)), wanted)
    order = np.lexsort((mix(pair_ids, key("equal shares", seed)), codes))
    places = np.arange(len(order)) - np.repeat(np.cumsum(there) - there, there)  # of each pair within its language
    stay = np.zeros(len(order), bool)
    stay[order] = places < np.repeat([take.get(name, 0) for name in names], there)
    return stay

"""One pool draw: which drawing is paired with which text, how often, and with what noise.

Everything is a pure function of (seed, pair number): languages by their share of the web, concepts by a Zipf law over
each language's own order, styles evenly, forms and noise by their shares. Source: docs/datasheet.md states shares and
exponents, and where they come from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mc2lib.hashing import choose, key, mix, normal, uniform
from mc2lib.params import Pool
from mc2lib.recipe.pool.concepts import Caption, Split
from mc2lib.recipe.pool.texts import FORMS, Draws, Phrasebook, write_boilerplate, write_file_name
from mc2lib.schemas import POOL, TRUTH

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def language_shares(count: int, english_share: float, exponent: float) -> Floats:
    """The share of each language in all pairs: English, then a Zipf tail in the order of the list.

    Args:
        count: how many languages.
        english_share: of all pairs, 0 to 1.
        exponent: of the Zipf tail.

    Returns:
        float64 [count], which sums to 1.

    Examples:
        >>> language_shares(3, 0.5, 1.0).round(3).tolist()
        [0.5, 0.333, 0.167]
    """
    if count == 1:
        return np.ones(1)
    tail = 1.0 / np.arange(1, count) ** exponent
    return np.concatenate([[english_share], (1 - english_share) * tail / tail.sum()])


def concept_shares(concepts: Sequence[str], language: str, exponent: float, jitter: float, seed: int) -> Floats:
    """The share of each concept in the pairs of one language: a Zipf law over the language's own order.

    All languages share one order, apart from a normal jitter in log-rank.

    Args:
        concepts: names.
        language: metadata language.
        exponent: of the Zipf law.
        jitter: standard deviation of the jitter, in natural logarithms of rank.
        seed: of the draw.

    Returns:
        float64 [concepts], which sums to 1.
    """
    ids = np.array([key(concept) for concept in concepts], dtype=np.uint64)
    common = np.argsort(np.argsort(uniform(ids, key("popularity", seed)), kind="stable"), kind="stable") + 1
    moved = np.log(common) + jitter * normal(ids, key("popularity", seed, language))
    rank = np.argsort(np.argsort(moved, kind="stable"), kind="stable") + 1
    weights = 1.0 / rank.astype(np.float64) ** exponent
    return weights / weights.sum()


def draw_pairs(
    split: Split,
    captions: Mapping[str, Mapping[str, Caption]],
    images: Mapping[str, Sequence[str]],
    books: Mapping[str, Phrasebook],
    endonyms: Sequence[str],
    pool: Pool,
    mix_name: str,
    seed: int,
) -> tuple[pa.Table, pa.Table]:
    """Draw `pool.pairs` pairs.

    Args:
        split: the concepts of the draw; only `split.trained` occur, in images and texts alike.
        captions: by concept and language.
        images: by trained concept, the keys of its training drawings.
        books: phrasebooks by language, in the order of shares, English first.
        endonyms: each language's name for itself.
        pool: shares and sizes.
        mix_name: the noise level, a key of `pool.mixes`. Levels of one seed share images and languages.
        seed: of the draw.

    Returns:
        (POOL table, TRUTH table), row by row the same pairs, sorted by pair number.
    """
    languages, concepts = list(books), list(split.trained)
    occurrences = round(pool.pairs / (1 + pool.second_text))
    second = np.argsort(uniform(np.arange(occurrences), key("second", seed)), kind="stable")
    occurrence = np.concatenate([np.arange(occurrences), np.sort(second[: pool.pairs - occurrences])])
    language = choose(
        np.arange(occurrences),
        key("language", seed),
        language_shares(len(languages), pool.english_share, pool.language_exponent),
    )
    shares = [concept_shares(concepts, name, pool.concept_exponent, pool.concept_jitter, seed) for name in languages]
    concept = _choose_by_group(np.arange(occurrences), language, shares, key("concept", seed))
    image_u = uniform(np.arange(occurrences), key("image", seed))
    image = [images[concepts[c]][int(u * len(images[concepts[c]]))] for c, u in zip(concept, image_u, strict=True)]

    pair = np.arange(pool.pairs)
    noise_names = ["none", *dataclasses.asdict(pool.mixes[mix_name])]
    noise_shares = dataclasses.astuple(pool.mixes[mix_name])
    noise = choose(pair, key("noise", seed), [1 - sum(noise_shares), *noise_shares])
    form_names = list(dataclasses.asdict(pool.forms))
    form = choose(pair, key("form", seed), dataclasses.astuple(pool.forms))
    wrong_concept = _choose_by_group(pair, language[occurrence], shares, key("wrong concept", seed))
    wrong_language = choose(pair, key("wrong language", seed), _other_shares(languages, pool))
    draws = np.stack([uniform(pair, key("text", seed, letter)) for letter in "abcd"], axis=1)

    texts: list[str] = []
    for i in range(pool.pairs):
        u = Draws(*draws[i].tolist())
        spoken, c = int(language[occurrence[i]]), int(concept[occurrence[i]])
        kind = noise_names[noise[i]]
        if kind == "file_name":
            texts.append(write_file_name(u))
            continue
        if kind == "boilerplate":
            texts.append(write_boilerplate(books[languages[spoken]], endonyms, u))
            continue
        if kind == "wrong_concept":  # a different one, even if the draw gave the same
            c = int(wrong_concept[i]) if wrong_concept[i] != c else (c + 1) % len(concepts)
        if kind == "wrong_language":
            wrong = int(wrong_language[i])
            spoken = wrong if wrong != spoken else (spoken + 1) % len(languages)
        caption = captions[concepts[c]][languages[spoken]]
        texts.append(FORMS[form_names[form[i]]](caption, books[languages[spoken]], u))

    pair_id = mix(pair, key("pair", seed))
    image_id = mix(np.arange(occurrences), key("occurrence", seed))[occurrence]
    declared = [languages[number] for number in language[occurrence]]
    keys = [image[o] for o in occurrence]
    pairs = pa.table([pair_id, image_id, keys, texts, declared], schema=POOL)
    truth = pa.table(
        [
            pair_id,
            [concepts[c] for c in concept[occurrence]],
            [name.partition("/")[0] for name in keys],
            [form_names[f] for f in form],
            [noise_names[n] for n in noise],
        ],
        schema=TRUTH,
    )
    return pairs, truth


def _choose_by_group(ids: Ints, group: Ints, shares: Sequence[Floats], salt: int) -> Ints:
    """Draw one index per id with the shares of its group."""
    drawn = np.zeros(len(ids), dtype=np.int64)
    for g, weights in enumerate(shares):
        rows = np.flatnonzero(group == g)
        drawn[rows] = choose(ids[rows], salt, weights)
    return drawn


def _other_shares(languages: Sequence[str], pool: Pool) -> Floats:
    return language_shares(len(languages), pool.english_share, pool.language_exponent)

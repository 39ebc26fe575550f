"""One pool draw: which drawing is paired with which text, how often, and with what noise.

Everything is a pure function of (seed, pair number): languages by their share of the web, concepts by a Zipf law over
each language's own order, styles evenly, forms and noise by their shares. Source: docs/datasheet.md states shares and
exponents, and where they come from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mc2lib.hashing import choose, key, mix, normal, uniform
from mc2lib.params import Pool
from mc2lib.recipe.pool.concepts import Caption, Split
from mc2lib.recipe.pool.texts import FORMS, WORDLESS, Draws, Phrasebook, pick, write_texts
from mc2lib.schemas import POOL, TRUTH

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BLOCK = 1_000_000  # pairs drawn at a time: about 0.5 GB


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
    pool: Pool,
    mix_name: str,
    seed: int,
    block: int = BLOCK,
) -> tuple[pa.Table, pa.Table]:
    """Draw `pool.pairs` pairs.

    Args:
        split: the concepts of the draw; only `split.trained` occur, in images and texts alike.
        captions: by concept and language.
        images: by trained concept, the keys of its training drawings.
        books: phrasebooks by language, in the order of shares, English first.
        pool: shares and sizes.
        mix_name: the noise level, a key of `pool.mixes`. Levels of one seed share images and languages.
        seed: of the draw.
        block: pairs drawn at a time, which bounds memory and changes nothing else.

    Returns:
        (POOL table, TRUTH table), row by row the same pairs, sorted by pair number.
    """
    world = _gather(split, captions, images, books, pool, seed)
    occurrence = _occurrences(pool, seed)
    drawn = [
        _draw_block(world, pair, occurrence[pair], pool, mix_name, seed)
        for pair in np.split(np.arange(pool.pairs), range(block, pool.pairs, block))
    ]
    pairs, truth = zip(*drawn, strict=True)
    return pa.concat_tables(pairs), pa.concat_tables(truth)


@dataclass(frozen=True)
class _World:
    """What the pairs of one draw are drawn from; `shares` are those of concepts, by language."""

    languages: list[str]
    concepts: list[str]
    captions: list[list[Caption]]
    books: list[Phrasebook]
    images: list[str]
    first_image: Ints
    image_counts: Ints
    shares: list[Floats]


def _gather(
    split: Split,
    captions: Mapping[str, Mapping[str, Caption]],
    images: Mapping[str, Sequence[str]],
    books: Mapping[str, Phrasebook],
    pool: Pool,
    seed: int,
) -> _World:
    languages, concepts = list(books), list(split.trained)
    counts = np.array([len(images[concept]) for concept in concepts])
    return _World(
        languages,
        concepts,
        [[captions[concept][language] for language in languages] for concept in concepts],
        list(books.values()),
        [image for concept in concepts for image in images[concept]],
        np.cumsum(counts) - counts,
        counts,
        [concept_shares(concepts, name, pool.concept_exponent, pool.concept_jitter, seed) for name in languages],
    )


def _occurrences(pool: Pool, seed: int) -> Ints:
    """The image occurrence of each pair: some occurrences have a second text."""
    count = round(pool.pairs / (1 + pool.second_text))
    second = np.argsort(uniform(np.arange(count), key("second", seed)), kind="stable")
    return np.concatenate([np.arange(count), np.sort(second[: pool.pairs - count])])


def _draw_block(
    world: _World, pair: Ints, occurrence: Ints, pool: Pool, mix_name: str, seed: int
) -> tuple[pa.Table, pa.Table]:
    """Draw the pairs of some numbers, each of the occurrence given."""
    language = choose(occurrence, key("language", seed), _language_shares(world, pool))
    concept = _choose_by_group(occurrence, language, world.shares, key("concept", seed))
    image = world.first_image[concept] + pick(world.image_counts[concept], uniform(occurrence, key("image", seed)))
    noise_names = ["none", *dataclasses.asdict(pool.mixes[mix_name])]
    noise_shares = dataclasses.astuple(pool.mixes[mix_name])
    noise = choose(pair, key("noise", seed), [1 - sum(noise_shares), *noise_shares])
    form_names = list(dataclasses.asdict(pool.forms))
    form = choose(pair, key("form", seed), dataclasses.astuple(pool.forms))
    texts = _write_block(world, pair, language, concept, form, noise, pool, mix_name, seed)
    pair_id = mix(pair, key("pair", seed))
    pairs = pa.table(
        [
            pair_id,
            mix(occurrence, key("occurrence", seed)),
            _spell(world.images, image),
            texts,
            _spell(world.languages, language),
        ],
        schema=POOL,
    )
    styles = [name.partition("/")[0] for name in world.images]
    truth = pa.table(
        [
            pair_id,
            _spell(world.concepts, concept),
            _spell(styles, image),
            _spell(form_names, form),
            _spell(noise_names, noise),
        ],
        schema=TRUTH,
    )
    return pairs, truth


def _write_block(
    world: _World,
    pair: Ints,
    language: Ints,
    concept: Ints,
    form: Ints,
    noise: Ints,
    pool: Pool,
    mix_name: str,
    seed: int,
) -> pa.StringArray:
    """Write the texts of some pairs: in the form drawn, of what the noise leaves of language and concept."""
    noise_names = ["none", *dataclasses.asdict(pool.mixes[mix_name])]
    other = _choose_by_group(pair, language, world.shares, key("wrong concept", seed))
    other = np.where(other == concept, (concept + 1) % len(world.concepts), other)  # always a different one
    concept = np.where(noise == noise_names.index("wrong_concept"), other, concept)
    foreign = choose(pair, key("wrong language", seed), _language_shares(world, pool))
    foreign = np.where(foreign == language, (language + 1) % len(world.languages), foreign)
    language = np.where(noise == noise_names.index("wrong_language"), foreign, language)
    shape = form
    for number, kind in enumerate(WORDLESS, start=len(FORMS)):
        shape = np.where(noise == noise_names.index(kind), number, shape)
    u = Draws(*(uniform(pair, key("text", seed, letter)) for letter in "abcd"))
    shapes = [*(FORMS[name] for name in dataclasses.asdict(pool.forms)), *WORDLESS.values()]
    return write_texts(shapes, shape, language, concept, u, world.captions, world.books)


def _spell(names: Sequence[str], numbers: Ints) -> pa.StringArray:
    return pa.array(names, pa.string()).take(pa.array(numbers))


def _choose_by_group(ids: Ints, group: Ints, shares: Sequence[Floats], salt: int) -> Ints:
    """Draw one index per id with the shares of its group."""
    drawn = np.zeros(len(ids), dtype=np.int64)
    for g, weights in enumerate(shares):
        rows = np.flatnonzero(group == g)
        drawn[rows] = choose(ids[rows], salt, weights)
    return drawn


def _language_shares(world: _World, pool: Pool) -> Floats:
    return language_shares(len(world.languages), pool.english_share, pool.language_exponent)

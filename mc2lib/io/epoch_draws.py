"""Epochs of a curated pool, drawn from its matched pairs.

One text is drawn per image, then each pair is kept with its keep probability. A training stream calls `draw_shards`
with each epoch's number; offline curation draws with the same functions, so an epoch is the same either way.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from mc2lib.hashing import key, uniform
from mc2lib.io.curated_pool import (
    EXTRAS,
    CuratedPool,
    open_keep,
    read_held_out,
    read_matches,
    read_report,
    read_rivals,
)
from mc2lib.recipe.curation.algorithm import draw_epoch, keep_pairs
from mc2lib.recipe.curation.balance import U64, Mask
from mc2lib.schemas import CURATED


def read_candidates(pool: CuratedPool, shard: str) -> pa.Table:
    """A shard's matched pairs with their keep probabilities: what every epoch draws from.

    Args:
        pool: a curated pool.
        shard: its name.

    Returns:
        CURATED's columns, uid and url where the pool has them, and image_id, in the pool's order; strings may be
        dictionaries of them, as most pairs will not be drawn.
    """
    matches = read_matches(pool, shard, dictionaries=["image", "alt_text"])
    keep = open_keep(pool)
    probability = keep_pairs(matches, pool.strategy, keep.groups, keep.ends, keep.keep)
    pairs = matches.append_column("keep_probability", pa.array(probability))
    return pairs.drop_columns(["entries"])


def take_kept(pairs: pa.Table, kept: Mask) -> pa.Table:
    """The kept ones of `read_candidates`: CURATED, and uid and url where the pool has them."""
    extras = [field for field in EXTRAS if field.name in pairs.column_names]
    schema = pa.schema([*CURATED, *extras])
    return pairs.select(schema.names).filter(pa.array(kept)).cast(schema)


def draw_shards(pool: CuratedPool, seed: int, epoch: int) -> Iterator[pa.Table]:
    """Yield the pairs that any epoch of a curated pool keeps, shard by shard: curation online.

    A training stream calls this with each epoch's number. Epochs that were written offline come out
    the same, but for the images that are held out for evaluation.

    Args:
        pool: of `open_curated`.
        seed: of the curation, for the same draws as offline.
        epoch: any number from 0.

    Raises:
        InputError: there is no finished curated pool.
    """
    for place, shard in enumerate(read_report(pool)["shards"]):
        yield draw_shard(pool, shard, place, seed, epoch)


def draw_shard(pool: CuratedPool, shard: str, place: int, seed: int, epoch: int) -> pa.Table:
    """The pairs that an epoch keeps of one shard; `place` is its number in the report's list. See `draw_shards`."""
    pairs = read_candidates(pool, shard)
    image_ids = pairs["image_id"].to_numpy()
    kept = draw_epoch(pairs, seed, epoch, read_rivals(pool, place, image_ids))
    return take_kept(pairs, kept & ~is_held_out(image_ids, read_held_out(pool)))


def is_held_out(image_ids: U64, share: float) -> Mask:
    """Which images no training stream sees: an even share of them, by their ids alone.

    Args:
        image_ids: uint64 [n].
        share: of all images, 0 to 1.
    """
    return uniform(image_ids, key("held out")) < share

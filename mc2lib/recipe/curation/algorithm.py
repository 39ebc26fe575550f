"""Algorithm 1 from matches to draws, for any `Strategy`: counts per group, thresholds, keep probabilities, an epoch.

It works shard by shard. A shard's matches are counted by the language of the pair and added up; from the sums follow
thresholds and keep probabilities; with these every shard is drawn by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.errors import InputError
from mc2lib.recipe.curation.balance import (
    U64,
    Counts,
    Floats,
    Mask,
    draw_among,
    keep_probability,
    merge_counts,
    pair_keep_probability,
    sample_pairs,
    tail_share,
    threshold_for_share,
)
from mc2lib.recipe.curation.strategies import Strategy

#: The one group of the strategies that keep no languages apart.
ALL = "all"
#: The language whose tail share the others take over.
ENGLISH = "en"

#: How often each entry matched in one shard, by the language of the pair; entries that did not match are left out.
COUNTS = pa.schema(
    [
        pa.field("language", pa.string(), nullable=False),
        pa.field("entry", pa.int32(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
    ]
)

Codes = npt.NDArray[np.int64]
Entries = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Balance:
    """Counts and thresholds of the groups that are balanced by themselves.

    Args:
        groups: languages, or `all` alone; none where nothing is matched.
        counts: per group int64 [entries].
        t: per group the threshold in matches.
        p: per group the tail's share of matches under `t`.
    """

    groups: tuple[str, ...]
    counts: tuple[Counts, ...]
    t: tuple[int, ...]
    p: tuple[float, ...]


# ---------------------------------------------------------------------- counts


def count_matches(matches: pa.Table) -> pa.Table:
    """Count one shard's matches, to be added to those of others.

    Args:
        matches: MATCHES' `language` and `entries`.

    Returns:
        COUNTS, by language and entry.
    """
    languages, names = _encode(matches["language"])
    offsets, entries = _flatten(matches)
    keys, counts = np.unique(np.repeat(languages, np.diff(offsets)) << 32 | entries, return_counts=True)
    columns = [pa.array(names, pa.string()).take(pa.array(keys >> 32)), keys & 0xFFFFFFFF, counts]
    return pa.table(
        {field.name: pa.array(c).cast(field.type) for field, c in zip(COUNTS, columns, strict=True)}, COUNTS
    )


def group_counts(counts: pa.Table, strategy: Strategy) -> pa.Table:
    """Put the group of a strategy where each count's language is.

    Args:
        counts: COUNTS by the language of the pair.
        strategy: any.

    Returns:
        COUNTS whose `language` is the group. Where that is `all`, English's own part follows as a second group,
        which sets the threshold and is not balanced.
    """
    if strategy.groups == "language":
        return counts
    english = counts.filter(pc.equal(counts["language"], ENGLISH))
    eligible = english if strategy.eligible == "english" else counts
    everything = eligible.set_column(0, COUNTS.field("language"), pa.array([ALL] * len(eligible), pa.string()))
    return pa.concat_tables([everything, english])


def group_sizes(sizes: Mapping[str, int], strategy: Strategy) -> dict[str, int]:
    """By group of `group_counts` the length of its list.

    Args:
        sizes: by language the length of its list; where the strategy keeps no languages apart, of the one list.
        strategy: any.
    """
    if strategy.groups == "language":
        return dict(sizes)
    return {group: size for size in sizes.values() for group in (ALL, ENGLISH)}


def add_counts(counts: pa.Table, sizes: Mapping[str, int]) -> dict[str, Counts]:
    """Add up the counts of shards.

    Args:
        counts: COUNTS of any number of shards, in any order.
        sizes: by group the length of its list.

    Returns:
        by group int64 [entries]; sums of such arrays are those of the shards together.
    """
    known = pa.array(sizes, pa.string())
    codes = pc.fill_null(pc.index_in(counts["language"], known), -1).to_numpy().astype(np.int16)
    order = np.argsort(codes, kind="stable")  # a sort by counting; a filter per group would read all counts each time
    bounds = np.searchsorted(codes[order], np.arange(len(known) + 1))
    entries, numbers = counts["entry"].to_numpy()[order], counts["count"].to_numpy()[order]
    return {
        group: merge_counts(entries[start:stop], numbers[start:stop], size)
        for (group, size), (start, stop) in zip(sizes.items(), pairwise(bounds), strict=True)
    }


# ---------------------------------------------------------------------- thresholds


def balance_counts(counts: Mapping[str, Counts], strategy: Strategy, t_en: int | None, p: float) -> Balance:
    """Set the threshold of every group from its counts.

    Args:
        counts: by group of `group_counts` int64 [entries].
        strategy: which groups there are, and the rule of their thresholds.
        t_en: matches per entry above which an English entry is head; None takes the count that makes the share of
            English's tail nearest to `p`.
        p: the share of English's tail; used only where `t_en` is None.

    Returns:
        the groups in the order of their names.

    Raises:
        InputError: no English pair matched, so that it sets no threshold or no tail share.

    Source: MetaCLIP 2, §3.2, Algorithm 1.
    """
    groups = sorted(counts) if strategy.groups == "language" else [group for group in counts if group == ALL]
    english = counts.get(ENGLISH, np.zeros(0, np.int64))
    if not english.sum() and any(counts[group].sum() for group in groups):
        if strategy.threshold == "tail_share" and t_en is not None:
            raise InputError("t_en", "no English pair matched, so it sets no tail share", "Set t_en to auto.")
        if strategy.threshold == "t_en" and t_en is None:
            raise InputError("t_en", "no English pair matched, so none follows from them", "Set t_en to a number.")
    if t_en is None:
        t_en = threshold_for_share(english, p)
    else:
        p = tail_share(english, t_en)
    own = [strategy.threshold == "tail_share" and group != ENGLISH for group in groups]
    t = [threshold_for_share(counts[group], p) if o else t_en for group, o in zip(groups, own, strict=True)]
    shares = [tail_share(counts[group], threshold) for group, threshold in zip(groups, t, strict=True)]
    return Balance(tuple(groups), tuple(counts[group] for group in groups), tuple(t), tuple(shares))


def keep_entries(balance: Balance) -> tuple[Floats, Codes]:
    """All groups' keep probabilities end to end.

    Returns:
        (float64 [all entries], int64 [groups + 1]: where each group begins, and the end).
    """
    ends = np.cumsum([0, *map(len, balance.counts)]).astype(np.int64)
    return np.concatenate([*map(keep_probability, balance.counts, balance.t), np.zeros(0)]), ends


# ---------------------------------------------------------------------- pairs


def find_eligible(languages: pa.ChunkedArray, strategy: Strategy) -> Mask | None:
    """Which pairs a strategy looks at, by their languages: bool [pairs], or None for all of them."""
    if strategy.eligible == "all":
        return None
    return np.asarray(pc.equal(languages, ENGLISH).to_numpy(), dtype=bool)


def keep_pairs(matches: pa.Table, strategy: Strategy, groups: tuple[str, ...], ends: Codes, keep: Floats) -> Floats:
    """Keep probabilities of matched pairs.

    Args:
        matches: MATCHES' `language` and `entries`, of eligible pairs; languages are in `groups` where that holds them.
        strategy: of the matches.
        groups: in the order of `ends`.
        ends, keep: of `keep_entries`.

    Returns:
        float64 [pairs]; 1 where nothing is matched.
    """
    if strategy.metadata == "none":
        return np.ones(len(matches))
    if strategy.groups == "all":
        starts = np.zeros(len(matches), np.int64)
    else:
        codes = pc.index_in(matches["language"], pa.array(groups, pa.string())).to_numpy().astype(np.int64)
        starts = ends[codes]
    return pair_keep_probability(*_flatten(matches), starts, keep)


def draw_epoch(pairs: pa.Table, seed: int, epoch: int, rivals: tuple[U64, U64, Mask] | None = None) -> Mask:
    """Which matched pairs an epoch keeps: one text per image, then each with its keep probability.

    Offline curation and a training stream that draws anew every epoch call this same function.

    Args:
        pairs: columns pair_id, image_id and keep_probability, of one shard's matched pairs.
        seed: of the curation.
        epoch: 0 is the offline draw.
        rivals: pairs of the same images in other shards, see `draw_among`.

    Returns:
        bool [pairs].

    Source: MetaCLIP 2, §3.2, Algorithm 1.
    """
    return draw_steps(pairs, seed, epoch, rivals)[1]


def draw_steps(
    pairs: pa.Table, seed: int, epoch: int, rivals: tuple[U64, U64, Mask] | None = None
) -> tuple[Mask, Mask]:
    """The two steps of `draw_epoch`: which pairs are drawn of their image's, and which of these are kept."""
    image_ids, pair_ids = pairs["image_id"].to_numpy(), pairs["pair_id"].to_numpy()
    drawn = draw_among(image_ids, pair_ids, seed, epoch, rivals)
    return drawn, drawn & sample_pairs(pair_ids, pairs["keep_probability"].to_numpy(), seed, epoch)


def _encode(column: pa.ChunkedArray) -> tuple[Codes, list[str]]:
    """A string column as codes and their names, in sorted order, so that row order does not matter."""
    names = sorted(pc.unique(column).to_pylist())
    if not names:
        return np.zeros(0, np.int64), []
    return pc.index_in(column, pa.array(names, pa.string())).to_numpy().astype(np.int64), names


def _flatten(matches: pa.Table) -> tuple[Codes, Entries]:
    """Offsets and entries: those of row i are entries[offsets[i]:offsets[i + 1]]."""
    column = matches["entries"]
    lengths = pc.list_value_length(column).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return offsets, pc.list_flatten(column).to_numpy()

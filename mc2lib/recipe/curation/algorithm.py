"""Algorithm 1 from matches to the curated pool, for every way to curate that the study compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.errors import InputError
from mc2lib.params import Curation
from mc2lib.recipe.curation.balance import (
    U64,
    Counts,
    Floats,
    Mask,
    count_entries,
    draw_among,
    draw_texts,
    keep_probability,
    merge_counts,
    pair_keep_probability,
    sample_pairs,
    tail_share,
    threshold_for_share,
)
from mc2lib.schemas import CURATED

#: Which index a way to curate reads. `raw` reads none.
INDEX_OF: dict[Curation, str | None] = {
    "raw": None,
    "english": "english",
    "english_metadata": "english",
    "merged": "merged",
    "isolated_t_en": "isolated",
    "isolated": "isolated",
}

#: Ways that keep each language's entries, counts and thresholds apart.
ISOLATED = ("isolated_t_en", "isolated")

#: The one group of the ways that keep nothing apart.
ALL = "all"

#: How often each entry matched in one shard; entries that did not are left out.
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
        groups: languages for the isolated ways, else one group.
        counts: per group int64 [entries].
        t: per group the threshold in matches.
        p: per group the tail's share of matches under `t`.
    """

    groups: tuple[str, ...]
    counts: tuple[Counts, ...]
    t: tuple[int, ...]
    p: tuple[float, ...]


@dataclass(frozen=True)
class Curated:
    """A curated pool (CURATED, by pair_id) and, a row a language, what became of the pool's pairs.

    Columns of `report`: language; pairs; then the pairs left after each step: `eligible` (of a
    language that is curated at all), `matched`, `drawn` (one text an image), `kept`; t and p.
    """

    table: pa.Table
    report: pd.DataFrame


def curate(
    pool: pa.Table, matches: pa.Table | None, curation: Curation, t_en: int, seed: int, epoch: int = 0
) -> Curated:
    """Curate a pool one way.

    Args:
        pool: POOL, its `language` filled.
        matches: MATCHES of `INDEX_OF[curation]`, row for row of `pool`; None for raw.
        curation: raw keeps one text an image; english takes English pairs against English metadata;
            english_metadata all pairs against English metadata; merged all pairs against all lists
            as one; isolated_t_en and isolated each language against its own list, with English's
            threshold or with the one that gives English's tail share.
        t_en: matches per entry above which an English entry is head.
        seed: of the study.
        epoch: 0 offline; another gives a new draw.

    Raises:
        InputError: the matches are not of this pool.

    Source: MetaCLIP 2, §3.2, Algorithm 1.
    """
    languages, names = _encode(pool["language"])
    if curation == "raw":
        eligible = matched = np.ones(pool.num_rows, dtype=bool)
        probability = np.ones(pool.num_rows)
        thresholds = dict.fromkeys(names, (0, 0.0))
    else:
        if matches is None:
            raise InputError("matches", f"none given for '{curation}'", f"Match the {INDEX_OF[curation]} index.")
        if not pool["pair_id"].equals(matches["pair_id"]):
            raise InputError("matches", "are not of this pool's pairs", "Run `dvc repro match`.")
        eligible = _eligible(matches, curation)
        balance = find_thresholds(matches, curation, t_en)
        offsets, entries = _flatten(matches)
        matched = eligible & (np.diff(offsets) > 0)
        probability = _probabilities(offsets, entries, _groups(matches, curation), balance)
        found = dict(zip(balance.groups, zip(balance.t, balance.p, strict=True), strict=True))
        thresholds = {name: found[name if name in found else ALL] for name in names}
    drawn = _draw(pool, matched, seed, epoch)
    pair_ids = pool["pair_id"].to_numpy()
    kept = drawn & sample_pairs(pair_ids, probability, seed, epoch)
    report = _report(names, languages, {"eligible": eligible, "matched": matched, "drawn": drawn, "kept": kept})
    report["t"], report["p"] = zip(*(thresholds[name] for name in names), strict=True) if names else ((), ())
    report = report[report["eligible"] > 0].sort_values("language").reset_index(drop=True)
    return Curated(_collect(pool, kept, probability), report)


def find_thresholds(matches: pa.Table, curation: Curation, t_en: int) -> Balance:
    """Count the matches and set the thresholds of one way to curate.

    Args:
        matches: MATCHES.
        curation: any but raw.
        t_en: matches.

    Returns:
        the groups: each language for the isolated ways, else one called `all`.

    Source: MetaCLIP 2, §3.2, Algorithm 1.
    """
    names = _encode(matches["language"])[1] if curation in ISOLATED else [ALL]
    counts = _count(matches, curation, len(names))
    english = counts[names.index("en")] if "en" in names else counts[0] if names == [ALL] else np.zeros(0, np.int64)
    p = tail_share(english, t_en)
    t = [
        threshold_for_share(count, p) if curation == "isolated" and name != "en" else t_en
        for name, count in zip(names, counts, strict=True)
    ]
    shares = [tail_share(count, threshold) for count, threshold in zip(counts, t, strict=True)]
    return Balance(tuple(names), tuple(counts), tuple(t), tuple(shares))


# ---------------------------------------------------------------------- shard by shard


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


def add_counts(counts: pa.Table, sizes: Mapping[str, int]) -> dict[str, Counts]:
    """Add up the counts of shards.

    Args:
        counts: COUNTS of any number of shards, in any order.
        sizes: by language the length of its metadata list.

    Returns:
        by language int64 [entries]; sums of such arrays are those of the shards together.
    """
    known = pa.array(sizes, pa.string())
    codes = pc.fill_null(pc.index_in(counts["language"], known), -1).to_numpy().astype(np.int16)
    order = np.argsort(codes, kind="stable")  # a sort by counting, where a filter a language would read all for each
    bounds = np.searchsorted(codes[order], np.arange(len(known) + 1))
    entries, numbers = counts["entry"].to_numpy()[order], counts["count"].to_numpy()[order]
    return {
        language: merge_counts(entries[start:stop], numbers[start:stop], size)
        for (language, size), (start, stop) in zip(sizes.items(), pairwise(bounds), strict=True)
    }


def balance_counts(counts: Mapping[str, Counts], t_en: int | None, p: float) -> Balance:
    """Set every language's threshold from its counts, so that all have English's tail share.

    Args:
        counts: by language int64 [entries].
        t_en: matches per entry above which an English entry is head; None sets it so that the share
            of English's tail is nearest to `p`.
        p: the tail's share; used only where `t_en` is None.

    Raises:
        InputError: `t_en` is given and no English pair matched, so that it says nothing of p.

    Source: MetaCLIP 2, §3.2, Algorithm 1.
    """
    english = counts.get("en", np.zeros(0, np.int64))
    if t_en is not None:
        if not english.sum() and any(count.sum() for count in counts.values()):
            raise InputError("t_en", "no English pair matched, so it sets no tail share", "Set t_en to auto.")
        p = tail_share(english, t_en)
    names = sorted(counts)
    t = [t_en if name == "en" and t_en is not None else threshold_for_share(counts[name], p) for name in names]
    shares = [tail_share(counts[name], threshold) for name, threshold in zip(names, t, strict=True)]
    return Balance(tuple(names), tuple(counts[name] for name in names), tuple(t), tuple(shares))


def keep_entries(balance: Balance) -> tuple[Floats, Codes]:
    """All groups' keep probabilities end to end.

    Returns:
        (float64 [all entries], int64 [groups + 1]: where each group's lie).
    """
    ends = np.cumsum([0, *map(len, balance.counts)]).astype(np.int64)
    return np.concatenate([*map(keep_probability, balance.counts, balance.t), np.zeros(0)]), ends


def keep_pairs(matches: pa.Table, groups: tuple[str, ...], ends: Codes, keep: Floats) -> Floats:
    """Keep probabilities of matched pairs.

    Args:
        matches: MATCHES' `language` and `entries`, of languages in `groups`.
        groups: languages, in the order of `ends`.
        ends, keep: of `keep_entries`.

    Returns:
        float64 [pairs].
    """
    codes = pc.index_in(matches["language"], pa.array(groups, pa.string())).to_numpy().astype(np.int64)
    return pair_keep_probability(*_flatten(matches), ends[codes], keep)


def draw_epoch(pairs: pa.Table, seed: int, epoch: int, rivals: tuple[U64, U64, Mask] | None = None) -> Mask:
    """Which matched pairs an epoch keeps: one text an image, then each with its keep probability.

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


# ---------------------------------------------------------------------- the parts of both


def _count(matches: pa.Table, curation: Curation, groups: int) -> list[Counts]:
    """Per group, in how many eligible pairs each entry stands."""
    offsets, entries = _flatten(matches)
    lengths = np.diff(offsets)
    used = np.repeat(_eligible(matches, curation), lengths)
    group_of = np.repeat(_groups(matches, curation), lengths)[used]
    order = np.argsort(group_of, kind="stable")
    ordered = entries[used][order]
    bounds = np.searchsorted(group_of[order], np.arange(groups + 1))
    parts = [ordered[start:stop] for start, stop in pairwise(bounds)]
    return [count_entries(part, int(part.max()) + 1 if len(part) else 0) for part in parts]


def _eligible(matches: pa.Table, curation: Curation) -> Mask:
    """Which pairs this way to curate looks at: English ones only, or all."""
    if curation == "english":
        return np.asarray(pc.equal(matches["language"], "en").to_numpy(), dtype=bool)
    return np.ones(matches.num_rows, dtype=bool)


def _groups(matches: pa.Table, curation: Curation) -> Codes:
    """The balance group of each pair: its language, or 0."""
    return _encode(matches["language"])[0] if curation in ISOLATED else np.zeros(matches.num_rows, np.int64)


def _encode(column: pa.ChunkedArray) -> tuple[Codes, list[str]]:
    """A string column as codes and their names, in sorted order, so that row order does not matter."""
    if column.null_count:
        raise InputError("language", f"{column.null_count} pairs declare none", "Set `curation.language: lid`.")
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


def _probabilities(offsets: Codes, entries: Entries, groups: Codes, balance: Balance) -> Floats:
    """Each pair's keep probability. Groups' entries are laid end to end, each shifted by its group's base."""
    ends = np.cumsum([0, *map(len, balance.counts)]).astype(np.int64)
    keep = np.concatenate([*map(keep_probability, balance.counts, balance.t), [0.0]])
    group_of = np.repeat(groups, np.diff(offsets))
    shifted = entries + ends[group_of]
    # entries that only ineligible pairs hold were not counted: they keep nothing
    counted = np.where(shifted < ends[group_of + 1], shifted, len(keep) - 1).astype(np.int32)
    return pair_keep_probability(offsets, counted, np.zeros(len(groups), np.int64), keep)


def _draw(pool: pa.Table, candidates: Mask, seed: int, epoch: int) -> Mask:
    """Draw one of each image's candidates."""
    where = np.flatnonzero(candidates)
    image_ids, pair_ids = pool["image_id"].to_numpy()[where], pool["pair_id"].to_numpy()[where]
    drawn = np.zeros(pool.num_rows, dtype=bool)
    drawn[where[draw_texts(image_ids, pair_ids, seed, epoch)]] = True
    return drawn


def _report(names: list[str], languages: Codes, steps: dict[str, Mask]) -> pd.DataFrame:
    columns = {"pairs": np.ones(len(languages), dtype=bool)} | steps
    counted = {name: np.bincount(languages[mask], minlength=len(names)) for name, mask in columns.items()}
    return pd.DataFrame({"language": names} | counted)


def _collect(pool: pa.Table, kept: Mask, probability: Floats) -> pa.Table:
    table = pool.append_column("keep_probability", pa.array(probability)).filter(pa.array(kept))
    return table.sort_by("pair_id").select(CURATED.names).cast(CURATED)

"""What curation did to noise, to concepts and to languages: the one place where the pool's truth is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.errors import InputError, nearest
from mc2lib.io.curated_pool import CuratedPool, read_report
from mc2lib.io.files import read_table
from mc2lib.io.study_paths import Paths
from mc2lib.recipe.curation.strategies import STRATEGIES
from mc2lib.schemas import CURATED, TRUTH

#: What grades call the pool before any curation, next to the ways to curate it.
WHOLE = "pool"
#: What TRUTH calls a text that is right.
CLEAN = "none"

Rows = npt.NDArray[np.int64]


def read_kept(pool: CuratedPool) -> pa.Table:
    """The pairs that a strategy kept in its offline draw, all shards together (CURATED), by pair id."""
    paths = [pool.curated(name, 0) for name in read_report(pool)["shards"]]
    return pa.concat_tables([read_table(path, CURATED) for path in paths]).sort_by("pair_id")


def open_draw(root: Path, mix: str, seed: int, curation: str) -> CuratedPool:
    """A pool draw as one strategy curated it.

    Raises:
        InputError: there is no such strategy, or the draw is not curated here.
    """
    if curation not in STRATEGIES:
        raise InputError("curation", f"no strategy '{curation}'", nearest(curation, STRATEGIES))
    pool = CuratedPool(Paths(root).curation(mix, seed), STRATEGIES[curation])
    if not pool.report.exists():
        raise InputError(str(pool), "not curated here", "Run `dvc repro --force --single-item balance`.")
    return pool


@dataclass(frozen=True)
class Truth:
    """What is true of one pool draw, pair by pair, in the order of pair ids.

    Args:
        pair_ids: uint64 [pairs].
        english: bool [pairs], whether curation took the pair's language for English.
        noise, concept, drawing: int64 [pairs], the pair's kind of noise, concept and drawing; a drawing's number
            divided by `styles` is its concept's.
        kinds: the names that `noise` numbers.
        concepts: the names that `concept` numbers, the commonest in the pool first.
        styles: how many styles the pool has.
    """

    pair_ids: npt.NDArray[np.uint64]
    english: npt.NDArray[np.bool_]
    noise: Rows
    concept: Rows
    drawing: Rows
    kinds: tuple[str, ...]
    concepts: tuple[str, ...]
    styles: int

    def find(self, pairs: pa.Table) -> Rows:
        """The rows of some of the draw's pairs, a table with `pair_id`."""
        return np.searchsorted(self.pair_ids, pairs["pair_id"].to_numpy())


def read_truth(root: Path, mix: str, seed: int, raw: CuratedPool) -> Truth:
    """Read what is true of one pool draw.

    Args:
        root: the study's folder.
        mix, seed: of the draw.
        raw: the draw as the way `raw` curated it, which has the language of every pair.

    Raises:
        InputError: a file is missing or broken.
    """
    table = read_table(Paths(root).pool(mix, seed) / "truth.parquet", TRUTH).sort_by("pair_id")
    languages = read_languages(raw)
    english = languages["pair_id"].filter(pc.equal(languages["language"], "en")).to_numpy()
    kinds, noise = _number(table["noise"])
    names, concept = _number(table["concept"])
    styles, style = _number(table["style"])
    order = np.argsort(-np.bincount(concept, minlength=len(names)), kind="stable")
    rank = np.argsort(order)
    return Truth(
        pair_ids=table["pair_id"].to_numpy(),
        english=np.isin(table["pair_id"].to_numpy(), english),
        noise=noise,
        concept=rank[concept],
        drawing=rank[concept] * len(styles) + style,
        kinds=tuple(kinds),
        concepts=tuple(names[i] for i in order),
        styles=len(styles),
    )


def read_languages(pool: CuratedPool) -> pa.Table:
    """The pair_id and language of every pair that matched the list of a way to curate, all shards together."""
    shards = read_report(pool)["shards"]
    return pa.concat_tables([read_table(pool.matches(name), columns=["pair_id", "language"]) for name in shards])


def _number(column: pa.ChunkedArray) -> tuple[list[str], Rows]:
    """The distinct values of a column in alphabetic order, and the place of each row's value among them."""
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    place = np.argsort(np.argsort(np.array(values, dtype=object)))
    return sorted(values), place[encoded.indices.to_numpy(zero_copy_only=False)]


# ---------------------------------------------------------------------- results/curation.csv


def grade_pairs(truth: Truth, rows: Rows, eligible: str = "all") -> dict[str, Any]:
    """Grade the pairs that a way to curate kept.

    Args:
        truth: of the pool draw.
        rows: int64 [kept pairs], their rows in it.
        eligible: the pairs that the way looks at: all, or English ones only.

    Returns:
        pairs, english_share, noise_share (all kinds together); for each kind of noise `<kind>_share`, its share of the
        kept pairs, and `<kind>_kept`, the share of its eligible pairs that were kept; `clean_kept`, that of the right
        texts; and what `grade_concepts` returns.
    """
    looked_at = truth.noise if eligible == "all" else truth.noise[truth.english]
    before = dict(zip(truth.kinds, np.bincount(looked_at, minlength=len(truth.kinds)).tolist(), strict=True))
    after = dict(zip(truth.kinds, np.bincount(truth.noise[rows], minlength=len(truth.kinds)).tolist(), strict=True))
    noise = [kind for kind in truth.kinds if kind != CLEAN]
    return {
        "pairs": len(rows),
        "english_share": _share(int(truth.english[rows].sum()), len(rows)),
        "noise_share": _share(sum(after[kind] for kind in noise), len(rows)),
        **{f"{kind}_share": _share(after[kind], len(rows)) for kind in noise},
        "clean_kept": _share(after.get(CLEAN, 0), before.get(CLEAN, 0)),
        **{f"{kind}_kept": _share(after[kind], before[kind]) for kind in noise},
        **grade_concepts(truth, rows),
    }


def grade_concepts(truth: Truth, rows: Rows) -> dict[str, Any]:
    """How evenly some pairs are spread over the pool's concepts.

    Head and tail are the pool's own, the same for every way: the tenth and the third of its concepts that have the
    most and the fewest pairs before curation.

    Args:
        truth: of the pool draw.
        rows: int64 [kept pairs], their rows in it.

    Returns:
        concepts (those with pairs); median_pairs per concept; top_tenth_share and tail_third_share of the pairs; gini
        of the pairs per concept, 0 where all have equally many; drawings (distinct), and median_drawings per concept.
    """
    size = len(truth.concepts)
    pairs = np.bincount(truth.concept[rows], minlength=size)
    drawn = np.bincount(truth.drawing[rows], minlength=size * truth.styles).reshape(size, truth.styles) > 0
    return {
        "concepts": int((pairs > 0).sum()),
        "median_pairs": float(np.median(pairs)),
        "top_tenth_share": _share(int(pairs[: -(-size // 10)].sum()), len(rows)),
        "tail_third_share": _share(int(pairs[size - size // 3 :].sum()), len(rows)),
        "gini": gini(pairs),
        "drawings": int(drawn.sum()),
        "median_drawings": float(np.median(drawn.sum(axis=1))),
    }


def gini(counts: npt.NDArray[np.int64]) -> float:
    """Gini coefficient of some counts: 0 where all are equal, near 1 where one has everything.

    Examples:
        >>> gini(np.array([5, 5, 5, 5])), gini(np.array([0, 0, 0, 8]))
        (0.0, 0.75)
    """
    total, size = int(counts.sum()), len(counts)
    if not total:
        return 0.0
    ranks = np.arange(1, size + 1)
    return float(2 * (ranks @ np.sort(counts)) / (size * total) - (size + 1) / size)


def grade_thresholds(pool: CuratedPool) -> dict[str, Any]:
    """What a way's thresholds came to.

    Returns:
        languages_t1, how many languages have t = 1, below which nothing is tail; tail_share, the mean over languages
        of the share of matches that are tail. Both None where the way matches nothing.
    """
    if pool.strategy.metadata == "none":
        return {"languages_t1": None, "tail_share": None}
    table = read_table(pool.languages).to_pandas()
    table = table[(table["epoch"] == 0) & (table["matched"] > 0)]
    return {"languages_t1": int((table["t"] == 1).sum()), "tail_share": float(table["p"].mean())}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


# ---------------------------------------------------------------------- for the notebook


def load_grades(root: Path, mix: str) -> pd.DataFrame:
    """The grades of one mix, all seeds, as the balance stage wrote them: see `grade_pairs` and `grade_thresholds`."""
    table = pd.read_csv(Paths(root).results / "curation.csv")
    return table[table["mix"] == mix].reset_index(drop=True)


def grade_languages(root: Path, mix: str, seed: int, curation: str) -> pd.DataFrame:
    """What one way to curate did to each kind of noise in each language.

    Args:
        curation: any but raw and english, which do not look at every pair.

    Returns:
        one row per (language, noise): pairs of that kind, and how many of them `matched` and were `kept`.
    """
    pool = open_draw(root, mix, seed, curation)
    if pool.strategy.metadata == "none" or pool.strategy.eligible == "english":
        raise InputError("curation", f"'{curation}' does not match every pair", "Choose another way.")
    truth = read_table(Paths(root).pool(mix, seed) / "truth.parquet", TRUTH).select(["pair_id", "noise"])
    languages = read_languages(open_draw(root, mix, seed, "raw"))  # raw matches every pair
    pairs = truth.to_pandas().merge(languages.to_pandas(), on="pair_id")
    pairs["matched"] = np.isin(pairs["pair_id"], read_languages(pool)["pair_id"].to_numpy())
    pairs["kept"] = np.isin(pairs["pair_id"], read_kept(pool)["pair_id"].to_numpy())
    grouped = pairs.groupby(["language", "noise"])
    return grouped.agg(pairs=("pair_id", "size"), matched=("matched", "sum"), kept=("kept", "sum")).reset_index()


def rank_concepts(root: Path, mix: str, seed: int, curations: Sequence[str] = tuple(STRATEGIES)) -> pd.DataFrame:
    """How often each concept is drawn before and after curation, the commonest first.

    Args:
        root: the study's folder.
        mix, seed: of the pool draw.
        curations: the ways to curate.

    Returns:
        one row per (curation, concept), WHOLE's before the others': rank (1 is the way's commonest concept), pairs, and
        `share` of the way's pairs.
    """
    truth = read_truth(root, mix, seed, open_draw(root, mix, seed, "raw"))
    rows = {name: truth.find(read_kept(open_draw(root, mix, seed, name))) for name in curations}
    tables = []
    for name, found in {WHOLE: np.arange(len(truth.pair_ids)), **rows}.items():
        pairs = np.sort(np.bincount(truth.concept[found], minlength=len(truth.concepts)))[::-1]
        ranks = np.arange(1, len(pairs) + 1)
        tables.append(
            pd.DataFrame({"curation": name, "rank": ranks, "pairs": pairs, "share": pairs / max(1, pairs.sum())})
        )
    return pd.concat(tables, ignore_index=True)

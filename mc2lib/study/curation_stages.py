"""Matching and balancing the pool draws with the pipeline of `make curate`.

Every (mix, seed) is curated by all six strategies in data/curation/<mix>/<seed>, a folder as `make curate` writes it.
DVC tracks what follows: data/curated, and three tables in results. A killed stage resumes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mc2lib.engine.lock import claim
from mc2lib.engine.shard_runs import map_tasks
from mc2lib.errors import InputError
from mc2lib.hashing import key
from mc2lib.hashing import mix as hash_ids
from mc2lib.io.curated_pool import PoolFiles, count_values, read_report
from mc2lib.io.files import atomic, read_table, write_table
from mc2lib.io.lid_models import load_classifier, load_language_model, load_package_model
from mc2lib.io.pools.open_pool import open_pool
from mc2lib.io.pools.shards import PoolSource
from mc2lib.io.provenance import read_made
from mc2lib.io.study_paths import Paths
from mc2lib.languages import OTHER
from mc2lib.params import CuratePool, Params
from mc2lib.pipeline.curate.curate_pool import curate_strategies, match_pool
from mc2lib.pipeline.curate.explanation import explain
from mc2lib.pipeline.curate.funnel import join_steps
from mc2lib.recipe.curation.language_id.lid import identify, identify_labels
from mc2lib.recipe.curation.language_shares import count_equal_shares, draw_equal_shares, find_scarcest
from mc2lib.recipe.curation.strategies import STRATEGIES
from mc2lib.recipe.training.budget import plan_arm
from mc2lib.schemas import CURATED, POOL
from mc2lib.study.curation_grades import (
    WHOLE,
    grade_pairs,
    grade_thresholds,
    open_draw,
    read_kept,
    read_truth,
)

#: An arm at equal language shares is refused if it would see each of its pairs more often than this.
MOST_REPEATS = 8

#: The lists that texts are matched with: English's; all languages' as one; each language's own.
LISTS = ("english", "merged", "own")


def used_mixes(params: Params) -> list[str]:
    """The mixes that some arm trains on, sorted.

    Each of them is matched and curated every way, not only the ways that its arms use now: an arm
    that changes its curation must find it there without these stages running again.
    """
    return sorted({arm.mix for arm in params.arms.values()})


def _draws(params: Params) -> list[tuple[str, int]]:
    return [(mix, seed) for mix in used_mixes(params) for seed in params.seeds]


def _arguments(root: Path, params: Params, mix: str, seed: int) -> tuple[Any, ...]:
    """How the pipeline curates a pool draw, by all strategies: the arguments of `curate_strategies`."""
    paths, source = Paths(root), _open_source(root, mix, seed)
    languages = params.languages
    if params.curation.language == "lid":
        languages = (*languages, OTHER)
    else:
        _refuse_undeclared(source)
    how = CuratePool(
        params.curation.borders,
        params.curation.script_borders,
        params.curation.normalise,
        language="lid" if params.curation.language == "lid" else "auto",
        lid_engine=params.curation.lid_engine,
        lid_confidence=params.curation.lid_confidence,
        t_en=params.curation.t_en,
        seed=seed,
        strategy="all",
    )
    out = paths.curation(mix, seed)
    return source, paths.metadata("en").parent, out, how, params.machine, languages, paths.curations / "index"


def _pool_folder(root: Path, mix: str, seed: int) -> Path:
    folder = Paths(root).pool(mix, seed)
    if not sorted(folder.glob("pairs-*.parquet")):
        raise InputError(str(folder), "no pairs-*.parquet", "Run `dvc repro pool`.")
    return folder


def _open_source(root: Path, mix: str, seed: int) -> PoolSource:
    folder = _pool_folder(root, mix, seed)
    try:
        return open_pool(folder, "packaged")
    except InputError as error:
        raise InputError(error.place, error.fault, "Delete it and run `dvc repro pool`.") from error


def _refuse_undeclared(source: PoolSource) -> None:
    for shard in source.shards:
        if nulls := read_table(shard.paths[0], columns=["language"])["language"].null_count:
            remedy = "Set `curation.language: lid` in params.yaml."
            raise InputError(str(shard.paths[0]), f"{nulls} pairs declare no language", remedy)


def _refuse_quarantined(rows: Sequence[dict[str, Any]]) -> None:
    """The study goes on with whole pools only."""
    for row in rows:
        raise InputError(row["place"], row["fault"], "Delete it and run `dvc repro`.")


# ---------------------------------------------------------------------- match


def match_pools(root: Path, params: Params) -> pd.DataFrame:
    """Match every pool draw with every list; write results/matches.csv.

    Args:
        root: the study's folder; metadata and pool must be there.
        params: languages, seeds and arms.

    Returns:
        one row per (mix, seed, list): pairs, pairs matched, entries per matched pair.

    Raises:
        InputError: a pool or a metadata list is missing or broken.
    """
    rows = []
    with claim(Paths(root).curations):
        for number, (mix, seed) in enumerate(_draws(params), 1):
            print(f"pool {number}/{len(_draws(params))} | {mix} | seed {seed}", flush=True)
            _refuse_quarantined(match_pool(*_arguments(root, params, mix, seed)))
            found = count_matched(root, params, mix, seed)
            sums = found.groupby("list", sort=False)[["pairs", "matched_pairs", "matches"]].sum().reset_index()
            rows.append(sums.assign(mix=mix, seed=seed))
    table = pd.concat(rows, ignore_index=True)
    table["entries"] = table["matches"] / table["matched_pairs"].clip(lower=1)
    table = table.rename(columns={"matched_pairs": "matched"})[["mix", "seed", "list", "pairs", "matched", "entries"]]
    with atomic(Paths(root).results / "matches.csv") as temporary:
        table.to_csv(temporary, index=False)
    return table


def count_matched(root: Path, params: Params, mix: str, seed: int) -> pd.DataFrame:
    """How well each list covers each language in one pool draw.

    Returns:
        one row per (list, language): pairs, matched_pairs, `matched` their share, matches, and `entries` per
        matched pair.
    """
    files = PoolFiles(Paths(root).curation(mix, seed))
    shards = [shard.name for shard in _open_source(root, mix, seed).shards]
    rows = []
    for choice in LISTS:
        paths = [files.counts(choice, name) for name in shards]  # type: ignore[arg-type]
        counts = (
            pa.concat_tables([read_table(path) for path in paths]).group_by("language").aggregate([("count", "sum")])
        )
        matches = dict(zip(counts["language"].to_pylist(), counts["count_sum"].to_pylist(), strict=True))
        for tally in (read_made(path)["tally"]["languages"] for path in paths):
            for language, found in tally.items():
                rows.append((choice, language, found["pairs"], found["matched"], matches.pop(language, 0)))
    table = pd.DataFrame(rows, columns=["list", "language", "pairs", "matched_pairs", "matches"])
    table = table.groupby(["list", "language"], sort=False).sum().reset_index()
    table["matched"] = table["matched_pairs"] / table["pairs"]
    table["entries"] = table["matches"] / table["matched_pairs"].clip(lower=1)
    return _in_order(table, params)


def _in_order(table: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Rows in the study's order of languages, within the lists in their order."""
    order = [*params.languages, OTHER]
    place = table["language"].map(lambda name: order.index(name) if name in order else len(order))
    lists = table["list"].map(LISTS.index) if "list" in table else 0
    return (
        table.assign(_list=lists, _place=place)
        .sort_values(["_list", "_place"], kind="stable")
        .drop(columns=["_list", "_place"])
        .reset_index(drop=True)
    )


# ---------------------------------------------------------------------- balance


def balance_pools(root: Path, params: Params) -> pd.DataFrame:
    """Balance and sample every pool draw each way; write data/curated (CURATED), thresholds.csv and curation.csv.

    Args:
        root: the study's folder; pool and metadata must be there. What `match_pools` did is not done again.
        params: languages, seeds, arms, `t_en` and the ways that arms train on at equal language shares.

    Returns:
        one row per (mix, seed, curation, language): pairs, then those left by each step (eligible,
        matched, drawn, kept), and the t and p they were balanced with.

    Raises:
        InputError: a pool or its metadata are missing or broken; or an arm asks for equal language shares, and
            its way to curate leaves too few pairs of a language.
    """
    reports, draws = [], _draws(params)
    with claim(Paths(root).curations):
        for number, (mix, seed) in enumerate(draws, 1):
            print(f"pool {number}/{len(draws)} | {mix} | seed {seed}", flush=True)
            for outcome in curate_strategies(*_arguments(root, params, mix, seed)):
                _refuse_quarantined(outcome.quarantined)
                rows = outcome.languages[outcome.languages["eligible"] > 0]
                reports.append(rows.assign(mix=mix, seed=seed, curation=outcome.pool.strategy.name))
        print("write data/curated, and grade it", flush=True)
        grades = map_tasks(partial(_write_curated, root, params), draws, params.machine)
    columns = ["mix", "seed", "curation", "language", "pairs", "eligible", "matched", "drawn", "kept", "t", "p"]
    report = pd.concat(reports, ignore_index=True)[columns]
    columns = ["mix", "seed", "language", "pairs", "kept", "t", "p"]  # the recipe's own, for the report
    _write_result(root, "thresholds.csv", report.loc[report["curation"] == "isolated", columns])
    _write_result(root, "curation.csv", pd.DataFrame([row for rows in grades for row in rows]))
    return report


def _write_result(root: Path, name: str, table: pd.DataFrame) -> None:
    with atomic(Paths(root).results / name) as temporary:
        table.to_csv(temporary, index=False)


def _write_curated(root: Path, params: Params, draw: tuple[str, int]) -> list[dict[str, Any]]:
    """Write the curated pools of one pool draw, all shards together, and grade them.

    Returns:
        rows of results/curation.csv: the pool's, then one per way to curate, each followed by that of its pairs at
        equal language shares where an arm of this mix asks for such.
    """
    mix, seed = draw
    paths, pools = Paths(root), {name: open_draw(root, mix, seed, name) for name in STRATEGIES}
    truth = read_truth(root, mix, seed, pools["raw"])
    wanted = _count_languages(read_kept(pools["isolated"]))
    rows = [{"curation": WHOLE, **grade_pairs(truth, np.arange(len(truth.pair_ids)))}]
    for name, pool in pools.items():
        kept, looked_at = read_kept(pool), pool.strategy.eligible
        write_table(kept, paths.curated(mix, seed, name), CURATED)
        rows.append({"curation": name, **grade_pairs(truth, truth.find(kept), looked_at), **grade_thresholds(pool)})
        if name in _ways_to_equal(params, mix):
            refuse_scarce(params, mix, seed, name, _count_languages(kept), wanted)
            languages = kept["language"].combine_chunks()
            kept = kept.filter(pa.array(draw_equal_shares(kept["pair_id"].to_numpy(), languages, wanted, seed)))
            path = paths.curated(mix, seed, name, shares="recipe")
            write_table(kept, path, CURATED)
            rows.append({"curation": path.stem, **grade_pairs(truth, truth.find(kept)), **grade_thresholds(pool)})
    return [{"mix": mix, "seed": seed, **row} for row in rows]


def _ways_to_equal(params: Params, mix: str) -> tuple[str, ...]:
    """The ways to curate whose pairs are also written at equal language shares: those listed, where an arm asks."""
    asked = any(arm.shares == "recipe" and arm.mix == mix for arm in params.arms.values())
    return params.curation.equal_shares if asked else ()


def _count_languages(pairs: pa.Table) -> dict[str, int]:
    return count_values(pairs["language"])


def refuse_scarce(
    params: Params, mix: str, seed: int, way: str, pairs: Mapping[str, int], wanted: Mapping[str, int]
) -> None:
    """Refuse an arm whose pairs at equal language shares are too few: seen more than MOST_REPEATS times each.

    Args:
        params: the study.
        mix, seed: of the pool draw.
        way: to curate.
        pairs: that it kept, by language.
        wanted: the recipe's, by language.

    Raises:
        InputError: names the arm, the language that is scarce, and what to do.
    """
    left = sum(count_equal_shares(pairs, wanted).values())
    share = wanted.get("en", 0) / max(1, sum(wanted.values()))
    for name, arm in params.arms.items():
        if (arm.mix, arm.curation, arm.shares) != (mix, way, "recipe"):
            continue
        seen = plan_arm(params, name, share or 1.0).seen_pairs
        if left * MOST_REPEATS < seen:
            scarce = find_scarcest(pairs, wanted)
            fault = (
                f"'{way}' keeps {pairs.get(scarce, 0):,} pairs in {scarce} (seed {seed}), which leaves {left:,} at "
                f"the recipe's language shares; the arm sees {seen:,}, each more than {MOST_REPEATS} times"
            )
            remedy = f"Remove the arm, or its `shares`; or draw more pairs, or leave {scarce} out of `languages`."
            raise InputError(f"params.yaml: arms.{name}", fault, remedy)


def load_counts(root: Path, mix: str, seed: int, curation: str) -> pd.DataFrame:
    """How often each entry matched in one pool draw, the commonest first: the head and tail of each group.

    Returns:
        one row per (group, entry) that matched: group, rank (1 is the commonest), count, t, entry.
    """
    pool = open_draw(root, mix, seed, curation)
    if pool.strategy.metadata == "none":
        raise InputError("curation", f"'{curation}' matches nothing", "Choose a way that has metadata.")
    table = pq.read_table(pool.entries, columns=["language", "entry", "count"], filters=[("count", ">", 0)])
    frame = table.to_pandas().rename(columns={"language": "group"}).astype({"group": str})
    frame = frame.sort_values(["group", "count"], ascending=[True, False], kind="stable", ignore_index=True)
    frame["rank"] = frame.groupby("group").cumcount() + 1
    frame["t"] = frame["group"].map(read_report(pool)["t"])
    return frame[["group", "rank", "count", "t", "entry"]]


def explain_text(root: Path, text: str, language: str, mix: str, seed: int, curation: str = "isolated") -> pd.DataFrame:
    """How a strategy looks at one text: see `explain`; `language` is the text's, mix and seed the pool draw's."""
    return explain(open_draw(root, mix, seed, curation), text, language)


def load_steps(root: Path, mix: str, seed: int, curations: Sequence[str] = tuple(STRATEGIES)) -> pd.DataFrame:
    """From the pool's pairs to the curated ones: one row per strategy, one column per step; every row adds up."""
    return join_steps({name: read_table(open_draw(root, mix, seed, name).steps).to_pandas() for name in curations})


# ---------------------------------------------------------------------- looking at a draw


def read_pool(root: Path, mix: str, seed: int) -> pa.Table:
    """All shards of one pool draw (POOL), by shard name; InputError if there is none."""
    paths = sorted(_pool_folder(root, mix, seed).glob("pairs-*.parquet"))
    return pa.concat_tables([read_table(path, POOL) for path in paths])


def compare_language_id(root: Path, params: Params, seed: int, sample: int = 20_000, mix: str = "base") -> pd.DataFrame:
    """How far fastText's language id and the declared language agree on a sample of a pool draw.

    Args:
        sample: pairs, drawn by hash of (seed, pair_id).

    Returns:
        one row per declared language: pairs sampled, `agree` their share with the same label, `other`
        their share without metadata, and the commonest `mistaken_for` among the rest.
    """
    pool = _draw_sample(root, seed, sample, mix)
    pool = pool.filter(pc.is_valid(pool["language"]))
    model = load_classifier(params.curation.lid_engine)
    found = identify(pool["alt_text"].combine_chunks(), model, params.curation.lid_confidence)
    labels = pd.DataFrame({"language": pool["language"].to_pandas(), "found": found.to_pandas()})
    labels["found"] = labels["found"].where(labels["found"].isin(params.languages), OTHER)
    rows = [_compare(language, labels.loc[labels["language"] == language, "found"]) for language in params.languages]
    return pd.DataFrame(rows)


def compare_lid_engines(root: Path, seed: int, sample: int = 20_000, mix: str = "base") -> pd.DataFrame:
    """How many labels the compiled language id and the `fasttext` package share, on a sample of a pool draw's texts.

    Args:
        sample: pairs, those of `compare_language_id`.

    Returns:
        one row: texts, `same_label` and `same_probability`, of how many both say the same.
    """
    texts = _draw_sample(root, seed, sample, mix)["alt_text"].combine_chunks()
    labels, probabilities = identify_labels(texts, load_language_model())
    package, confidences = load_package_model().ask(texts)
    same = {"same_label": int((labels == package).sum()), "same_probability": int((probabilities == confidences).sum())}
    return pd.DataFrame([{"texts": len(texts), **same}])


def _draw_sample(root: Path, seed: int, sample: int, mix: str) -> pa.Table:
    """Pairs of a pool draw, drawn by hash of (seed, pair_id), in the pool's order."""
    pool = read_pool(root, mix, seed)
    order = np.argsort(hash_ids(pool["pair_id"].to_numpy(), key("language id sample", seed)), kind="stable")
    return pool.take(np.sort(order[:sample]))


def _compare(language: str, found: pd.Series) -> dict[str, Any]:
    wrong = found[(found != language) & (found != OTHER)]
    return {
        "language": language,
        "pairs": len(found),
        "agree": float((found == language).mean()) if len(found) else float("nan"),
        "other": float((found == OTHER).mean()) if len(found) else float("nan"),
        "mistaken_for": str(wrong.value_counts().sort_index().idxmax()) if len(wrong) else "",
    }


def select_report(
    report: pd.DataFrame, params: Params, mix: str, seed: int, curation: str | None = None
) -> pd.DataFrame:
    """The rows of one pool draw, and of one way to curate if it is named, in the study's order of languages."""
    rows = report[(report["mix"] == mix) & (report["seed"] == seed)]
    if curation is not None:
        rows = rows[rows["curation"] == curation]
    return _in_order(rows, params)

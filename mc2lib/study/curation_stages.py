"""Matching the pool draws and balancing them; grading curation against the truth."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import as_completed
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mc2lib.engine.machine import processes
from mc2lib.engine.tasks import process_pool
from mc2lib.errors import InputError, nearest
from mc2lib.hashing import key
from mc2lib.hashing import mix as hash_ids
from mc2lib.io.files import atomic, read_table, write_table
from mc2lib.io.lid_models import load_classifier, load_language_model, load_package_model
from mc2lib.io.study_paths import Paths
from mc2lib.languages import OTHER
from mc2lib.params import Curation, MatchRules, Params
from mc2lib.recipe.curation.algorithm import INDEX_OF, curate, find_thresholds
from mc2lib.recipe.curation.balance import keep_probability
from mc2lib.recipe.curation.index import Index, build_index
from mc2lib.recipe.curation.language_id.lid import identify, identify_labels
from mc2lib.recipe.curation.match import match, match_languages
from mc2lib.schemas import CURATED, MATCHES, METADATA, POOL, TRUTH

#: English metadata; all languages' as one list; each language's own.
INDICES = ("english", "merged", "isolated")

REPORT_SECONDS = 5.0


def used_mixes(params: Params) -> list[str]:
    """The mixes that some arm trains on, sorted.

    Each of them is matched and curated every way, not only the ways that its arms use now: an arm
    that changes its curation must find it there without these stages running again.
    """
    return sorted({arm.mix for arm in params.arms.values()})


# ---------------------------------------------------------------------- match


def match_pools(root: Path, params: Params) -> pd.DataFrame:
    """Match every pool draw against every index; write data/matches (MATCHES).

    Args:
        root: the study's folder; metadata and pool must be there.
        params: languages, seeds and arms.

    Returns:
        one row a (mix, seed, index): pairs, distinct texts, pairs matched, entries a matched pair.

    Raises:
        InputError: a pool or a metadata list is missing or broken.
    """
    # by index first, so that a worker seldom needs another one
    jobs = [(index, mix, seed) for index in INDICES for mix in used_mixes(params) for seed in params.seeds]
    total = sum(_count_pairs(root, mix, seed) for _, mix, seed in jobs)
    began = shown = time.monotonic()
    done, rows = 0, []
    with process_pool(min(processes(params), len(jobs)), __name__) as workers:
        futures = [workers.submit(_match_pool, root, params, *job) for job in jobs]
        try:
            for future in as_completed(futures):
                rows.append(future.result())
                done += rows[-1]["pairs"]
                now = time.monotonic()
                if now - shown > REPORT_SECONDS or done == total:
                    shown = now
                    print(_progress(done, total, now - began), flush=True)
        finally:
            workers.shutdown(cancel_futures=True)  # one failure ends the stage, at once
    return pd.DataFrame(rows).sort_values(["mix", "seed", "index"]).reset_index(drop=True)


def _progress(done: int, total: int, seconds: float) -> str:
    pace = done / max(seconds, 1e-9)
    left = int((total - done) / max(pace, 1e-9))
    return f"match {done:,}/{total:,} pairs | {pace:,.0f} pairs/s | {left // 60:02d}:{left % 60:02d} left"


def _match_pool(root: Path, params: Params, index: str, mix: str, seed: int) -> dict[str, Any]:
    pool = load_pool(root, params, mix, seed)
    if index == "isolated":
        indices = {name: _load_index(root, (name,), params.curation.rules) for name in curated_languages(params)}
        entries = match_languages(pool["alt_text"], pool["language"], indices)
    else:
        languages = ("en",) if index == "english" else curated_languages(params)
        entries = match(pool["alt_text"], _load_index(root, languages, params.curation.rules))
    table = pa.table({"pair_id": pool["pair_id"], "language": pool["language"], "entries": entries}, schema=MATCHES)
    write_table(table, Paths(root).matches(mix, seed, index), MATCHES)
    lengths = pc.list_value_length(entries).to_numpy(zero_copy_only=False)
    matched = int((lengths > 0).sum())
    return {
        "mix": mix,
        "seed": seed,
        "index": index,
        "pairs": pool.num_rows,
        "distinct_texts": pc.count_distinct(pool["alt_text"]).as_py(),
        "matched": matched,
        "entries_a_pair": float(lengths.sum() / max(matched, 1)),
    }


@cache  # workers live for one call of match_pools and use an index many times
def _load_index(root: Path, languages: tuple[str, ...], rules: MatchRules) -> Index:
    return load_index(root, languages, rules)


def curated_languages(params: Params) -> tuple[str, ...]:
    """The languages whose lists curation matches: the study's, and `other` where language id may say so."""
    return (*params.languages, OTHER) if params.curation.language == "lid" else params.languages


def load_index(root: Path, languages: tuple[str, ...], rules: MatchRules) -> Index:
    """The index of one language's list, or of several merged into one without duplicates."""
    return build_index(merged_entries(root, languages), rules)


def _read_metadata(root: Path, language: str) -> pa.Table:
    return read_table(Paths(root).metadata(language), METADATA)


def merged_entries(root: Path, languages: Iterable[str]) -> list[str]:
    """All languages' entries in one list, English first, each once."""
    return list(dict.fromkeys(e for language in languages for e in _read_metadata(root, language)["entry"].to_pylist()))


def load_pool(root: Path, params: Params, mix: str, seed: int) -> pa.Table:
    """One pool draw (POOL) with the language that curation goes by: declared, or found by language id.

    Raises:
        InputError: there is no pool, or a pair declares no language and language id is not asked for.
    """
    pool = read_pool(root, mix, seed)
    if params.curation.language == "lid":
        model = load_classifier(params.curation.lid_engine)
        found = identify(pool["alt_text"].combine_chunks(), model, params.curation.lid_confidence)
        languages = pc.if_else(pc.is_in(found, pa.array(params.languages)), found, OTHER)
        return pool.set_column(POOL.get_field_index("language"), POOL.field("language"), languages)
    if nulls := pool["language"].null_count:
        place = str(Paths(root).pool(mix, seed))
        raise InputError(place, f"{nulls} pairs declare no language", "Set `curation.language: lid` in params.yaml.")
    return pool


def read_pool(root: Path, mix: str, seed: int) -> pa.Table:
    """All shards of one pool draw (POOL), by shard name; InputError if there is none."""
    return pa.concat_tables([read_table(path, POOL) for path in _shards(root, mix, seed)])


def _shards(root: Path, mix: str, seed: int) -> list[Path]:
    folder = Paths(root).pool(mix, seed)
    shards = sorted(folder.glob("pairs-*.parquet"))
    if not shards:
        raise InputError(str(folder), "no pairs-*.parquet", "Run `dvc repro pool`.")
    return shards


def _count_pairs(root: Path, mix: str, seed: int) -> int:
    rows = 0
    for path in _shards(root, mix, seed):
        try:
            rows += pq.read_metadata(path).num_rows
        except (pa.ArrowInvalid, OSError) as error:
            fault = f"not a whole Parquet file ({error})"
            raise InputError(str(path), fault, "Delete it and run `dvc repro`.") from error
    return rows


def count_matched(root: Path, params: Params, mix: str, seed: int) -> pd.DataFrame:
    """How well each index covers each language in one pool draw.

    Returns:
        one row a (index, language): pairs, `matched` the share that matches, `entries` a matched pair.
    """
    parts = []
    for index in INDICES:
        table = read_table(Paths(root).matches(mix, seed, index), MATCHES)
        lengths = pc.list_value_length(table["entries"]).to_numpy()
        frame = pd.DataFrame({"language": table["language"].to_pandas(), "hit": lengths > 0, "entries": lengths})
        grouped = frame.groupby("language")
        counted = pd.DataFrame({"pairs": grouped.size(), "matched": grouped["hit"].mean()})
        counted["entries"] = grouped["entries"].sum() / grouped["hit"].sum().clip(lower=1)
        known = [language for language in (*params.languages, OTHER) if language in counted.index]
        parts.append(counted.loc[known].reset_index().assign(index=index))
    return pd.concat(parts, ignore_index=True)[["index", "language", "pairs", "matched", "entries"]]


# ---------------------------------------------------------------------- balance


def balance_pools(root: Path, params: Params) -> pd.DataFrame:
    """Balance and sample every pool draw each way; write data/curated (CURATED) and results/thresholds.csv.

    Args:
        root: the study's folder; pool and matches must be there.
        params: languages, seeds, arms and `t_en`.

    Returns:
        one row a (mix, seed, curation, language): pairs, then those left by each step (eligible,
        matched, drawn, kept), and the t and p they were balanced with.

    Raises:
        InputError: a pool or its matches are missing, broken or of another run.
    """
    jobs = [(mix, seed) for mix in used_mixes(params) for seed in params.seeds]
    reports = []
    with process_pool(min(processes(params), len(jobs)), __name__) as workers:
        done = workers.map(_balance_pool, repeat(root), repeat(params), jobs)
        for number, ((mix, seed), report) in enumerate(zip(jobs, done, strict=True), 1):
            reports.append(report)
            kept = report.groupby("curation", sort=False)["kept"].sum()
            shown = " · ".join(f"{curation} {pairs:,}" for curation, pairs in kept.items())
            print(f"balance {number}/{len(jobs)} | {mix} | seed {seed} | kept: {shown}", flush=True)
    report = pd.concat(reports, ignore_index=True)
    with atomic(Paths(root).results / "thresholds.csv") as temporary:  # the recipe's own, for the report
        columns = ["mix", "seed", "language", "pairs", "kept", "t", "p"]
        report.loc[report["curation"] == "isolated", columns].to_csv(temporary, index=False)
    return report


def _balance_pool(root: Path, params: Params, job: tuple[str, int]) -> pd.DataFrame:
    mix, seed = job
    paths = Paths(root)
    read = cache(lambda index: read_table(paths.matches(mix, seed, index), MATCHES))
    pool = read_pool(root, mix, seed)
    reports = []
    for curation, index in INDEX_OF.items():
        matches = read(index) if index else None
        if matches is None:
            labelled = load_pool(root, params, mix, seed)
        else:
            # the language was settled when the pool was matched
            labelled = pool.set_column(POOL.get_field_index("language"), POOL.field("language"), matches["language"])
        curated = curate(labelled, matches, curation, params.curation.t_en, seed)
        write_table(curated.table, paths.curated(mix, seed, curation), CURATED)
        reports.append(curated.report.assign(mix=mix, seed=seed, curation=curation))
    columns = ["mix", "seed", "curation", "language", "pairs", "eligible", "matched", "drawn", "kept", "t", "p"]
    return pd.concat(reports, ignore_index=True)[columns]


def load_counts(root: Path, params: Params, mix: str, seed: int, curation: Curation) -> pd.DataFrame:
    """How often each entry matched in one pool draw, the commonest first: the head and tail of each group.

    Returns:
        one row a (group, entry) that matched: group, rank (1 is the commonest), count, t, entry.
    """
    index = INDEX_OF[curation]
    if index is None:
        raise InputError("curation", f"'{curation}' matches nothing", "Choose a way that has metadata.")
    matches = read_table(Paths(root).matches(mix, seed, index), MATCHES)
    balance = find_thresholds(matches, curation, params.curation.t_en)
    parts = []
    for group, counts, t in zip(balance.groups, balance.counts, balance.t, strict=True):
        order = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]
        if not len(order):
            continue
        names = _entry_names(root, params, index, group)
        parts.append(
            pd.DataFrame(
                {
                    "group": group,
                    "rank": np.arange(1, len(order) + 1),
                    "count": counts[order],
                    "t": t,
                    "entry": [names[entry] for entry in order],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def explain_text(root: Path, params: Params, text: str, language: str, mix: str, seed: int) -> pd.DataFrame:
    """How the recipe looks at one text: its matched entries and what keeps it.

    Args:
        text: any alt-text.
        language: whose metadata to match.
        mix, seed: the pool draw whose counts and threshold are used.

    Returns:
        one row a matched entry: entry, source, count in the pool, t, keep probability; the last row,
        `(pair)`, holds the probability that a pair with this text is kept.

    Raises:
        InputError: the study has no such language.
    """
    if language not in curated_languages(params):
        raise InputError("language", f"no metadata in '{language}'", nearest(language, curated_languages(params)))
    metadata = _read_metadata(root, language).to_pandas()
    found = match(pa.array([text]), load_index(root, (language,), params.curation.rules))[0].as_py()
    matches = read_table(Paths(root).matches(mix, seed, "isolated"), MATCHES)
    balance = find_thresholds(matches, "isolated", params.curation.t_en)
    group = balance.groups.index(language) if language in balance.groups else None
    known = balance.counts[group] if group is not None else np.zeros(0, np.int64)
    t = balance.t[group] if group is not None else 0
    counts = np.array([known[entry] if entry < len(known) else 0 for entry in found], np.int64)
    keep = keep_probability(counts, t)
    rows = metadata.loc[found, ["entry", "source"]].assign(count=counts, t=t, keep=keep)
    pair = pd.DataFrame({"entry": ["(pair)"], "source": [""], "count": [0], "t": [t], "keep": [1 - np.prod(1 - keep)]})
    return pd.concat([rows, pair], ignore_index=True)


def _entry_names(root: Path, params: Params, index: str, group: str) -> list[str]:
    if index == "merged":
        return merged_entries(root, curated_languages(params))
    names: list[str] = _read_metadata(root, "en" if index == "english" else group)["entry"].to_pylist()
    return names


# ---------------------------------------------------------------------- grading


def grade_curation(root: Path, params: Params, mix: str, seed: int) -> pd.DataFrame:
    """What curation did to each kind of noise: the one place where the pool's truth is read.

    Returns:
        one row a (curation, noise): `before` and `after`, the kind's share of the pool and of the
        curated pool, and `survived`, the share of its eligible pairs that was kept.
    """
    paths = Paths(root)
    truth = read_table(paths.pool(mix, seed) / "truth.parquet", TRUTH).select(["pair_id", "noise"]).to_pandas()
    languages = read_pool(root, mix, seed).select(["pair_id", "language"]).to_pandas()
    pool = truth.merge(languages, on="pair_id")
    rows = []
    for curation in INDEX_OF:
        kept = read_table(paths.curated(mix, seed, curation), columns=["pair_id"])["pair_id"]
        eligible = pool[pool["language"] == "en"] if curation == "english" else pool
        curated = eligible[eligible["pair_id"].isin(kept.to_numpy())]
        before = eligible["noise"].value_counts()
        after = curated["noise"].value_counts().reindex(before.index, fill_value=0)
        rows.append(
            pd.DataFrame(
                {
                    "curation": curation,
                    "noise": before.index,
                    "before": (before / before.sum()).to_numpy(),
                    "after": (after / max(after.sum(), 1)).to_numpy(),
                    "survived": (after / before).to_numpy(),
                }
            ).sort_values("noise")
        )
    return pd.concat(rows, ignore_index=True)


def grade_languages(root: Path, params: Params, mix: str, seed: int, curation: Curation) -> pd.DataFrame:
    """What one way to curate did to each kind of noise in each language.

    Args:
        curation: any but raw and english, which do not look at every pair.

    Returns:
        one row a (language, noise): pairs of that kind, and how many of them `matched` and were `kept`.
    """
    index = INDEX_OF[curation]
    if index is None or curation == "english":
        raise InputError("curation", f"'{curation}' does not match every pair", "Choose another way.")
    paths = Paths(root)
    truth = read_table(paths.pool(mix, seed) / "truth.parquet", TRUTH).select(["pair_id", "noise"]).to_pandas()
    matches = read_table(paths.matches(mix, seed, index), MATCHES)
    kept = read_table(paths.curated(mix, seed, curation), columns=["pair_id"])["pair_id"].to_numpy()
    pairs = pd.DataFrame(
        {
            "pair_id": matches["pair_id"].to_numpy(),
            "language": matches["language"].to_pandas(),
            "matched": pc.list_value_length(matches["entries"]).to_numpy() > 0,
        }
    ).merge(truth, on="pair_id")
    pairs["kept"] = np.isin(pairs["pair_id"], kept)
    grouped = pairs.groupby(["language", "noise"])
    return grouped.agg(pairs=("pair_id", "size"), matched=("matched", "sum"), kept=("kept", "sum")).reset_index()


def compare_language_id(root: Path, params: Params, seed: int, sample: int = 20_000, mix: str = "base") -> pd.DataFrame:
    """How far fastText's language id and the declared language agree on a sample of a pool draw.

    Args:
        sample: pairs, drawn by hash of (seed, pair_id).

    Returns:
        one row a declared language: pairs sampled, `agree` their share with the same label, `other`
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
    order = [*params.languages, OTHER]
    return rows.sort_values("language", key=lambda names: names.map(order.index), kind="stable").reset_index(drop=True)


def summarise_steps(report: pd.DataFrame, mix: str, seed: int, curations: Sequence[str] | None = None) -> pd.DataFrame:
    """From the pool's pairs to the curated ones, step by step: a row a curation, and every row adds up.

    Args:
        report: of `balance_pools`.

    Returns:
        pairs in the pool; less those of another language, without a match, whose image drew another
        text, and those sampled out; pairs kept.
    """
    one = report[(report["mix"] == mix) & (report["seed"] == seed)]
    sums = one.groupby("curation")[["pairs", "eligible", "matched", "drawn", "kept"]].sum()
    sums = sums.loc[list(curations)] if curations else sums
    # a way that looks at one language reports that language's pairs only
    pool = int(one.groupby("curation")["pairs"].sum().max())
    return pd.DataFrame(
        {
            "pool": pool,
            "other languages": sums["eligible"] - pool,
            "no entry matched": sums["matched"] - sums["eligible"],
            "image drew another text": sums["drawn"] - sums["matched"],
            "sampled out": sums["kept"] - sums["drawn"],
            "kept": sums["kept"],
        }
    )

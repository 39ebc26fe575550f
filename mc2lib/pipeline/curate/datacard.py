"""What a strategy leaves of a pool, written: the report, the funnel by step and by language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.io.curated_pool import CuratedPool
from mc2lib.io.files import write_json, write_table
from mc2lib.io.provenance import Record
from mc2lib.pipeline.curate.funnel import count_languages, count_steps, summarise
from mc2lib.recipe.curation.balance import is_head


@dataclass(frozen=True)
class Outcome:
    """What a curation leaves: its pool, the funnel by step and by language, and the shards that could not be read."""

    pool: CuratedPool
    steps: pd.DataFrame
    languages: pd.DataFrame
    quarantined: list[dict[str, Any]]


def write_report(
    pool: CuratedPool,
    facts: Mapping[str, Any],
    tally: Mapping[str, Any],
    duplicates: Mapping[str, int],
    sampled: Mapping[str, Any],
    balance: Record,
    quarantined: list[dict[str, Any]],
) -> Outcome:
    """Write report.json, steps.parquet and languages.parquet of a curated pool.

    Args:
        pool: that was curated.
        facts: what the report says besides the counts.
        tally: of the match step, over all shards.
        duplicates: by language the matched pairs whose image goes.
        sampled: of the sample step, by epoch and language.
        balance: of `balance_shards`.
        quarantined: shards that could not be read.
    """
    thresholds = dict(zip(balance["groups"], zip(balance["t"], balance["p"], strict=True), strict=True))
    matched = tally.get("languages", {})
    languages = count_languages(pool.strategy, matched, duplicates, sampled, thresholds)
    languages = languages.merge(_count_entries(pool, thresholds), on="language", how="left")
    languages[["entries", "head", "tail"]] = languages[["entries", "head", "tail"]].fillna(0).astype("int64")
    steps = count_steps(pool.strategy, tally.get("reader", {}), languages)
    for path, frame in ((pool.languages, languages), (pool.steps, steps)):
        write_table(pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None), path)
    first = languages[languages["epoch"] == 0]
    report = {
        **facts,
        "quarantined": quarantined,
        "pairs": int(first["pairs"].sum()),
        "kept": {str(epoch): int(rows["kept"].sum()) for epoch, rows in languages.groupby("epoch")},
        "steps": steps.to_dict("records"),
        "summary": summarise(pool.strategy, languages),
        "t": {name: t for name, (t, _) in thresholds.items()},
        "p": {name: p for name, (_, p) in thresholds.items()},
    }
    write_json(report, pool.report)
    return Outcome(pool, steps, languages, quarantined)


def _count_entries(pool: CuratedPool, thresholds: Mapping[str, tuple[int, float]]) -> pd.DataFrame:
    """Per language that is balanced by itself: entries that matched, those of the head and of the tail."""
    rows = []
    file = pq.ParquetFile(pool.entries)
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=["language", "count"])
        if not table.num_rows:
            continue
        name = table["language"][0].as_py()
        counts = table["count"].to_numpy()
        matched = int((counts > 0).sum())
        head = int(is_head(counts, thresholds[name][0]).sum())
        rows.append({"language": name, "entries": matched, "head": head, "tail": matched - head})
    return pd.DataFrame(rows, columns=["language", "entries", "head", "tail"]).astype({"language": object})

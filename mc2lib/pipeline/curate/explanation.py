"""One text explained: the entries that a curated pool's recipe finds in it, and what keeps a pair with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.errors import InputError
from mc2lib.io.curated_pool import AGAIN, CuratedPool, read_report
from mc2lib.io.lid_models import load_language_model
from mc2lib.languages import OTHER
from mc2lib.params import MatchRules
from mc2lib.recipe.curation.algorithm import ALL, ENGLISH
from mc2lib.recipe.curation.balance import is_head
from mc2lib.recipe.curation.index import build_index
from mc2lib.recipe.curation.language_id.lid import identify
from mc2lib.recipe.curation.match import match

COLUMNS = ["language", "entry", "source", "count", "t", "part", "keep"]


def explain(pool: CuratedPool, text: str, language: str | None = None) -> pd.DataFrame:
    """How a curated pool's recipe looks at one text.

    Args:
        pool: of `open_curated`.
        text: any alt-text.
        language: of the text; without it language id says.

    Returns:
        one row per matched entry: language, entry, source, count in the pool, t, part (head or tail), keep
        probability; the last row, `(pair)`, holds the pair's keep probability and, in `decision`, what that means.

    Raises:
        InputError: there is no finished curated pool.
    """
    report = read_report(pool)
    text = text.encode("utf-8", "replace").decode()  # a command line may hold what is no text
    if language is None:
        params = report["params"]
        model = load_language_model(Path(params["lid_model"]) if params["lid_model"] else None)
        language = str(identify(pa.array([text]), model, params["lid_confidence"])[0])
    language = language if language in report["lists"] or OTHER not in report["lists"] else OTHER
    group = language if pool.strategy.groups == "language" else ALL
    if refused := _refuse(pool, report, text, language):
        return _with_decision(pd.DataFrame(columns=COLUMNS), language, 0, 0.0, f"dropped: {refused}")
    if pool.strategy.metadata == "none":
        return _with_decision(pd.DataFrame(columns=COLUMNS), language, 0, 1.0, "kept: nothing is asked of it")
    t = report["t"][group]
    rows = _find_rows(pool, report, text, language, group, t)
    keep = float(1 - np.prod(1 - rows["keep"].to_numpy(dtype=float))) if len(rows) else 0.0
    if not len(rows):
        decision = "dropped: no entry matched"
    elif (rows["part"] == "tail").any():
        decision = "kept: it holds a tail entry"
    else:
        decision = f"kept in {keep:.1%} of draws: all its entries are common"
    return _with_decision(rows[COLUMNS], language, t, keep, decision)


def _refuse(pool: CuratedPool, report: Mapping[str, Any], text: str, language: str) -> str:
    """Why a text is not looked at, if it is not."""
    if not text.strip():
        return "empty text"
    if pool.strategy.eligible == "english" and language != ENGLISH:
        return "not in English"
    if pool.strategy.groups == "language" and language not in report["t"]:
        return "no metadata in this language"
    return ""


def _find_rows(
    pool: CuratedPool, report: Mapping[str, Any], text: str, language: str, group: str, t: int
) -> pd.DataFrame:
    """The entries in a text, with their counts and keep probabilities."""
    entries = _read_entries(pool, group)
    rules = MatchRules(**{field.name: report["params"][field.name] for field in fields(MatchRules)})
    found = match(pa.array([text]), build_index(entries["entry"], rules))[0].as_py()
    rows = entries.take(pa.array(found, pa.int32())).to_pandas()
    rows = rows.rename(columns={"keep_probability": "keep"}).assign(language=language, t=t)
    rows["part"] = np.where(is_head(rows["count"].to_numpy(), t), "head", "tail")
    return rows


def _with_decision(rows: pd.DataFrame, language: str, t: int, keep: float, decision: str) -> pd.DataFrame:
    pair = {"language": language, "entry": "(pair)", "source": "", "count": 0, "t": t, "part": "", "keep": keep}
    return pd.DataFrame([*rows.assign(decision="").to_dict("records"), pair | {"decision": decision}])


def _read_entries(pool: CuratedPool, group: str) -> pa.Table:
    """One group's rows of the entry table, which has a row group for each."""
    if not pool.entries.exists():
        raise InputError(str(pool.entries), "no such file", AGAIN)
    table = pq.read_table(pool.entries, filters=[("language", "==", group)])
    return table.select(["entry", "source", "count", "keep_probability"])

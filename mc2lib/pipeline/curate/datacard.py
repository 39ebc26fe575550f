"""What became of a pool: the step table that adds up, the languages before and after, and one text explained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.errors import InputError
from mc2lib.io.curated_pool import read_report
from mc2lib.io.files import read_json, write_json, write_table
from mc2lib.io.lid_models import load_language_model
from mc2lib.languages import OTHER
from mc2lib.params import MatchRules
from mc2lib.recipe.curation.balance import is_head
from mc2lib.recipe.curation.index import build_index
from mc2lib.recipe.curation.language_id.lid import identify
from mc2lib.recipe.curation.match import match

#: What a shard's reader counts beside the rows that it drops and the pairs that it gives.
READ = ("rows", "more texts")
DROPPED = "dropped: "


@dataclass(frozen=True)
class Outcome:
    """What a curation leaves: its folder, the step table, and the shards that could not be read."""

    out: Path
    steps: pd.DataFrame
    languages: pd.DataFrame
    quarantined: list[dict[str, Any]]


def write_report(
    out: Path,
    facts: Mapping[str, Any],
    tallies: Sequence[Mapping[str, Any]],
    sampled: Sequence[Mapping[str, Any]],
    quarantined: list[dict[str, Any]],
) -> Outcome:
    """Write report.json, steps.parquet and languages.parquet of a curated pool.

    Args:
        out: its folder.
        facts: what the report says beside the counts.
        tallies: of the match step, a shard each.
        sampled: of the sample step, by epoch and language.
        quarantined: shards that could not be read.
    """
    balance = read_json(out / "balance" / "keep.json")
    thresholds = dict(zip(balance["groups"], zip(balance["t"], balance["p"], strict=True), strict=True))
    languages = count_languages(tallies, sampled, thresholds)
    languages = languages.merge(_count_entries(out, thresholds), on="language", how="left")
    languages[["entries", "head", "tail"]] = languages[["entries", "head", "tail"]].fillna(0).astype("int64")
    steps = count_steps(tallies, languages)
    for name, frame in (("languages", languages), ("steps", steps)):
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        write_table(table, out / f"{name}.parquet")
    first = languages[languages["epoch"] == 0]
    report = {
        **facts,
        "quarantined": quarantined,
        "pairs": int(first["pairs"].sum()),
        "kept": {str(epoch): int(rows["kept"].sum()) for epoch, rows in languages.groupby("epoch")},
        "steps": steps.to_dict("records"),
        "t": {name: t for name, (t, _) in thresholds.items()},
        "p": {name: p for name, (_, p) in thresholds.items()},
    }
    write_json(report, out / "report.json")
    return Outcome(out, steps, languages, quarantined)


def sum_tallies(tallies: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Tallies of shards as one: numbers are added, wherever they stand; names come in order."""
    total: dict[str, Any] = {}
    for tally in tallies:
        _add_tally(total, tally)
    return _in_order(total)


def _add_tally(total: dict[str, Any], tally: Mapping[str, Any]) -> None:
    for name, value in tally.items():
        if isinstance(value, dict):
            _add_tally(total.setdefault(name, {}), value)
        else:
            total[name] = total.get(name, 0) + value


def _in_order(tally: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _in_order(value) if isinstance(value, dict) else value for name, value in sorted(tally.items())}


def _count_entries(out: Path, thresholds: Mapping[str, tuple[int, float]]) -> pd.DataFrame:
    """Per language: entries that matched, those of the head (more than t matches) and of the tail."""
    rows = []
    file = pq.ParquetFile(out / "entries.parquet")
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=["language", "count"])
        if not table.num_rows:
            continue
        name = table["language"][0].as_py()
        counts = table["count"].to_numpy()
        matched = int((counts > 0).sum())
        head = int(is_head(counts, thresholds[name][0]).sum())
        rows.append({"language": name, "entries": matched, "head": head, "tail": matched - head})
    return pd.DataFrame(rows, columns=["language", "entries", "head", "tail"])


def count_languages(
    tallies: Sequence[Mapping[str, Any]],
    sampled: Sequence[Mapping[str, Any]],
    thresholds: Mapping[str, tuple[int, float]],
) -> pd.DataFrame:
    """A row an epoch and language: the pairs left after each step, t, p, and the shares before and after.

    Returns:
        epoch; language; pairs, eligible, matched, unique (of an image that is no duplicate; all, unless
        that was asked), drawn, kept; t and p; share_before of all pairs,
        share_after of those kept.
    """
    before: dict[str, Counter[str]] = {}
    for tally in tallies:
        for name, found in tally["languages"].items():
            before.setdefault(name, Counter()).update(found)
    rows = []
    for epoch in sorted({epoch for shard in sampled for epoch in shard}, key=int):
        after: dict[str, Counter[str]] = {}
        for shard in sampled:
            for name, found in shard[epoch].items():
                after.setdefault(name, Counter()).update(found)
        for name in sorted(before):
            t, p = thresholds.get(name, (0, 0.0))
            steps = {step: before[name][step] for step in ("pairs", "eligible", "matched")}
            steps["unique"] = before[name].get("unique", steps["matched"])
            steps |= {step: after.get(name, Counter())[step] for step in ("drawn", "kept")}
            rows.append({"epoch": int(epoch), "language": name, **steps, "t": t, "p": p})
    columns = ["epoch", "language", "pairs", "eligible", "matched", "unique", "drawn", "kept", "t", "p"]
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[2:9], "int64") | {"p": "float64"})
    for share, step in (("share_before", "pairs"), ("share_after", "kept")):
        total = table.groupby("epoch")[step].transform("sum").clip(lower=1)
        table[share] = table[step] / total
    return table


def count_steps(tallies: Sequence[Mapping[str, Any]], languages: pd.DataFrame) -> pd.DataFrame:
    """From the pool's rows to the pairs kept, step by step; every row adds up.

    Args:
        tallies: of the match step.
        languages: of `count_languages`.

    Returns:
        epoch; step; `change`, the pairs that the step takes away (below zero) or adds; `left` after it.
    """
    reader: Counter[str] = Counter()
    for tally in tallies:
        reader.update(tally["reader"])
    drops = [(name.removeprefix(DROPPED), -reader[name]) for name in sorted(reader) if name.startswith(DROPPED)]
    read = [("rows of the pool", reader["rows"]), ("further texts of a row", reader["more texts"])]
    parts = []
    for epoch in sorted(set(languages["epoch"])) or [0]:  # without any pair, there are rows to account for
        rows = languages[languages["epoch"] == epoch]
        sums = rows[["pairs", "eligible", "matched", "unique", "drawn", "kept"]].sum()
        taken = [
            ("language without metadata", sums["eligible"] - sums["pairs"]),
            ("no entry matched", sums["matched"] - sums["eligible"]),
            ("duplicate image", sums["unique"] - sums["matched"]),
            ("image drew another text", sums["drawn"] - sums["unique"]),
            ("sampled out", sums["kept"] - sums["drawn"]),
        ]
        table = pd.DataFrame([*read, *drops, *taken], columns=["step", "change"])
        table["left"] = table["change"].cumsum()
        last = pd.DataFrame({"step": ["kept"], "change": [0], "left": [sums["kept"]]})
        parts.append(pd.concat([table, last]).assign(epoch=epoch))
    columns = ["epoch", "step", "change", "left"]
    return pd.concat(parts, ignore_index=True)[columns].astype({"change": "int64", "left": "int64", "epoch": "int64"})


def step_text(steps: pd.DataFrame) -> str:
    """The step table as lines of text; of several epochs the first."""
    rows = steps[(steps["epoch"] == 0) & ((steps["change"] != 0) | steps["step"].isin(["rows of the pool", "kept"]))]
    first = max(int(rows["left"].iloc[0]), 1) if len(rows) else 1
    lines = [f"{'step':<32}{'change':>16}{'left':>16}{'of the pool':>13}"]
    for row in rows.itertuples():
        change = "" if row.step == "kept" else f"{row.change:+,}"
        lines.append(f"{row.step:<32}{change:>16}{row.left:>16,}{row.left / first:>12.1%}")
    return "\n".join(lines)


def explain(out: Path, text: str, language: str | None = None) -> pd.DataFrame:
    """How a curated pool's recipe looks at one text.

    Args:
        out: of `curate_pool`.
        text: any alt-text.
        language: whose metadata to match; without it language id says.

    Returns:
        a row a matched entry: language, entry, source, count in the pool, t, part (head or tail),
        keep probability; the last row, `(pair)`, holds the pair's keep probability and, in
        `decision`, what that means.

    Raises:
        InputError: there is no finished curated pool in `out`.
    """
    report = read_report(out)
    text = text.encode("utf-8", "replace").decode()  # a command line may hold what is no text
    if language is None:
        params = report["params"]
        model = load_language_model(Path(params["lid_model"]) if params["lid_model"] else None)
        language = str(identify(pa.array([text]), model, params["lid_confidence"])[0])
    columns = ["language", "entry", "source", "count", "t", "part", "keep"]
    if not text.strip():
        return _with_decision(pd.DataFrame(columns=columns), language, 0, 0.0, "dropped: empty text")
    if language not in report["t"] and OTHER in report["t"]:
        language = OTHER
    if language not in report["t"]:
        rows = pd.DataFrame(columns=columns)
        return _with_decision(rows, language, 0, 0.0, "dropped: no metadata in this language")
    entries = _read_entries(out, language)
    found = match(pa.array([text]), build_index(entries["entry"], _read_rules(report)))[0].as_py()
    t = report["t"][language]
    rows = entries.take(pa.array(found, pa.int32())).to_pandas()
    rows = rows.rename(columns={"keep_probability": "keep"}).assign(language=language, t=t)
    rows["part"] = np.where(is_head(rows["count"].to_numpy(), t), "head", "tail")
    keep = float(1 - np.prod(1 - rows["keep"].to_numpy(dtype=float))) if found else 0.0
    if not found:
        decision = "dropped: no entry matched"
    elif keep >= 1:
        decision = "kept: it holds a tail entry"
    else:
        decision = f"kept in {keep:.1%} of draws: all its entries are common"
    return _with_decision(rows[columns], language, t, keep, decision)


def _read_rules(report: Mapping[str, Any]) -> MatchRules:
    """The rules by which a pool was matched."""
    return MatchRules(**{field.name: report["params"][field.name] for field in fields(MatchRules)})


def _with_decision(rows: pd.DataFrame, language: str, t: int, keep: float, decision: str) -> pd.DataFrame:
    pair = {"language": language, "entry": "(pair)", "source": "", "count": 0, "t": t, "part": "", "keep": keep}
    return pd.DataFrame([*rows.assign(decision="").to_dict("records"), pair | {"decision": decision}])


def _read_entries(out: Path, language: str) -> pa.Table:
    """One language's rows of entries.parquet; it has a row group a language."""
    path = out / "entries.parquet"
    if not path.exists():
        raise InputError(str(path), "no such file", "Run `make curate` again.")
    table = pq.read_table(path, filters=[("language", "==", language)])
    return table.select(["entry", "source", "count", "keep_probability"])

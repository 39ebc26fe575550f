"""The funnel from a pool's rows to the pairs kept: by step, by language, and strategy next to strategy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from mc2lib.recipe.curation.algorithm import ALL, ENGLISH
from mc2lib.recipe.curation.strategies import Strategy

#: What a shard's reader counts are called where it drops rows.
DROPPED = "dropped: "
#: Steps at which texts are lost for their language or for what they say.
NOT_ENGLISH, NO_LIST, NO_ENTRY = "not in English", "language without metadata", "no entry matched"
#: Pairs left after each step.
LEFT = ("pairs", "eligible", "matched", "unique", "drawn", "kept")


def sum_tallies(tallies: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Tallies of shards as one: numbers are added, however deep they are; names come in order."""
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


def count_languages(
    strategy: Strategy,
    matched: Mapping[str, Mapping[str, int]],
    duplicates: Mapping[str, int],
    sampled: Mapping[str, Mapping[str, Mapping[str, int]]],
    thresholds: Mapping[str, tuple[int, float]],
) -> pd.DataFrame:
    """One row per epoch and language: the pairs left after each step, t, p, and the shares before and after.

    Args:
        strategy: by which the pool was curated.
        matched: by language the pairs, those eligible for the list that is matched with, and those that match.
        duplicates: by language the matched pairs whose image goes.
        sampled: by epoch and language the pairs drawn and kept.
        thresholds: by group t and p.

    Returns:
        epoch; language; pairs, eligible, matched, unique (of an image that is no duplicate; all, unless
        that was asked), drawn, kept; t and p; share_before of all pairs, share_after of those kept.
    """
    rows = []
    for epoch in sorted(sampled, key=int):
        for name in sorted(matched):
            found = dict(matched[name])
            if strategy.eligible == "english" and name != ENGLISH:
                found |= {"eligible": 0, "matched": 0}
            steps = {step: found[step] for step in LEFT[:3]}
            steps["unique"] = steps["matched"] - duplicates.get(name, 0)
            steps |= {step: sampled[epoch].get(name, {}).get(step, 0) for step in ("drawn", "kept")}
            t, p = thresholds.get(ALL if strategy.groups == "all" else name, (0, 0.0))
            rows.append({"epoch": int(epoch), "language": name, **steps, "t": t, "p": p})
    table = pd.DataFrame(rows, columns=["epoch", "language", *LEFT, "t", "p"])
    table = table.astype(dict.fromkeys([*LEFT, "t"], "int64") | {"p": "float64"})
    for share, step in (("share_before", "pairs"), ("share_after", "kept")):
        total = table.groupby("epoch")[step].transform("sum").clip(lower=1)
        table[share] = table[step] / total
    return table


def count_steps(strategy: Strategy, reader: Mapping[str, int], languages: pd.DataFrame) -> pd.DataFrame:
    """From the pool's rows to the pairs kept, step by step; every row adds up.

    Args:
        strategy: by which the pool was curated.
        reader: what the reader of the pool counted.
        languages: of `count_languages`.

    Returns:
        epoch; step; `change`, the pairs that the step takes away (below zero) or adds; `left` after it.
    """
    drops = [(name.removeprefix(DROPPED), -reader[name]) for name in sorted(reader) if name.startswith(DROPPED)]
    read = [("rows of the pool", reader.get("rows", 0)), ("further texts of a row", reader.get("more texts", 0))]
    parts = []
    for epoch in sorted(set(languages["epoch"])) or [0]:  # without any pair, there are rows to account for
        sums = languages.loc[languages["epoch"] == epoch, list(LEFT)].sum()
        names = (
            NOT_ENGLISH if strategy.eligible == "english" else NO_LIST,
            NO_ENTRY,
            "duplicate image",
            "image drew another text",
            "sampled out",
        )
        taken = list(zip(names, sums.diff()[1:], strict=True))
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


def join_steps(steps: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Step tables next to each other, of several epochs the first: one row per strategy, one column per step.

    Args:
        steps: by strategy, of `count_steps`.

    Returns:
        by strategy the rows of the pool, what each step took away (below zero) or added, and the pairs kept.
    """
    rows = {}
    for name, table in steps.items():
        first = table[table["epoch"] == 0]
        taken = dict(zip(first["step"], first["change"], strict=True))
        rows[name] = taken | {"kept": first["left"].iloc[-1]}
    joined = pd.DataFrame.from_dict(rows, orient="index").fillna(0).astype("int64")
    order = [*[name for name in joined.columns if name != "kept" and joined[name].any()], "kept"]
    return joined[order]


def summarise(strategy: Strategy, languages: pd.DataFrame) -> dict[str, Any]:
    """What a strategy made of a pool, in one row.

    Args:
        strategy: by which the pool was curated.
        languages: of `count_languages`.

    Returns:
        strategy; the pairs left after each step of the offline draw; english_share of the pairs kept; t and p, of
        English where each language has its own.
    """
    rows = languages[languages["epoch"] == 0]
    sums = {step: int(rows[step].sum()) for step in LEFT}
    english = rows[rows["language"] == ENGLISH]
    share = float(english["kept"].sum() / max(sums["kept"], 1))
    shown = english if len(english) else rows[:1]
    t, p = (int(shown["t"].sum()), float(shown["p"].sum()))
    return {"strategy": strategy.name, **sums, "english_share": share, "t": t, "p": p}


def compare(summaries: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per strategy, of `summarise`."""
    return pd.DataFrame(summaries).set_index("strategy")


def comparison_text(comparison: pd.DataFrame) -> str:
    """`compare`'s table as lines of text."""
    table = comparison.drop(columns=["unique"]) if (comparison["unique"] == comparison["matched"]).all() else comparison
    shown = table.copy().astype(object)
    for column in shown.columns:
        form = "{:.1%}" if column in ("english_share", "p") else "{:,}"
        shown[column] = [form.format(value) for value in table[column]]
    shown = shown.rename(columns={"english_share": "English"}).reset_index()
    widths = [max(map(len, [name, *shown[name]])) for name in shown.columns]
    rows = [list(shown.columns), *shown.to_numpy().tolist()]
    told = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        told.append("  ".join(cells))
    return "\n".join(told)


def first_examples(parts: Iterable[Mapping[str, Any]], strategy: Strategy) -> dict[str, dict[str, str]]:
    """Of shards' examples of lost texts the first of each step, of a language that the strategy looks at."""
    found: dict[str, dict[str, str]] = {}
    for part in parts:
        for step, example in part.items():
            if strategy.eligible == "all" or example["language"] == ENGLISH:
                found.setdefault(step, dict(example))
    return found

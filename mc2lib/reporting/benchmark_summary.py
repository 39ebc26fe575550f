"""An evaluation in a few lines: each benchmark's main measures with their intervals, beside the paper's figures."""

from __future__ import annotations

import math

import pandas as pd

from mc2lib.reporting.published import find_published

#: The measures that a summary shows of a benchmark, those that it has.
MAIN = ("top1", "mean_per_class", "i2t_r1", "t2i_r1", "geo_5shot", "geo_10shot", "geo_25shot")
MACRO = "macro"


def summarise_benchmarks(table: pd.DataFrame) -> pd.DataFrame:
    """The main measures of each benchmark: over all languages where there are several, and in English.

    Args:
        table: tidy, with columns benchmark, language, metric, group, value, n, low and high.

    Returns:
        columns benchmark, language, metric, value, interval, n and published, in percent.
    """
    rows = []
    whole = table[(table["group"] == "") & table["metric"].isin(MAIN)]
    for benchmark, of_benchmark in whole.groupby("benchmark", sort=False):
        languages = list(dict.fromkeys(of_benchmark["language"]))
        shown = [name for name in (MACRO, "en") if name in languages] or languages[:1]
        for metric in (name for name in MAIN if name in set(of_benchmark["metric"])):
            for language in shown:
                for row in of_benchmark[
                    (of_benchmark["metric"] == metric) & (of_benchmark["language"] == language)
                ].itertuples():
                    rows.append([benchmark, language, metric, *_percent(row), _cite(str(benchmark), language, metric)])
    columns = ["benchmark", "language", "metric", "%", "95 % interval", "n", "published"]
    return pd.DataFrame(rows, columns=columns)


def _percent(row: object) -> list[str]:
    value, low, high, n = (getattr(row, name) for name in ("value", "low", "high", "n"))
    interval = "" if math.isnan(low) else f"{100 * low:.1f} to {100 * high:.1f}"
    return [f"{100 * value:.1f}", interval, f"{n:,}"]


def _cite(benchmark: str, language: str, metric: str) -> str:
    found = find_published(benchmark, language, metric)
    return "; ".join(f"{100 * one.value:.1f} ({one.model})" for one in found)


def summary_text(table: pd.DataFrame) -> str:
    """`summarise_benchmarks` as aligned text, with the sources of what was published.

    Args:
        table: as of `summarise_benchmarks`.
    """
    summary = summarise_benchmarks(table)
    if summary.empty:
        return "nothing was measured"
    cited = {
        one.source
        for row in summary.itertuples()
        for one in find_published(str(row.benchmark), str(row.language), str(row.metric))
    }
    lines = [summary.to_string(index=False)]
    return "\n".join([*lines, *(f"published: {source}" for source in sorted(cited))])

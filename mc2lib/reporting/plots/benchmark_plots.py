"""Heat maps of benchmarks by language and script, and by region."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from mc2lib.errors import InputError
from mc2lib.languages import OTHER, metadata_language, script
from mc2lib.reporting.plots.style import axes

#: Scripts of FLORES codes, ISO 15924, that are not the first four letters of the script's name.
FLORES_SCRIPTS = {
    "Arab": "Arabic", "Armn": "Armenian", "Beng": "Bengali", "Cyrl": "Cyrillic", "Deva": "Devanagari",
    "Ethi": "Ethiopic", "Geor": "Georgian", "Grek": "Greek", "Gujr": "Gujarati", "Guru": "Gurmukhi", "Hang": "Korean",
    "Hans": "Han", "Hant": "Han", "Hebr": "Hebrew", "Jpan": "Japanese", "Khmr": "Khmer", "Knda": "Kannada",
    "Laoo": "Lao", "Latn": "Latin", "Mlym": "Malayalam", "Mymr": "Myanmar", "Olck": "Ol Chiki", "Orya": "Odia",
    "Sinh": "Sinhala", "Taml": "Tamil", "Telu": "Telugu", "Tfng": "Tifinagh", "Tibt": "Tibetan",
}  # fmt: skip
#: Languages of one heat map.
MOST = 210


def script_of(language: str) -> str:
    """The script of a benchmark's language code: FLORES codes say it; others by their Wikipedia's.

    >>> script_of("srp_Cyrl"), script_of("quz"), script_of("local")
    ('Cyrillic', 'Latin', 'other')
    """
    if len(language) == 8 and language[3] == "_":
        return FLORES_SCRIPTS.get(language[4:], "other")
    known = metadata_language(language)
    if known == OTHER:
        return "other"
    try:
        return script(known)
    except InputError:
        return "other"


def plot_language_heat_map(table: pd.DataFrame, metrics: Sequence[str] = ("top1", "i2t_r1", "t2i_r1")) -> Figure:
    """Each benchmark's main measures in each language, languages grouped by script, all in percent.

    Args:
        table: tidy, with columns benchmark, language, metric, group and value; of one model.
        metrics: those to draw, a column each per benchmark that has them.

    Returns:
        a figure; grey where a benchmark has not the language.

    Raises:
        InputError: no benchmark has several languages.
    """
    rows = table[(table["group"] == "") & table["metric"].isin(metrics) & ~table["language"].isin(["", "macro"])]
    rows = rows[rows.groupby("benchmark")["language"].transform("nunique") > 1]
    if rows.empty:
        raise InputError("report", "no benchmark with several languages", "Evaluate one, such as xm3600.")
    rows = rows.assign(column=rows["benchmark"] + "\n" + rows["metric"])
    values = 100 * rows.pivot_table(index="language", columns="column", values="value", sort=False)
    scripts = {language: script_of(str(language)) for language in values.index}
    order = sorted(values.index, key=lambda language: (scripts[language] == "other", scripts[language], language))[
        :MOST
    ]
    values = values.loc[order]
    figure, (panel,) = axes(2.6 + 1.0 * len(values.columns), 1.6 + 0.17 * len(order))
    panel.set_facecolor("#d9d9d9")
    sns.heatmap(
        values, ax=panel, cmap="viridis", vmin=0, vmax=max(1.0, float(np.nanmax(values))), annot=len(order) <= 60,
        fmt=".0f", annot_kws={"fontsize": 7}, linewidths=0.3, cbar_kws={"label": "%"},
        yticklabels=[f"{language}  ({scripts[language]})" for language in order],
    )  # fmt: skip
    for place in range(1, len(order)):
        if scripts[order[place]] != scripts[order[place - 1]]:
            panel.axhline(place, color="white", linewidth=2)
    panel.tick_params(axis="y", labelsize=7, rotation=0)
    panel.tick_params(axis="x", labelsize=8, rotation=0)
    panel.set(xlabel="", ylabel="")
    panel.set_title("By language and script", loc="left")
    return figure


def plot_group_heat_map(table: pd.DataFrame) -> Figure:
    """Top-1 of each benchmark's groups (regions, incomes, subsets), one column per benchmark.

    Args:
        table: tidy, as of `plot_language_heat_map`.

    Raises:
        InputError: no benchmark has groups.
    """
    rows = table[(table["group"] != "") & (table["metric"] == "top1")]
    if rows.empty:
        raise InputError("report", "no benchmark with groups", "Evaluate one, such as geode.")
    values = 100 * rows.pivot_table(index="group", columns="benchmark", values="value", sort=False)
    figure, (panel,) = axes(3.6 + 0.9 * len(values.columns), 1.4 + 0.2 * len(values))
    panel.set_facecolor("#d9d9d9")
    sns.heatmap(values, ax=panel, cmap="viridis", annot=True, fmt=".0f", annot_kws={"fontsize": 7}, linewidths=0.3)
    panel.tick_params(axis="y", labelsize=7, rotation=0)
    panel.set(xlabel="", ylabel="")
    panel.set_title("By group", loc="left")
    return figure

"""The report of the study: tables, figures, findings and the summary, from what the arms measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mc2lib.errors import InputError
from mc2lib.io.files import atomic, read_table, write_json
from mc2lib.io.study_paths import Paths
from mc2lib.params import Params
from mc2lib.reporting.curation_summary import describe_curation
from mc2lib.reporting.effects import TOPICS
from mc2lib.reporting.findings import Finding, count_family, decide_effects
from mc2lib.reporting.headline import count_seen_pairs, describe_pixels, describe_thresholds
from mc2lib.reporting.plots.arm_plots import plot_arms, plot_languages
from mc2lib.reporting.plots.effect_plots import plot_effects
from mc2lib.reporting.sentences import describe, describe_criterion, tabulate_findings
from mc2lib.reporting.statistics import mean_and_spread
from mc2lib.reporting.tables import (
    CONTROLS,
    decimals_of,
    format_markdown,
    format_pair,
    format_table,
    order_arms,
    tabulate,
)
from mc2lib.schemas import CONCEPT_MEASURES

HEADLINE = ("en_top1", "world_top1")
COLUMNS = ("arm", "seed", "measure", "language", "value")
DPI = 200

#: The mix of the pool that the main table's arms train on.
MIX = "base"


def read_measures(root: Path, params: Params) -> pd.DataFrame:
    """What was measured of the study's arms so far, in the order of the arms.

    Args:
        root: the study's folder.
        params: the study's parameters; results of arms that they no longer hold are left alone.

    Returns:
        tidy table with columns arm, seed, measure, language and value.

    Raises:
        InputError: no arm was evaluated yet, or a file is broken.
    """
    paths = Paths(Path(root))
    there = [arm for arm in params.arms if paths.evaluation_result(arm).with_suffix(".csv").exists()]
    if not there:
        raise InputError(str(paths.results / "evaluation"), "no arm was evaluated yet", "Run `dvc repro evaluate`.")
    return pd.concat([read_evaluation(root, arm) for arm in there], ignore_index=True)


def read_evaluation(root: Path, arm: str) -> pd.DataFrame:
    """One arm's measures, as `evaluate_arm` wrote them.

    Raises:
        InputError: the file is missing or broken; the message names it and the stage to run.
    """
    path = Paths(Path(root)).evaluation_result(arm).with_suffix(".csv")
    return _read_tidy(path, f"Run `dvc repro evaluate@{arm}`.")


def read_controls(root: Path) -> pd.DataFrame:
    """The controls' measures, as `evaluate_controls` wrote them.

    Raises:
        InputError: the file is missing or broken; the message names it and the stage to run.
    """
    return _read_tidy(Paths(Path(root)).results / "controls.csv", "Run `dvc repro ablation`.")


def read_concepts(root: Path, params: Params, measures: pd.DataFrame) -> pd.DataFrame:
    """What was measured concept by concept, of the arms that say it.

    Args:
        root: the study's folder.
        params: the study's parameters.
        measures: as `read_measures` returns it; held against the means over concepts.

    Returns:
        table with a column arm and those of CONCEPT_MEASURES; empty where no arm says anything by concept.

    Raises:
        InputError: a file is broken, or its means are not those of the arm's table of measures.
    """
    tables = []
    for arm in order_arms(measures, list(params.arms)):
        path = Paths(Path(root)).evaluation_result(arm).with_suffix(".parquet")
        if path.exists():
            table = read_table(path, CONCEPT_MEASURES).to_pandas().assign(arm=arm)
            _check_means(table, measures[measures["arm"] == arm], path, f"Run `dvc repro --force evaluate@{arm}`.")
            tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["arm", *CONCEPT_MEASURES.names])


def _check_means(concepts: pd.DataFrame, measures: pd.DataFrame, path: Path, remedy: str) -> None:
    """Raise InputError unless each mean over a seed's drawings is what the arm's table of measures says."""
    sums = concepts.assign(value=concepts["value"] * concepts["drawings"]).groupby(["seed", "measure"])
    means = sums["value"].sum() / sums["drawings"].sum()
    said = measures[measures["language"] == ""].set_index(["seed", "measure"])["value"].reindex(means.index)
    wrong = (means - said).abs() > 1e-6
    if wrong.any():
        seed, measure = means.index[int(np.argmax(wrong))]
        fault = f"its mean of {measure}, seed {seed}, is not the one in {path.with_suffix('.csv').name}"
        raise InputError(str(path), fault, remedy)


def read_thresholds(root: Path) -> pd.DataFrame:
    """The recipe's thresholds in the study's own pool, as `balance_pools` wrote them: columns seed, language, t.

    Empty where that file is not there, as with results that are older than it.

    Raises:
        InputError: the file is broken; the message names it and the stage to run.
    """
    path = Paths(Path(root)).results / "thresholds.csv"
    columns = ["seed", "language", "t"]
    if not path.exists():
        return pd.DataFrame(columns=columns)
    try:
        table = pd.read_csv(path, keep_default_na=False)
        return table.loc[table["mix"] == MIX, columns].astype({"seed": np.int64, "t": np.int64})
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        remedy = "Delete it. Run `dvc repro balance`."
        raise InputError(str(path), f"not a table of thresholds ({error})", remedy) from error


def read_curation(root: Path) -> pd.DataFrame:
    """What curation did to every mix of the pool, as `balance_pools` graded it: see results/curation.csv.

    Empty where that file is not there, as with results that are older than it.

    Raises:
        InputError: the file is broken; the message names it and the stage to run.
    """
    path = Paths(Path(root)).results / "curation.csv"
    if not path.exists():
        return pd.DataFrame()
    try:
        table = pd.read_csv(path, dtype={"mix": str, "curation": str})
        return table.astype({"mix": str, "seed": np.int64, "pairs": np.int64})
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        remedy = "Delete it. Run `dvc repro balance`."
        raise InputError(str(path), f"not a table of curation ({error})", remedy) from error


def _read_tidy(path: Path, remedy: str) -> pd.DataFrame:
    if not path.exists():
        raise InputError(str(path), "no such file", remedy)
    try:
        table = pd.read_csv(path, keep_default_na=False, dtype={"arm": str, "measure": str, "language": str})
        table = table[list(COLUMNS)].astype({"seed": np.int64, "value": np.float64})
    except (ValueError, KeyError, UnicodeDecodeError) as error:  # pandas' own parser errors are ValueErrors
        raise InputError(str(path), f"not a table of measures ({error})", f"Delete it. {remedy}") from error
    if not np.isfinite(table["value"]).all() or table.empty:
        raise InputError(str(path), "holds no values, or some that are not finite", f"Delete it. {remedy}")
    return table


def write_report(root: Path, params: Params) -> dict[str, Any]:
    """Write results/tables, figures, plots, report.md and summary.json from what was measured.

    Arms that were not evaluated are left out and named in the report, so that a smoke study or one
    arm run again still gives a report.

    Args:
        root: the study's folder.
        params: the study's parameters.

    Returns:
        the summary: {"what": "study", "arms": their number, "seeds": their number, "headline": {arm:
        {measure: [mean, spread]}}, "controls": likewise, "seen_pairs": {arm: their mean}, "thresholds":
        {language: t in each seed}, "holm_family": how many p are corrected for each other, "effects":
        {effect: see `summarise_finding`}}; shares in 0..1, every number finite.

    Raises:
        InputError: no arm was evaluated, the controls are missing, or a file is broken.
    """
    paths = Paths(Path(root))
    measures, controls = read_measures(root, params), read_controls(root)
    findings = find_effects(measures, controls, read_concepts(root, params, measures))
    tables = {name: tabulate(measures, controls, arms) for name, arms in params.tables.items()}
    for name, table in tables.items():
        _write_text(table.to_csv(index=False), paths.results / "tables" / f"{name}.csv")
        _write_text(format_markdown(format_table(table)), paths.results / "tables" / f"{name}.md")
    for name, figure in draw_figures(measures, controls, findings, params).items():
        write_figure(figure, paths.results / "figures" / f"{name}.png")
    for name, table in plot_tables(measures, findings, params).items():
        _write_text(table.to_csv(index=False), paths.results / "plots" / f"{name}.csv")
    thresholds = read_thresholds(root)
    summary = summarise_study(measures, controls, findings, thresholds, params)
    notes = [describe_pixels(measures, controls, order_arms(measures, params.table("main")))]
    notes.append(describe_thresholds(thresholds))
    notes.append(describe_curation(read_curation(root), MIX))
    _write_text(write_prose(measures, tables, findings, notes, params), paths.results / "report.md")
    write_json(summary, paths.results / "summary.json")
    return summary


def find_effects(measures: pd.DataFrame, controls: pd.DataFrame, concepts: pd.DataFrame | None = None) -> list[Finding]:
    """Every effect that the arms measured so far, and the controls, decide; see `decide_effects`.

    Args:
        measures, controls: as `read_measures` and `read_controls` return them.
        concepts: as `read_concepts` returns it; only bootstrap intervals need it.
    """
    return decide_effects(pd.concat([measures, controls], ignore_index=True), concepts)


def summarise_study(
    measures: pd.DataFrame,
    controls: pd.DataFrame,
    findings: Sequence[Finding],
    thresholds: pd.DataFrame,
    params: Params,
) -> dict[str, Any]:
    """The study as one JSON object; see `write_report`."""
    arms = order_arms(measures, list(params.arms))
    return {
        "what": "study",
        "arms": len(arms),
        "seeds": int(measures["seed"].nunique()),
        "headline": {arm: _headline(measures, arm) for arm in arms},
        "controls": {name.replace(" ", "_"): _headline(controls, name) for name in order_arms(controls, CONTROLS)},
        "seen_pairs": count_seen_pairs(measures, arms),
        "thresholds": {
            str(language): rows.sort_values("seed")["t"].tolist() for language, rows in thresholds.groupby("language")
        },
        "holm_family": count_family(findings),
        "effects": {finding.effect.key: summarise_finding(finding) for finding in findings},
    }


def summarise_finding(finding: Finding) -> dict[str, Any]:
    """One effect as JSON.

    Args:
        finding: the effect as it came out.

    Returns:
        {"bar": paper, ours or none; "direction": above, below or none; "reason"; "measure"; "seeds"; "differences":
        one per seed; "ours": their mean; "spread"; "interval": 95 %, by t; "bootstrap": 95 %, over seeds and concepts;
        "p"; "holm_p"; "smallest_of_interest"; "smallest_visible"; "largest_possible"; "verdict"}; null where it is not
        defined, as most are with one seed, and "holm_p" without a direction.
    """
    effect = finding.effect
    return {
        "bar": effect.bar,
        "direction": effect.direction,
        "reason": effect.reason,
        "measure": effect.measure,
        "seeds": list(finding.seeds),
        "differences": list(finding.differences),
        "ours": finding.mean,
        "spread": finding.spread,
        "interval": finding.interval and list(finding.interval),
        "bootstrap": finding.bootstrap and list(finding.bootstrap),
        "p": finding.p,
        "holm_p": finding.holm_p,
        "smallest_of_interest": finding.unit.smallest,
        "smallest_visible": finding.smallest_visible,
        "largest_possible": finding.largest_possible,
        "verdict": finding.verdict,
    }


def _headline(table: pd.DataFrame, arm: str) -> dict[str, list[float]]:
    found = {}
    for measure in HEADLINE:
        values = table.loc[(table["arm"] == arm) & (table["measure"] == measure), "value"]
        if len(values):
            found[measure] = list(mean_and_spread(values))
    return found


def headline_text(summary: Mapping[str, Any]) -> str:
    """The headline table as plain text for a terminal, means and spreads in percent.

    Args:
        summary: as `write_report` returns it.
    """
    rows = [("", "English top-1", "other languages top-1")]
    for name, found in {**summary["controls"], **summary["headline"]}.items():
        decimals = decimals_of(name)
        cells = [f"{format_pair(found[m][0], found[m][1], True, decimals)} %" if m in found else "" for m in HEADLINE]
        rows.append((name.replace("_", " "), *cells))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [f"{name:<{widths[0]}}  {english:>{widths[1]}}  {world:>{widths[2]}}" for name, english, world in rows]
    lines.insert(1, "-" * len(lines[0]))
    shows = [name for name, effect in summary["effects"].items() if effect["verdict"] == "shows"]
    lines += ["", f"mean ± spread over seeds: {summary['seeds']}; shows: {', '.join(shows) or 'nothing'}"]
    return "\n".join(lines)


def draw_figures(
    measures: pd.DataFrame, controls: pd.DataFrame, findings: Sequence[Finding], params: Params
) -> dict[str, Figure]:
    """The report's figures by file name; one that has nothing to show is left out."""
    tables = {name: order_arms(measures, arms) for name, arms in params.tables.items()}
    figures = {name: plot_arms(measures, controls, arms) for name, arms in tables.items() if arms}
    if "main" in figures:
        figures["headline"] = figures.pop("main")
    figures["languages"] = plot_languages(measures, order_arms(measures, list(params.arms)), params.languages)
    if findings:
        figures["effects"] = plot_effects(findings)
    return figures


def plot_tables(measures: pd.DataFrame, findings: Sequence[Finding], params: Params) -> dict[str, pd.DataFrame]:
    """Small tables that `dvc plots` draws: means by language, and effects seed by seed."""
    arms = order_arms(measures, list(params.arms))
    means = measures.groupby(["arm", "measure", "language"])["value"].mean()
    top1 = [(arm, lang, means.get((arm, "top1", lang))) for arm in arms for lang in params.languages]
    effects = [
        (finding.effect.key, seed, difference)
        for finding in findings
        for seed, difference in zip(finding.seeds, finding.differences, strict=True)
    ]
    return {
        "languages": pd.DataFrame(top1, columns=["arm", "language", "top1"]).dropna(),
        "effects": pd.DataFrame(effects, columns=["effect", "seed", "difference"]),
    }


def write_prose(
    measures: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    findings: Sequence[Finding],
    notes: Sequence[str],
    params: Params,
) -> str:
    """report.md: effect by effect in sentences, then `notes` and the tables."""
    missing = [arm for arm in params.arms if arm not in set(measures["arm"])]
    seeds = ", ".join(str(seed) for seed in sorted(set(measures["seed"])))
    opening = (
        f"Scale `{params.scale}`, seeds {seeds}. Zero-shot top-1 is on "
        "drawings in styles never trained on, of concepts that were, among all concepts of the draw, named in each "
        "language; the others' number is the mean over languages without English, each with the same weight. "
        "The pool imitates a crawl (docs/datasheet.md): what shows here shows here, and is no measurement of the web."
    )
    parts = ["# What the study shows", opening]
    if missing:
        parts.append(f"Not evaluated, and so left out: {', '.join(missing)}.")
    parts += ["![English and other languages, arm by arm](figures/headline.png)", "## Effect by effect"]
    parts.append(describe_criterion(findings))
    if findings:
        parts.append("![The effects](figures/effects.png)")
        parts.append(format_markdown(tabulate_findings(findings)))
    for topic, title in TOPICS.items():
        of_topic = [finding for finding in findings if finding.effect.topic == topic]
        if of_topic:
            parts += [f"### {title}", *[f"- {describe(finding)}" for finding in of_topic]]
    parts += [note for note in notes if note]
    legend = (
        "Mean ± spread over seeds, shares in percent. Chance guesses: 1 / number of classes. The pixel neighbour takes "
        "the concept of the nearest training drawing in raw pixels: it is told each training drawing's true concept, "
        "reads no words and cannot name unseen concepts. MRR is the mean of 1 / the place of the right concept. The "
        "tail is the third of the seen concepts with the fewest pairs in the raw pool of that language. Loss is "
        "contrastive, on one held-out drawing of each seen concept; lower is better. The CSV files hold more measures."
    )
    parts += ["## Tables", legend]
    for name, table in tables.items():
        parts += [f"### {name.capitalize()}", format_markdown(format_table(table))]
    return "\n\n".join(parts) + "\n"


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically, without a date or version in it."""
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})


def _write_text(text: str, path: Path) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

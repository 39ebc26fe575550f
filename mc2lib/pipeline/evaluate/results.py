"""What was measured, on disk: each language of each benchmark apart, so that a stopped evaluation resumes."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mc2lib.errors import InputError
from mc2lib.io.files import atomic, read_json, write_json
from mc2lib.pipeline.evaluate.measuring import Measured
from mc2lib.recipe.evaluation.bootstrap import Comparison, Sample, compare, interval, resample

COLUMNS = ["model", "benchmark", "language", "metric", "group", "value", "n", "low", "high"]
#: The mean over all languages of a benchmark, each with the same weight.
MACRO = "macro"
#: What a task without languages is called in files.
NONE = "none"


def _path(out: Path, benchmark: str, language: str) -> Path:
    return out / "languages" / benchmark.replace("/", "_") / f"{language or NONE}.json"


def write_language(out: Path, benchmark: str, language: str, made: str, images: int, found: Sequence[Measured]) -> None:
    """Write one language's measures, what each image scored first: the JSON file says that all is there.

    Args:
        out: the evaluation's folder.
        benchmark, language: of the measures.
        made: digest of all that they follow from.
        images: how many images the set has.
        found: the measures.
    """
    path = _path(out, benchmark, language)
    arrays = {
        f"{row}_{name}": getattr(measured.sample, name)
        for row, measured in enumerate(found)
        if measured.sample is not None
        for name in Sample._fields
    }
    with atomic(path.with_suffix(".npz")) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    rows = [{"metric": m.metric, "group": m.group, "value": m.value, "n": m.n} for m in found]
    write_json({"made": made, "images": images, "rows": rows}, path)


def read_language(
    out: Path, benchmark: str, language: str, made: str | None = None
) -> tuple[int, list[Measured]] | None:
    """The number of images and the measures of one language; None if they are not there, or of another `made`."""
    path = _path(out, benchmark, language)
    if not path.exists():
        return None
    content: dict[str, Any] = read_json(path)
    if made is not None and content["made"] != made:
        return None
    try:
        with np.load(io.BytesIO(path.with_suffix(".npz").read_bytes()), allow_pickle=False) as arrays:
            held = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError):
        return None
    found = []
    for number, row in enumerate(content["rows"]):
        names = [f"{number}_{name}" for name in Sample._fields]
        sample = Sample(*(held[name] for name in names)) if names[0] in held else None
        found.append(Measured(row["metric"], row["group"], row["value"], row["n"], sample))
    return content["images"], found


def tabulate(model: str, benchmark: str, measured: Mapping[str, Sequence[Measured]], images: int) -> pd.DataFrame:
    """The tidy table of one benchmark: each measure with its 95 % interval, and macro means where there are languages.

    Args:
        model: its name.
        benchmark: its name.
        measured: language to measures.
        images: how many images the set has.

    Returns:
        COLUMNS; low and high are NaN where a measure is no mean over images.
    """
    rows = [(language, found) for language, of_language in measured.items() for found in of_language]
    sampled = [i for i, (_, found) in enumerate(rows) if found.sample is not None]
    drawn = resample([found.sample for _, found in rows if found.sample is not None], images)
    column = {row: number for number, row in enumerate(sampled)}
    table = []
    for number, (language, found) in enumerate(rows):
        low, high = interval(drawn[:, column[number]]) if number in column else (math.nan, math.nan)
        table.append([model, benchmark, language, found.metric, found.group, found.value, found.n, low, high])
    if len(measured) > 1:
        for metric in dict.fromkeys(found.metric for _, found in rows if not found.group):
            of_metric = [i for i, (_, found) in enumerate(rows) if found.metric == metric and not found.group]
            value = float(np.mean([rows[i][1].value for i in of_metric]))
            n = sum(rows[i][1].n for i in of_metric)
            columns = [column[i] for i in of_metric if i in column]
            low, high = interval(drawn[:, columns].mean(axis=1)) if columns else (math.nan, math.nan)
            table.append([model, benchmark, MACRO, metric, "", value, n, low, high])
    return pd.DataFrame(table, columns=COLUMNS)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a tidy table as CSV, atomically."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False)


def read_table(out: Path) -> pd.DataFrame:
    """The tidy table of an evaluation's folder; InputError if there is none."""
    path = out / "report.csv"
    if not path.exists():
        raise InputError(str(out), "no evaluation here (no report.csv)", "Run `mc2lib evaluate` with this --out first.")
    return pd.read_csv(path, keep_default_na=False, na_values={"low": [""], "high": [""]})


def compare_folders(first: Path, second: Path) -> pd.DataFrame:
    """Compare two evaluations measure by measure on what both measured, by paired bootstrap over images.

    Args:
        first: an evaluation's folder.
        second: the other's.

    Returns:
        benchmark, metric, languages (how many both have), difference (first less second), low, high and p.

    Raises:
        InputError: they share no benchmark, or a set has not the same images.
    """
    rows = []
    for folder in sorted((first / "languages").iterdir()) if (first / "languages").is_dir() else []:
        both = [
            path.stem
            for path in sorted(folder.glob("*.json"))
            if (second / "languages" / folder.name / path.name).exists()
        ]
        found = [(_both(first, second, folder.name, language)) for language in both]
        for metric in dict.fromkeys(key for pair in found for key in pair[1]):
            samples = [pair[1][metric] for pair in found if metric in pair[1]]
            result = compare([one for one, _ in samples], [other for _, other in samples], found[0][0])
            rows.append([folder.name, metric, len(samples), *result])
    if not rows:
        raise InputError(str(second), f"shares no benchmark with {first}", "Evaluate both on the same tasks.")
    return pd.DataFrame(rows, columns=["benchmark", "metric", "languages", *Comparison._fields])


def _both(first: Path, second: Path, benchmark: str, language: str) -> tuple[int, dict[str, tuple[Sample, Sample]]]:
    """The number of images, and by metric what both models scored in one language."""
    name = "" if language == NONE else language
    found = [read_language(out, benchmark, name) for out in (first, second)]
    if found[0] is None or found[1] is None or found[0][0] != found[1][0]:
        fault = f"{benchmark} {language} has not the same images in {first}"
        raise InputError(str(second), fault, "Evaluate both models on the same copy of the set.")
    scored = [
        {m.metric: m.sample for m in of[1] if m.sample is not None and not m.group} for of in (found[0], found[1])
    ]
    pairs = {metric: (scored[0][metric], scored[1][metric]) for metric in scored[0] if metric in scored[1]}
    return found[0][0], pairs

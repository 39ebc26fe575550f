"""The whole of `make evaluate`: which benchmarks, which model, and the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.benchmark_set import Benchmark
from mc2lib.io.benchmarks.registry import choose_benchmarks, find_adapters, open_benchmark
from mc2lib.io.files import atomic
from mc2lib.pipeline.evaluate.encoding import Encoding, join_group
from mc2lib.pipeline.evaluate.evaluate import Options, evaluate_benchmark
from mc2lib.pipeline.evaluate.models.model import Precision
from mc2lib.pipeline.evaluate.models.opening import open_model
from mc2lib.pipeline.evaluate.results import compare_folders, write_table
from mc2lib.reporting.benchmark_summary import summary_text
from mc2lib.reporting.plots.benchmark_plots import plot_group_heat_map, plot_language_heat_map


@dataclass(frozen=True)
class EvaluationRequest:
    """What to measure.

    Args:
        model: see `open_model`.
        tasks: see `choose_benchmarks`.
        data: the benchmarks' folder.
        out: gets report.csv, the heat maps, and a table per benchmark.
        cache: gets the features of all models.
        languages: of each benchmark these only; all if there are none.
        precision: to run the model in.
        skip_broken: leave missing and broken images out.
        against: another evaluation's folder, to compare with.
    """

    model: str
    tasks: tuple[str, ...]
    data: Path
    out: Path
    cache: Path
    languages: tuple[str, ...] = ()
    precision: Precision = "fp32"
    skip_broken: bool = False
    against: Path | None = None


def evaluate_model(request: EvaluationRequest, more: tuple[Benchmark, ...] = ()) -> list[str]:
    """Measure a model on benchmarks and write the report; a stopped evaluation resumes.

    Args:
        request: what to measure.
        more: benchmarks that are open already.

    Returns:
        the names of the benchmarks that a pattern asked for and that are not here.

    Raises:
        InputError: the model cannot be opened; a benchmark that is asked for by name is not here or cannot be used;
            none is here.
    """
    names = choose_benchmarks(request.tasks, request.data) if request.tasks else []
    lacking = [name for name in names if _is_missing(name, request.data)]
    asked = [name for name in lacking if name in request.tasks]
    here = [name for name in names if name not in lacking or name in asked]
    if not here and not more:
        remedy = "`mc2lib evaluate --list` says how to get each."
        raise InputError(str(request.data), f"none of {', '.join(names[:5])}, … is here", remedy)
    opened = [open_benchmark(name, request.data) for name in here]  # before the model: faults show at once
    group = join_group()
    encoding = Encoding(open_model(request.model, request.precision), request.cache, group)
    options = Options(request.out, request.skip_broken, request.languages)
    tables = [evaluate_benchmark(encoding, benchmark, options) for benchmark in (*opened, *more)]
    if group.rank == 0:
        _report(request, pd.concat([table for table in tables if table is not None]), lacking)
    group.leave()
    return [name for name in lacking if name not in asked]


def _is_missing(name: str, data: Path) -> bool:
    adapter = find_adapters(data).get(name)
    return adapter is not None and bool(adapter.find_lacking(data))


def _report(request: EvaluationRequest, table: pd.DataFrame, lacking: list[str]) -> None:
    write_table(table, request.out / "report.csv")
    for name, plot in (("languages", plot_language_heat_map), ("groups", plot_group_heat_map)):
        try:
            figure = plot(table)
        except InputError:  # nothing to draw
            continue
        with atomic(request.out / f"{name}.png") as temporary:
            figure.savefig(temporary, format="png", dpi=150)
    print(f"\n{summary_text(table)}\n\nall of it: {request.out / 'report.csv'}", flush=True)
    if lacking:
        print(f"not here, see `mc2lib evaluate --list`: {', '.join(lacking)}", flush=True)
    if request.against is not None:
        difference = compare_folders(request.out, request.against)
        write_table(difference, request.out / "against.csv")
        shown = difference.to_string(index=False, float_format=lambda value: f"{value:.4f}")
        print(f"\nthis model minus that of {request.against}, by paired bootstrap over images:\n{shown}", flush=True)

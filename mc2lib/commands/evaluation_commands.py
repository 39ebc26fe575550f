"""Commands that measure models: evaluate."""

from __future__ import annotations

import argparse
from pathlib import Path

from mc2lib.commands.command import Command
from mc2lib.commands.pool_commands import (
    add_pool_arguments,
    add_strategy_argument,
    curated_folder,
    open_source,
)
from mc2lib.errors import InputError


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate`."""
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="the folder of a run, of an open_clip model or of a transformers model; or open_clip's NAME:WEIGHTS",
    )
    parser.add_argument(
        "--tasks",
        nargs="+",
        help="benchmarks, patterns such as 'xm*', 'paper' for all of the paper's, or paths of sets of your own; by "
        "default paper, or with --pool its held-out images alone",
    )
    parser.add_argument("--data", type=Path, help="where the benchmarks are; by default data/benchmarks")
    parser.add_argument("--out", type=Path, help="where to write; by default data/measured/<model>")
    parser.add_argument("--cache", type=Path, help="where features of all models are kept; by default data/features")
    parser.add_argument("--languages", nargs="+", default=[], help="measure these languages of each benchmark only")
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16", "fp16"),
        default="fp32",
        help="of the model; fp32 by default",
    )
    parser.add_argument("--skip-broken", action="store_true", help="leave out images that are missing or broken")
    parser.add_argument("--against", type=Path, help="another evaluation's folder, to compare with")
    parser.add_argument("--pool", help="a pool that was curated and trained on: measure on its held-out images")
    parser.add_argument("--curated", type=Path, help="where it was curated; by default data/curate_pool/<pool's name>")
    add_strategy_argument(parser)
    add_pool_arguments(parser)
    parser.add_argument("--list", action="store_true", help="list the benchmarks: here or missing, and how to get each")


def run_evaluate(root: Path, options: argparse.Namespace) -> int:
    """`evaluate`: measure a model on benchmarks; exit status 3 if some of the paper's are not here."""
    from mc2lib.io.benchmarks.benchmark_set import Benchmark
    from mc2lib.io.benchmarks.held_out_pool import open_held_out
    from mc2lib.io.benchmarks.registry import list_benchmarks
    from mc2lib.io.curated_pool import open_curated

    data = (options.data or root / "data" / "benchmarks").resolve()
    if options.list:
        print(list_benchmarks(data))
        return 0
    from mc2lib.pipeline.evaluate.run import EvaluationRequest, evaluate_model  # torch, which a list does without

    more: tuple[Benchmark, ...] = ()
    if options.pool:
        folder = curated_folder(root, argparse.Namespace(pool=options.pool, out=options.curated))
        curated = open_curated(folder, options.strategy)
        options.model = options.model or str(curated.folder / "runs" / "small" / "0")
        run = Path(options.model) if (Path(options.model) / "model.json").exists() else None
        more = (open_held_out(open_source(options), curated, run),)
    if not options.model:
        raise InputError("evaluate", "no model is named", "Name one: make evaluate MODEL=/path/to/run TASK='xm*'.")
    out = options.out or root / "data" / "measured" / options.model.strip("/").replace("/", "_").replace(":", "_")
    request = EvaluationRequest(
        model=options.model,
        tasks=tuple(options.tasks or ([] if options.pool else ["paper"])),
        data=data,
        out=out.resolve(),
        cache=(options.cache or root / "data" / "features").resolve(),
        languages=tuple(options.languages),
        precision=options.precision,
        skip_broken=options.skip_broken,
        against=options.against,
    )
    return 3 if evaluate_model(request, more) else 0


def add_search_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `search`."""
    parser.add_argument("model", metavar="RUN", help="the folder of a run, or another model that `evaluate` opens")
    parser.add_argument("queries", nargs="+", metavar="QUERY", help="texts in any language; each gets a row of images")
    told = "a folder of images, a pool with images, or drawings.parquet; by default the study's drawings"
    parser.add_argument("--images", type=Path, help=told)
    parser.add_argument("--to", type=Path, required=True, metavar="PAGE", help="the HTML page to write")
    parser.add_argument("--count", type=int, default=24, help="images of each text; 24 by default")
    parser.add_argument("--limit", type=int, default=20_000, help="most images to search; 20,000 by default")


def run_search(root: Path, options: argparse.Namespace) -> int:
    """`search`: write one HTML page with the images nearest to some texts."""
    from mc2lib.pipeline.evaluate.models.opening import open_model
    from mc2lib.pipeline.search import ImageSearch, read_pictures, write_page

    pictures = read_pictures(options.images or root / "data" / "drawings.parquet", options.limit)
    search = ImageSearch(open_model(options.model), pictures)
    write_page(search, options.queries, options.to, options.count)
    broken = f", {search.broken:,} could not be decoded" if search.broken else ""
    print(f"{options.to}: searched {len(search.pictures.names):,} images{broken}", flush=True)
    return 0


EVALUATION_COMMANDS = (
    Command(
        "evaluate",
        "measure any CLIP on the paper's benchmarks or your own",
        run_evaluate,
        add_evaluate_arguments,
        "mc2lib evaluate /path/to/run --tasks 'xm*' --data /path/to/benchmarks",
        needs_study=False,
    ),
    Command(
        "search",
        "write one HTML page with the images that a model finds for some texts",
        run_search,
        add_search_arguments,
        'mc2lib search runs/large-worldwide-scaled/0 "red heart" "rotes Herz" --to page.html',
        needs_study=False,
    ),
)

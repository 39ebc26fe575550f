"""Commands for a pool of one's own: metadata, curate, explain, train, export."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc2lib.commands.command import Command
from mc2lib.errors import InputError
from mc2lib.recipe.curation.strategies import STRATEGIES

if TYPE_CHECKING:
    from mc2lib.io.pools.shards import PoolSource

# ---------------------------------------------------------------------- what several commands take


def add_pool_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how to read the pool."""
    parser.add_argument("--format", help="layout of the pool; by default the first that fits")
    parser.add_argument(
        "--text", help="what holds the texts, if its name is unusual: a column, a JSON key, a member's extension"
    )
    parser.add_argument("--image", help="what holds the images, if its name is unusual")
    parser.add_argument("--split", default="train", help="of a Hugging Face data set; by default train")


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a command's tasks run on."""
    parser.add_argument("--engine", choices=("local", "ray"), help="processes of this machine, or Ray")
    parser.add_argument("--address", help="address of a Ray cluster, host:port or auto")
    parser.add_argument("--processes", type=int, help="workers on this machine; by default one per core")


def add_settings_argument(parser: argparse.ArgumentParser) -> None:
    """Add a file of parameters."""
    told = "a YAML file with keys of params.yaml that replace the study's, or outside a study the packaged ones"
    parser.add_argument("--params", type=Path, metavar="FILE", help=told)


def open_source(options: argparse.Namespace) -> PoolSource:
    """The pool that a command line names."""
    from mc2lib.io.pools.open_pool import open_pool

    pool = Path(options.pool).resolve() if Path(options.pool).exists() else options.pool
    return open_pool(pool, options.format, text=options.text, image=options.image, split=options.split)


def curated_folder(root: Path, options: argparse.Namespace) -> Path:
    """The folder of the curated pool: `--out`, or by the pool's name."""
    out: Path = options.out or root / "data" / "curate_pool" / Path(options.pool).resolve().name
    return out.resolve()


def add_strategy_argument(parser: argparse.ArgumentParser) -> None:
    """Add which of a folder's curations is meant."""
    parser.add_argument("--strategy", choices=STRATEGIES, help="by default isolated, or the only one there")


# ---------------------------------------------------------------------- metadata


def add_metadata_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `metadata`."""
    parser.add_argument("--languages", nargs="+", help="build the lists of these only; by default params.yaml's")
    parser.add_argument("--no-fetch", action="store_true", help="use only what is in the folder")
    parser.add_argument("--date", help="date of the dumps, YYYYMMDD or latest; by default params.yaml's")
    parser.add_argument("--days", nargs="+", metavar="YYYY-MM-DD", help="of page views; by default params.yaml's")
    parser.add_argument("--folder", help="where everything is kept; by default params.yaml's")
    add_settings_argument(parser)


def run_metadata(root: Path, options: argparse.Namespace) -> int:
    """`metadata`: build lists of all languages; exit status 1 if a language failed."""
    from mc2lib.io.config import load_settings
    from mc2lib.pipeline.build_metadata.wikipedia import build_and_tell

    params = load_settings(root, over=options.params)
    given: dict[str, Any] = {
        "languages": options.languages and tuple(options.languages),
        "folder": options.folder,
        "date": options.date,
        "days": options.days and tuple(options.days),
    }
    wikipedia = dataclasses.replace(
        params.wikipedia,
        fetch=params.wikipedia.fetch and not options.no_fetch,
        **{name: value for name, value in given.items() if value},
    )
    return 1 if build_and_tell(root, dataclasses.replace(params, wikipedia=wikipedia)).failed else 0


# ---------------------------------------------------------------------- curate


def add_curate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `curate`; params.yaml holds what is left out."""
    parser.add_argument("pool", metavar="POOL", help="a folder of any format that README names, or a hub data set")
    parser.add_argument("--out", type=Path, help="where to write; by default data/curate_pool/<pool's name>")
    add_pool_arguments(parser)
    told = "how to curate: isolated, the recipe, or another of the paper's six; all compares them"
    parser.add_argument("--strategy", choices=(*STRATEGIES, "all"), help=told)
    parser.add_argument(
        "--metadata",
        type=Path,
        help="a folder with <language>.parquet; by default data/metadata, made if missing",
    )
    parser.add_argument("--language", choices=("auto", "lid"), help="declared where it is, or always language id")
    parser.add_argument("--lid-model", help="a fastText model's file; by default lid.176")
    parser.add_argument("--lid-engine", choices=("compiled", "fasttext"), help="which code runs the model")
    parser.add_argument("--lid-confidence", type=float, help="below this, a text's language is unknown")
    parser.add_argument("--borders", choices=("paper", "kana", "kana_hangul"), help="scripts that need no border")
    either = argparse.BooleanOptionalAction
    parser.add_argument("--script-borders", action=either, default=None, help="a change of script is a border")
    parser.add_argument("--normalise", choices=("none", "nfc", "nfkc"), help="Unicode's form of entries and texts")
    parser.add_argument("--t-en", type=threshold, metavar="N|auto", help="English's threshold in matches")
    parser.add_argument("--tail-share", type=float, help="English's share of matches in the tail, for --t-en auto")
    parser.add_argument("--seed", type=int, help="seed of the draws")
    parser.add_argument("--epochs", type=int, help="offline draws to write")
    parser.add_argument("--nsfw", type=float, help="drop what the pool rates above this, 0 to 1")
    parser.add_argument("--faces", type=int, help="drop images in which the pool found more faces than this")
    parser.add_argument("--evaluation", help="drop this evaluation's images: a folder of them, or a hash set (.npy)")
    parser.add_argument("--duplicates", choices=("exact", "near"), help="drop images that are in the pool already")
    parser.add_argument("--duplicate-bits", type=int, help="perceptual hashes within this many bits are near, 0 to 16")
    parser.add_argument("--paper-hygiene", action="store_true", help="nsfw, faces, near duplicates and --evaluation")
    add_settings_argument(parser)
    add_engine_arguments(parser)


def threshold(text: str) -> int | str:
    """A number of matches, or `auto`; ValueError for anything else."""
    return text if text == "auto" else int(text)


def run_curate(root: Path, options: argparse.Namespace) -> int:
    """`curate`: curate a pool; prints settings, progress and, last, the step table, or several strategies compared.

    Returns:
        exit status: 0, or 3 if shards could not be read.

    Raises:
        InputError: no pair was kept; the message names the step that took most, and what to do.
    """
    from mc2lib.io.config import is_study, load_settings, name_settings, override
    from mc2lib.pipeline.curate.curate_pool import curate_strategies
    from mc2lib.pipeline.curate.pool_summary import outcome_text, quarantine_text, settings_text
    from mc2lib.pipeline.curate.setup import ask_paper_hygiene
    from mc2lib.study.access.packaged_lists import packaged_lists

    study = load_settings(root, over=options.params)
    params = override(study.curate_pool, options)
    if params.lid_model:  # `explain` may be called from elsewhere
        params = dataclasses.replace(params, lid_model=str(Path(params.lid_model).resolve()))
    source = open_source(options)
    out = curated_folder(root, options)
    if options.paper_hygiene:
        params = ask_paper_hygiene(params, source)
    print(f"{options.pool}: {source.format}, {len(source.shards):,} shards; curated pool in {out}", flush=True)
    print(settings_text(params, name_settings(root, options.params)), flush=True)
    metadata = options.metadata or packaged_lists(root, study)
    outcomes = curate_strategies(source, metadata, out, params, override(study.machine, options))
    print(f"\n{outcome_text(outcomes, source, options.pool, is_study(root))}", flush=True)
    if outcomes[0].quarantined:
        print(f"\n{quarantine_text(outcomes[0])}", flush=True)
        return 3
    return 0


# ---------------------------------------------------------------------- explain


def add_explain_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `explain`."""
    parser.add_argument("out", type=Path, metavar="OUT", help="a folder that `curate` wrote")
    parser.add_argument("text", help="any text, as an alt-text of the pool")
    parser.add_argument("--language", help="language of the text; by default language id says")
    add_strategy_argument(parser)


def run_explain(root: Path, options: argparse.Namespace) -> int:
    """`explain`: print how a curated pool's recipe looks at one text."""
    from mc2lib.io.curated_pool import open_curated
    from mc2lib.pipeline.curate.explanation import explain

    pool = open_curated(options.out, options.strategy)
    print(explain(pool, options.text, options.language).to_string(index=False))
    return 0


# ---------------------------------------------------------------------- train


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `train`; the scale holds the numbers that are left out."""
    parser.add_argument("pool", metavar="POOL", help="the pool that was curated: it holds the images")
    parser.add_argument("--out", type=Path, help="where it was curated; by default data/curate_pool/<pool's name>")
    add_strategy_argument(parser)
    parser.add_argument("--run", type=Path, help="where to write; by default OUT/<strategy>/runs/<tower>/<seed>")
    parser.add_argument("--scale", help="a file of scales/, such as workstation; by default the one params.yaml names")
    parser.add_argument("--tower", default="small", help="a tower of the scale; by default small")
    parser.add_argument(
        "--tokenizer",
        default="gemma",
        choices=("gemma", "bytes"),
        help="gemma by default",
    )
    parser.add_argument(
        "--languages",
        default="all",
        choices=("english", "other", "all"),
        help="of the pairs; all by default",
    )
    parser.add_argument("--seed", type=int, default=0, help="of initialisation, order and augmentation; by default 0")
    parser.add_argument("--steps", type=int, help="optimiser steps")
    parser.add_argument("--batch-size", type=int, help="pairs per step over all ranks")
    parser.add_argument("--learning-rate", type=float, help="learning rate at its peak")
    parser.add_argument("--prepare", action="store_true", help="write recipe and index of the images; start no rank")
    parser.add_argument(
        "--hold-out",
        type=float,
        default=0.01,
        help="share of the images that no run sees, for evaluation; by default 0.01",
    )
    add_pool_arguments(parser)
    add_settings_argument(parser)


def run_train(root: Path, options: argparse.Namespace) -> int:
    """`train`: train on a curated pool; prints progress."""
    from mc2lib.io.config import load_settings
    from mc2lib.io.curated_pool import hold_out, open_curated
    from mc2lib.pipeline.train import start_run

    params = load_settings(root, options.scale, options.params)
    given = {"batch_size": options.batch_size, "steps": options.steps, "learning_rate": options.learning_rate}
    training = dataclasses.replace(params.training, **{name: value for name, value in given.items() if value})
    source, curated = open_source(options), open_curated(curated_folder(root, options), options.strategy)
    run = (options.run or curated.folder / "runs" / options.tower / str(options.seed)).resolve()
    hold_out(curated, options.hold_out, run)
    print(f"{options.pool}: curated in {curated}; run in {run}", flush=True)
    chosen = (options.tower, options.tokenizer, options.languages, options.seed)
    params = dataclasses.replace(params, training=training)
    start_run(root, params, source, curated, run, *chosen, prepare=options.prepare)
    return 0


# ---------------------------------------------------------------------- export


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export`."""
    parser.add_argument("pool", metavar="POOL", help="the pool that was curated: it holds the images")
    parser.add_argument("--out", type=Path, help="where it was curated; by default data/curate_pool/<pool's name>")
    add_strategy_argument(parser)
    parser.add_argument("--to", type=Path, required=True, help="a folder that is not there yet; for uids a .npy file")
    layouts = ("webdataset", "parquet", "datasets", "uids")
    parser.add_argument("--as", choices=layouts, required=True, dest="layout", help="what to write")
    parser.add_argument("--epoch", type=int, default=0, help="which offline draw; the first, 0, by default")
    parser.add_argument("--rows", type=int, default=10_000, help="most pairs per written file; 10,000 by default")
    add_pool_arguments(parser)
    add_engine_arguments(parser)


def run_export(root: Path, options: argparse.Namespace) -> int:
    """`export`: write curated pairs in a layout of the field's tools."""
    from mc2lib.io.config import load_settings, override
    from mc2lib.io.curated_pool import open_curated, read_report
    from mc2lib.pipeline.export import export_pool

    machine = override(load_settings(root).machine, options)
    curated = open_curated(curated_folder(root, options), options.strategy)
    epochs = read_report(curated)["params"]["epochs"]
    if not 0 <= options.epoch < epochs:
        fault = f"epoch {options.epoch} was not written, only {epochs} from 0 on"
        raise InputError(str(curated), fault, f'Run `make curate` with ARGS="--epochs {options.epoch + 1}".')
    source = open_source(options) if options.layout == "webdataset" else None
    written = export_pool(curated.draw(options.epoch), options.layout, options.to, machine, source, options.rows)
    print(f"{options.to}: {options.layout}, {len(written):,} files", flush=True)
    return 0


POOL_COMMANDS = (
    Command(
        "metadata",
        "build lists of all languages from Wikipedia's dumps",
        run_metadata,
        add_metadata_arguments,
        "mc2lib metadata --languages en th",
        needs_study=False,
    ),
    Command(
        "curate",
        "curate a pool of your own",
        run_curate,
        add_curate_arguments,
        "mc2lib curate /path/to/pool --out /path/to/out",
        needs_study=False,
    ),
    Command(
        "explain",
        "print how a curated pool's recipe looks at one text",
        run_explain,
        add_explain_arguments,
        'mc2lib explain /path/to/out "a red heart"',
        needs_study=False,
    ),
    Command(
        "train",
        "train on a curated pool of your own",
        run_train,
        add_train_arguments,
        "mc2lib train /path/to/pool --out /path/to/out --scale workstation",
        needs_study=False,
    ),
    Command(
        "export",
        "write a curated pool in a layout of the field's tools",
        run_export,
        add_export_arguments,
        "mc2lib export /path/to/pool --out /path/to/out --as webdataset --to /path/to/tars",
        needs_study=False,
    ),
)

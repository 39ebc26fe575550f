"""The study's commands: `python -m mc2lib COMMAND`. The Makefile names the common ones."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mc2lib.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        its exit status: 0 done, 1 failed, 2 the input cannot be used, 3 done without the shards that
        could not be read.
    """
    options = parse_arguments(arguments)
    try:
        return run(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:  # a stage failed; its own output says more
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the next run continues", file=sys.stderr)
        return 130


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line as options; exits with 2 and the usage if it is not one."""
    parser = argparse.ArgumentParser(prog="python -m mc2lib", description="The MetaCLIP 2 recipe that anyone can run.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("repro", help="run the whole study, or what is left of it")
    arm = commands.add_parser("arm", help="run one arm, its evaluation and the report")
    arm.add_argument("arm")
    commands.add_parser("clean", help="remove what the study made and has not changed since")
    smoke = commands.add_parser("smoke", help="the whole study, tiny, in a temporary folder")
    smoke.add_argument("--folder", type=Path, help="run it here instead, and keep it")
    trial = commands.add_parser("trial", help="some arms at another scale, in a temporary folder: for tuning")
    trial.add_argument("arms", nargs="+", metavar="arm")
    trial.add_argument("--scale", default="tune", help="a file of scales/")
    trial.add_argument("--seed", type=int, nargs="+", default=[100], dest="seeds")
    trial.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="settings", help="a scale's number")
    trial.add_argument("--folder", type=Path, help="run it here instead, and keep it")
    plan = commands.add_parser("plan", help="what a scale would cost, without running it")
    plan.add_argument("--scale", help="a file of scales/; by default the one params.yaml names")
    plan.add_argument("--ranks", type=int, help="GPUs a run; by default 196 pairs a rank, the paper's")
    commands.add_parser("readme", help="write README's block of results from results/")
    commands.add_parser("lab", help="JupyterLab on the notebooks")
    commands.add_parser("sources", help="the stage that fetches the source packages")
    notebook = commands.add_parser("notebook", help="the stages that execute a notebook")
    notebook.add_argument("name")
    notebook.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), dest="parameters")
    metadata = commands.add_parser("metadata", help="lists of all languages from Wikipedia's dumps")
    metadata.add_argument("--languages", nargs="+", help="of params.yaml's, these only")
    metadata.add_argument("--no-fetch", action="store_true", help="only what lies in the folder")
    metadata.add_argument("--date", help="of the dumps, YYYYMMDD or latest; by default params.yaml's")
    metadata.add_argument("--days", nargs="+", metavar="YYYY-MM-DD", help="of page views to fetch; else params.yaml's")
    metadata.add_argument("--folder", help="where everything lies; by default params.yaml's")
    add_curate_arguments(commands.add_parser("curate", help="curate a pool of your own"))
    add_train_arguments(commands.add_parser("train", help="train on a curated pool of your own"))
    add_export_arguments(commands.add_parser("export", help="write a curated pool in a layout of the field's tools"))
    explain = commands.add_parser("explain", help="how a curated pool's recipe looks at one text")
    explain.add_argument("out", type=Path, metavar="OUT", help="a folder that `curate` wrote")
    explain.add_argument("text")
    explain.add_argument("--language", help="whose metadata to match; by default language id says")
    return parser.parse_args(arguments)


def add_curate_arguments(curate: argparse.ArgumentParser) -> None:
    """Give the command `curate` its arguments; what is left out stands in params.yaml."""
    curate.add_argument("pool", metavar="POOL", help="a folder of any format that README names, or a hub data set")
    curate.add_argument("--out", type=Path, help="where to write; by default data/curate_pool/<pool's name>")
    curate.add_argument("--format", help="of the pool; by default the first that fits")
    curate.add_argument(
        "--text", help="what holds the texts, if its name is unusual: a column, a JSON key, a member's extension"
    )
    curate.add_argument("--image", help="the column that holds the images, likewise")
    curate.add_argument("--split", default="train", help="of a data set")
    curate.add_argument("--metadata", type=Path, help="a folder with <language>.parquet; by default data/metadata")
    curate.add_argument("--language", choices=("auto", "lid"))
    curate.add_argument("--lid-model", help="a fastText model's file; by default lid.176")
    curate.add_argument("--lid-engine", choices=("compiled", "fasttext"))
    curate.add_argument("--lid-confidence", type=float)
    curate.add_argument("--borders", choices=("paper", "kana", "kana_hangul"), help="scripts that need no border")
    either = argparse.BooleanOptionalAction
    curate.add_argument("--script-borders", action=either, default=None, help="a change of script is a border")
    curate.add_argument("--normalise", choices=("none", "nfc", "nfkc"), help="Unicode's form of entries and texts")
    curate.add_argument("--t-en", type=threshold, metavar="N|auto")
    curate.add_argument("--tail-share", type=float, help="p, where --t-en is auto")
    curate.add_argument("--seed", type=int)
    curate.add_argument("--epochs", type=int, help="offline draws to write")
    curate.add_argument("--nsfw", type=float, help="drop what the pool rates above this, 0 to 1")
    curate.add_argument("--faces", type=int, help="drop images in which the pool found more faces than this")
    curate.add_argument("--evaluation", help="drop this evaluation's images: a folder of them, or a hash set (.npy)")
    curate.add_argument("--duplicates", choices=("exact", "near"), help="drop images that stand in the pool already")
    curate.add_argument("--duplicate-bits", type=int, help="perceptual hashes within so many bits are near, 0 to 16")
    curate.add_argument("--paper-hygiene", action="store_true", help="nsfw, faces, near duplicates and --evaluation")
    add_engine_arguments(curate)


def add_train_arguments(train: argparse.ArgumentParser) -> None:
    """Give the command `train` its arguments; the numbers that are left out stand in the scale."""
    train.add_argument("pool", metavar="POOL", help="the pool that was curated: it holds the images")
    train.add_argument("--out", type=Path, help="where it was curated; by default data/curate_pool/<pool's name>")
    train.add_argument("--run", type=Path, help="where to write; by default OUT/runs/<tower>/<seed>")
    train.add_argument("--scale", help="a file of scales/; by default the one params.yaml names")
    train.add_argument("--tower", default="small", help="of the scale")
    train.add_argument("--tokenizer", default="gemma", choices=("gemma", "bytes"))
    train.add_argument("--languages", default="all", choices=("english", "other", "all"))
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--steps", type=int)
    train.add_argument("--batch-size", type=int, help="pairs a step over all ranks")
    train.add_argument("--learning-rate", type=float)
    train.add_argument("--prepare", action="store_true", help="write recipe and index of the images; start no rank")
    add_pool_arguments(train)


def add_export_arguments(export: argparse.ArgumentParser) -> None:
    """Give the command `export` its arguments."""
    export.add_argument("pool", metavar="POOL", help="the pool that was curated: it holds the images")
    export.add_argument("--out", type=Path, help="where it was curated; by default data/curate_pool/<pool's name>")
    export.add_argument("--to", type=Path, required=True, help="a folder that is not there yet; for uids a .npy file")
    layouts = ("webdataset", "parquet", "datasets", "uids")
    export.add_argument("--as", choices=layouts, required=True, dest="layout", help="what to write")
    export.add_argument("--epoch", type=int, default=0, help="which offline draw")
    export.add_argument("--rows", type=int, default=10_000, help="pairs of a written file, at most")
    add_pool_arguments(export)
    add_engine_arguments(export)


def add_pool_arguments(command: argparse.ArgumentParser) -> None:
    """How to read the pool, where `curate` was told it."""
    for name in ("--format", "--text", "--image"):
        command.add_argument(name, help="as of `curate`")
    command.add_argument("--split", default="train", help="as of `curate`")


def add_engine_arguments(command: argparse.ArgumentParser) -> None:
    """What a command's tasks run on."""
    command.add_argument("--engine", choices=("local", "ray"))
    command.add_argument("--address", help="of a Ray cluster, host:port or auto")
    command.add_argument("--processes", type=int, help="workers on this machine")


def threshold(text: str) -> int | str:
    """A number of matches, or `auto`; ValueError for anything else."""
    return text if text == "auto" else int(text)


def run(options: argparse.Namespace) -> int:
    """Run the command that `options` names. Imports wait until then: most commands need few libraries."""
    from mc2lib.engine.kernels import forget_stale_kernels
    from mc2lib.io.config import find_root

    root = find_root().resolve()
    forget_stale_kernels(Path(__file__).parent)
    if options.command == "sources":
        from mc2lib.study.sources import fetch_sources

        fetch_sources(root)
        return 0
    if options.command == "notebook":
        # jsonschema would build a grammar of web addresses at import, most of a second a stage, and can do without
        sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
        from mc2lib.study.notebooks import run_notebook

        run_notebook(root, options.name, dict(options.parameters))
        return 0
    if options.command == "plan":
        from mc2lib.study.scale_plan import print_plan

        print_plan(root, options.scale, options.ranks)
        return 0
    if options.command == "readme":
        from mc2lib.io.config import load_params
        from mc2lib.study.readme import write_readme

        write_readme(root, load_params(root))
        return 0
    if options.command == "metadata":
        from mc2lib.pipeline.build_metadata.wikipedia import metadata_command

        fetch = not options.no_fetch
        return metadata_command(root, options.languages, options.folder, fetch, options.date, options.days)
    if options.command == "curate":
        from mc2lib.pipeline.curate.curate_pool import curate_command

        return curate_command(root, options)
    if options.command == "train":
        from mc2lib.pipeline.train import train_command

        return train_command(root, options)
    if options.command == "export":
        from mc2lib.pipeline.export import export_command

        return export_command(root, options)
    if options.command == "explain":
        from mc2lib.pipeline.curate.datacard import explain

        print(explain(options.out, options.text, options.language).to_string(index=False))
        return 0
    if options.command == "smoke":
        from mc2lib.study.trial import smoke

        return smoke(root, options.folder)
    if options.command == "trial":
        from mc2lib.study.trial import run_trial

        return run_trial(
            root, options.scale, options.arms, options.seeds, settings=options.settings, folder=options.folder
        )
    from mc2lib.study.dvc_runs import clean, open_lab, reproduce, reproduce_arm

    if options.command == "clean":
        return clean(root)
    if options.command == "lab":
        return open_lab(root)
    return reproduce_arm(root, options.arm) if options.command == "arm" else reproduce(root)


if __name__ == "__main__":
    sys.exit(main())

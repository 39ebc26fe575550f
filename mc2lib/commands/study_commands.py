"""Commands of the packaged study."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mc2lib.commands.command import Command


def run_repro(root: Path, options: argparse.Namespace) -> int:
    """`repro`: run the whole study, or what is left of it."""
    from mc2lib.study.running.dvc_runs import reproduce

    return reproduce(root)


def add_arm_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `arm`."""
    parser.add_argument("arm", help="a name under `arms` in params.yaml")


def run_arm(root: Path, options: argparse.Namespace) -> int:
    """`arm`: run one arm, its evaluation and the report."""
    from mc2lib.study.running.dvc_runs import reproduce_arm

    return reproduce_arm(root, options.arm)


def run_prepare(root: Path, options: argparse.Namespace) -> int:
    """`prepare`: write the recipes of an arm's runs, and print how to start their ranks on several nodes."""
    from mc2lib.io.config import load_params
    from mc2lib.study.train_stage import prepare_arm
    from mc2lib.trainer.launch import describe_start

    params = load_params(root)
    runs = prepare_arm(root, params, options.arm)
    print(describe_start(list(runs), params.machine))
    return 0


def run_clean(root: Path, options: argparse.Namespace) -> int:
    """`clean`: remove what the study made and has not changed since."""
    from mc2lib.study.running.dvc_runs import clean

    return clean(root)


def add_smoke_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `smoke`."""
    parser.add_argument("--folder", type=Path, help="run it here instead of in a temporary folder, and keep it")


def run_smoke(root: Path, options: argparse.Namespace) -> int:
    """`smoke`: the whole study, tiny, in a temporary folder."""
    from mc2lib.study.running.trial import smoke

    return smoke(root, options.folder)


def add_trial_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `trial`."""
    parser.add_argument("arms", nargs="+", metavar="arm", help="names under `arms` in params.yaml")
    parser.add_argument("--scale", default="tune", help="a file of scales/")
    parser.add_argument("--seed", type=int, nargs="+", default=[100], dest="seeds", help="seeds to run, 100 by default")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="settings", help="a scale's number")
    parser.add_argument("--folder", type=Path, help="run it here instead of in a temporary folder, and keep it")


def run_trial(root: Path, options: argparse.Namespace) -> int:
    """`trial`: some arms at another scale, for tuning."""
    from mc2lib.study.running import trial

    return trial.run_trial(
        root, options.scale, options.arms, options.seeds, settings=options.settings, folder=options.folder
    )


def add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `plan`."""
    parser.add_argument("--scale", help="a file of scales/; by default the one that params.yaml names")
    parser.add_argument("--ranks", type=int, help="GPUs per run; by default 196 pairs per rank, as in the paper")


def run_plan(root: Path, options: argparse.Namespace) -> int:
    """`plan`: what a scale would cost, without running it."""
    from mc2lib.study.scale_plan import print_plan

    print_plan(root, options.scale, options.ranks)
    return 0


def add_arms_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `arms`."""
    parser.add_argument("--scale", help="a file of scales/; by default the one that params.yaml names")


def run_arms(root: Path, options: argparse.Namespace) -> int:
    """`arms`: list the study's arms, with their towers, data and seen pairs."""
    from mc2lib.study.access.arm_list import arms_text

    print(arms_text(root, options.scale))
    return 0


def run_readme(root: Path, options: argparse.Namespace) -> int:
    """`readme`: write README's block of results from results/."""
    from mc2lib.io.config import load_params
    from mc2lib.study.readme import write_readme

    write_readme(root, load_params(root))
    return 0


def add_lab_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `lab`."""
    parser.add_argument("options", nargs="*", metavar="OPTION", help="JupyterLab's own options, after --")


def run_lab(root: Path, options: argparse.Namespace) -> int:
    """`lab`: open JupyterLab on the notebooks."""
    from mc2lib.study.access.lab import open_lab

    return open_lab(root, options.options)


def run_sources(root: Path, options: argparse.Namespace) -> int:
    """`sources`: the stage that fetches the source packages."""
    from mc2lib.io.config import packaged_settings
    from mc2lib.study.sources import fetch_sources

    fetch_sources(root, None if (root / "sources").is_dir() else packaged_settings() / "sources")
    return 0


def add_notebook_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `notebook`."""
    parser.add_argument("name", help="of a notebook in notebooks/, without .ipynb")
    parser.add_argument(
        "-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), dest="parameters", help="a parameter"
    )


def run_notebook(root: Path, options: argparse.Namespace) -> int:
    """`notebook`: the stages that execute a notebook."""
    # jsonschema would build a grammar of web addresses at import, most of a second per stage, and can do without it
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    from mc2lib.study.running import notebooks

    notebooks.run_notebook(root, options.name, dict(options.parameters))
    return 0


STUDY_COMMANDS = (
    Command("repro", "run the whole study, or what is left of it", run_repro, example="mc2lib repro"),
    Command(
        "arms",
        "list the study's arms: tower, data and seen pairs",
        run_arms,
        add_arms_arguments,
        "mc2lib arms --scale workstation",
    ),
    Command(
        "arm", "run one arm, its evaluation and the report", run_arm, add_arm_arguments, "mc2lib arm small-worldwide"
    ),
    Command(
        "prepare",
        "write the recipes of an arm's runs, to start ranks by hand",
        run_prepare,
        add_arm_arguments,
        "mc2lib prepare large-worldwide-scaled",
    ),
    Command("clean", "remove what the study made and has not changed since", run_clean, example="mc2lib clean"),
    Command(
        "smoke",
        "run the whole study, tiny, in a temporary folder",
        run_smoke,
        add_smoke_arguments,
        "mc2lib smoke --folder /path/to/keep",
    ),
    Command(
        "trial",
        "run some arms at another scale, in a temporary folder: for tuning",
        run_trial,
        add_trial_arguments,
        "mc2lib trial small-english small-worldwide --set training.steps=640",
    ),
    Command(
        "plan",
        "print what a scale would cost, without running it",
        run_plan,
        add_plan_arguments,
        "mc2lib plan --scale paper --ranks 64",
    ),
    Command("readme", "write README's block of results from results/", run_readme, example="mc2lib readme"),
    Command(
        "lab", "open JupyterLab on the notebooks", run_lab, add_lab_arguments, "mc2lib lab -- --no-browser --port 8889"
    ),
    Command(
        "sources",
        "fetch the source packages (a stage of the study)",
        run_sources,
        example="mc2lib sources",
        needs_study=False,
    ),
    Command(
        "notebook",
        "execute a notebook (the other stages of the study)",
        run_notebook,
        add_notebook_arguments,
        "mc2lib notebook 4_train -p arm small-english",
    ),
)

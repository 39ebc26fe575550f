"""A copy of the study in another folder, at another scale: the smoke study, tuning and the benchmark."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from mc2lib.errors import InputError, nearest
from mc2lib.io.config import load_params, read_yaml
from mc2lib.io.files import read_json
from mc2lib.study.running.dvc_runs import print_results, run_dvc

#: The smoke study's arms: every table but the stress pool's has one; both towers, and an effect to decide.
SMOKE_ARMS = ("small-worldwide-scaled", "large-worldwide-scaled")

#: Its languages: five scripts, two of them without spaces between words.
SMOKE_LANGUAGES = ("en", "ru", "ja", "ar", "th")

#: None of the study's, so that whatever takes a seed for granted shows.
SMOKE_SEEDS = (7,)

#: What a study is made of; what it made (data, runs, results, reports) is left behind.
PARTS = (
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvc/plots",
    ".dvcignore",
    "dvc.yaml",
    "params.yaml",
    "scales",
    "sources",
    "notebooks",
    "mc2lib",
)


def smoke(root: Path, folder: Path | None = None) -> int:
    """Run the whole study at smoke scale in a folder of its own; the checkout stays as it is.

    Every stage runs, with one seed, `SMOKE_ARMS` and `SMOKE_LANGUAGES`: the numbers mean nothing at this size.

    Args:
        root: the study to copy.
        folder: where to run it, kept afterwards; by default a temporary one, removed at the end.

    Returns:
        DVC's exit status.

    Raises:
        InputError: the folder is not empty, or the study did not evaluate every arm it should have.
    """
    print("smoke study: the smallest that runs; its numbers mean nothing", flush=True)
    return run_trial(root, "smoke", SMOKE_ARMS, SMOKE_SEEDS, SMOKE_LANGUAGES, folder=folder)


def run_trial(
    root: Path,
    scale: str,
    arms: Sequence[str],
    seeds: Sequence[int],
    languages: Sequence[str] | None = None,
    settings: Sequence[str] = (),
    folder: Path | None = None,
) -> int:
    """Run part of the study at another scale, in a folder of its own; the checkout stays as it is.

    Args:
        root: the study to copy.
        scale: a file of scales/.
        arms: those to train.
        seeds: their seeds.
        languages: of the pool; by default the study's.
        settings: `section.key=value` lines that override the scale's numbers.
        folder: where to run it, kept afterwards; by default a temporary one, removed at the end.

    Returns:
        DVC's exit status.

    Raises:
        InputError: the folder is not empty, a setting cannot be used, or the study did not evaluate every arm it
            should have.
    """
    began = time.monotonic()
    with _folder(folder) as trial:
        copy_study(root, trial)
        if settings:
            edit_scale(trial, scale, settings)
        edit_params(trial, scale, arms, seeds, languages)
        print(f"{scale} study in {trial}: arms {', '.join(arms)}; seeds {', '.join(map(str, seeds))}", flush=True)
        status = run_dvc(trial, ["repro"])
        if status == 0:
            check_summary(trial)
            print(f"{scale} study done in {time.monotonic() - began:.0f} s")
            print_results(trial)
    return status


def check_summary(root: Path) -> None:
    """Raise InputError unless results/summary.json holds every arm of params.yaml."""
    path = root / "results" / "summary.json"
    found = set(read_json(path).get("headline", {}))
    lost = sorted(set(load_params(root).arms) - found)
    if lost:
        raise InputError(
            str(path), f"no headline of {', '.join(lost)}", "Look into the executed notebooks in reports/."
        )


def copy_study(root: Path, target: Path) -> None:
    """Copy a study's files, and link the sources that it has already fetched.

    Args:
        root: the study.
        target: a missing or empty folder.

    Raises:
        InputError: `target` holds something.
    """
    target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
        raise InputError(str(target), "not an empty folder", "Name one that is empty or missing.")
    for part in PARTS:
        source, copy = root / part, target / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(
                source, copy, ignore=shutil.ignore_patterns("*.pyc", ".ipynb_checkpoints", "node_modules")
            )  # what Numba compiled goes along: half a minute less, where it was compiled before
        else:
            shutil.copy(source, copy)
    # a copy needs no git, and leaves no cache beside the person's other DVC projects
    (target / ".dvc" / "config.local").write_text(
        f"[core]\n    no_scm = true\n    site_cache_dir = {target / '.dvc' / 'site'}\n"
    )
    _link_sources(root, target)


def _link_sources(root: Path, target: Path) -> None:
    """Link data/sources and take over its entry of dvc.lock: DVC fetches again if it does not fit."""
    lock = root / "dvc.lock"
    stages = read_yaml(lock).get("stages", {}) if lock.exists() else {}
    if "sources" not in stages or not (root / "data" / "sources").is_dir():
        return
    shutil.copytree(root / "data" / "sources", target / "data" / "sources", copy_function=_link)
    with (target / "dvc.lock").open("w", encoding="utf-8") as written:
        YAML().dump({"schema": "2.0", "stages": {"sources": stages["sources"]}}, written)


def _link(source: str, copy: str) -> None:
    try:
        os.link(source, copy)
    except OSError:  # another disk
        shutil.copy2(source, copy)


def edit_params(
    root: Path,
    scale: str,
    arms: Iterable[str] | None = None,
    seeds: Sequence[int] | None = None,
    languages: Sequence[str] | None = None,
) -> None:
    """Rewrite `root`/params.yaml for another scale, fewer arms, other seeds or languages.

    Tables keep the arms that are left, the pool the mixes that those train on.

    Raises:
        InputError: there is no such scale or arm.
    """
    path = root / "params.yaml"
    yaml = YAML()  # round trip: comments stay
    study: Any = yaml.load(path.read_text(encoding="utf-8"))
    study["scale"] = scale
    if seeds is not None:
        study["seeds"] = list(seeds)
    if languages is not None:
        study["languages"] = list(languages)
        study["metadata"]["languages"] = "study"
    if arms is not None:
        kept = list(arms)
        for arm in kept:
            if arm not in study["arms"]:
                raise InputError(str(path), f"no arm '{arm}'", nearest(arm, study["arms"]))
        study["arms"] = {name: study["arms"][name] for name in kept}
        tables = {name: [row for row in rows if row in kept] for name, rows in study["tables"].items()}
        study["tables"] = {name: rows for name, rows in tables.items() if rows}
        mixes = {arm.get("mix", "base") for arm in study["arms"].values()} | {"base"}  # the controls look at base
        study["pool"]["mixes"] = {name: mix for name, mix in study["pool"]["mixes"].items() if name in mixes}
    text = StringIO()
    yaml.dump(study, text)
    path.write_text(text.getvalue(), encoding="utf-8")
    load_params(root)


def edit_scale(root: Path, scale: str, settings: Sequence[str]) -> None:
    """Override numbers of `root`/scales/<scale>.yaml.

    Args:
        root: a study.
        scale: a file of scales/.
        settings: `section.key=value`, the value as YAML writes it.

    Raises:
        InputError: there is no such scale, or a setting is not of that form or names no number of the scale.
    """
    path = root / "scales" / f"{scale}.yaml"
    if not path.exists():
        raise InputError(
            "scale", f"no scale '{scale}'", nearest(scale, [p.stem for p in (root / "scales").glob("*.yaml")])
        )
    yaml = YAML()
    content: Any = yaml.load(path.read_text(encoding="utf-8"))
    for setting in settings:
        name, _, value = setting.partition("=")
        section: Any = content
        *sections, key = name.split(".")
        for part in sections:
            section = section.get(part, {}) if isinstance(section, dict) else {}
        if not value or not isinstance(section, dict) or key not in section:
            raise InputError(setting, f"names no number of scales/{scale}.yaml", "Write section.key=value.")
        section[key] = yaml.load(value)
    text = StringIO()
    yaml.dump(content, text)
    path.write_text(text.getvalue(), encoding="utf-8")


@contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="mc2lib-") as temporary:
        yield Path(temporary).resolve()

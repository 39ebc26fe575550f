"""Reading params.yaml and the scale's file (YAML 1.2, as DVC reads them)."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

import mc2lib
from mc2lib.errors import InputError, nearest
from mc2lib.params import CuratePool, Machine, Params, merge, parse

Section = TypeVar("Section", CuratePool, Machine)


def load_params(root: Path | str = ".", scale: str | None = None, over: Path | None = None) -> Params:
    """The study's parameters from `root`/params.yaml and the scale it names, or another.

    Args:
        root: the study's folder.
        scale: a file of scales/, without its ending.
        over: a YAML file of keys that replace those of params.yaml, section by section.

    Raises:
        InputError: a file is missing, is not YAML, or holds a value the study cannot use.
    """
    root = Path(root)
    study = read_yaml(root / "params.yaml")
    if over is not None:
        study = merge(study, read_yaml(over, "Give the path of a YAML file, such as a changed copy of params.yaml."))
    known = {path.stem: path for path in sorted((root / "scales").glob("*.yaml"))}
    scale = scale or str(study.get("scale"))
    if scale not in known:
        raise InputError(str(root / "params.yaml"), f"no scale '{scale}' in scales/", nearest(scale, known))
    return parse(study, read_yaml(known[scale]))


def load_settings(root: Path, scale: str | None = None, over: Path | None = None) -> Params:
    """The parameters of a command that needs no study: those of the study at `root`, or else the packaged ones.

    Args:
        root: of `find_workplace`.
        scale, over: as of `load_params`.
    """
    return load_params(root if _has_settings(root) else packaged_settings(), scale, over)


def name_settings(root: Path, over: Path | None = None) -> str:
    """Where `load_settings` takes the parameters from, in words; arguments as there."""
    found = str(root / "params.yaml") if _has_settings(root) else "packaged defaults (no params.yaml here or above)"
    return f"{found}, then {over}" if over else found


def _has_settings(folder: Path) -> bool:
    """Whether a folder holds this library's parameters; other projects of DVC have a params.yaml too."""
    return is_study(folder) and (folder / "scales").is_dir()


def packaged_settings() -> Path:
    """The folder with the packaged params.yaml, scales/ and sources/: part of a wheel, or the checkout in use."""
    package = Path(mc2lib.__file__).parent
    inside = package / "packaged"
    return inside if inside.is_dir() else package.parent


def read_yaml(path: Path, remedy: str = "Run from the root of the study.") -> Mapping[str, Any]:
    """A YAML 1.2 file as a mapping.

    Args:
        path: of the file.
        remedy: what to do if there is none.

    Raises:
        InputError: there is no such file, or it is no such mapping; the message names the line.
    """
    if not path.exists():
        raise InputError(str(path), "no such file", remedy)
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise InputError(str(path), f"not YAML: {error}", "Correct the line named.") from error
    if not isinstance(content, Mapping):
        raise InputError(str(path), "not a mapping", "Write `key: value` lines.")
    return content


def override(section: Section, options: argparse.Namespace) -> Section:
    """A section of the parameters with what the command line sets."""
    given = {f.name: getattr(options, f.name, None) for f in dataclasses.fields(section)}
    return dataclasses.replace(section, **{name: value for name, value in given.items() if value is not None})


def is_study(folder: Path) -> bool:
    """Whether a folder is that of a study: it holds params.yaml and dvc.yaml."""
    return (folder / "params.yaml").exists() and (folder / "dvc.yaml").exists()


def find_root() -> Path:
    """The study's folder: the working directory or the nearest one above it that is a study's.

    Notebooks run from `notebooks/` in JupyterLab and from the root under DVC.

    Raises:
        InputError: there is none.
    """
    workplace = find_workplace()
    if not is_study(workplace):
        raise InputError(str(workplace), "no params.yaml here or above", "Run from inside the study's folder.")
    return workplace


def find_workplace() -> Path:
    """Where commands for a pool of one's own write by default: the study's folder, or the working directory."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if is_study(folder)), here)

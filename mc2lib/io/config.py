"""Reading params.yaml and the scale's file (YAML 1.2, as DVC reads them)."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from mc2lib.errors import InputError, nearest
from mc2lib.params import CuratePool, Machine, Params, parse

Section = TypeVar("Section", CuratePool, Machine)


def load_params(root: Path | str = ".", scale: str | None = None) -> Params:
    """The study's parameters from `root`/params.yaml and the scale it names, or another.

    Raises:
        InputError: a file is missing, is not YAML, or holds a value the study cannot use.
    """
    root = Path(root)
    study = read_yaml(root / "params.yaml")
    known = {path.stem: path for path in sorted((root / "scales").glob("*.yaml"))}
    scale = scale or str(study.get("scale"))
    if scale not in known:
        raise InputError(str(root / "params.yaml"), f"no scale '{scale}' in scales/", nearest(scale, known))
    return parse(study, read_yaml(known[scale]))


def read_yaml(path: Path) -> Mapping[str, Any]:
    """A YAML 1.2 file as a mapping; InputError names the file and the line."""
    if not path.exists():
        raise InputError(str(path), "no such file", "Run from the root of the study.")
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


def find_root() -> Path:
    """The study's folder: the nearest one above the working directory that holds params.yaml.

    Notebooks run from `notebooks/` in JupyterLab and from the root under DVC.
    """
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "params.yaml").exists() and (folder / "dvc.yaml").exists():
            return folder
    raise InputError(str(Path.cwd()), "no params.yaml here or above", "Run from inside the study's folder.")

"""Megabytes that each extra of pyproject.toml brings, at the versions that are installed here.

    python -m benchmarks.install_sizes

An extra is followed through what its distributions require on this machine; files are added up as pip recorded them,
bytecode included. A fresh environment has pip in addition.
"""

from __future__ import annotations

import importlib.metadata
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: Extras that a user picks, from the lightest on.
EXTRAS = ("curation", "training", "evaluation", "cluster", "study")


def find_needed(project: dict[str, Any], extra: str) -> set[str]:
    """The distributions that an extra needs, directly or not.

    Args:
        project: the table of that name in pyproject.toml.
        extra: its name.
    """
    found: set[str] = set()
    waiting = [Requirement(line) for line in (*project["dependencies"], *project["optional-dependencies"][extra])]
    while waiting:
        needed = waiting.pop()
        if needed.name == project["name"]:
            for other in needed.extras:
                waiting += map(Requirement, project["optional-dependencies"][other])
            continue
        name = canonicalize_name(needed.name)
        if name in found:
            continue
        try:
            required = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # for another system or Python
            continue
        found.add(name)
        asked = ["", *needed.extras]
        further = map(Requirement, required)
        waiting += [r for r in further if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in asked)]
    return found


def measure(names: Iterable[str]) -> int:
    """Bytes of some distributions' files."""
    paths = {Path(str(file.locate())) for name in names for file in importlib.metadata.files(name) or []}
    return sum(path.stat().st_size for path in paths if path.is_file())


def main() -> None:
    """Print one line per extra and, last, all as one JSON object."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    sizes = {}
    for extra in EXTRAS:
        names = find_needed(project, extra)
        sizes[extra] = {"distributions": len(names), "megabytes": round(measure(names) / 1e6)}
        print(f"{extra:<12}{len(names):>5} distributions{sizes[extra]['megabytes']:>8,} MB", flush=True)
    print(json.dumps(sizes))


if __name__ == "__main__":
    main()

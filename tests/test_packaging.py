"""pyproject.toml, requirements.lock, environment.yml and the Makefile say the same."""

import json
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from tests.conftest import ROOT, run

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINNED = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", LOCK, flags=re.MULTILINE)
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
#: Of the extras that requirements.lock holds, what each names itself.
DIRECT = [
    needed
    for lines in (PROJECT["dependencies"], *(EXTRAS[name] for name in ("study", "evaluation", "cluster", "training")))
    for needed in map(Requirement, (*lines, *EXTRAS["curation"], *EXTRAS["dev"]))
    if needed.name != "mc2lib"
]
ENVIRONMENT: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "environment.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("needed", sorted(set(DIRECT), key=str), ids=str)
def test_the_lock_holds_what_the_project_asks(needed: Requirement) -> None:
    versions = [version for name, version in PINNED if canonicalize_name(name) == canonicalize_name(needed.name)]
    assert versions, f"{needed.name} is not locked"
    assert all(needed.specifier.contains(version) for version in versions)


def test_every_pin_has_a_hash_and_no_index_is_named() -> None:
    blocks = re.split(r"^(?=[A-Za-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(PINNED) and all("--hash=sha256:" in block for block in blocks)
    assert "://" not in LOCK and "index-url" not in LOCK and " @ " not in LOCK


def test_copyleft_peers_are_in_no_environment_unasked() -> None:
    """AGPL and LGPL packages, and what only they need, are locked apart; the two locks share nothing."""
    text = (ROOT / "benchmarks" / "requirements.lock").read_text(encoding="utf-8")
    apart = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, flags=re.MULTILINE))
    assert {"gensim", "wikiextractor"} <= set(apart) and not set(apart) & {name for name, _ in PINNED}
    for needed in map(Requirement, PROJECT["optional-dependencies"]["benchmarks"]):
        assert needed.specifier.contains(apart[needed.name])
    assert "://" not in text and text.count("--hash=sha256:") >= len(apart)


def test_the_writers_of_pools_are_locked_apart_with_a_hash_each() -> None:
    """img2dataset wants an older pandas than the study has, so they have an environment of their own."""
    text = (ROOT / "tests" / "writers" / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    names = {block.split("==")[0] for block in blocks}
    assert {"img2dataset", "webdataset", "warcio"} <= names and all("--hash=sha256:" in block for block in blocks)
    assert "opencv-python" not in names  # it needs system libraries; the headless one does not
    assert "://" not in text and "index-url" not in text and " @ " not in text
    assert not names & {"img2dataset", "webdataset"} & {name for name, _ in PINNED}


def test_the_sites_lock_adds_to_the_environment_and_changes_nothing_in_it() -> None:
    text = (ROOT / "docs" / "requirements.lock").read_text(encoding="utf-8")
    added = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, flags=re.MULTILINE))
    assert not {canonicalize_name(name) for name in added} & {canonicalize_name(name) for name, _ in PINNED}
    for needed in map(Requirement, PROJECT["optional-dependencies"]["docs"]):
        assert needed.specifier.contains(added[needed.name])
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(added) and all("--hash=sha256:" in block for block in blocks) and "://" not in text


def test_a_wheel_holds_the_package_its_types_and_its_command_and_nothing_else(tmp_path: Path) -> None:
    build = "from hatchling.builders.wheel import WheelBuilder; import sys; "
    done = run("-c", f"{build}print(*WheelBuilder(sys.argv[1]).build(directory=sys.argv[2]))", str(ROOT), str(tmp_path))
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(done.stdout.strip()) as wheel:
        names = wheel.namelist()
        (entry_points,) = [name for name in names if name.endswith("/entry_points.txt")]
        assert "mc2lib = mc2lib.commands.command_line:main" in wheel.read(entry_points).decode()
    assert {name.split("/")[0] for name in names} == {"mc2lib", f"mc2lib-{PROJECT['version']}.dist-info"}
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mc2lib").rglob("*.py")}
    settings = [ROOT / "params.yaml", *(ROOT / "scales").glob("*.yaml"), *(ROOT / "sources").glob("*.json")]
    packaged = {f"mc2lib/packaged/{path.relative_to(ROOT).as_posix()}" for path in settings}
    models = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mc2lib").rglob("configs/*.json")}
    expected = sources | packaged | models | {"mc2lib/py.typed"}
    assert expected == {name for name in names if name.startswith("mc2lib/")}


def test_every_author_of_what_is_fetched_has_a_notice() -> None:
    notices = (ROOT / "docs" / "notices.md").read_text(encoding="utf-8")
    lock = json.loads((ROOT / "sources" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    drawings = [name.rpartition("/")[2] for name in lock if "@iconify-json" in name]
    assert len(drawings) == 8 and not [name for name in drawings if f"{name}`" not in notices]
    for name in drawings:
        if lock[f"node_modules/@iconify-json/{name}"]["license"].startswith("CC-BY"):
            (line,) = [line for line in notices.splitlines() if line.endswith(f"`@iconify-json/{name}`")]
            assert line.count("](https://") == 2, "author and licence, each with a link"
    excerpts = (ROOT / "tests" / "recipe" / "curation" / "texts.NOTICE.md").read_text(encoding="utf-8")
    assert "UNICODE LICENSE V3" in excerpts and 'PROVIDED "AS IS"' in excerpts


def test_conda_users_get_the_same_pins() -> None:
    pip = next(entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict))
    assert pip == ["-r requirements.lock"]
    python = next(entry for entry in ENVIRONMENT["dependencies"] if str(entry).startswith("python "))
    assert SpecifierSet(python.removeprefix("python ")) == SpecifierSet(PROJECT["requires-python"])
    assert ENVIRONMENT["name"] == PROJECT["name"]


def test_the_makefile_asks_for_the_projects_python() -> None:
    low, high = re.findall(r"\((\d+, \d+)\)", (ROOT / "Makefile").read_text(encoding="utf-8"))[:2]
    assert f">={low},<{high}".replace(", ", ".") == PROJECT["requires-python"]


def test_licence_and_citation() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text
    citation = YAML(typ="safe", pure=True).load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["license"] == "Apache-2.0" and citation["version"] == PROJECT["version"]
    assert "2507.22062" in str(citation["preferred-citation"])


def make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=cwd, capture_output=True, text=True)


def test_the_makefile_names_its_targets() -> None:
    shown = make("help").stdout
    for target in (
        "repro",
        "test",
        "smoke",
        "arm",
        "lab",
        "plan",
        "bench",
        "check",
        "docs",
        "env",
        "writers",
        "pools",
        "clean",
    ):
        assert f"make {target}" in shown
        assert make("--dry-run", target).returncode == 0


def test_an_old_python_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """In a copy with a space in its path, where only a Python 3.10 is to be found."""
    copy = tmp_path / "a checkout"
    old = tmp_path / "bin"
    for folder in (copy, old):
        folder.mkdir()
    for name in ("Makefile", "requirements.lock"):
        (copy / name).write_bytes((ROOT / name).read_bytes())
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        (old / name).write_text("#!/bin/sh\nexit 1\n")
        (old / name).chmod(0o755)
    done = subprocess.run(
        ["make", "env"], cwd=copy, env={"PATH": f"{old}:/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert done.returncode != 0 and "Python 3.11, 3.12 or 3.13 is needed" in done.stderr
    assert not (copy / ".venv").exists()


def test_the_commands_are_listed_and_unknown_ones_refused() -> None:
    assert "smoke" in run("-m", "mc2lib", "--help").stdout
    refused = run("-m", "mc2lib", "repor")
    assert refused.returncode == 2 and "invalid choice" in refused.stderr

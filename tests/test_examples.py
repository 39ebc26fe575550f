"""The scripts in examples/ run as their first lines say, and use public names only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SCRIPTS = sorted((ROOT / "examples").glob("*.py"))


def run_example(name: str, *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "examples" / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The tiny pool's folder, and what curating it printed."""
    folder = tmp_path_factory.mktemp("tiny") / "a folder"
    return folder, run_example("curate_tiny_pool.py", str(folder))


def test_a_tiny_pool_is_curated_and_its_table_adds_up(curated: tuple[Path, str]) -> None:
    _, printed = curated
    lines = printed.splitlines()
    first = next(number for number, line in enumerate(lines) if line.split() == ["step", "change", "left"])
    rows = [line.rsplit(maxsplit=2) for line in lines[first + 1 :]]
    table = rows[: 1 + next(number for number, row in enumerate(rows) if row[0].strip() == "kept")]
    steps = {step.strip(): (int(change), int(left)) for step, change, left in table}
    assert steps["rows of the pool"] == (20, 20)
    assert steps["language without metadata"][0] == -1 and steps["no entry matched"][0] == -1
    assert -12 <= steps["sampled out"][0] < 0  # of the twelve pairs that hold nothing but `photo`
    assert steps["kept"][1] == steps["sampled out"][1]
    assert 20 + sum(change for step, (change, _) in steps.items() if step != "rows of the pool") == steps["kept"][1]


def test_epochs_differ_and_repeat_and_keep_every_tail_pair(curated: tuple[Path, str]) -> None:
    out = str(curated[0] / "out")
    printed = run_example("draw_epochs.py", out, "3")
    assert printed == run_example("draw_epochs.py", out, "3")
    epochs = [{line[3:] for line in printed.splitlines() if line.startswith(f"{epoch}  ")} for epoch in range(3)]
    assert len(set(map(frozenset, epochs))) > 1
    assert all(sum("day" not in line for line in epoch) == 6 for epoch in epochs)


def test_one_text_is_explained() -> None:
    printed = run_example("explain_match.py", "a photo of a lighthouse").splitlines()
    assert [line.split() for line in printed[:-1]] == [
        ["a", "900,000", "head", "0.022"], ["photo", "400,000", "head", "0.050"],
        ["lighthouse", "1,200", "tail", "1.000"],
    ]  # fmt: skip
    assert printed[-1].split()[-1] == "1.000"
    assert run_example("explain_match.py", "a photo").splitlines()[-1].split()[-1] == "0.071"  # 1 - 0.978 * 0.95


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_a_page_that_says_how_to_run_it_and_uses_public_names(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert f"python examples/{path.name}" in (ast.get_docstring(tree) or "")
    assert len(text.splitlines()) <= 80
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [name.name for node in imported for name in node.names if name.name.startswith("_")]

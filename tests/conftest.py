"""What several tests share: the checkout, and one smoke study run end to end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from mc2lib.engine.kernels import forget_stale_kernels

ROOT = Path(__file__).parent.parent

forget_stale_kernels(ROOT / "mc2lib")
# an example that meets a function before it is compiled takes a second
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def run(*command: str, cwd: Path = ROOT, timeout: float = 400, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run this Python with `command`, output captured; the library is the one in `cwd`."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(cwd)} | environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def tracked(root: Path) -> list[Path]:
    """The checkout's own files: what git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return [root / line for line in listed.stdout.splitlines() if (root / line).is_file()]


@pytest.fixture(scope="session")
def smoke_study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A finished smoke study's folder, and what it printed."""
    folder = tmp_path_factory.mktemp("smoke study") / "study"  # a space in the path, as people have
    done = run("-m", "mc2lib", "smoke", "--folder", str(folder))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    yield folder, done.stdout
    shutil.rmtree(folder, ignore_errors=True)

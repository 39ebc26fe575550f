import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mc2lib.errors import InputError
from mc2lib.study.running.notebooks import STUDY_PID, check_parameters, is_dvc, run_notebook
from tests.conftest import ROOT, run


def write_notebook(root: Path, *code: str) -> Path:
    """A study whose notebook 9_tiny has the parameters arm, seed and scale, and then some code."""
    (root / "notebooks").mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        (root / name).touch()
    cells = [('arm = "a"\nseed = 0\nscale = None', ["parameters"]), *((text, []) for text in code)]
    content = {
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{i}",
                "metadata": {"tags": tags},
                "source": text,
                "outputs": [],
                "execution_count": None,
            }
            for i, (text, tags) in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path = root / "notebooks" / "9_tiny.ipynb"
    path.write_text(json.dumps(content))
    return path


def test_parameters_are_checked_by_name_and_type(tmp_path: Path) -> None:
    path = write_notebook(tmp_path)
    assert check_parameters(path, {"arm": "7", "seed": "2", "scale": "x"}) == {"arm": "7", "seed": 2, "scale": "x"}
    with pytest.raises(InputError, match=r"no parameter 'amr'. Did you mean 'arm'\?"):
        check_parameters(path, {"amr": "a"})
    with pytest.raises(InputError, match=r"seed is 'two', not int"):
        check_parameters(path, {"seed": "two"})


def test_an_unknown_notebook_gets_the_near_miss(tmp_path: Path) -> None:
    write_notebook(tmp_path)
    with pytest.raises(InputError, match=r"no notebook '9_tny'. Did you mean '9_tiny'\?"):
        run_notebook(tmp_path, "9_tny", {})


def test_cells_print_live_and_the_executed_notebook_is_kept(tmp_path: Path) -> None:
    """The first line is seen while the cell still runs; the notebook stays without outputs."""
    path = write_notebook(tmp_path, "import time\nprint(arm, seed, flush=True)\ntime.sleep(3)\nprint('end')")
    before = path.read_bytes()
    command = [sys.executable, "-m", "mc2lib", "notebook", "9_tiny", "-p", "arm", "b"]
    began = time.monotonic()
    with subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    ) as done:
        assert done.stdout is not None
        assert done.stdout.readline() == "b 0\n"
        first = time.monotonic() - began
        assert done.stdout.read() == "end\n"
        assert time.monotonic() - began > first + 2
    assert done.returncode == 0
    assert path.read_bytes() == before
    report = json.loads((tmp_path / "reports" / "9_tiny.b.ipynb").read_text())
    assert "end" in str(report["cells"][-1]["outputs"])


def test_a_failed_cell_and_a_killed_kernel_are_told_apart(tmp_path: Path) -> None:
    write_notebook(tmp_path / "failed", "raise ValueError('no such thing')")
    failed = run("-m", "mc2lib", "notebook", "9_tiny", cwd=tmp_path / "failed", PYTHONPATH=str(ROOT))
    assert failed.returncode == 1
    assert "9_tiny, cell 2: ValueError: no such thing" in failed.stderr
    assert "reports/9_tiny.ipynb" in failed.stderr
    write_notebook(tmp_path / "killed", "import os\nos.kill(os.getpid(), 9)")
    killed = run("-m", "mc2lib", "notebook", "9_tiny", cwd=tmp_path / "killed", PYTHONPATH=str(ROOT), timeout=90)
    assert killed.returncode == 1
    assert "its kernel died" in killed.stderr and "run `make repro` again" in killed.stderr


def test_nothing_runs_on_when_the_study_is_killed(tmp_path: Path) -> None:
    """The kernel starts a process of its own, as training does; all of it ends with the study."""
    write_notebook(tmp_path, "import subprocess\nprint('here', flush=True)\nsubprocess.run(['sleep', '120'])")
    study = subprocess.Popen(["sleep", "120"])
    notebook = subprocess.Popen(
        [sys.executable, "-m", "mc2lib", "notebook", "9_tiny"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), STUDY_PID: str(study.pid)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert notebook.stdout is not None and notebook.stdout.readline() == "here\n"
    time.sleep(0.5)
    children = psutil.Process(notebook.pid).children(recursive=True)
    assert len(children) >= 2
    study.kill()
    study.wait()
    assert notebook.wait(timeout=15) == 1
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert not alive and len(gone) == len(children)


def test_dvc_is_recognised() -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    for command, expected in ((["dvc", "repro"], True), (["devices"], False)):
        process = subprocess.Popen([*sleeper, *command])
        try:
            time.sleep(0.2)
            assert is_dvc(psutil.Process(process.pid)) == expected
        finally:
            process.kill()
            process.wait()

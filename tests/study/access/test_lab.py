"""JupyterLab on the study: a notebook that is opened, run and saved stays as git has it."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from jupyter_server.services.contents.filemanager import FileContentsManager

from mc2lib.study.access import lab
from mc2lib.study.access.lab import lab_environment, lab_options, open_lab, strip_outputs
from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with the repository's notebooks and Jupyter's configuration."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    shutil.copytree(ROOT / ".jupyter", tmp_path / ".jupyter")
    return tmp_path


def run_in_browser(content: dict) -> None:
    """What JupyterLab changes in an open notebook when its cells are run."""
    content["metadata"]["language_info"] = {"name": "python", "version": "3.11.7"}
    content["metadata"]["widgets"] = {"state": {}}
    for number, cell in enumerate(content["cells"]):
        cell["metadata"]["trusted"] = True
        if cell["cell_type"] == "code":
            cell["metadata"] |= {"execution": {"iopub.status.idle": "now"}, "scrolled": True}
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "seen\n"}]
            cell["execution_count"] = number


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_jupyters_own_saving_leaves_every_notebook_as_git_has_it(path: Path, study: Path) -> None:
    manager = FileContentsManager(root_dir=str(study))
    manager.pre_save_hook = strip_outputs
    name = path.relative_to(ROOT).as_posix()
    before = (study / name).read_bytes()
    model = manager.get(name)
    run_in_browser(model["content"])
    manager.save({"type": "notebook", "format": "json", "content": model["content"]}, name)
    after = (study / name).read_bytes()
    assert after == before


def test_edits_are_saved_and_only_in_the_studys_notebooks_are_outputs_taken_out(study: Path) -> None:
    manager = SimpleNamespace(root_dir=str(study))
    content = json.loads((study / "notebooks" / "0_pool.ipynb").read_text(encoding="utf-8"))
    run_in_browser(content)
    content["cells"][0]["source"] = "# Mine"
    model = {"type": "notebook", "content": content}
    elsewhere = copy.deepcopy(model)
    strip_outputs(model=model, path="/notebooks/new.ipynb", contents_manager=manager)
    assert content["cells"][0]["source"] == "# Mine" and "widgets" in content["metadata"], "there is no stored one"
    assert not any(cell.get("outputs") for cell in content["cells"])
    before = copy.deepcopy(elsewhere)
    strip_outputs(model=elsewhere, path="mine/notebooks.ipynb", contents_manager=manager)
    assert elsewhere == before
    text = {"type": "file", "content": "outputs"}
    strip_outputs(model=text, path="notebooks/a.txt", contents_manager=manager)
    assert text == {"type": "file", "content": "outputs"}


def test_a_server_started_as_make_lab_does_has_the_hook(study: Path) -> None:
    """Jupyter reads the configuration from the environment that `make lab` sets, in a process of its own."""
    asked = (
        "from jupyterlab.labapp import LabApp; import sys;"
        "app = LabApp.initialize_server(argv=sys.argv[1:]);"
        "print('HOOK', app.contents_manager.pre_save_hook.__module__, app.root_dir, app.allow_root)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked, *lab_options(study, superuser=True), "--no-browser", "--port=0"],
        cwd=study,
        env=lab_environment(study) | {"PYTHONPATH": str(ROOT), "JUPYTER_RUNTIME_DIR": str(study / "runtime")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert f"HOOK mc2lib.study.access.lab {study} True" in done.stdout, done.stderr[-3000:]


def test_lab_takes_jupyters_options_and_roots_at_the_study(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    monkeypatch.setattr(
        subprocess, "run", lambda command, **more: ran.append((command, more)) or SimpleNamespace(returncode=3)
    )
    monkeypatch.setattr(lab, "is_superuser", lambda: False)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "mine")
    assert open_lab(study, ["--no-browser"]) == 3
    ((command, more),) = ran
    assert (
        command[-1] == "--no-browser" and f"--ServerApp.root_dir={study}" in command and "--allow-root" not in command
    )
    assert more["cwd"] == study
    assert more["env"]["JUPYTER_CONFIG_PATH"] == os.pathsep.join([str(study / ".jupyter"), "mine"])

"""JupyterLab on the study, so that opening, running and saving a notebook changes no file that git or DVC tracks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mc2lib.io.files import read_json
from mc2lib.study.running.dvc_runs import environment

#: Notebooks in this folder are stored without outputs.
FOLDER = "notebooks"
#: What JupyterLab and its extensions note in a cell when it is run or folded.
VOLATILE = ("ExecuteTime", "collapsed", "execution", "jupyter", "papermill", "scrolled", "trusted")
#: The folder of the configuration that sets the hook.
CONFIGURATION = ".jupyter"


def open_lab(root: Path, options: Sequence[str] = ()) -> int:
    """Open JupyterLab with the study's library at hand.

    Args:
        root: the study's folder, which becomes the root of JupyterLab's file browser.
        options: JupyterLab's own, such as `--no-browser`.

    Returns:
        its exit status.
    """
    command = [sys.executable, "-m", "jupyterlab", *lab_options(root, is_superuser()), *options]
    return subprocess.run(command, cwd=root, env=lab_environment(root)).returncode


def lab_environment(root: Path) -> dict[str, str]:
    """The environment of JupyterLab: the study's, and its configuration next to the reader's own."""
    folders = filter(None, [str(root / CONFIGURATION), os.environ.get("JUPYTER_CONFIG_PATH", "")])
    return environment(root) | {"JUPYTER_CONFIG_PATH": os.pathsep.join(folders)}


def lab_options(root: Path, superuser: bool = False) -> list[str]:
    """The options that JupyterLab is opened with.

    Args:
        root: the study's folder.
        superuser: whether root opens it, as in a container; JupyterLab wants to be told that this is meant.
    """
    return [
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{FOLDER}",
        *(["--allow-root"] if superuser else []),
    ]


def is_superuser() -> bool:
    """Whether root runs this process; False where the system knows no such user."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def strip_outputs(model: dict[str, Any], path: str, contents_manager: Any, **_: Any) -> None:
    """Take outputs and execution counts out of a notebook of notebooks/ before JupyterLab writes it.

    The open notebook keeps them on the screen. Its own metadata stay as stored: a kernel would write its version there.

    Args:
        model: of Jupyter's contents API; a notebook in it is changed in place.
        path: from the root of the file browser.
        contents_manager: whose `root_dir` that root is.
    """
    if model.get("type") != "notebook" or PurePosixPath(path.strip("/")).parts[:1] != (FOLDER,):
        return
    content = model["content"]
    for cell in content["cells"]:
        cell["metadata"] = {name: value for name, value in cell["metadata"].items() if name not in VOLATILE}
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    stored = Path(contents_manager.root_dir) / path.strip("/")
    if stored.exists():
        content["metadata"] = read_json(stored)["metadata"]

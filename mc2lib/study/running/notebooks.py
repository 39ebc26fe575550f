"""Executing a stage's notebook with papermill: parameters checked, output live, no process left behind."""

from __future__ import annotations

import ast
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import papermill
import psutil
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from mc2lib.errors import InputError, nearest

#: Set by whoever starts DVC: the process without which a stage must not go on.
STUDY_PID = "MC2LIB_STUDY_PID"

WATCH_SECONDS = 1.0


def run_notebook(root: Path, name: str, parameters: Mapping[str, str]) -> Path:
    """Execute notebooks/<name>.ipynb from top to bottom; what its cells print appears as it comes.

    Args:
        root: the study's folder; the notebook runs there.
        name: the notebook's name without `.ipynb`.
        parameters: values for names that its `parameters` cell assigns, as written on a command line.

    Returns:
        the executed notebook, in reports/. It is a by-product: no stage reads it.

    Raises:
        InputError: there is no such notebook, or it has no such parameter.
        RuntimeError: a cell failed, or the kernel died.
    """
    source = _find(root, name)
    values = check_parameters(source, parameters)
    report = root / "reports" / (".".join([name, *map(str, values.values())]) + ".ipynb")
    report.parent.mkdir(exist_ok=True)
    stop_with_parents()
    # tqdm warns at import that it cannot draw a bar in a notebook that nobody watches
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"
    try:
        papermill.execute_notebook(
            str(source),
            str(report),
            parameters=values,
            kernel_name="python3",
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            cwd=str(root),
            extra_arguments=["--log-level=CRITICAL"],  # the kernel warns of its own transport, at every start
        )
    except PapermillExecutionError as error:
        shown = report.relative_to(root)
        raise RuntimeError(
            f"{name}, cell {error.exec_count}: {error.ename}: {error.evalue}\nThe traceback is in {shown}"
        ) from None
    except DeadKernelError as error:
        raise RuntimeError(
            f"{name}: its kernel died ({error}), perhaps for want of memory. Nothing finished is lost: "
            "run `make repro` again"
        ) from None
    return report


def check_parameters(notebook: Path, parameters: Mapping[str, str]) -> dict[str, Any]:
    """The parameters as values of the type of the notebook's defaults (papermill only warns of unknown names).

    Args:
        notebook: has a cell tagged `parameters` that assigns literals.
        parameters: name to value, as written on a command line.

    Raises:
        InputError: the notebook has no such parameter, or the value is not of its default's type.
    """
    known = {
        name: ast.literal_eval(found["default"]) for name, found in papermill.inspect_notebook(str(notebook)).items()
    }
    values: dict[str, Any] = {}
    for name, text in parameters.items():
        if name not in known:
            raise InputError(str(notebook), f"no parameter '{name}'", nearest(name, known))
        values[name] = (
            text if known[name] is None or isinstance(known[name], str) else _read(notebook, name, text, known[name])
        )
    return values


def _read(notebook: Path, name: str, text: str, default: Any) -> Any:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if type(value) is not type(default):
        raise InputError(
            str(notebook), f"{name} is '{text}', not {type(default).__name__}", f"The default is {default!r}."
        )
    return value


def _find(root: Path, name: str) -> Path:
    known = {path.stem: path for path in sorted((root / "notebooks").glob("*.ipynb"))}
    if name not in known:
        raise InputError(str(root / "notebooks"), f"no notebook '{name}'", nearest(name, known))
    return known[name]


def stop_with_parents() -> None:
    """End this process, its kernel and its ranks when what started them is gone.

    A killed `dvc repro` cannot tell its stages; without this they would train on beside the next one.
    """
    watched = find_parents()
    if watched:
        threading.Thread(target=_watch, args=(watched,), daemon=True).start()


def find_parents() -> list[psutil.Process]:
    """This process's ancestors up to DVC, and the process that `MC2LIB_STUDY_PID` names; empty outside a study."""
    parents = psutil.Process().parents()
    of_dvc = [i for i, parent in enumerate(parents) if is_dvc(parent)]
    watched = parents[: of_dvc[-1] + 1] if of_dvc else []
    if STUDY_PID in os.environ and psutil.pid_exists(int(os.environ[STUDY_PID])):
        watched.append(psutil.Process(int(os.environ[STUDY_PID])))
    return watched


def is_dvc(process: psutil.Process) -> bool:
    """Whether a process is a running `dvc` command."""
    try:
        words = process.cmdline()[:4]
        return process.status() != psutil.STATUS_ZOMBIE and any(Path(word).name in ("dvc", "dvc.exe") for word in words)
    except psutil.Error:
        return False


def _watch(watched: list[psutil.Process]) -> None:
    while all(_lives(process) for process in watched):
        time.sleep(WATCH_SECONDS)
    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()  # checkpoints appear whole or not at all, so nothing is torn
        except psutil.Error:
            continue
    os._exit(1)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False

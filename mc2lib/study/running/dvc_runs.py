"""Running the whole study, or one arm of it, with DVC; continuing what was killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from mc2lib.engine.lock import is_marked, remove_temporary
from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.io.files import read_json, require_space
from mc2lib.io.study_paths import Paths
from mc2lib.params import Params
from mc2lib.study.report import headline_text
from mc2lib.study.running.notebooks import STUDY_PID, is_dvc

SOURCES_BYTES = 1_600_000_000  # while fetching; 0.4 GB stay
PAIR_BYTES = 500  # a pair of one draw with its matches, its curated copies and DVC's cache: 390 measured, and room
RUN_BYTES = 30_000_000  # weights, tokenizer and DVC's copy of them: 23 MB measured at laptop scale, and room
WAIT_SECONDS = 15.0  # for the stages of a killed study to notice and end


def reproduce(root: Path) -> int:
    """Run `dvc repro` on the whole study and print the headline table and, last, the summary as one JSON line.

    Args:
        root: the study's folder.

    Returns:
        DVC's exit status.

    Raises:
        InputError: the parameters cannot be used, the disk is too full, or another run is at work here.
    """
    params = load_params(root)
    with exclusive(root):
        prepare(root, params)
        status = run_dvc(root, ["repro"])
        if status == 0:
            print_results(root)
    return status


def reproduce_arm(root: Path, arm: str) -> int:
    """Run one arm, its evaluation and the report on all arms evaluated so far.

    Args:
        root: the study's folder.
        arm: its name in params.yaml.

    Returns:
        DVC's exit status.

    Raises:
        InputError: as `reproduce`, or there is no such arm.
    """
    params = load_params(root)
    params.arm(arm)
    with exclusive(root):
        prepare(root, params)
        # alone: as a target with its dependencies, the report would ask for every arm
        for command in (["repro", f"evaluate@{arm}"], ["repro", "--single-item", "ablation"]):
            status = run_dvc(root, command)
            if status != 0:
                return status
        print_results(root)
    return 0


def print_results(root: Path) -> None:
    """Print where the report is, the headline table and, as the last line, the summary as JSON."""
    results = Paths(root).results
    summary: dict[str, Any] = read_json(results / "summary.json")
    print(f"\n{headline_text(summary)}\n")
    print(f"Report: {results / 'report.md'} (tables/ and figures/ beside it); executed notebooks: {root / 'reports'}")
    print(json.dumps(summary, ensure_ascii=False, sort_keys=True), flush=True)


# ---------------------------------------------------------------------- one at a time, and after a kill


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold the study's lock; the lock of a killed process frees itself.

    Raises:
        InputError: another process holds it; the message names its pid.
    """
    folder = root / ".dvc" / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / "study.pid"
    lock = FileLock(folder / "study.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        pid = holder.read_text().strip() if holder.exists() else "unknown"
        raise InputError(
            str(root), f"another run of this study is at work here (process {pid})", "Wait for it, or stop it."
        ) from None
    try:
        holder.write_text(f"{os.getpid()}\n")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def prepare(root: Path, params: Params) -> None:
    """Check the disk and clear what a killed run left: DVC's locks, a half-written dvc.lock, temporary files.

    Raises:
        InputError: the disk is too full, or a DVC process is at work here.
    """
    require_space(root, needed_bytes(root, params))
    clear_dvc_locks(root)
    clear_dvc_lock_file(root)
    for name in ("data", "runs", "results"):
        remove_temporary(root / name)


def clean(root: Path) -> int:
    """Remove what the study made in data/, runs/, reports/ and DVC's cache; say what stays.

    An output goes if it is, byte for byte, what dvc.lock says that its stage made; an executed notebook, if papermill
    says so in it. An output that was changed since, or that was never finished, stays: somebody may have put
    something there.

    Args:
        root: the study's folder.

    Returns:
        exit status 0.

    Raises:
        InputError: another run of the study is at work here.
    """
    from dvc.repo import Repo  # a second, for this command alone

    folders = ("data", "runs", "reports")
    with exclusive(root):
        for name in folders:
            remove_temporary(root / name)
        with Repo(str(root)) as repo:
            for stage in repo.index.stages:
                for out in stage.outs:
                    path = Path(out.fs_path)
                    if path.exists() and path.relative_to(root).parts[0] in folders and not out.changed_checksum():
                        _remove_output(path, root / ".dvc" / "cache", out.hash_info.value)
        if is_marked(Paths(root).curations):  # what the stages of curation work in; no stage's output
            shutil.rmtree(Paths(root).curations)
        for path in (root / "reports").glob("*.ipynb"):
            if "papermill" in read_json(path).get("metadata", {}):
                path.unlink()
        _remove_empty_folders(root, folders)
    left = sorted(str(path.relative_to(root)) for name in folders for path in (root / name).glob("*"))
    print("clean" + (f"; not the study's, or changed since it made them, and left: {', '.join(left)}" if left else ""))
    return 0


def _remove_output(path: Path, cache: Path, digest: str) -> None:
    """Remove an output of a stage, and the objects of DVC's cache that hold it."""
    listing = cache / "files" / "md5" / digest[:2] / digest[2:]
    objects = [digest]
    if digest.endswith(".dir") and listing.exists():
        objects += [entry["md5"] for entry in read_json(listing)]
    for name in objects:
        (cache / "files" / "md5" / name[:2] / name[2:]).unlink(missing_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _remove_empty_folders(root: Path, names: Sequence[str]) -> None:
    for name in names:
        for place, _, _ in os.walk(root / name, topdown=False):
            with suppress(OSError):  # it holds something
                Path(place).rmdir()


def needed_bytes(root: Path, params: Params) -> int:
    """Disk the study still needs, in bytes: nothing is asked twice for what is there."""
    paths = Paths(root)
    runs = sum(not (paths.run(arm, seed) / "model.json").exists() for arm in params.arms for seed in params.seeds)
    draws = sum(not paths.pool(mix, seed).exists() for mix in params.pool.mixes for seed in params.seeds)
    sources = 0 if paths.sources.exists() else SOURCES_BYTES
    return sources + draws * params.pool.pairs * PAIR_BYTES + runs * RUN_BYTES


def clear_dvc_locks(root: Path, wait: float = WAIT_SECONDS) -> None:
    """Remove the read-write locks of killed DVC processes.

    DVC drops those of dead processes itself, but not when another program has got the same process
    number since, nor when it was killed while it wrote them.

    Raises:
        InputError: a DVC process that holds one is still at work after `wait` seconds.
    """
    path = root / ".dvc" / "tmp" / "rwlock"
    end = time.monotonic() + wait
    while holders := [pid for pid in read_lock_holders(path) if _is_running_dvc(pid)]:
        if time.monotonic() > end:
            raise InputError(str(path), f"DVC is at work here (process {holders[0]})", "Wait for it, or stop it.")
        time.sleep(0.5)
    path.unlink(missing_ok=True)


def read_lock_holders(path: Path) -> list[int]:
    """The processes that DVC's read-write lock file names; none if it is missing or half-written."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        entries = [
            *held.get("write", {}).values(),
            *(entry for entries in held.get("read", {}).values() for entry in entries),
        ]
        return sorted({int(entry["pid"]) for entry in entries})
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return []


def _is_running_dvc(pid: int) -> bool:
    try:
        return is_dvc(psutil.Process(pid))
    except psutil.Error:
        return False


def clear_dvc_lock_file(root: Path) -> None:
    """Set a half-written dvc.lock aside: DVC refuses it, and can make it again."""
    path = root / "dvc.lock"
    if not path.exists():
        return
    try:
        whole = "stages" in YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError, TypeError):
        whole = False
    if not whole:
        aside = root / ".dvc" / "tmp" / "dvc.lock.broken"
        path.replace(aside)
        print(f"dvc.lock is not whole, as after a kill: moved to {aside}; finished stages are found again", flush=True)


def run_dvc(root: Path, arguments: Sequence[str]) -> int:
    """Run a DVC command in `root` with this very Python, its output live; returns its exit status."""
    previous = signal.signal(
        signal.SIGINT, lambda *_: None
    )  # Ctrl-C goes to DVC too: it ends its stage, then we report
    try:
        return subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=root, env=environment(root)).returncode
    finally:
        signal.signal(signal.SIGINT, previous)


def environment(root: Path) -> dict[str, str]:
    """The environment of a study's processes: this Python first, the study's own library, output unbuffered."""
    python = str(Path(sys.executable).parent)
    return os.environ | {
        "PATH": os.pathsep.join([python, os.environ.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")])),
        "PYTHONUNBUFFERED": "1",
        STUDY_PID: str(os.getpid()),
    }

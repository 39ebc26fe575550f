"""Tasks whose results carry a stamp: the digest of what they were made from, in a file next to their folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mc2lib.engine.tasks import TaskFailure, run_tasks
from mc2lib.errors import InputError
from mc2lib.io.files import read_json, write_json
from mc2lib.params import Machine
from mc2lib.pipeline.build_metadata.stored_counts import open_counts

REPORT_SECONDS = 5.0


def stamp_path(folder: Path) -> Path:
    """Where the stamp of a folder of counts is."""
    return folder.with_name(folder.name + ".json")


def is_counted(folder: Path, made: str) -> bool:
    """Whether a folder holds complete counts, made from what a digest says; otherwise they are made again.

    Args:
        folder: of the counts.
        made: the digest of what they should be made from.
    """
    try:
        if not stamp_path(folder).exists() or read_json(stamp_path(folder)).get("made") != made:
            return False
        open_counts(folder)
    except InputError:
        return False
    return True


def write_stamp(folder: Path, made: str, tally: Mapping[str, Any]) -> None:
    """Stamp a folder of counts.

    Args:
        folder: of the counts.
        made: the digest of what they were made from.
        tally: what became of the pages or lines that were read.
    """
    write_json({"made": made, "tally": dict(tally)}, stamp_path(folder))


def run_named(
    what: str,
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    machine: Machine,
    name: Callable[[Any], str],
    weight: Callable[[Any], int],
) -> tuple[dict[str, Any], dict[str, tuple[str, str, str]]]:
    """Run tasks, and print progress.

    Args:
        what: the tasks are, for the lines of progress.
        function: runs one task.
        tasks: to run.
        machine: says how many processes, or which engine.
        name: of a task, unique.
        weight: of a task, in any unit; the remaining time is estimated from it.

    Returns:
        Results by the names of tasks, and faults as (place, fault, remedy) by the names of tasks.
    """
    results: dict[str, Any] = {}
    faults: dict[str, tuple[str, str, str]] = {}
    total = sum(map(weight, tasks))
    began = shown = time.monotonic()
    done = 0
    for number, result in run_tasks(function, tasks, machine, describe=name):
        task = tasks[number]
        done += weight(task)
        if isinstance(result, TaskFailure):
            faults[name(task)] = (result.place, result.fault, result.remedy)
            print(f"{what} | failed: {result}", flush=True)
        else:
            results[name(task)] = result
        now = time.monotonic()
        if now - shown > REPORT_SECONDS or done == total:
            shown = now
            left = int((now - began) * (total - done) / max(done, 1))
            finished = len(results) + len(faults)
            print(f"{what} {finished}/{len(tasks)} | {left // 60:02d}:{left % 60:02d} left", flush=True)
    return results, faults

"""Tasks whose results carry a stamp: the digest of what they were made from, in a file next to their folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mc2lib.engine.progress import Progress
from mc2lib.engine.tasks import TaskFailure, run_tasks
from mc2lib.errors import InputError
from mc2lib.io.files import read_json, write_json
from mc2lib.params import Machine
from mc2lib.pipeline.build_metadata.stored_counts import open_counts


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
    unit: str,
    weight: Callable[[Any], int] = lambda task: 1,
) -> tuple[dict[str, Any], dict[str, tuple[str, str, str]]]:
    """Run tasks, and print progress.

    Args:
        what: is being done, for the lines of progress.
        function: runs one task.
        tasks: to run.
        machine: says how many processes, or which engine.
        name: of a task, unique.
        unit: of `weight`, in the lines of progress.
        weight: of a task; the remaining time is estimated from it.

    Returns:
        Results by the names of tasks, and faults as (place, fault, remedy) by the names of tasks.
    """
    results: dict[str, Any] = {}
    faults: dict[str, tuple[str, str, str]] = {}
    with Progress(what, sum(map(weight, tasks)), unit) as progress:
        for number, result in run_tasks(function, tasks, machine, describe=name):
            task = tasks[number]
            if isinstance(result, TaskFailure):
                faults[name(task)] = (result.place, result.fault, result.remedy)
                print(f"{what} | failed: {result}", flush=True)
            else:
                results[name(task)] = result
            progress.add(weight(task), note=f" | {len(results) + len(faults):,} of {len(tasks):,} tasks")
    return results, faults

"""One step of a run over many shards: its tasks' results, and what ends the whole run."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from mc2lib.engine.tasks import TaskFailure, run_tasks
from mc2lib.errors import InputError
from mc2lib.io.column_files import write_columns
from mc2lib.params import Machine

REPORT_SECONDS = 5.0
#: What a write raises when there is no room.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Stop:
    """What a task says to end the whole run, not one shard: a fault of the machine or of the metadata."""

    place: str
    fault: str
    remedy: str


def run_step(
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    machine: Machine,
    describe: Callable[[Any], str] = str,
    set_aside: Callable[[int, TaskFailure], None] | None = None,
) -> Iterator[Any]:
    """The results of a step's tasks, as they come.

    Args:
        function, tasks, machine, describe: as `run_tasks`.
        set_aside: is told the number of a task that failed, and why; by default that ends the run.

    Raises:
        InputError: a task says so, or failed and is not set aside.
    """
    for number, result in run_tasks(function, tasks, machine, describe=describe):
        if isinstance(result, Stop):
            raise InputError(result.place, result.fault, result.remedy)
        if not isinstance(result, TaskFailure):
            yield result
        elif set_aside is None:
            raise InputError(result.place, result.fault, result.remedy)
        else:
            set_aside(number, result)


def no_room(out: Path, error: OSError) -> Stop:
    """The end of the run where the disk has no room; anything else is raised again."""
    # NumPy says only how much it could write
    short = error.errno is None and "requested and" in str(error)
    if error.errno not in NO_ROOM and "No space left" not in str(error) and not short:
        raise error
    remedy = "Free some space and run again: what is finished stays."
    return Stop(str(out), f"no room to write ({error})", remedy)


def write_or_stop(out: Path, path: Path, columns: Iterable[npt.NDArray[Any]]) -> Stop | None:
    """Write columns as a task does, which ends the run where `out`'s disk is full."""
    try:
        write_columns(path, columns)
    except OSError as error:
        return no_room(out, error)
    return None


def run_missing(
    function: Callable[[Any], Stop | None], tasks: Sequence[tuple[Any, ...]], machine: Machine | None, say: str
) -> None:
    """Run the tasks whose file, the second of each, is not there yet.

    Args:
        function, tasks: as `run_step`.
        machine: engine and workers; None runs them here, before workers would be there, and without a word.
        say: what is done to the tasks, in messages.

    Raises:
        InputError: a task fails.
    """
    missing = [task for task in tasks if not task[1].exists()]
    if machine is None:
        for stop in map(function, missing):
            if stop is not None:
                raise InputError(stop.place, stop.fault, stop.remedy)
        return
    shown = time.monotonic()
    for done, _ in enumerate(run_step(function, missing, machine, lambda task: str(task[1])), 1):
        if done == len(missing) or time.monotonic() - shown > REPORT_SECONDS:
            shown = time.monotonic()
            print(f"{say}, {done:,} of {len(missing):,}", flush=True)

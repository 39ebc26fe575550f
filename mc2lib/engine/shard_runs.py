"""One step of a run over many shards: its tasks' results, and what ends the whole run."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mc2lib.engine.tasks import TaskFailure, run_tasks
from mc2lib.errors import InputError
from mc2lib.params import Machine

#: What a write raises when there is no room.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Stop:
    """What a task says to end the whole run, not one shard: a fault of the machine or of the metadata."""

    place: str
    fault: str
    cure: str


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
            raise InputError(result.place, result.fault, result.cure)
        if not isinstance(result, TaskFailure):
            yield result
        elif set_aside is None:
            raise InputError(result.place, result.fault, result.cure)
        else:
            set_aside(number, result)


def no_room(out: Path, error: OSError) -> Stop:
    """The end of the run where the disk has no room; anything else is raised again."""
    # NumPy says only how much it could write
    short = error.errno is None and "requested and" in str(error)
    if error.errno not in NO_ROOM and "No space left" not in str(error) and not short:
        raise error
    cure = "Free some space and run again: what is finished stays."
    return Stop(str(out), f"no room to write ({error})", cure)

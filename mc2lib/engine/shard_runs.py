"""One step of a run over many shards: its tasks' results, and what ends the whole run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from mc2lib.engine.progress import Progress
from mc2lib.engine.tasks import TaskFailure, run_tasks
from mc2lib.errors import InputError
from mc2lib.params import Machine


class WritesFile(Protocol):
    """A task whose whole result is one file."""

    @property
    def path(self) -> Path:
        """The file that it writes."""


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
        InputError: a task failed and is not set aside, or for a reason that ends the run (`RunError`).
    """
    for number, result in run_tasks(function, tasks, machine, describe=describe):
        if not isinstance(result, TaskFailure):
            yield result
        elif set_aside is None or result.ends_run:
            raise InputError(result.place, result.fault, result.remedy)
        else:
            set_aside(number, result)


def map_tasks(
    function: Callable[[Any], Any], tasks: Sequence[Any], machine: Machine, describe: Callable[[Any], str] = str
) -> list[Any]:
    """The results of a step's tasks, in the order of the tasks.

    Args:
        function, tasks, machine, describe: as `run_tasks`.

    Raises:
        InputError: a task failed.
    """
    results: dict[int, Any] = {}
    for number, result in run_tasks(function, tasks, machine, describe=describe):
        if isinstance(result, TaskFailure):
            raise InputError(result.place, result.fault, result.remedy)
        results[number] = result
    return [results[number] for number in range(len(tasks))]


def run_missing(
    function: Callable[[Any], None], tasks: Sequence[WritesFile], machine: Machine | None, say: str, items: str
) -> None:
    """Run the tasks whose file is not there yet.

    Args:
        function, tasks: as `run_step`.
        machine: engine and workers; None runs them here, before workers would be there, and without a word.
        say: what the step does, the first words of its progress.
        items: what the tasks are called there.

    Raises:
        InputError: a task fails.
    """
    missing = [task for task in tasks if not task.path.exists()]
    if machine is None:
        for task in missing:
            function(task)
        return
    with Progress(say, len(missing), items) as progress:
        for _ in run_step(function, missing, machine, lambda task: str(task.path)):
            progress.add()

"""An engine for tests: tasks run one after another in the test's own process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mc2lib.engine.tasks import _attempt
from mc2lib.params import Machine


def run_in_turn(
    function: Callable[[Any], Any],
    tasks: Iterable[Any],
    machine: Machine,
    *,
    describe: Callable[[Any], str] | None = None,
) -> Iterator[tuple[int, Any]]:
    """What `run_tasks` gives, without workers, which start slowly."""
    for number, task in enumerate(tasks):
        yield number, _attempt(function, task, (describe or str)(task))

"""Tasks for the engines' tests: top-level functions, which workers import."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from mc2lib.engine.tasks import run_tasks
from mc2lib.errors import InputError
from mc2lib.params import Machine


def square_or_fail(number: int) -> int:
    """The square; each kind of failure for some numbers."""
    if number == 3:
        raise InputError("shard 3", "is cut", "Fetch it.")
    if number == 4:
        raise ZeroDivisionError("by nothing")
    return number * number


def die_until(task: tuple[Path, str, int]) -> str:
    """Die by SIGKILL in the first `deaths` attempts, counted in a file; then say who lived."""
    folder, name, deaths = task
    died = len(list(folder.glob(f"{name}.*")))
    if died < deaths:
        (folder / f"{name}.{died}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return name


def give_lambda(number: int) -> object:
    """A result that does not pickle."""
    return lambda: number


def note_and_sleep(task: tuple[Path, float]) -> int:
    """Write this worker's process number to a file, then sleep."""
    folder, seconds = task
    (folder / str(os.getpid())).touch()
    time.sleep(seconds)
    return os.getpid()


if __name__ == "__main__":  # run by a test that kills or interrupts it
    machine = Machine(processes=2, checkpoint_seconds=1)
    list(run_tasks(note_and_sleep, [(Path(sys.argv[1]), 60.0)] * 2, machine))


def power(number: int, exponent: int) -> int:
    """A number to a power."""
    return number**exponent


def parent_of_worker(_: int) -> int:
    """The process that this worker was forked from."""
    return os.getppid()


def say_pid_and_sleep(seconds: float) -> None:
    """Print the worker's number, and sleep."""
    print(os.getpid(), flush=True)
    time.sleep(seconds)

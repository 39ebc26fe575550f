"""Running many tasks: on this machine's processes, or on Ray. A result never depends on which.

A task is one call of a top-level function, such as the curation of one shard. Whatever happens to it
comes back as a value: its result, or a `TaskFailure` that names it. A worker that dies (killed, out of
memory, crashed in C) takes no other task with it: it is replaced, and its task tried again.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from mc2lib.engine.machine import count_workers
from mc2lib.errors import InputError, RunError
from mc2lib.params import Machine

Task = TypeVar("Task")
Result = TypeVar("Result")

STOP_SECONDS = 2.0  # for a worker to end before it is killed
AHEAD = 2  # tasks a Ray CPU is given at a time, so that it need not wait for the next


@dataclass(frozen=True)
class TaskFailure:
    """A task that gave no result.

    Args:
        place: the file or key the fault is in, else the task.
        fault: what went wrong.
        attempts: how often the task was tried.
        remedy: what the person should do about it.
        ends_run: whether the fault is one of all tasks, such as a full disk.
    """

    place: str
    fault: str
    attempts: int
    remedy: str = "Correct the cause and run again."
    ends_run: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.fault}. {self.remedy}"


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    machine: Machine,
    *,
    describe: Callable[[Task], str] | None = None,
) -> Iterator[tuple[int, Result | TaskFailure]]:
    """Call `function` on every task, many at a time.

    Args:
        function: top-level in a module that workers can import.
        tasks: taken one by one as workers become free; each must pickle.
        machine: engine, workers, address and retries.
        describe: a task's name in messages; by default the task as text.

    Returns:
        (number of the task, its result or a TaskFailure), in the order they end. Closing the iterator
        stops the workers.

    Raises:
        InputError: the Ray cluster cannot be reached.
    """
    run = _run_on_ray if machine.engine == "ray" else _run_here
    yield from run(function, tasks, machine, describe or str)


def _attempt(function: Callable[[Any], Any], task: Any, place: str) -> Any:
    """The result of one task, or the TaskFailure that its exception is."""
    try:
        return function(task)
    except InputError as error:
        return TaskFailure(error.place, error.fault, 1, error.remedy, isinstance(error, RunError))
    except Exception as error:
        return TaskFailure(place, f"{type(error).__name__}: {error}", 1)


@contextmanager
def keep_engine(machine: Machine) -> Iterator[None]:
    """Hold on to what `run_tasks` runs on over several calls of it: starting Ray takes seconds, each time.

    Args:
        machine: engine, workers and address. Processes of this machine start at once, and are not kept.

    Raises:
        InputError: the Ray cluster cannot be reached.
    """
    if machine.engine == "ray":
        with _ray(machine):
            yield
    else:
        yield


# ---------------------------------------------------------------------- processes of this machine


@dataclass(frozen=True)
class _Job:
    number: int
    task: Any
    place: str
    attempts: int = 1


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    job: _Job | None = None


def _run_here(
    function: Callable[[Any], Any], tasks: Iterable[Any], machine: Machine, describe: Callable[[Any], str]
) -> Iterator[tuple[int, Any]]:
    context = _context(_module_of(function))
    limit = max(1, count_workers(machine))
    fresh = (_Job(number, task, describe(task)) for number, task in enumerate(tasks))
    again: deque[_Job] = deque()
    workers: list[_Worker] = []
    try:
        while True:
            _hand_out(function, fresh, again, workers, limit, context)
            busy = {worker.connection: worker for worker in workers if worker.job}
            if not busy:
                return
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]
                job, worker.job = worker.job, None
                assert job is not None
                try:
                    result = worker.connection.recv()
                except (EOFError, OSError):  # the other end is gone, and the worker with it
                    workers.remove(worker)
                    cause = _bury(worker)
                    if job.attempts <= machine.retries:
                        again.append(replace(job, attempts=job.attempts + 1))
                        continue
                    result = TaskFailure(job.place, _death(cause, job.attempts), job.attempts)
                except Exception as error:  # what was sent cannot be put together again
                    result = TaskFailure(job.place, f"its result cannot be received ({error})", job.attempts)
                if isinstance(result, TaskFailure):
                    result = replace(result, attempts=job.attempts)
                yield job.number, result
    finally:
        _stop(workers)


def _module_of(function: Callable[[Any], Any]) -> str:
    """The module of a function, or of the one that a `functools.partial` calls."""
    return str(getattr(function, "func", function).__module__)


def _watch_parent() -> None:
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _context(module: str) -> BaseContext:
    """How workers start: never by forking this process, whose threads (Arrow's, Numba's) do not survive that.

    A fork server imports the library once, and sets up what it compiles with, so that a worker, or its
    replacement, is there at once.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module, "mc2lib.engine.preload"])
    return context


def _hand_out(
    function: Callable[[Any], Any],
    fresh: Iterator[_Job],
    again: deque[_Job],
    workers: list[_Worker],
    limit: int,
    context: BaseContext,
) -> None:
    """Give every free worker a task, and start workers up to `limit` while there are tasks."""
    while len(idle := [worker for worker in workers if worker.job is None]) or len(workers) < limit:
        job = again.popleft() if again else next(fresh, None)
        if job is None:
            return
        worker = idle[0] if idle else _start(function, context)
        if not idle:
            workers.append(worker)
        worker.job = job
        with suppress(OSError):  # it died idle: reading from it will tell
            worker.connection.send((job.task, job.place))


def _start(function: Callable[[Any], Any], context: BaseContext) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, function), daemon=True)  # type: ignore[attr-defined]
    process.start()
    theirs.close()  # or the worker's end would never be seen
    return _Worker(process, ours)


def _work(connection: Connection, function: Callable[[Any], Any]) -> None:
    """A worker's life: tasks in, results out, until there are no more or the one who asks is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the one who asks stops us
    _watch_parent()
    while True:
        try:
            task, place = connection.recv()
        except (EOFError, OSError):
            return
        result = _attempt(function, task, place)
        try:
            connection.send(result)
        except OSError:
            return
        except Exception as error:  # a result that does not pickle
            connection.send(TaskFailure(place, f"its result cannot be sent ({error})", 1))


def _leave_with_parent() -> None:
    """End this worker, whatever it does, when the process that asked for it has ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _bury(worker: _Worker) -> int | None:
    """Wait for a dead worker; returns its exit status, below zero for a signal."""
    worker.connection.close()
    worker.process.join(STOP_SECONDS)
    if worker.process.is_alive():  # it closed its end and stays: not ours to wait for
        worker.process.kill()
        worker.process.join()
    return worker.process.exitcode


def _death(status: int | None, attempts: int) -> str:
    names = {number.value: number.name for number in signal.Signals}
    how = names.get(-(status or 0), f"exit status {status}")
    hint = " (often: out of memory)" if how == "SIGKILL" else ""
    return f"its worker died in {attempts} of {attempts} attempts, the last by {how}{hint}"


def _stop(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.connection.close()
        if worker.job:
            worker.process.terminate()
    for worker in workers:
        worker.process.join(STOP_SECONDS)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


# ---------------------------------------------------------------------- Ray


def _run_on_ray(
    function: Callable[[Any], Any], tasks: Iterable[Any], machine: Machine, describe: Callable[[Any], str]
) -> Iterator[tuple[int, Any]]:
    with _ray(machine) as ray:
        remote = ray.remote(num_cpus=1, max_retries=machine.retries)(_attempt)
        limit = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        fresh = (_Job(number, task, describe(task)) for number, task in enumerate(tasks))
        flying: dict[Any, _Job] = {}
        try:
            while True:
                while len(flying) < limit and (job := next(fresh, None)) is not None:
                    flying[remote.remote(function, job.task, job.place)] = job
                if not flying:
                    return
                for reference in ray.wait(list(flying))[0]:
                    job = flying.pop(reference)
                    yield job.number, _receive(ray, reference, job, machine.retries + 1)
        finally:
            for reference in flying:
                ray.cancel(reference, force=True)


def _receive(ray: Any, reference: Any, job: _Job, attempts: int) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:  # the task ran, and its result cannot be sent
        return TaskFailure(job.place, f"its result cannot be sent ({error.cause})", 1)
    except ray.exceptions.RayError as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return TaskFailure(job.place, f"its worker died in {attempts} of {attempts} attempts ({first})", attempts)


@contextmanager
def _ray(machine: Machine) -> Iterator[Any]:
    """Ray, connected: to what the caller has started, to `machine.address`, or to one started here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    import ray

    if ray.is_initialized():
        yield ray
        return
    here: dict[str, Any] = {}
    if machine.address is None:
        here = {"num_cpus": max(1, count_workers(machine)), "include_dashboard": False}
    try:
        ray.init(address=machine.address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        remedy = "Start it with `ray start --head`, or leave machine.address out to start one here."
        raise InputError(
            f"Ray at {machine.address or 'this machine'}", f"no cluster there ({error})", remedy
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()

"""The local engine: what tasks give, and what becomes of workers that die and runs that are stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
import ray

from mc2lib.engine.shard_runs import map_tasks
from mc2lib.engine.tasks import TaskFailure, keep_engine, run_tasks
from mc2lib.errors import InputError
from mc2lib.params import Machine
from tests.conftest import ROOT
from tests.engine.tasks import die_until, give_lambda, note_and_sleep, parent_of_worker, power, square_or_fail

TWO = Machine(processes=2, checkpoint_seconds=1)


def wait_for(condition, seconds: float = 20.0) -> bool:
    """Whether `condition()` came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_every_task_comes_back_once_as_result_or_failure():
    found = dict(run_tasks(square_or_fail, range(7), TWO, describe=lambda number: f"task {number}"))
    assert {n: r for n, r in found.items() if n not in (3, 4)} == {0: 0, 1: 1, 2: 4, 5: 25, 6: 36}
    assert found[3] == TaskFailure("shard 3", "is cut", 1, "Fetch it.")
    assert (found[4].place, found[4].fault, found[4].attempts) == ("task 4", "ZeroDivisionError: by nothing", 1)


def test_no_tasks_no_workers():
    assert list(run_tasks(square_or_fail, [], TWO)) == []


def test_a_result_that_cannot_be_sent_is_a_failure():
    [(number, failure)] = run_tasks(give_lambda, [1], TWO)
    assert number == 0 and isinstance(failure, TaskFailure) and "cannot be sent" in failure.fault


def test_a_worker_that_dies_is_replaced_and_its_task_tried_again(tmp_path: Path):
    tasks = [(tmp_path, "a", 0), (tmp_path, "b", 2), (tmp_path, "c", 0), (tmp_path, "d", 1)]
    assert sorted(result for _, result in run_tasks(die_until, tasks, TWO)) == ["a", "b", "c", "d"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.0", "b.1", "d.0"]


def test_the_task_that_always_kills_its_worker_is_named_and_the_others_go_on(tmp_path: Path):
    tasks = [(tmp_path, name, 99 if name == "b" else 0) for name in "abcdef"]
    found = dict(run_tasks(die_until, tasks, TWO, describe=lambda task: f"shard {task[1]}"))
    assert [found[n] for n in (0, 2, 3, 4, 5)] == list("acdef")
    assert (found[1].place, found[1].attempts) == ("shard b", 3)
    assert "SIGKILL" in found[1].fault and "out of memory" in found[1].fault
    assert len(list(tmp_path.iterdir())) == 3


def test_tasks_are_taken_as_workers_become_free():
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(5, 25):
            taken.append(number)
            yield number

    for done, _ in enumerate(run_tasks(square_or_fail, tasks(), TWO), 1):
        assert len(taken) <= done + 2


def test_closing_the_iterator_stops_the_workers(tmp_path: Path):
    results = run_tasks(note_and_sleep, [(tmp_path, 0.0), (tmp_path, 60.0)], TWO)
    next(results)
    assert wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    results.close()
    assert not [path for path in tmp_path.iterdir() if psutil.pid_exists(int(path.name))]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_a_killed_or_interrupted_run(tmp_path: Path, number: int):
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.tasks", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        stderr=subprocess.PIPE,
        text=True,
        # whoever runs the tests in the background ignores Ctrl-C, and what is started inherits that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    run.send_signal(number)
    said = run.communicate(timeout=20)[1]
    assert run.returncode != 0 and (number == signal.SIGKILL or "KeyboardInterrupt" in said)
    assert wait_for(lambda: not [path for path in tmp_path.iterdir() if psutil.pid_exists(int(path.name))])


def test_a_cluster_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch):
    def refuse(**options: object) -> None:
        raise ConnectionError("nobody answers")

    monkeypatch.setattr(ray, "init", refuse)
    machine = Machine(processes=1, checkpoint_seconds=1, engine="ray", address="head:6379")
    with pytest.raises(InputError, match=r"head:6379.*nobody answers"):
        list(run_tasks(square_or_fail, [1], machine))


def test_ray_is_kept_over_several_calls(monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    monkeypatch.setattr(ray, "is_initialized", lambda: bool(said) and said[-1] == "init")
    monkeypatch.setattr(ray, "init", lambda **options: said.append("init"))
    monkeypatch.setattr(ray, "shutdown", lambda: said.append("shutdown"))
    monkeypatch.setattr(ray, "cluster_resources", lambda: {})
    machine = Machine(processes=1, checkpoint_seconds=1, engine="ray")
    with keep_engine(machine):
        assert not list(run_tasks(square_or_fail, [], machine)) and not list(run_tasks(square_or_fail, [], machine))
    assert said == ["init", "shutdown"]
    with keep_engine(TWO):
        assert said == ["init", "shutdown"], "nothing is started for processes of this machine"


def test_workers_are_not_forked_from_this_process_and_end_with_it():
    """Arrow's and Numba's threads do not survive a fork."""
    parents = {result for _, result in run_tasks(parent_of_worker, range(4), TWO)}
    assert os.getpid() not in parents
    code = "from mc2lib.engine.tasks import run_tasks\nfrom mc2lib.params import Machine\n"
    code += "from tests.engine.tasks import say_pid_and_sleep\n"
    code += "if __name__ == '__main__':\n    list(run_tasks(say_pid_and_sleep, [60], Machine(1, 1)))"
    run = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    worker = int(run.stdout.readline())
    run.kill()
    run.wait()
    assert wait_for(lambda: not psutil.pid_exists(worker))


def test_mapped_tasks_keep_their_order_and_a_fault_ends_them():
    assert map_tasks(partial(power, exponent=3), list(range(20)), TWO) == [number**3 for number in range(20)]
    with pytest.raises(InputError, match="task 4: ZeroDivisionError"):
        map_tasks(square_or_fail, [1, 4, 2], TWO, lambda task: f"task {task}")


def test_nothing_starts_processes_in_another_way():
    for path in sorted((ROOT / "mc2lib").rglob("*.py")):
        assert path.name == "tasks.py" or "ProcessPoolExecutor" not in path.read_text(encoding="utf-8"), path

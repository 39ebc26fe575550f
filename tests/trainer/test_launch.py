"""What torchrun is started with."""

import sys
import threading
import time
from pathlib import Path

import pytest

from mc2lib.params import Machine
from mc2lib.trainer.launch import RANK, fill_lanes, launch, rank_command, rank_environment
from mc2lib.trainer.rank import parse_arguments


def test_waiting_threads_sleep_unless_someone_decided_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    found = rank_environment(2)
    assert (found["OMP_WAIT_POLICY"], found["OMP_NUM_THREADS"]) == ("PASSIVE", "2")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert rank_environment(0)["OMP_WAIT_POLICY"] == "ACTIVE"
    assert rank_environment(0)["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("cores", "runs", "expected"),
    [
        (2, 6, [([0, 2, 4], 1, "1"), ([1, 3, 5], 1, "1")]),  # a run a core
        (4, 3, [([0], 1, "1"), ([1], 1, "1"), ([2], 1, "1")]),  # no thread more than divides evenly
        (8, 3, [([0], 1, "2"), ([1], 1, "2"), ([2], 1, "2")]),
        (1, 2, [([0, 1], 1, "1")]),
        (8, 1, [([0], 4, "2")]),  # a run that is alone has ranks of two threads
    ],
)
def test_runs_fill_the_cores(cores, runs, expected, monkeypatch):
    monkeypatch.setattr("mc2lib.trainer.launch.count_gpus", lambda: 0)
    folders = [Path(str(i)) for i in range(runs)]
    lanes = fill_lanes(folders, [32] * runs, Machine(processes=cores, checkpoint_seconds="auto"))
    found = [([int(run.name) for run in lane.runs], lane.ranks, lane.environment["OMP_NUM_THREADS"]) for lane in lanes]
    assert found == expected


def test_gpus_train_one_run_at_a_time(monkeypatch):
    monkeypatch.setattr("mc2lib.trainer.launch.count_gpus", lambda: 4)
    lanes = fill_lanes([Path("a"), Path("b")], [32, 96], Machine(processes=2, checkpoint_seconds="auto"))
    assert [(len(lane.runs), lane.ranks) for lane in lanes] == [(2, 4)]


def test_memory_for_fewer_runs_than_cores_starts_fewer_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr("mc2lib.trainer.launch.count_gpus", lambda: 0)
    monkeypatch.setattr("mc2lib.trainer.launch.available_memory", lambda: 5 << 29)
    machine = Machine(processes=4, checkpoint_seconds="auto")
    assert len(fill_lanes([Path(name) for name in "abcd"], [32] * 4, machine)) == 2
    assert capsys.readouterr().out == "2.7 GB of memory are free: 2 of 4 runs are trained at a time\n"
    monkeypatch.setattr("mc2lib.trainer.launch.available_memory", lambda: 1000)
    assert len(fill_lanes([Path(name) for name in "abcd"], [32] * 4, machine)) == 1


def fake_torchrun(folder: Path, script: str, monkeypatch) -> None:
    """Let `launch` start a script instead of torchrun; it gets the folders of the runs, and where to write."""
    program = folder / "fake.py"
    program.write_text(
        f"import pathlib, sys, time, os, signal\nruns = [pathlib.Path(a) for a in sys.argv[1:]]\n{script}"
    )
    monkeypatch.setattr("mc2lib.trainer.launch.count_gpus", lambda: 0)
    monkeypatch.setattr(
        "mc2lib.trainer.launch.torchrun", lambda runs, _ranks, _machine: [sys.executable, str(program), *map(str, runs)]
    )


def make_runs(folder: Path, count: int) -> list[Path]:
    runs = [folder / f"run{i}" for i in range(count)]
    for run in runs:
        run.mkdir()
    return runs


def test_the_others_finish_where_one_of_several_runs_dies(tmp_path, monkeypatch):
    script = """
for run in runs:
    if run.name == "run1":
        print("training", run.name, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    (run / "model.json").write_text("{}")
"""
    fake_torchrun(tmp_path, script, monkeypatch)
    runs = make_runs(tmp_path, 5)
    with pytest.raises(
        RuntimeError, match=r"small: a rank died with exit status -9; run again to continue\ntraining run1"
    ):
        launch(runs, [32] * 5, Machine(processes=2, checkpoint_seconds="auto"), "small")
    assert [(run / "model.json").exists() for run in runs] == [True, False, True, True, True]


def test_every_run_that_failed_is_named(tmp_path, monkeypatch):
    fake_torchrun(tmp_path, "sys.exit(f'error: {runs[0].name} is broken')", monkeypatch)
    runs = make_runs(tmp_path, 3)
    with pytest.raises(RuntimeError, match="small: 3 of 3 runs did not finish") as failed:
        launch(runs, [32] * 3, Machine(processes=2, checkpoint_seconds="auto"), "small")
    for run in runs:
        assert f"{run}: a rank stopped: error: {run.name} is broken" in str(failed.value)


def test_an_interrupt_ends_all_runs_within_seconds(tmp_path, monkeypatch):
    fake_torchrun(tmp_path, "print('started', flush=True)\ntime.sleep(600)", monkeypatch)
    monkeypatch.setattr("builtins.print", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    runs, began = make_runs(tmp_path, 4), time.monotonic()
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        launch(runs, [32] * 4, Machine(processes=4, checkpoint_seconds="auto"), "small")
    while threading.active_count() > before and time.monotonic() - began < 20:
        time.sleep(0.05)  # a thread ends when its process has
    assert time.monotonic() - began < 10


def test_a_rank_reads_what_it_is_started_with():
    runs = [Path("runs/a b"), Path("runs/c")]
    for machine in (
        Machine(processes="auto", checkpoint_seconds="auto"),
        Machine(processes="auto", checkpoint_seconds=0.5, sharding="full", grad_checkpointing=True),
    ):
        module, name, *arguments = rank_command(runs, machine)
        assert (module, name) == ("--module", RANK)
        assert parse_arguments(arguments) == (runs, machine)

"""What torchrun is started with."""

from pathlib import Path

from mc2lib.params import Machine
from mc2lib.trainer.launch import RANK, rank_command, rank_environment
from mc2lib.trainer.rank import parse_arguments


def test_waiting_threads_sleep_unless_someone_decided_otherwise(monkeypatch):
    machine = Machine(processes=4, checkpoint_seconds=1.0)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    found = rank_environment(machine, 2)
    assert (found["OMP_WAIT_POLICY"], found["OMP_NUM_THREADS"]) == ("PASSIVE", "2")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert rank_environment(machine, 8)["OMP_WAIT_POLICY"] == "ACTIVE"
    assert rank_environment(machine, 8)["OMP_NUM_THREADS"] == "1"


def test_a_rank_reads_what_it_is_started_with():
    runs = [Path("runs/a b"), Path("runs/c")]
    for machine in (
        Machine(processes="auto", checkpoint_seconds="auto"),
        Machine(processes="auto", checkpoint_seconds=0.5, sharding="full", grad_checkpointing=True),
    ):
        module, name, *arguments = rank_command(runs, machine)
        assert (module, name) == ("--module", RANK)
        assert parse_arguments(arguments) == (runs, machine)

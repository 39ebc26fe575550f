"""Starting torchrun over the ranks of this machine.

A GPU machine trains one run at a time over all GPUs. On a CPU, whole runs fill the cores side by side, each with its
own torchrun: no core waits for another, so two runs of one thread each train nearly twice as fast as one of two
threads, and lose no more than their share to another busy program.

This module does without torch, which takes seconds to import: what a rank does is `mc2lib.trainer.rank`.
"""

from __future__ import annotations

import os
import queue
import shlex
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mc2lib.engine.machine import available_memory, count_gpus, count_workers
from mc2lib.params import Machine
from mc2lib.recipe.training.budget import divide_batches

RANK = "mc2lib.trainer.rank"
CORES_PER_RANK = 2  # of a run that is alone: two threads in a rank beat two ranks, which copy and send every gradient
RUN_BYTES = 1 << 30  # of one run at laptop scale with all its libraries; `make bench WHAT=study` measures it
LINES = 60  # of what ranks print, repeated in an error


@dataclass(frozen=True)
class Failure:
    """A run that did not finish."""

    run: Path
    status: int  # torchrun's
    tail: tuple[str, ...]  # the last lines that its ranks printed

    def describe(self) -> str:
        """A line on what happened, then what the ranks printed."""
        fault = next((line for line in self.tail if line.startswith("error: ")), None)
        died = f"a rank died with exit status {self.status}; run again to continue"
        return "\n".join([f"a rank stopped: {fault}" if fault else died, *self.tail])


@dataclass
class Lane:
    """Runs that are trained one after another by the same ranks; the next ones are trained even where one fails."""

    runs: Sequence[Path]
    ranks: int
    environment: dict[str, str]
    machine: Machine
    failures: list[Failure] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    stopped: bool = False

    def train(self, lines: queue.SimpleQueue[str | None]) -> None:
        """Train the runs; put what the ranks print into `lines`, and None at the end."""
        try:
            left = list(self.runs)
            while left and not self.stopped:
                status, tail = self._start(left, lines)
                if status == 0 or self.stopped:
                    break
                failed = next((run for run in left if not (run / "model.json").exists()), left[-1])
                self.failures.append(Failure(failed, status, tail))
                left = left[left.index(failed) + 1 :]
        finally:
            lines.put(None)

    def _start(self, runs: Sequence[Path], lines: queue.SimpleQueue[str | None]) -> tuple[int, tuple[str, ...]]:
        """One torchrun; returns its exit status and its last lines."""
        command, tail = torchrun(runs, self.ranks, self.machine), list[str]()
        with subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as self.process:
            if self.stopped:  # while this process was starting
                self.process.terminate()
            assert self.process.stdout is not None
            for line in self.process.stdout:
                lines.put(line)
                tail = [*tail[-LINES:], line.rstrip()]
        return self.process.returncode, tuple(tail)

    def stop(self) -> None:
        """End the ranks, and start no others."""
        self.stopped = True
        if self.process is not None:
            self.process.terminate()


def launch(runs: Sequence[Path], batches: Sequence[int], machine: Machine, title: str) -> None:
    """Train runs on this machine, side by side on a CPU; print what their ranks print.

    Args:
        runs: folders with a recipe.json.
        batches: pairs per step of each.
        machine: whose cores or GPUs the ranks share.
        title: of the runs together, for the error.

    Raises:
        RuntimeError: a rank died, and the next call continues from the last checkpoint; or it stopped with an error,
            such as a full disk or a loss that is no finite number, which the message repeats. The other runs are
            trained all the same.
    """
    lanes = fill_lanes(runs, batches, machine)
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threads = [threading.Thread(target=lane.train, args=(lines,), daemon=True) for lane in lanes]
    try:
        for thread in threads:
            thread.start()
        for _ in threads:
            while (line := lines.get()) is not None:
                print(line, end="", flush=True)
    except BaseException:  # the notebook is interrupted: no rank is left behind
        for lane in lanes:
            lane.stop()
        raise
    failures = [failure for lane in lanes for failure in lane.failures]
    if len(failures) == 1:
        raise RuntimeError(f"{title}: {failures[0].describe()}")
    if failures:
        each = [f"{failure.run}: {failure.describe()}" for failure in failures]
        raise RuntimeError("\n".join([f"{title}: {len(failures)} of {len(runs)} runs did not finish", *each]))


def fill_lanes(runs: Sequence[Path], batches: Sequence[int], machine: Machine) -> list[Lane]:
    """How this machine trains runs: which beside which, with how many ranks and threads.

    Args:
        runs: their folders.
        batches: pairs per step of each.
        machine: its settings.
    """
    cores = count_workers(machine)
    count = 1 if count_gpus() else min(len(runs), cores, _count_that_fit(len(runs), cores))
    if count == 1:
        ranks = count_ranks(machine, batches)
        return [Lane(runs, ranks, rank_environment(cores // ranks), machine)]
    return [Lane(runs[i::count], 1, rank_environment(cores // count), machine) for i in range(count)]


def _count_that_fit(runs: int, cores: int) -> int:
    """Runs that the memory has room for, at least one; says so where that is fewer than could be."""
    free = available_memory()
    if free is None:
        return runs
    fit, wanted = max(1, free // RUN_BYTES), min(runs, cores)
    if fit < wanted:
        print(f"{free / 1e9:.1f} GB of memory are free: {fit} of {wanted} runs are trained at a time", flush=True)
    return fit


def torchrun(runs: Sequence[Path], ranks: int, machine: Machine) -> list[str]:
    """The command that trains runs with ranks of this machine alone."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    return command + rank_command(runs, machine)


def rank_command(runs: Sequence[Path], machine: Machine) -> list[str]:
    """What torchrun is told to start: the rank's module, this machine's settings, and the runs."""
    settings = ["--sharding", machine.sharding, "--checkpoint-seconds", str(machine.checkpoint_seconds)]
    settings += ["--grad-checkpointing"] if machine.grad_checkpointing else []
    return ["--module", RANK, *settings, *map(str, runs)]


def describe_start(runs: Sequence[Path], machine: Machine) -> str:
    """A sentence that says how to start the ranks of prepared runs by hand, as over several nodes."""
    return f"Start the ranks with torchrun … {shlex.join(rank_command(runs, machine))}"


def rank_environment(threads: int) -> dict[str, str]:
    """Environment variables of a rank that computes with so many threads, at least one."""
    # threads that wait for each other sleep: while spinning, they starve each other once another process has a core
    environment = {"OMP_WAIT_POLICY": "PASSIVE"} | os.environ
    environment["OMP_NUM_THREADS"] = str(max(1, threads))
    environment |= {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
    # every rank would print torch's warnings about strides and what open_clip's loss calls: nothing a person can act on
    environment["PYTHONWARNINGS"] = "ignore::FutureWarning,ignore::UserWarning"
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return environment


def count_ranks(machine: Machine, batches: Sequence[int]) -> int:
    """One rank per GPU, else one for every two cores; the largest such number that divides every batch."""
    wanted = count_gpus() or max(1, count_workers(machine) // CORES_PER_RANK)
    return divide_batches(batches, wanted)

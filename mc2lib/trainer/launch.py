"""Starting torchrun over the ranks of this machine.

This module does without torch, which takes seconds to import: what a rank does is `mc2lib.trainer.rank`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from mc2lib.engine.machine import count_gpus, count_workers
from mc2lib.params import Machine
from mc2lib.recipe.training.budget import divide_batches

RANK = "mc2lib.trainer.rank"
CORES_PER_RANK = 2  # two threads in a rank beat two ranks (docs/log.md): no gradient is copied or sent
LINES = 60  # of what ranks print, repeated in an error


def launch(runs: Sequence[Path], batches: Sequence[int], machine: Machine, title: str) -> None:
    """Train runs, one after another, under one torchrun on this machine; print what its ranks print.

    Args:
        runs: folders with a recipe.json.
        batches: pairs per step of each.
        machine: whose cores or GPUs the ranks share.
        title: of the runs together, for the error.

    Raises:
        RuntimeError: a rank died, and the next call continues from the last checkpoint; or it stopped with an error,
            such as a full disk or a loss that is no finite number, which the message repeats.
    """
    ranks = count_ranks(machine, batches)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    command += rank_command(runs, machine)
    environment = rank_environment(machine, ranks)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout is not None
        try:
            tail = _relay(run.stdout)
        except BaseException:  # the notebook is interrupted: no rank is left behind
            run.terminate()
            raise
    if run.returncode != 0:
        fault = next((line for line in tail if line.startswith("error: ")), None)
        died = f"a rank died with exit status {run.returncode}; run again to continue"
        raise RuntimeError("\n".join([f"{title}: {f'a rank stopped: {fault}' if fault else died}", *tail]))


def rank_command(runs: Sequence[Path], machine: Machine) -> list[str]:
    """What torchrun is told to start: the rank's module, this machine's settings, and the runs."""
    settings = ["--sharding", machine.sharding, "--checkpoint-seconds", str(machine.checkpoint_seconds)]
    settings += ["--grad-checkpointing"] if machine.grad_checkpointing else []
    return ["--module", RANK, *settings, *map(str, runs)]


def describe_start(runs: Sequence[Path], machine: Machine) -> str:
    """A sentence that says how to start the ranks of prepared runs by hand, as over several nodes."""
    return f"Start the ranks with torchrun … {shlex.join(rank_command(runs, machine))}"


def rank_environment(machine: Machine, ranks: int) -> dict[str, str]:
    """Environment variables of each of `ranks` ranks on a machine."""
    # threads that wait for each other sleep: while spinning, they starve each other once another process has a core
    environment = {"OMP_WAIT_POLICY": "PASSIVE"} | os.environ
    environment["OMP_NUM_THREADS"] = str(max(1, count_workers(machine) // ranks))
    environment |= {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
    # every rank would print torch's warnings about strides and what open_clip's loss calls: nothing a person can act on
    environment["PYTHONWARNINGS"] = "ignore::FutureWarning,ignore::UserWarning"
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return environment


def _relay(lines: Iterable[str]) -> list[str]:
    """Print what the ranks print, as it comes; return the last lines for an error."""
    tail: list[str] = []
    for line in lines:
        print(line, end="", flush=True)
        tail = [*tail[-LINES:], line.rstrip()]
    return tail


def count_ranks(machine: Machine, batches: Sequence[int]) -> int:
    """One rank per GPU, else one for every two cores; the largest such number that divides every batch."""
    wanted = count_gpus() or max(1, count_workers(machine) // CORES_PER_RANK)
    return divide_batches(batches, wanted)

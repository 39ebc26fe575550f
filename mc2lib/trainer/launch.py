"""Training an arm: starting torchrun over the ranks, and reading what they wrote.

A rank's own work is `mc2lib.trainer.rank`; this module does without torch, which takes seconds to import.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from mc2lib.engine.machine import count_gpus, count_workers
from mc2lib.errors import InputError
from mc2lib.io.files import read_json, read_table
from mc2lib.io.study_paths import Paths
from mc2lib.params import Machine, Params
from mc2lib.recipe.training.budget import divide_batches, plan_arm
from mc2lib.schemas import CURATED

#: Modules that a run's weights follow from, whoever starts it: an edit of one trains every run again.
CODE = (
    "hashing",
    "recipe.training",
    "trainer.checkpoints",
    "trainer.crops",
    "io.drawings",
    "trainer.rank",
    "trainer.distributed",
    "trainer.stream",
    "trainer.launch",
    "trainer.vocabulary",
)
CORES_A_RANK = 2  # two threads in a rank beat two ranks (docs/log.md): no gradient is copied or sent


def train_arm(root: Path, params: Params, arm: str) -> pd.DataFrame:
    """Train an arm for every seed with torchrun, and return its training curves.

    Args:
        root: the study's folder; params.yaml is read again there by each rank.
        params: the study.
        arm: its name.

    Returns:
        columns seed, step, loss, learning_rate, logit_scale.

    Raises:
        InputError: the arm is unknown, or its data is missing.
        RuntimeError: a rank died, and the next call continues from the last checkpoint; or it stopped with an error,
            such as a full disk or a loss that is no finite number, which the message repeats.
    """
    params.arm(arm)
    paths = Paths(root)
    for seed in params.seeds:
        curated_shards(paths, params, arm, seed)
    batches = [plan_arm(params, arm, english_share(paths, params, arm, seed)).batch_size for seed in params.seeds]
    launch("mc2lib.trainer.rank", [str(root.resolve()), arm], count_ranks(params.machine, batches), params.machine, arm)
    return read_logs(root, params, arm)


def launch(module: str, arguments: Sequence[str], ranks: int, machine: Machine, title: str) -> None:
    """Start torchrun on this machine and print what its ranks print.

    Args:
        module: of a rank.
        arguments: of the module.
        ranks: how many.
        machine: whose cores they share.
        title: of the run, for the error.

    Raises:
        RuntimeError: a rank died, and the next call continues from the last checkpoint; or it stopped with an error,
            which the message repeats.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    command += ["--module", module, *arguments]
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


def rank_environment(machine: Machine, ranks: int) -> dict[str, str]:
    """Environment variables of each of so many ranks on a machine."""
    # threads that wait for each other sleep: while spinning, they starve each other once another process has a core
    environment = {"OMP_WAIT_POLICY": "PASSIVE"} | os.environ
    environment["OMP_NUM_THREADS"] = str(max(1, count_workers(machine) // ranks))
    environment |= {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
    # torch warns once a rank of what open_clip's loss calls and of strides: nothing a person can act on
    environment["PYTHONWARNINGS"] = "ignore::FutureWarning,ignore::UserWarning"
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return environment


def _relay(lines: Any) -> list[str]:
    """Print what the ranks print, as it comes; return the last lines for an error."""
    tail: list[str] = []
    for line in lines:
        print(line, end="", flush=True)
        tail = [*tail[-60:], line.rstrip()]
    return tail


def count_ranks(machine: Machine, batches: Sequence[int]) -> int:
    """One rank a GPU, else one for every two cores; the largest such number that divides every batch."""
    wanted = count_gpus() or max(1, count_workers(machine) // CORES_A_RANK)
    return divide_batches(batches, wanted)


def curated_shards(paths: Paths, params: Params, arm: str, seed: int) -> list[Path]:
    """The curated pool an arm trains on; InputError if it is not there."""
    path = paths.curated(params.arms[arm].mix, seed, params.arms[arm].curation)
    if not path.exists():
        raise InputError(str(path), "no such curated pool", "Run `dvc repro balance`.")
    return [path]


def english_share(paths: Paths, params: Params, arm: str, seed: int) -> float:
    """English share of the curated worldwide pairs, the recipe's measure of how much to scale.

    Only read where the arm scales by it; 1 otherwise.
    """
    if not isinstance(params.arms[arm].seen, str):
        return 1.0
    path = paths.curated(params.arms[arm].mix, seed, "isolated")
    language = read_table(path, CURATED)["language"]
    share = pc.mean(pc.equal(language, "en")).as_py()
    if not share:
        raise InputError(str(path), "no English pair", "The scaled arms need one; check the pool and its curation.")
    return float(share)


def read_logs(root: Path, params: Params, arm: str) -> pd.DataFrame:
    """Training curves of an arm's finished runs."""
    paths = Paths(root)
    logs = [pd.read_csv(paths.run(arm, seed) / "log.csv").assign(seed=seed) for seed in params.seeds]
    return pd.concat(logs, ignore_index=True)


def describe_runs(root: Path, params: Params, arm: str) -> pd.DataFrame:
    """One row a seed: batch, steps, seen pairs, tokenizer and the digest of all that shaped the run."""
    columns = ["seed", "batch_size", "steps", "seen_pairs", "tokenizer", "vocabulary", "digest"]
    rows = [read_json(Paths(root).run(arm, seed) / "model.json") for seed in params.seeds]
    return pd.DataFrame(rows)[columns]

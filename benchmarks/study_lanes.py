"""Training runs side by side: pairs per second of the whole machine, quiet and beside a busy process.

Part of `make bench WHAT=study`. Trains one arm of the laptop scale, one run per core, on a small pool, as the study's
own stage does; then one run alone on one thread; then all runs again beside a process that computes without end.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

from mc2lib.engine.machine import count_gpus, count_workers
from mc2lib.io.config import load_params
from mc2lib.io.study_paths import Paths
from mc2lib.params import Machine, Params
from mc2lib.study.evaluate_stage import read_seen_pairs
from mc2lib.study.running.dvc_runs import run_dvc
from mc2lib.study.running.trial import copy_study, edit_params, edit_scale
from mc2lib.study.train_stage import train_arm

ARM = "small-worldwide-scaled"
POOL_PAIRS = 100_000  # enough for one arm
RATE = re.compile(r"\| seed (\d+) .*\| ([\d,]+) pairs/s \|")
BUSY = "while True: pass"


def measure_lanes(root: Path) -> dict[str, float]:
    """Pairs per second, and what follows from them.

    Args:
        root: the study to copy; it stays as it is.

    Returns:
        pairs_per_s, pairs_per_s_beside_a_busy_process: of all runs together, while they train;
        one_thread_pairs_per_s; parallel_efficiency: the first in units of cores times the third;
        loss_beside_a_busy_process: the share of the first that is lost; training_share: of the core time between the
        stage's start and its end, what the runs spend in steps.
    """
    with tempfile.TemporaryDirectory(prefix="mc2lib-bench-") as folder:
        trial = Path(folder).resolve() / "study"
        params = _prepare(root, trial)
        cores = count_workers(params.machine)
        quiet, share = _train(trial, params)
        alone, _ = _train(trial, dataclasses.replace(params, seeds=params.seeds[:1], machine=_one_core(params)))
        with _busy_process():
            beside, _ = _train(trial, params)
    return {
        "pairs_per_s": quiet,
        "pairs_per_s_beside_a_busy_process": beside,
        "one_thread_pairs_per_s": alone,
        "parallel_efficiency": quiet / (alone * cores),
        "loss_beside_a_busy_process": 1.0 - beside / quiet,
        "training_share": share,
    }


def _prepare(root: Path, trial: Path) -> Params:
    """A copy of the study with one arm, one seed per core and a small pool, up to the curated pools."""
    if count_gpus():
        sys.exit("error: GPUs train one run at a time; this measures runs side by side on cores")
    copy_study(root, trial)
    edit_scale(trial, "laptop", [f"pool.pairs={POOL_PAIRS}", "curation.t_en=12"])
    cores = count_workers(load_params(root).machine)
    edit_params(trial, "laptop", [ARM], seeds=range(cores))
    if status := run_dvc(trial, ["repro", "balance"]):
        sys.exit(status)
    return load_params(trial)


def _one_core(params: Params) -> Machine:
    return dataclasses.replace(params.machine, processes=1)


def _train(trial: Path, params: Params) -> tuple[float, float]:
    """Train the arm from nothing: pairs per second of all its runs, and the share of the core time in steps."""
    runs = [Paths(trial).run(ARM, seed) for seed in params.seeds]
    for run in runs:
        shutil.rmtree(run, ignore_errors=True)
    printed, began = StringIO(), time.monotonic()
    with redirect_stdout(printed):
        train_arm(trial, params, ARM)
    seconds = time.monotonic() - began
    rates = {int(seed): float(rate.replace(",", "")) for seed, rate in RATE.findall(printed.getvalue())}  # the last
    if rates.keys() != set(params.seeds):
        sys.exit(f"error: no rate of every run in what they printed:\n{printed.getvalue()}")
    in_steps = sum(read_seen_pairs(run) / rates[seed] for run, seed in zip(runs, params.seeds, strict=True))
    return sum(rates.values()), in_steps / (seconds * count_workers(params.machine))


@contextmanager
def _busy_process() -> Iterator[None]:
    busy = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()

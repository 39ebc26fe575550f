"""The study stage by stage: seconds, peak memory, pairs per second; and training runs side by side.

    make bench WHAT=study [SCALE=smoke]

Runs in a temporary folder; the last line is one JSON object. Expect, at smoke scale on two cores, ten to
twenty seconds a stage, nearly all of it starting a kernel and importing torch: only larger scales say
something about the stages themselves. Training side by side is measured at laptop scale whatever the scale,
see `benchmarks.study_lanes`. Memory is the sum over the stage's processes of what each holds
alone (USS) or, where the system does not tell, holds in all (RSS), sampled a few times a second.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.study_lanes import measure_lanes
from mc2lib.io.config import find_root, load_params
from mc2lib.io.files import read_json
from mc2lib.io.study_paths import Paths
from mc2lib.params import Params
from mc2lib.study.running.dvc_runs import environment
from mc2lib.study.running.trial import SMOKE_ARMS, SMOKE_LANGUAGES, SMOKE_SEEDS, copy_study, edit_params

SAMPLE_SECONDS = 0.3
RUNNING = re.compile(r"^Running stage '([^']+)'")
PACE = re.compile(r"\| ([\d,]+) pairs/s \|")


@dataclass
class Stage:
    """What one stage took."""

    seconds: float = 0.0
    peak_megabytes: float = 0.0
    pairs: int = 0  # handled by the whole stage, start of the kernel included
    pairs_per_second: float = 0.0
    training_pairs_per_second: float = 0.0  # as training itself says, start not included


class Sampler(threading.Thread):
    """Samples the memory of a process's descendants, and charges it to the stage at work."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.process, self.stage, self.ended = process, Stage(), threading.Event()

    def run(self) -> None:
        """Sample until `ended`."""
        while not self.ended.wait(SAMPLE_SECONDS):
            try:
                held = sum(_held(child) for child in self.process.children(recursive=True))
            except psutil.Error:
                continue
            self.stage.peak_megabytes = max(self.stage.peak_megabytes, held / 1e6)


def _held(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
        return int(getattr(memory, "uss", memory.rss))
    except psutil.Error:
        return 0


def measure(root: Path, scale: str, arms: Sequence[str] | None) -> dict[str, Stage]:
    """Run a copy of the study at `scale`; each stage's name and what it took."""
    with tempfile.TemporaryDirectory(prefix="mc2lib-bench-") as folder:
        trial = Path(folder).resolve() / "study"
        copy_study(root, trial)
        if scale == "smoke":
            edit_params(trial, scale, arms or SMOKE_ARMS, seeds=SMOKE_SEEDS, languages=SMOKE_LANGUAGES)
        else:
            edit_params(trial, scale, arms)
        stages = run_stages(trial)
        params = load_params(trial)
        for name, stage in stages.items():
            stage.pairs = count_pairs(trial, params, name)
            stage.pairs_per_second = stage.pairs / stage.seconds
    return stages


def run_stages(trial: Path) -> dict[str, Stage]:
    """Run `dvc repro`, its output relayed, and time each stage by what it prints; exits if it fails."""
    stages: dict[str, Stage] = {}
    began = time.monotonic()
    command = [sys.executable, "-m", "dvc", "repro"]
    with subprocess.Popen(
        command, cwd=trial, env=environment(trial), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        assert run.stdout is not None
        sampler = Sampler(psutil.Process(run.pid))
        sampler.start()
        for line in run.stdout:
            print(line, end="", flush=True)
            now = time.monotonic()
            if found := RUNNING.match(line):
                sampler.stage.seconds = now - began
                began, sampler.stage = now, stages.setdefault(found[1], Stage())
            elif found := PACE.search(line):
                sampler.stage.training_pairs_per_second = float(found[1].replace(",", ""))
        sampler.stage.seconds = time.monotonic() - began
        sampler.ended.set()
    if run.returncode != 0:
        sys.exit(run.returncode)
    return stages


def count_pairs(trial: Path, params: Params, stage: str) -> int:
    """Pairs that a stage draws, matches, curates or trains on; 0 where pairs are not its measure."""
    if stage in ("pool", "match", "balance"):
        return params.pool.pairs * len(params.seeds) * len(params.pool.mixes)
    if stage.startswith("train@"):
        arm = stage.removeprefix("train@")
        return sum(int(read_json(Paths(trial).run(arm, seed) / "model.json")["seen_pairs"]) for seed in params.seeds)
    return 0


def main() -> None:
    """Measure and print the table, then one JSON line."""
    parser = argparse.ArgumentParser(prog="make bench WHAT=study", description=__doc__)
    parser.add_argument("--scale", default="smoke")
    parser.add_argument("--arms", nargs="+", help="only these arms")
    options = parser.parse_args()
    root, began = find_root().resolve(), time.monotonic()
    stages = measure(root, options.scale, options.arms)
    seconds = time.monotonic() - began
    lanes = measure_lanes(root)
    print(f"\n{'stage':<32}{'seconds':>9}{'peak MB':>9}{'pairs':>12}{'pairs/s':>10}{'in training':>13}")
    for name, stage in stages.items():
        print(
            f"{name:<32}{stage.seconds:>9.1f}{stage.peak_megabytes:>9,.0f}{stage.pairs:>12,}"
            f"{stage.pairs_per_second:>10,.0f}{stage.training_pairs_per_second:>13,.0f}"
        )
    print()
    for name, value in lanes.items():
        print(
            f"{name.replace('_', ' '):<42}{value:>9,.2f}"
            if value < 10
            else f"{name.replace('_', ' '):<42}{value:>9,.0f}"
        )
    result = {
        "what": "study",
        **{name: round(value, 3) for name, value in lanes.items()},
        "scale": options.scale,
        "cores": psutil.cpu_count(),
        "seconds": round(seconds, 1),
        "peak_megabytes": round(max(stage.peak_megabytes for stage in stages.values())),
        "stages": {
            name: {key: round(value, 1) for key, value in asdict(stage).items()} for name, stage in stages.items()
        },
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

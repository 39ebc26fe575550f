"""Jobs for Slurm and Kubernetes: shells and YAML readers accept them, and ranks understand what they are told."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mc2lib.commands.command_line import main
from mc2lib.errors import InputError
from mc2lib.params import Machine
from mc2lib.pipeline.cluster_jobs import Job, kubernetes_job, slurm_script, write_job
from mc2lib.recipe.training.budget import Plan
from mc2lib.trainer.rank import parse_arguments
from mc2lib.trainer.recipe import write_recipe
from tests.trainer.test_recipe import make_recipe

MACHINE = Machine("auto", 1800.0, sharding="full", grad_checkpointing=True)


def prepare(folder: Path, batch: int = 96) -> Path:
    """A run that has a recipe and nothing else."""
    folder.mkdir(parents=True)
    write_recipe(make_recipe(plan=Plan(batch, 20)), folder)
    return folder


def make_job(*runs: Path, **changes: Any) -> Job:
    return Job(**{"runs": runs, "nodes": 3, "gpus": 4, "cpus": 6, "name": "train-1", "time": "1-00:00:00"} | changes)


def fake_slurm(folder: Path) -> dict[str, str]:
    """Stand-ins for srun and scontrol: srun prints each word of what it would start, one a line."""
    (folder / "scontrol").write_text("#!/bin/sh\nprintf 'node-a\\nnode-b\\n'\n")
    (folder / "srun").write_text('#!/bin/sh\nprintf "%s\\n" "$@"; echo "cd=$PWD"; echo "threads=$OMP_NUM_THREADS"\n')
    for name in ("scontrol", "srun"):
        (folder / name).chmod(0o755)
    slurm = {"SLURM_JOB_NODELIST": "node-[a-b]", "SLURM_JOB_ID": "4711", "SLURM_JOB_NUM_NODES": "3"}
    return os.environ | slurm | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def test_the_slurm_script_starts_the_ranks_of_its_node(tmp_path: Path) -> None:
    run, root = prepare(tmp_path / "a run"), tmp_path / "the root"
    root.mkdir()
    script = tmp_path / "job.sbatch"
    script.write_text(slurm_script(make_job(run, partition="gpu"), MACHINE, root))
    subprocess.run(["bash", "-n", script], check=True)
    lines = script.read_text().splitlines()
    directives = {line for line in lines if line.startswith("#SBATCH")}
    assert {"#SBATCH --nodes=3", "#SBATCH --gpus-per-node=4", "#SBATCH --cpus-per-task=24"} <= directives
    assert {"#SBATCH --partition=gpu", "#SBATCH --time=1-00:00:00", "#SBATCH --ntasks-per-node=1"} <= directives
    assert not [line for line in directives if "account" in line]
    done = subprocess.run(["bash", script], env=fake_slurm(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    words = done.stdout.splitlines()
    assert {"--nnodes=3", "--nproc-per-node=4", "--rdzv-endpoint=node-a:24711", "--rdzv-id=4711"} <= {*words}
    assert {f"cd={root}", "threads=6"} <= {*words}
    told = words[words.index("mc2lib.trainer.rank") + 1 : words.index(f"cd={root}")]
    assert parse_arguments(told) == ([run], MACHINE)


def test_the_kubernetes_job_is_one_pod_per_machine(tmp_path: Path) -> None:
    run = prepare(tmp_path / "run")
    job = make_job(run, image="registry/mc2lib:1", claim="pool", mount=str(tmp_path))
    service, indexed = yaml.safe_load_all(kubernetes_job(job, MACHINE))  # YAML 1.1, as Kubernetes reads it
    assert (service["kind"], indexed["kind"], indexed["apiVersion"]) == ("Service", "Job", "batch/v1")
    spec, pod = indexed["spec"], indexed["spec"]["template"]["spec"]
    assert spec["completions"] == spec["parallelism"] == 3 and spec["completionMode"] == "Indexed"
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"].items() <= spec["template"]["metadata"]["labels"].items()
    assert pod["subdomain"] == service["metadata"]["name"] == indexed["metadata"]["name"] == "train-1"
    (container,) = pod["containers"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 4, "cpu": 24}
    assert all(isinstance(entry["value"], str) for entry in container["env"])
    command = container["command"]
    assert {"--nnodes=3", "--nproc-per-node=4", "--rdzv-endpoint=train-1-0.train-1:29500"} <= {*command}
    assert parse_arguments(command[command.index("mc2lib.trainer.rank") + 1 :]) == ([run], MACHINE)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"] == {"claimName": "pool"}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"nodes": 5}, "slurm", r"5 machines x 4 GPUs are 20 ranks, which do not divide a batch of 96 pairs\. Use 16"),
        ({"gpus": 0}, "slurm", "--gpus: 0 is below one"),
        ({"name": "My job"}, "slurm", "'My job' is no name for a job"),
        ({}, "kubernetes", "no container image or no volume is named"),
        ({"image": "a", "claim": "b", "mount": "/elsewhere"}, "kubernetes", "is not below /elsewhere"),
    ],
)
def test_what_cannot_run_is_refused(tmp_path: Path, changes: dict[str, Any], kind: Any, message: str) -> None:
    job = make_job(prepare(tmp_path / "run"), **changes)
    with pytest.raises(InputError, match=message):
        write_job(job, kind, MACHINE, tmp_path, None, dry_run=False)
    assert not list(tmp_path.glob("run/launch.*"))


def test_a_dry_run_prints_what_is_written_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = prepare(tmp_path / "run")
    words = ["launch", str(run), "--slurm", "--nodes", "3", "--gpus", "4"]
    assert main([*words, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert not (run / "launch.sbatch").exists()
    assert main(words) == 0
    assert (run / "launch.sbatch").read_text() == shown
    assert f"12 ranks on 3 machines: sbatch {shlex.quote(str(run / 'launch.sbatch'))}" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"no recipe\.json here"):
        write_job(make_job(tmp_path), "slurm", MACHINE, tmp_path, None, dry_run=True)

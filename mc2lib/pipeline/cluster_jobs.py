"""Jobs for clusters: a script for Slurm or an Indexed Job for Kubernetes that starts the ranks of prepared runs."""

from __future__ import annotations

import io
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML

from mc2lib.errors import InputError
from mc2lib.io.files import atomic
from mc2lib.params import Machine
from mc2lib.recipe.training.budget import divide_batches
from mc2lib.trainer.launch import rank_command
from mc2lib.trainer.recipe import read_recipe

Kind = Literal["slurm", "kubernetes"]

FILES: dict[Kind, str] = {"slurm": "launch.sbatch", "kubernetes": "launch.yaml"}
SUBMIT: dict[Kind, str] = {"slurm": "sbatch", "kubernetes": "kubectl apply -f"}
TORCHRUN = ["-m", "torch.distributed.run"]
PORT = 29_500
#: What each rank finds in its environment besides the number of its threads; see `trainer.launch`.
SETTINGS = {"OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
#: Times that a pod is made anew, per machine, before Kubernetes gives up.
RETRIES = 3
#: What Kubernetes accepts as a name, and Slurm too.
NAME = re.compile(r"[a-z]([a-z0-9-]{0,50}[a-z0-9])?")


@dataclass(frozen=True)
class Job:
    """What is to be started, and what for."""

    runs: tuple[Path, ...]  # absolute
    nodes: int
    gpus: int  # per node, one rank each
    cpus: int  # per GPU
    name: str
    time: str
    partition: str | None = None
    account: str | None = None
    image: str | None = None
    claim: str | None = None
    mount: str = "/data"

    @property
    def ranks(self) -> int:
        """Of all nodes."""
        return self.nodes * self.gpus


def write_job(job: Job, kind: Kind, machine: Machine, root: Path, target: Path | None, *, dry_run: bool) -> str:
    """Write a job, or only show it.

    Args:
        job: to write.
        kind: slurm or kubernetes.
        machine: whose sharding, checkpoint interval and gradient checkpointing the ranks use.
        root: the folder that Slurm's job starts in.
        target: the file to write; left out, it is in the first run's folder.
        dry_run: whether to return the job's text and write nothing.

    Returns:
        the job's text, or how to submit the file that was written.

    Raises:
        InputError: a run is not prepared, the ranks do not divide a batch, or the job lacks something; the message
            names what would do.
    """
    check_job(job, kind)
    text = slurm_script(job, machine, root) if kind == "slurm" else kubernetes_job(job, machine)
    if dry_run:
        return text.rstrip()
    target = target or job.runs[0] / FILES[kind]
    with atomic(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return f"{job.ranks} ranks on {job.nodes} machines: {SUBMIT[kind]} {shlex.quote(str(target))}"


def check_job(job: Job, kind: Kind) -> None:
    """Raise InputError unless every run is prepared and the ranks divide its batch, and the job is complete."""
    for name, value in (("--nodes", job.nodes), ("--gpus", job.gpus), ("--cpus", job.cpus)):
        if value < 1:
            raise InputError(name, f"{value} is below one", "Give a number from one on.")
    if not NAME.fullmatch(job.name):
        fault = f"'{job.name}' is no name for a job"
        raise InputError("--name", fault, "Use at most 52 small letters, digits and hyphens, a letter first.")
    batches = [read_recipe(run).plan.batch_size for run in job.runs]
    most = divide_batches(batches, job.ranks)
    if most != job.ranks:
        fault = f"{job.nodes} machines x {job.gpus} GPUs are {job.ranks} ranks, which do not divide"
        shown = " and ".join(f"{batch:,}" for batch in sorted(set(batches)))
        raise InputError("--nodes", f"{fault} a batch of {shown} pairs", f"Use {most} ranks, for example.")
    if kind == "kubernetes" and not (job.image and job.claim):
        remedy = "Add --image NAME and --claim NAME: every pod needs this environment and the runs."
        raise InputError("--kubernetes", "no container image or no volume is named", remedy)
    if kind == "kubernetes":
        outside = [run for run in job.runs if not run.is_relative_to(job.mount)]
        if outside:
            remedy = "Give --mount the folder that holds runs and pool on every machine, this one included."
            raise InputError(str(outside[0]), f"is not below {job.mount}, where the volume is mounted", remedy)


def slurm_script(job: Job, machine: Machine, root: Path) -> str:
    """A script for sbatch: one task per node, which starts that node's ranks; arguments as of `write_job`."""
    directives = {
        "job-name": job.name,
        "nodes": job.nodes,
        "ntasks-per-node": 1,
        "gpus-per-node": job.gpus,
        "cpus-per-task": job.cpus * job.gpus,
        "time": job.time,
        "partition": job.partition,
        "account": job.account,
        "output": f"{job.runs[0]}/slurm-%j.log",
        "open-mode": "append",
    }
    torchrun = [sys.executable, *TORCHRUN, '--nnodes="$SLURM_JOB_NUM_NODES"', f"--nproc-per-node={job.gpus}"]
    torchrun += ["--rdzv-backend=c10d", '--rdzv-id="$SLURM_JOB_ID"', '--rdzv-endpoint="$head:$port"']
    start = [shlex.quote(torchrun[0]), *torchrun[1:], *map(shlex.quote, rank_command(job.runs, machine))]
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH --{name}={shlex.quote(str(value))}" for name, value in directives.items() if value is not None),
        "#SBATCH --requeue",
        "# A job that was preempted or failed resumes from its last checkpoint when it is queued again.",
        "set -euo pipefail",
        f"cd {shlex.quote(str(root))}",
        'read -r head < <(scontrol show hostnames "$SLURM_JOB_NODELIST")',
        "port=$((20000 + SLURM_JOB_ID % 20000))",
        *(f"export {name}={value}" for name, value in (SETTINGS | {"OMP_NUM_THREADS": str(job.cpus)}).items()),
        f"export PYTHONPATH={shlex.quote(str(root))}${{PYTHONPATH:+:$PYTHONPATH}}",
        "srun --kill-on-bad-exit=1 " + " \\\n  ".join(_in_lines(start)),
    ]
    return "\n".join(lines) + "\n"


def _in_lines(words: Sequence[str]) -> list[str]:
    """A command's words: what starts it, its options, and the module with its own, a line each."""
    module = words.index("--module")
    return [" ".join(words[:3]), *words[3:module], " ".join(words[module : module + 2]), *words[module + 2 :]]


def kubernetes_job(job: Job, machine: Machine) -> str:
    """A headless Service, so that pods find the first one, and an Indexed Job of one pod per node."""
    head = f"{job.name}-0.{job.name}:{PORT}"
    torchrun = [*TORCHRUN, f"--nnodes={job.nodes}", f"--nproc-per-node={job.gpus}", "--rdzv-backend=c10d"]
    torchrun += [f"--rdzv-id={job.name}", f"--rdzv-endpoint={head}"]
    settings = SETTINGS | {"OMP_NUM_THREADS": str(job.cpus)}
    resources = {"nvidia.com/gpu": job.gpus, "cpu": job.cpus * job.gpus}
    container = {
        "name": "ranks",
        "image": job.image,
        "command": ["python", *torchrun, *rank_command(job.runs, machine)],
        "env": [{"name": name, "value": value} for name, value in settings.items()],
        "resources": {"limits": resources, "requests": dict(resources)},
        "volumeMounts": [{"name": "data", "mountPath": job.mount}, {"name": "memory", "mountPath": "/dev/shm"}],
    }
    pod = {
        "subdomain": job.name,
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": job.claim}},
            {"name": "memory", "emptyDir": {"medium": "Memory"}},
        ],
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": job.name},
        "spec": {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"app": job.name}},
    }
    indexed = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": job.name},
        "spec": {
            "completions": job.nodes,
            "parallelism": job.nodes,
            "completionMode": "Indexed",
            "backoffLimit": RETRIES * job.nodes,
            "template": {"metadata": {"labels": {"app": job.name}}, "spec": pod},
        },
    }
    return _dump([service, indexed])


def _dump(documents: Sequence[dict[str, Any]]) -> str:
    """YAML documents in their own order of keys."""
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 4096  # a long command is not broken
    yaml.indent(mapping=2, sequence=4, offset=2)
    written = io.StringIO()
    yaml.dump_all(documents, written)
    return written.getvalue()

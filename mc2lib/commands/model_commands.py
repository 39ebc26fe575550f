"""Commands for models: export-model, models, launch."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from mc2lib.commands.command import Command

# ---------------------------------------------------------------------- export-model


def add_export_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export-model`."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a finished run")
    parser.add_argument(
        "--as", choices=("open_clip", "transformers"), required=True, dest="layout", help="the library that opens it"
    )
    parser.add_argument("--to", type=Path, required=True, help="a folder that is not there yet")
    parser.add_argument("--hub-name", metavar="USER/NAME", help="where you will push the folder, if you will")
    parser.add_argument("--results", type=Path, help="a report.csv of `evaluate`, for the model card")


def run_export_model(root: Path, options: argparse.Namespace) -> int:
    """`export-model`: write a finished run as a folder that open_clip or transformers opens."""
    from mc2lib.pipeline.export_model.export_model import export_model

    written = export_model(options.run, options.layout, options.to, options.hub_name, options.results)
    size = sum(path.stat().st_size for path in written)
    print(f"{options.to}: {options.layout}, {len(written)} files, {size / 1e6:,.1f} MB", flush=True)
    return 0


# ---------------------------------------------------------------------- models


def run_models(root: Path, options: argparse.Namespace) -> int:
    """`models`: list the worldwide models that are known by name, with their parameters."""
    from mc2lib.pipeline.named_models.model_list import describe_models

    print(describe_models())
    return 0


# ---------------------------------------------------------------------- launch


def add_launch_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `launch`."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="the folder of a prepared run")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--slurm", action="store_const", const="slurm", dest="kind", help="write a script for sbatch")
    kind.add_argument(
        "--kubernetes", action="store_const", const="kubernetes", dest="kind", help="write an Indexed Job for kubectl"
    )
    parser.add_argument("--nodes", type=int, default=1, help="machines; 1 by default")
    parser.add_argument("--gpus", type=int, default=8, help="GPUs per machine, one rank each; 8 by default")
    parser.add_argument("--cpus", type=int, default=8, help="cores per GPU; 8 by default")
    parser.add_argument("--name", default="mc2lib-train", help="of the job")
    parser.add_argument("--time", default="24:00:00", help="Slurm: the limit, as [days-]hours:minutes:seconds")
    parser.add_argument("--partition", help="Slurm: of the cluster")
    parser.add_argument("--account", help="Slurm: that pays")
    parser.add_argument("--image", help="Kubernetes: a container image with this environment")
    parser.add_argument("--claim", help="Kubernetes: the PersistentVolumeClaim that holds runs and pool")
    parser.add_argument("--mount", default="/data", help="Kubernetes: where the claim is mounted; /data by default")
    parser.add_argument("--to", type=Path, help="the file to write; by default in the first run's folder")
    parser.add_argument("--dry-run", action="store_true", help="print it and write nothing")


def run_launch(root: Path, options: argparse.Namespace) -> int:
    """`launch`: write a job that trains prepared runs on several machines, or print it."""
    from mc2lib.io.config import load_params
    from mc2lib.pipeline.cluster_jobs import Job, write_job

    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(Job) if field.name != "runs"}
    job = Job(runs=tuple(path.resolve() for path in options.runs), **given)
    print(write_job(job, options.kind, load_params(root).machine, root, options.to, dry_run=options.dry_run))
    return 0


MODEL_COMMANDS = (
    Command(
        "export-model",
        "write a run for open_clip or transformers",
        run_export_model,
        add_export_model_arguments,
        example="mc2lib export-model runs/large-worldwide-scaled/0 --as open_clip --to my-model",
        needs_study=False,
    ),
    Command(
        "models",
        "list the worldwide models that are known by name",
        run_models,
        example="mc2lib models",
        needs_study=False,
    ),
    Command(
        "launch",
        "write a Slurm or Kubernetes job that trains prepared runs",
        run_launch,
        add_launch_arguments,
        example="mc2lib launch runs/large-worldwide-scaled/0 --slurm --nodes 2 --dry-run",
    ),
)

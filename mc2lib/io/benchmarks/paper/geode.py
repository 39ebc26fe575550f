"""GeoDE: 40 objects photographed in six regions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mc2lib.io.benchmarks.annotations import read_csv_rows
from mc2lib.io.benchmarks.benchmark_set import (
    Benchmark,
    Classification,
    ImageFiles,
    Location,
    Prompts,
    digest_files,
    number_classes,
    require_distinct,
)
from mc2lib.io.benchmarks.paper.imagenet import openai_prompts

COLUMNS = ("object", "file_path", "ip_country")
#: Of 61,940 images, how many shots are drawn from in the paper's own evaluation.
TRAIN = 20_000


def open_geode(folder: Path) -> Benchmark:
    """Zero-shot among the objects of index.csv, with OpenAI's 80 templates; by region where the file has them.

    Args:
        folder: holds index.csv and images/, or geode/ with them.

    Raises:
        InputError: the file or a column is missing, or an image is there twice.
    """
    root, rows = _read(folder)
    objects = list(dict.fromkeys(row["object"] for row in rows))
    labels = number_classes([row["object"] for row in rows], objects, str(root))
    prompts = Prompts(np.arange(len(objects)), tuple(objects), openai_prompts()[1])
    groups = {kind: [row[column] for row in rows] for kind, column in _kinds(rows).items()}
    task = Classification(len(objects), np.arange(len(rows)), labels, ("en",), lambda language: prompts, groups)
    return Benchmark("geode", str(root), _images(root, rows), task, digest_files(root / "index.csv"))


def open_geode_location(folder: Path) -> Benchmark:
    """Few-shot geo-localisation: the country of each image, shots from 20,000 of them, shuffled anew per draw."""
    root, rows = _read(folder)
    task = Location(tuple(row["ip_country"] for row in rows), shuffled=min(TRAIN, len(rows) // 2))
    return Benchmark("geode-geo", str(root), _images(root, rows), task, digest_files(root / "index.csv"))


def _kinds(rows: list[dict[str, str]]) -> dict[str, str]:
    return {"region": "region"} if "region" in rows[0] else {"country": "ip_country"}


def _read(folder: Path) -> tuple[Path, list[dict[str, str]]]:
    root = folder / "geode" if (folder / "geode").is_dir() else folder
    rows = read_csv_rows(root / "index.csv", COLUMNS)
    require_distinct([row["file_path"] for row in rows], str(root / "index.csv"))
    return root, rows


def _images(root: Path, rows: list[dict[str, str]]) -> ImageFiles:
    return ImageFiles(root / "images", tuple(row["file_path"] for row in rows))

"""Dollar Street: things at home in 63 countries, by region and income."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.annotations import read_csv_rows
from mc2lib.io.benchmarks.benchmark_set import (
    Benchmark,
    Classification,
    ImageFiles,
    Location,
    Prompts,
    digest_files,
    require_distinct,
)
from mc2lib.io.benchmarks.paper.imagenet import openai_prompts

SPLITS = ("images_v2_imagenet_train.csv", "images_v2_imagenet_test.csv")
COLUMNS = ("imageRelPath", "country.id", "region.id", "income", "imagenet_sysnet_id")
REGIONS = {"af": "Africa", "am": "Americas", "as": "Asia", "eu": "Europe"}
QUARTERS = ("lowest quarter", "second quarter", "third quarter", "highest quarter")


def open_dollar_street(folder: Path) -> Benchmark:
    """Zero-shot among ImageNet's 1,000 classes; an image is hit by any class that `imagenet_sysnet_id` lists.

    Both splits are asked, as in the paper's own evaluation. Incomes are grouped in quarters of the images.

    Args:
        folder: holds both CSV files and the images that they name, or dataset_dollarstreet/ with them.

    Raises:
        InputError: a file, column or class is missing or outside ImageNet's, or an image is there twice.
    """
    root, rows = _read(folder)
    numbers = [_read_classes(row["imagenet_sysnet_id"], str(root)) for row in rows]
    images = np.repeat(np.arange(len(rows)), [len(found) for found in numbers])
    classes = np.array([number for found in numbers for number in found], np.int64)
    incomes = np.array([_read_income(row["income"], str(root)) for row in rows])
    quarters = np.searchsorted(np.quantile(incomes, (0.25, 0.5, 0.75)), incomes, side="left")
    names, templates = openai_prompts()
    prompts = Prompts(np.arange(1000), names, templates)
    groups = {
        "region": [REGIONS.get(row["region.id"], row["region.id"]) for row in rows],
        "income": [QUARTERS[quarter] for quarter in quarters],
    }
    task = Classification(1000, images, classes, ("en",), lambda language: prompts, groups)
    return Benchmark("dollar-street", str(root), _images(root, rows), task, _digest(root))


def open_dollar_street_location(folder: Path) -> Benchmark:
    """Few-shot geo-localisation: the country of each image of the test split, shots from the training split."""
    root, rows = _read(folder)
    train = len(read_csv_rows(root / SPLITS[0], COLUMNS))
    countries = tuple(row["country.id"] for row in rows)
    return Benchmark(
        "dollar-street-geo", str(root), _images(root, rows), Location(countries, np.arange(train)), _digest(root)
    )


def _read(folder: Path) -> tuple[Path, list[dict[str, str]]]:
    inside = folder / "dataset_dollarstreet"
    root = inside if inside.is_dir() else folder
    rows = [row for split in SPLITS for row in read_csv_rows(root / split, COLUMNS)]
    require_distinct([row["imageRelPath"] for row in rows], str(root))
    return root, rows


def _images(root: Path, rows: list[dict[str, str]]) -> ImageFiles:
    return ImageFiles(root, tuple(row["imageRelPath"] for row in rows))


def _digest(root: Path) -> str:
    return digest_files(*(root / split for split in SPLITS))


def _read_classes(text: str, place: str) -> list[int]:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(n, int) and 0 <= n < 1000 for n in found):
        raise InputError(place, f"imagenet_sysnet_id '{text}' is no list of ImageNet classes", "Fetch the set again.")
    return sorted(set(found))


def _read_income(text: str, place: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(place, f"income '{text}' is no number", "Fetch the set again.") from error

"""ImageNet-1k and its variants, with OpenAI's class names and 80 templates."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.annotations import read_csv_rows
from mc2lib.io.benchmarks.benchmark_set import (
    Benchmark,
    Classification,
    ImageFiles,
    Prompts,
    Rows,
    digest_of,
    number_classes,
    require_distinct,
)

EXTENSIONS = (".jpeg", ".jpg", ".png")
#: Where the validation images may be, below the set's folder.
VALIDATION = ("val", "ILSVRC/Data/CLS-LOC/val", "imagenet/val", "")


@functools.cache
def wordnet_ids() -> tuple[str, ...]:
    """The 1,000 classes' WordNet ids in ImageNet's order, as timm has them."""
    return tuple(resources.files("timm").joinpath("data/_info/imagenet_synsets.txt").read_text().split())


@functools.cache
def openai_prompts() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """OpenAI's names of the 1,000 classes, and their 80 templates with `{}`, as open_clip has them."""
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES, OPENAI_IMAGENET_TEMPLATES

    return tuple(IMAGENET_CLASSNAMES), tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES)


def find_validation(folder: Path) -> tuple[ImageFiles, Rows]:
    """ImageNet's validation images in ILSVRC's layout, and each one's class.

    Either `val/<WordNet id>/*.JPEG`, or flat `val/*.JPEG` with Kaggle's `LOC_val_solution.csv`.

    Args:
        folder: of the set.

    Raises:
        InputError: neither is there, or a folder or label is no ImageNet class.
    """
    flat = next((path for path in (folder / "LOC_val_solution.csv",) if path.exists()), None)
    for inside in VALIDATION:
        root = folder / inside
        if (root / wordnet_ids()[0]).is_dir():
            return list_class_folders(root, wordnet_ids())
        if flat is not None and root.is_dir() and any(root.glob("*.JPEG")):
            rows = read_csv_rows(flat, ("ImageId", "PredictionString"))
            names = [f"{row['ImageId']}.JPEG" for row in rows]
            require_distinct(names, str(flat))
            labels = number_classes([row["PredictionString"].split(" ")[0] for row in rows], wordnet_ids(), str(flat))
            return ImageFiles(root, tuple(names)), labels
    remedy = "Fetch ILSVRC 2012's validation images and sort them into folders of their classes' WordNet ids."
    raise InputError(str(folder), "no ImageNet validation images here", remedy)


def list_class_folders(root: Path, classes: Sequence[str]) -> tuple[ImageFiles, Rows]:
    """The images of folders that are named for classes.

    Args:
        root: holds the folders.
        classes: their names in the classes' order; those without a folder have no images.

    Raises:
        InputError: a folder with images is no class, or there are no images.
    """
    names: list[str] = []
    labels: list[str] = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS)
        names += [f"{folder.name}/{path.name}" for path in files]
        labels += [folder.name] * len(files)
    require_distinct(names, str(root))
    return ImageFiles(root, tuple(names)), number_classes(labels, classes, str(root))


def classify_imagenet(name: str, folder: Path, images: ImageFiles, labels: Rows, classes: Rows) -> Benchmark:
    """A benchmark of ImageNet's classes in English, or of some of them.

    Args:
        name: of the benchmark.
        folder: it was read from.
        images: the images.
        labels: int [n], 0..999, each image's class.
        classes: int, the classes that compete.
    """
    names, templates = openai_prompts()
    prompts = Prompts(classes, tuple(names[i] for i in classes), templates)
    task = Classification(1000, np.arange(len(labels)), labels, ("en",), lambda language: prompts)
    return Benchmark(name, str(folder), images, task, digest_of([*prompts.texts(), str(labels.tolist())]))


def open_imagenet(folder: Path) -> Benchmark:
    """ImageNet-1k's validation set; see `find_validation`."""
    images, labels = find_validation(folder)
    return classify_imagenet("imagenet", folder, images, labels, np.arange(1000))


def open_imagenet_v2(folder: Path) -> Benchmark:
    """ImageNet-V2 matched frequency, whose folders are the classes' numbers: `imagenetv2-…-format-val/0 … 999`."""
    root = next((path for path in sorted(folder.glob("imagenetv2-*")) if path.is_dir()), folder)
    images, labels = list_class_folders(root, [str(i) for i in range(1000)])
    return classify_imagenet("imagenet-v2", folder, images, labels, np.arange(1000))


def open_imagenet_variant(name: str, inside: str, folder: Path) -> Benchmark:
    """ImageNet-A, -R or -Sketch: folders of WordNet ids; the classes that have a folder compete.

    Args:
        name: of the benchmark.
        inside: what the official archive calls its folder.
        folder: of the set.
    """
    root = folder / inside if (folder / inside).is_dir() else folder
    images, labels = list_class_folders(root, wordnet_ids())
    return classify_imagenet(name, folder, images, labels, np.unique(labels))

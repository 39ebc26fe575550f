"""Babel-ImageNet: ImageNet's classes in up to 298 languages, each with a subset of the classes and prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.annotations import read_json_object
from mc2lib.io.benchmarks.benchmark_set import (
    Benchmark,
    Classification,
    Prompts,
    digest_files,
    require_templates,
    require_texts,
)
from mc2lib.io.benchmarks.paper.imagenet import find_validation

LABELS, PROMPTS = "babel_imagenet.json", "nllb_dist13b_prompts.json"


def open_babel_imagenet(folder: Path) -> Benchmark:
    """Labels and prompts in Babel-ImageNet's layout, next to ImageNet's validation images (or in `../imagenet`).

    A language without prompts takes no part, and is named in the remarks: Breton, West Frisian and Latin have labels
    and no prompts.

    Args:
        folder: holds babel_imagenet.json and nllb_dist13b_prompts.json.

    Raises:
        InputError: a file is missing, a label is outside ImageNet's classes, or the images are not there.
    """
    labels = read_json_object(folder / LABELS)
    prompts = read_json_object(folder / PROMPTS)
    without = sorted(code for code in labels if not prompts.get(code))
    known = [code for code in labels if code not in without]
    languages = {code.lower(): _read_language(labels[code], prompts[code], code, folder) for code in known}
    if not languages:
        raise InputError(str(folder / PROMPTS), "no language of the labels has prompts", "Fetch both files again.")
    images, classes = find_validation(_images_of(folder))
    task = Classification(1000, np.arange(len(classes)), classes, tuple(sorted(languages)), languages.__getitem__)
    remarks = (f"no prompts, so not measured: {', '.join(code.lower() for code in without)}",) if without else ()
    annotations = digest_files(folder / LABELS, folder / PROMPTS)
    return Benchmark("babel-imagenet", str(folder), images, task, annotations, remarks)


def _images_of(folder: Path) -> Path:
    beside = folder.parent / "imagenet"
    return beside if beside.is_dir() and not (folder / "val").is_dir() else folder


def _read_language(entry: Any, templates: list[str], code: str, folder: Path) -> Prompts:
    place = f"{folder / LABELS}: {code}"
    if not (isinstance(entry, list) and len(entry) == 2 and len(entry[0]) == len(entry[1])):
        raise InputError(place, "is not [class numbers, labels] of one length", "Fetch the file again.")
    numbers = np.array(entry[0], np.int64)
    if not len(numbers) or numbers.min() < 0 or numbers.max() >= 1000 or len(np.unique(numbers)) < len(numbers):
        raise InputError(place, "class numbers are none, outside 0..999 or there twice", "Fetch the file again.")
    names = tuple(require_texts(entry[1], place))
    return Prompts(numbers, names, require_templates(templates, f"{folder / PROMPTS}: {code}"))

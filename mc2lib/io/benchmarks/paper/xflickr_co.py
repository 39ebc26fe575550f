"""XFlickr30k-CO (IGLUE): 1,000 photographs of Flickr30k and 1,000 of COCO, captioned in eight languages."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.annotations import read_json_lines
from mc2lib.io.benchmarks.benchmark_set import (
    Benchmark,
    Captions,
    ImageFiles,
    Retrieval,
    digest_files,
    require_distinct,
    require_texts,
)

#: Where the photographs may be, below the set's folder.
FOLDERS = ("images", "flickr30k-images", "flickr30k_images", "val2014")


def open_xflickr_co(folder: Path) -> Benchmark:
    """`annotations/<language>/test.jsonl` with `sentences` and `img_path`, as IGLUE's repository has them.

    Args:
        folder: holds annotations/ and the photographs, in images/ or in flickr30k-images/ and val2014/.

    Raises:
        InputError: a line is broken, an image is there twice, or a language lacks an image of the others.
    """
    files = {path.parent.name: path for path in sorted(folder.glob("annotations/*/test.jsonl"))}
    if not files:
        raise InputError(str(folder), "no annotations/<language>/test.jsonl", "Fetch IGLUE's xFlickrCO annotations.")
    rows = {language: read_json_lines(path, ("sentences", "img_path")) for language, path in files.items()}
    of_language = {language: [str(row["img_path"]) for row in found] for language, found in rows.items()}
    for language, names in of_language.items():
        require_distinct(names, str(files[language]))
    images = sorted(set().union(*of_language.values()))
    place = {name: i for i, name in enumerate(images)}
    task = Retrieval(tuple(files), functools.partial(_read_captions, rows, files, place))
    places = tuple(_locate(folder, name) for name in images)
    return Benchmark("xflickr-co", str(folder), ImageFiles(folder, places), task, digest_files(*files.values()))


def _locate(folder: Path, name: str) -> str:
    """The path of a photograph below the set's folder; where it would be if it is not there."""
    places = (f"{inside}/{name}" for inside in FOLDERS)
    return next((place for place in places if (folder / place).exists()), f"{FOLDERS[0]}/{name}")


def _read_captions(
    rows: Mapping[str, list[dict[str, Any]]], files: Mapping[str, Path], place: Mapping[str, int], language: str
) -> Captions:
    found = rows[language]
    lost = set(place) - {row["img_path"] for row in found}
    if lost:
        fault = f"{len(lost)} of {len(place)} images have no caption in '{language}', such as {min(lost)}"
        raise InputError(str(files[language]), fault, "Fetch the annotations of all languages again.")
    texts = [text for row in found for text in row["sentences"]]
    images = [place[row["img_path"]] for row in found for _ in row["sentences"]]
    return Captions(np.array(images, np.int64), require_texts(texts, str(files[language])))

"""XM3600 (Crossmodal-3600): photographs from 36 places, with all captions in 36 languages."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.annotations import read_json_lines
from mc2lib.io.benchmarks.benchmark_set import (
    Benchmark,
    Captions,
    ImageFiles,
    Location,
    Retrieval,
    digest_files,
    require_distinct,
    require_texts,
)

CAPTIONS = "captions.jsonl"


def open_xm3600(folder: Path) -> Benchmark:
    """Retrieval with all captions: `captions.jsonl` and `images/<key>.jpg`.

    An image without a caption in a language is asked with in no direction there, and stays a candidate; n says so.

    Args:
        folder: of the set.

    Raises:
        InputError: a line is broken, a key is there twice, or no language has captions.
    """
    rows, images = _read(folder)
    found = sorted(
        {key for row in rows for key, value in row.items() if isinstance(value, dict) and "caption" in value}
    )
    if not found:
        raise InputError(str(folder / CAPTIONS), "no language with captions", "Fetch the set again.")
    task = Retrieval(tuple(found), functools.partial(_read_captions, rows, folder))
    return Benchmark("xm3600", str(folder), images, task, digest_files(folder / CAPTIONS))


def _read(folder: Path) -> tuple[list[dict[str, Any]], ImageFiles]:
    rows = read_json_lines(folder / CAPTIONS, ("image/key", "image/locale"))
    keys = [str(row["image/key"]) for row in rows]
    require_distinct(keys, str(folder / CAPTIONS))
    return rows, ImageFiles(folder / "images", tuple(f"{key}.jpg" for key in keys))


def _read_captions(rows: list[dict[str, Any]], folder: Path, language: str) -> Captions:
    images: list[int] = []
    texts: list[object] = []
    for number, row in enumerate(rows):
        captions = row.get(language, {}).get("caption", [])
        images += [number] * len(captions)
        texts += captions
    return Captions(np.array(images, np.int64), require_texts(texts, f"{folder / CAPTIONS}: {language}"))


def open_xm3600_location(folder: Path) -> Benchmark:
    """Few-shot geo-localisation: the locale of each photograph, shots from one half, shuffled anew per draw."""
    rows, images = _read(folder)
    task = Location(tuple(str(row["image/locale"]) for row in rows), shuffled=len(rows) // 2)
    return Benchmark("xm3600-geo", str(folder), images, task, digest_files(folder / CAPTIONS))

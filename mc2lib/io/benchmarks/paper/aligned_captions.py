"""Sets with one caption per image in text files whose lines are the images': Flickr30k-200, XTD-200, XTD-10."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.annotations import read_text_lines
from mc2lib.io.benchmarks.benchmark_set import (
    Benchmark,
    Captions,
    ImageFiles,
    Retrieval,
    digest_files,
    require_distinct,
    require_texts,
)

#: Codes as FLORES writes them: language and script.
FLORES = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")
XTD10 = re.compile(r"test_1kcaptions_([a-z]{2})")
#: English, and what the repository of Flickr30k-200 calls its file.
ENGLISH, ENGLISH_FILE = "eng_Latn", "eng_captions.txt"


def open_flickr30k_200(folder: Path) -> Benchmark:
    """Flickr30k-200: `filenames.txt`, `<FLORES code>.txt`, `eng_captions.txt` and `images/`."""
    return _open("flickr30k-200", folder, folder / "filenames.txt", _find_flores(folder))


def open_xtd200(folder: Path) -> Benchmark:
    """XTD-200: `test_image_names.txt`, `<FLORES code>.txt` and `images/`."""
    return _open("xtd-200", folder, folder / "test_image_names.txt", _find_flores(folder))


def open_xtd10(folder: Path) -> Benchmark:
    """XTD-10: `test_1kcaptions_<language>.txt` in XTD10/, MIC/ and STAIR/ as in its repository, or side by side."""
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("test_1kcaptions_*.txt")):
        found = XTD10.fullmatch(path.stem)
        if found:
            files.setdefault({"jp": "ja"}.get(found[1], found[1]), path)
    names = next(iter(sorted(folder.rglob("test_image_names.txt"))), folder / "test_image_names.txt")
    return _open("xtd-10", folder, names, files)


def _find_flores(folder: Path) -> dict[str, Path]:
    found = {path.stem: path for path in sorted(folder.glob("*.txt")) if FLORES.fullmatch(path.stem)}
    if (folder / ENGLISH_FILE).exists():
        found.setdefault(ENGLISH, folder / ENGLISH_FILE)
    return found


def _open(name: str, folder: Path, index: Path, files: Mapping[str, Path]) -> Benchmark:
    """A benchmark of an index of image names and one file of captions per language.

    Raises:
        InputError: a file is missing, an image is named twice, or a file has not one line per image.
    """
    images = read_text_lines(index)
    require_distinct(images, str(index))
    if not files:
        raise InputError(str(folder), "no file of captions", "Fetch the set again.")
    task = Retrieval(tuple(sorted(files)), functools.partial(_read_captions, dict(files), len(images)))
    root = folder / "images"
    annotations = digest_files(index, *files.values())
    lacks_english = not {ENGLISH, "en"} & files.keys()
    remarks = (f"no English captions here, {ENGLISH}.txt: the macro mean is over the other languages",)
    return Benchmark(
        name, str(folder), ImageFiles(root, tuple(images)), task, annotations, remarks if lacks_english else ()
    )


def _read_captions(files: Mapping[str, Path], images: int, language: str) -> Captions:
    path = files[language]
    lines = read_text_lines(path)
    if len(lines) != images:
        raise InputError(str(path), f"{len(lines)} captions for {images} images", "Fetch the set again.")
    return Captions(np.arange(images), require_texts(lines, str(path)))

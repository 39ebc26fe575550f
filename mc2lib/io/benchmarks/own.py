"""A set of one's own: a folder, or a Parquet file, of images with captions or classes in any languages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.errors import InputError, nearest
from mc2lib.io.benchmarks.annotations import read_csv_rows, read_json_lines, read_json_object
from mc2lib.io.benchmarks.benchmark_set import (
    Benchmark,
    Captions,
    Classification,
    ImageFiles,
    Images,
    Prompts,
    Retrieval,
    Rows,
    digest_files,
    digest_of,
    number_classes,
    require_templates,
    require_texts,
)
from mc2lib.io.benchmarks.paper.imagenet import list_class_folders
from mc2lib.io.benchmarks.table_images import ParquetImages, ParquetRows

CAPTION_FILES = ("captions.jsonl", "captions.csv")
CLASSES, TEMPLATES = "classes.json", "prompts.json"
#: What columns may be called; the first that is there counts.
IMAGE = ("image", "img", "jpg", "png", "webp")
CAPTION = ("caption", "captions", "text", "alt_text")
CLASS = ("class", "label")
#: The language of a set that says none.
UNSAID = "en"

LAYOUTS = (
    "a folder with captions.jsonl or captions.csv (image, caption, language) next to its images; a folder whose "
    "subfolders are classes, with classes.json and prompts.json for their names and templates in each language; or a "
    "Parquet file with columns image, language and caption or class"
)


def open_own(path: Path) -> Benchmark:
    """An evaluation set of one's own; `LAYOUTS` says what it may look like.

    Args:
        path: of the folder, or of a Parquet file.

    Raises:
        InputError: it is none of the layouts, it is empty, or a row is not whole.
    """
    name = f"own-{path.stem}"
    if path.is_file() and path.suffix == ".parquet":
        return _open_parquet(name, path)
    for file in CAPTION_FILES:
        if (path / file).exists():
            return _open_captions(name, path, path / file)
    if path.is_dir() and any(inside.is_dir() for inside in path.iterdir()):
        return _open_classes(name, path)
    raise InputError(str(path), "no evaluation set is known here", f"Give {LAYOUTS}.")


# ---------------------------------------------------------------------- captions


def _open_captions(name: str, folder: Path, file: Path) -> Benchmark:
    """Rows of image, caption and language; `caption` may be a list, or an object of language to text or list."""
    rows = read_json_lines(file, ("image",)) if file.suffix == ".jsonl" else read_csv_rows(file, ("image", "caption"))
    images: dict[str, int] = {}
    found: dict[str, tuple[list[int], list[object]]] = {}
    for number, row in enumerate(rows, 1):
        image = images.setdefault(str(row["image"]), len(images))
        for language, text in _caption_texts(row, f"{file}, row {number}"):
            of_language = found.setdefault(language, ([], []))
            of_language[0].append(image)
            of_language[1].append(text)
    if not found:
        raise InputError(str(file), "the set is empty", "Write a row per caption.")
    return _retrieve(name, str(file), ImageFiles(folder, tuple(images)), found, digest_files(file))


def _caption_texts(row: Mapping[str, Any], place: str) -> Iterator[tuple[str, object]]:
    column = next((column for column in CAPTION if column in row), None)
    if column is None:
        raise InputError(place, "no caption", f"Write it under '{CAPTION[0]}'.")
    said = row.get("language") or UNSAID
    of_language = row[column] if isinstance(row[column], dict) else {said: row[column]}
    for language, texts in of_language.items():
        for text in texts if isinstance(texts, list) else [texts]:
            yield str(language), text


def _retrieve(
    name: str, place: str, images: Images, found: Mapping[str, tuple[list[int], list[object]]], annotations: str
) -> Benchmark:
    captions = {
        language: Captions(np.array(rows, np.int64), require_texts(texts, f"{place}: {language}"))
        for language, (rows, texts) in found.items()
    }
    few = [f"{k}: {len(set(v.images.tolist()))}" for k, v in captions.items() if len(set(v.images)) < len(images.names)]
    remarks = (f"images with a caption, of {len(images.names)}: {', '.join(few)}",) if few else ()
    task = Retrieval(tuple(sorted(captions)), captions.__getitem__)
    return Benchmark(name, place, images, task, annotations, remarks)


# ---------------------------------------------------------------------- classes


def _open_classes(name: str, folder: Path) -> Benchmark:
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    images, labels = list_class_folders(folder, classes)
    files = [folder / file for file in (CLASSES, TEMPLATES) if (folder / file).exists()]
    return _classify(name, folder, images, labels, classes, digest_of([digest_files(*files), *images.names]))


def _classify(name: str, folder: Path, images: Images, labels: Rows, classes: list[str], annotations: str) -> Benchmark:
    """Classes by the names and templates of classes.json and prompts.json in `folder`; else by their own, bare."""
    named = read_json_object(folder / CLASSES) if (folder / CLASSES).exists() else {UNSAID: {}}
    templates = read_json_object(folder / TEMPLATES) if (folder / TEMPLATES).exists() else {}
    for language in templates:
        if language not in named:
            fault = f"templates in '{language}', and no names"
            raise InputError(str(folder / TEMPLATES), fault, nearest(language, named))
    prompts: dict[str, Prompts] = {}
    for language, names in named.items():
        place = f"{folder / CLASSES}: {language}"
        lost = [one for one in classes if one not in names] if names else []
        if lost:
            raise InputError(
                place, f"{len(lost)} of {len(classes)} classes have no name, such as '{lost[0]}'", "Add it."
            )
        texts = require_texts([names[one] if names else one for one in classes], place)
        found = require_templates(templates.get(language, ["{}"]), f"{folder / TEMPLATES}: {language}")
        prompts[language] = Prompts(np.arange(len(classes)), tuple(texts), found)
    bare = sorted(set(named) - set(templates))
    remarks = (f"bare names, for want of templates in {TEMPLATES}: {', '.join(bare)}",) if bare else ()
    task = Classification(len(classes), np.arange(len(labels)), labels, tuple(sorted(prompts)), prompts.__getitem__)
    return Benchmark(name, str(folder), images, task, annotations, remarks)


# ---------------------------------------------------------------------- Parquet


def _open_parquet(name: str, path: Path) -> Benchmark:
    try:
        columns = pq.read_schema(path).names
        image, text, label = (_first(columns, names) for names in (IMAGE, CAPTION, CLASS))
        if image is None or (text is None and label is None):
            raise InputError(str(path), f"columns {', '.join(columns)} are no evaluation set", f"Give {LAYOUTS}.")
        chosen = [column for column in (text or label, "language", "id") if column in columns]
        table = pq.read_table(path, columns=chosen)
    except (pa.ArrowException, OSError) as error:
        raise InputError(str(path), f"not a whole Parquet file ({error})", "Write it again.") from error
    if not table.num_rows:
        raise InputError(str(path), "the set is empty", "Write a row per image.")
    ids = table["id"].to_pylist() if "id" in columns else list(range(table.num_rows))
    annotations = digest_of([str(table.schema), *map(repr, table.to_pylist())])
    first: dict[Any, int] = {}  # the row that an image is read from: rows of one id are one image
    for number, one in enumerate(ids):
        first.setdefault(one, number)
    images = ParquetRows(ParquetImages((path,), image, tuple(map(str, ids))), tuple(first.values()))
    place = {one: i for i, one in enumerate(first)}
    if text is None:
        if len(first) < len(ids):
            fault = f"{len(ids) - len(first)} of {len(ids)} ids are there before"
            raise InputError(str(path), fault, "Give each image one id and one class.")
        values = [str(value) for value in table[label].to_pylist()]
        classes = sorted(set(values))
        labels = number_classes(values, classes, str(path))
        return _classify(name, path.parent, images, labels, classes, annotations)
    found: dict[str, tuple[list[int], list[object]]] = {}
    for number, row in enumerate(table.to_pylist()):
        for language, caption in _caption_texts(row, f"{path}, row {number}"):
            of_language = found.setdefault(language, ([], []))
            of_language[0].append(place[ids[number]])
            of_language[1].append(caption)
    return _retrieve(name, str(path), images, found, annotations)


def _first(columns: list[str], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in columns), None)

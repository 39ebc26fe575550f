"""CVQA: four-way questions on photographs of 30 countries, in the local language and in English."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.benchmark_set import (
    Benchmark,
    Choice,
    Questions,
    digest_of,
    require_distinct,
    require_texts,
)
from mc2lib.io.benchmarks.table_images import open_rows

#: What the columns of each language's question and options begin with.
COLUMNS = {"local": "", "en": "Translated "}
OPTIONS = 4


def open_cvqa(language: str, folder: Path) -> Benchmark:
    """CVQA's test split, in the local languages or in English.

    Args:
        language: local or en.
        folder: with the hub's Parquet files, or saved by `datasets`.

    Raises:
        InputError: a column is missing, an id is there twice, a question has not four options, or a label is none of
            them (the set was once published with its labels withheld, as -1).

    Source: MetaCLIP 2, §4 (CVQA).
    """
    prefix = COLUMNS[language]
    columns = ["ID", "Subset", f"{prefix}Question", f"{prefix}Options", "Label"]
    rows, images = open_rows(folder, "image", columns, "ID")
    require_distinct([str(row["ID"]) for row in rows], str(folder))
    questions = _read_questions(rows, prefix, str(folder))
    annotations = digest_of(repr(sorted(row.items())) for row in rows)
    task = Choice((language,), lambda _: questions)
    return Benchmark(f"cvqa-{language}", str(folder), images, task, annotations)


def _read_questions(rows: list[dict[str, Any]], prefix: str, place: str) -> Questions:
    labels = np.array([-1 if row["Label"] is None else row["Label"] for row in rows], np.int64)
    outside = int(((labels < 0) | (labels >= OPTIONS)).sum())
    if outside:
        fault = f"{outside} of {len(labels)} labels are outside 0..{OPTIONS - 1}: this copy withholds its answers"
        raise InputError(place, fault, "Fetch a version of the set with its answers.")
    options = []
    for row in rows:
        found = list(row[f"{prefix}Options"] or ())
        if len(found) != OPTIONS:
            raise InputError(f"{place}: {row['ID']}", f"{len(found)} options, not {OPTIONS}", "Fetch the set again.")
        texts = require_texts([row[f"{prefix}Question"], *found], f"{place}: {row['ID']}")
        options.append([f"{texts[0]} {option}" for option in texts[1:]])
    return Questions(np.arange(len(rows)), options, labels, [name_subset(str(row["Subset"])) for row in rows])


def name_subset(subset: str) -> str:
    """A subset's name as language and country.

    >>> name_subset("('Telugu', 'India')")
    'Telugu, India'
    """
    try:
        found = ast.literal_eval(subset)
    except (ValueError, SyntaxError):
        return subset
    return ", ".join(map(str, found)) if isinstance(found, tuple) else subset

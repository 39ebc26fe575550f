"""Google Landmarks v2: which landmark a query of the retrieval track shows, by its bare name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.annotations import read_csv_rows
from mc2lib.io.benchmarks.benchmark_set import (
    Benchmark,
    Classification,
    ImageFiles,
    Prompts,
    digest_files,
    require_distinct,
)

SOLUTION, LANDMARKS, NAMES = "retrieval_solution_v2.1.csv", "index_image_to_landmark.csv", "index_label_to_category.csv"
USED = ("Public", "Private")
#: Files that need not be there, and the kind of group that each of their columns gives. The hierarchy is official and
#: says nothing of places; regions are a file of one's own.
GROUPS = {
    "index_label_to_hierarchical.csv": {"made": "natural_or_human_made", "kind": "supercategory"},
    "landmark_regions.csv": {"region": "region"},
}
UNKNOWN = "unknown"


def open_gldv2(folder: Path) -> Benchmark:
    """Zero-shot among the landmarks that the queries' index images show, by bare names.

    A query's landmark is that of most of its index images. Where index_label_to_hierarchical.csv or
    landmark_regions.csv (landmark_id, region) is there, its columns of `GROUPS` group the queries by their landmarks.

    Args:
        folder: holds the three CSV files and test/, flat or as GLDv2 nests it (test/a/b/c/abc….jpg).

    Raises:
        InputError: a file or column is missing, a query is there twice, or an index image has no landmark or a
            landmark no name.
    """
    queries = [row for row in read_csv_rows(folder / SOLUTION, ("id", "images", "Usage")) if row["Usage"] in USED]
    require_distinct([row["id"] for row in queries], str(folder / SOLUTION))
    wanted = {image for row in queries for image in row["images"].split()}
    landmark_of = {
        row["id"]: row["landmark_id"]
        for row in read_csv_rows(folder / LANDMARKS, ("id", "landmark_id"))
        if row["id"] in wanted
    }
    _require_all(wanted, landmark_of, folder / LANDMARKS, "index images have no landmark")
    landmarks = set(landmark_of.values())
    names = {
        row["landmark_id"]: name_landmark(row["category"])
        for row in read_csv_rows(folder / NAMES, ("landmark_id", "category"))
        if row["landmark_id"] in landmarks
    }
    _require_all(landmarks, names, folder / NAMES, "landmarks have no name")
    order = list(names)
    place = {landmark: i for i, landmark in enumerate(order)}
    labels = [_landmark_of(row["images"].split(), landmark_of, row["id"], folder) for row in queries]
    prompts = Prompts(np.arange(len(order)), tuple(names[landmark] for landmark in order), ("{}",))
    classes = np.array([place[label] for label in labels], np.int64)
    groups = _group(folder, labels)
    task = Classification(len(order), np.arange(len(queries)), classes, ("en",), lambda language: prompts, groups)
    images = ImageFiles(folder / "test", tuple(_locate(folder / "test", row["id"]) for row in queries))
    more = [folder / name for name in GROUPS if (folder / name).exists()]
    annotations = digest_files(folder / SOLUTION, folder / LANDMARKS, folder / NAMES, *more)
    return Benchmark("gldv2", str(folder), images, task, annotations)


def name_landmark(category: str) -> str:
    """The name of a landmark, of its category on Wikimedia Commons.

    >>> name_landmark("http://commons.wikimedia.org/wiki/Category:Haus_am_Horn")
    'Haus am Horn'
    """
    return unquote(category.rpartition(":")[2]).replace("_", " ").strip('" ')


def _group(folder: Path, labels: list[str]) -> dict[str, list[str]]:
    """Kind of group to the group of each query, by its landmark."""
    groups: dict[str, list[str]] = {}
    for name, columns in GROUPS.items():
        if not (folder / name).exists():
            continue
        rows = {row["landmark_id"]: row for row in read_csv_rows(folder / name, ("landmark_id", *columns.values()))}
        for kind, column in columns.items():
            groups[kind] = [rows.get(label, {}).get(column) or UNKNOWN for label in labels]
    return groups


def _landmark_of(images: list[str], landmark_of: dict[str, str], query: str, folder: Path) -> str:
    if not images:
        raise InputError(f"{folder / SOLUTION}: {query}", "has no index images", "Fetch the file again.")
    return Counter(landmark_of[image] for image in images).most_common(1)[0][0]


def _locate(root: Path, query: str) -> str:
    nested = f"{query[0]}/{query[1]}/{query[2]}/{query}.jpg"
    return nested if (root / nested).exists() else f"{query}.jpg"


def _require_all(wanted: set[str], found: dict[str, str], path: Path, what: str) -> None:
    lost = wanted - found.keys()
    if lost:
        raise InputError(str(path), f"{len(lost)} of {len(wanted)} {what}, such as '{min(lost)}'", "Fetch it again.")

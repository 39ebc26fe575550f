"""Benchmarks in their official layouts, written by hand from a few images."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.io.benchmarks.paper.imagenet import wordnet_ids
from tests.pools import jpg, write_tar


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_xm3600(
    folder: Path,
    images: Sequence[bytes],
    captions: Mapping[str, Sequence[Sequence[str]]],
    locales: Sequence[str] | None = None,
) -> Path:
    """`captions` is language to each image's captions."""
    lines = []
    for i, image in enumerate(images):
        row: dict[str, object] = {"image/key": f"{i:016x}", "image/locale": locales[i] if locales else "en"}
        for language, texts in captions.items():
            row[language] = {"caption": list(texts[i]), "caption/tokenized": list(texts[i])}
        lines.append(json.dumps(row, ensure_ascii=False))
        write(folder / "images" / f"{i:016x}.jpg", image)
    write(folder / "captions.jsonl", "\n".join(lines) + "\n")
    return folder


def write_aligned(folder: Path, index: str, images: Sequence[bytes], files: Mapping[str, Sequence[str]]) -> Path:
    """Flickr30k-200's, XTD-200's and XTD-10's layout: an index of names, and `files` of a line per image."""
    names = [f"COCO_val2014_{i:012d}.jpg" for i in range(len(images))]
    for name, image in zip(names, images, strict=True):
        write(folder / "images" / name, image)
    write(folder / index, "\n".join(names) + "\n")
    for name, lines in files.items():
        write(folder / name, "\n".join(lines) + "\n")
    return folder


def write_xflickr_co(folder: Path, images: Sequence[bytes], captions: Mapping[str, Sequence[str]]) -> Path:
    """Even images are Flickr30k's, odd ones COCO's."""
    names = [f"{i}.jpg" if i % 2 == 0 else f"COCO_val2014_{i:012d}.jpg" for i in range(len(images))]
    for i, (name, image) in enumerate(zip(names, images, strict=True)):
        write(folder / ("flickr30k-images" if i % 2 == 0 else "val2014") / name, image)
    for language, texts in captions.items():
        rows = [
            {"sentences": [text], "id": name[:-4], "img_path": name} for name, text in zip(names, texts, strict=True)
        ]
        write(folder / "annotations" / language / "test.jsonl", "\n".join(map(json.dumps, rows)))
    return folder


def write_imagenet(folder: Path, images: Mapping[int, Sequence[bytes]]) -> Path:
    """Class number to its images; every class has its folder, as ILSVRC's has."""
    for number, name in enumerate(wordnet_ids()):
        (folder / "val" / name).mkdir(parents=True, exist_ok=True)
        for i, image in enumerate(images.get(number, ())):
            write(folder / "val" / name / f"ILSVRC2012_val_{number:04d}{i:04d}.JPEG", image)
    return folder


def write_babel(folder: Path, labels: Mapping[str, Mapping[int, str]], prompts: Mapping[str, Sequence[str]]) -> Path:
    content = {language: [list(names), list(names.values())] for language, names in labels.items()}
    write(folder / "babel_imagenet.json", json.dumps(content))
    write(folder / "nllb_dist13b_prompts.json", json.dumps(prompts))
    return folder


def cvqa_rows(images: Sequence[bytes], labels: Sequence[int]) -> list[dict[str, object]]:
    subsets = ("('Telugu', 'India')", "('Spanish', 'Mexico')")
    return [
        {
            "image": {"bytes": image, "path": f"{i}.jpg"},
            "ID": f"59209{i}_0",
            "Subset": subsets[i % 2],
            "Question": f"¿qué es {i}?",
            "Translated Question": f"what is {i}?",
            "Options": [f"opción {o}" for o in range(4)],
            "Translated Options": [f"option {o}" for o in range(4)],
            "Label": label,
            "Category": "Geography",
        }
        for i, (image, label) in enumerate(zip(images, labels, strict=True))
    ]


def write_cvqa(folder: Path, rows: Sequence[Mapping[str, object]], group: int = 2) -> Path:
    """Parquet as the hub has it, in two files of small row groups."""
    folder.mkdir(parents=True, exist_ok=True)
    half = -(-len(rows) // 2)
    for number, part in enumerate((rows[:half], rows[half:])):
        path = folder / "data" / f"test-{number:05d}-of-00002.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(list(part), pa.Table.from_pylist(list(rows)).schema), path, group)
    return folder


def write_dollar_street(
    folder: Path, train: Sequence[Mapping[str, object]], test: Sequence[Mapping[str, object]]
) -> Path:
    """Rows need country.id, region.id, income and imagenet_sysnet_id; images are grey."""
    root, number = folder / "dataset_dollarstreet", 0
    for split, rows in (("train", train), ("test", test)):
        whole = []
        for row in rows:
            name = f"assets/{number:024x}/{number:024x}.jpg"
            write(root / name, jpg(number % 256))
            whole.append(
                {"id": f"{number:024x}", "imageRelPath": name, "topics": "[]", "imagenet_synonyms": "['x']", **row}
            )
            number += 1
        write_csv(root / f"images_v2_imagenet_{split}.csv", whole)
    return folder


def write_geode(folder: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Rows need object, ip_country and region."""
    whole = [{"file_path": f"{row['ip_country']}/{i}.jpg", **row} for i, row in enumerate(rows)]
    for i, row in enumerate(whole):
        write(folder / "images" / str(row["file_path"]), jpg(i % 256))
    write_csv(folder / "index.csv", whole)
    return folder


def write_gldv2(
    folder: Path, queries: Mapping[str, str], landmark_of: Mapping[str, int], names: Mapping[int, str]
) -> Path:
    """Queries are id to index images; one is of no use, as most of the official file's are."""
    rows = [{"id": query, "images": images, "Usage": "Private"} for query, images in queries.items()]
    write_csv(folder / "retrieval_solution_v2.1.csv", [*rows, {"id": "ffff", "images": "None", "Usage": "Ignored"}])
    write_csv(folder / "index_image_to_landmark.csv", [{"id": i, "landmark_id": n} for i, n in landmark_of.items()])
    category = "http://commons.wikimedia.org/wiki/Category:"
    write_csv(
        folder / "index_label_to_category.csv",
        [{"landmark_id": n, "category": category + name} for n, name in names.items()],
    )
    for i, query in enumerate(queries):
        write(folder / "test" / query[0] / query[1] / query[2] / f"{query}.jpg", jpg(i))
    return folder


def write_webdataset(folder: Path, classes: Sequence[str], labels: Sequence[int]) -> Path:
    """DataComp's layout, in two tars."""
    write(folder / "classnames.txt", "\n".join(classes) + "\n")
    write(folder / "zeroshot_classification_templates.txt", "a photo of a {c}.\na {c}\n")
    half = -(-len(labels) // 2)
    for number in range(2):
        members = []
        for i, label in enumerate(labels[number * half : (number + 1) * half], number * half):
            members += [(f"s{i:07d}.cls", str(label).encode()), (f"s{i:07d}.jpg", jpg(i))]
        write_tar(folder / "test" / f"{number}.tar", members)
    return folder

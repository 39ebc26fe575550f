"""DataComp's and SLIP's classification sets, in the webdataset layout in which DataComp publishes them.

`<set>/classnames.txt`, `<set>/zeroshot_classification_templates.txt` and tars in `<set>/test/` whose samples are an
image and a `.cls` with its class. The 26 sets of SLIP's suite are among DataComp's, but for a few.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.annotations import read_text_lines
from mc2lib.io.benchmarks.benchmark_set import (
    Benchmark,
    Classification,
    Prompts,
    Recent,
    digest_files,
    digest_of,
    require_distinct,
    require_templates,
    require_texts,
)
from mc2lib.io.tars import IMAGES, read_members, split_name

CLASSES, TEMPLATES = "classnames.txt", "zeroshot_classification_templates.txt"
#: Sets whose own metric is the mean of the classes' recalls; the others' is top-1.
MEAN_PER_CLASS = ("caltech101", "fgvc_aircraft", "flowers", "pets")


@dataclass
class TarImages:
    """Images of a webdataset's tars, read in order; those of two tars are held at a time.

    Args:
        paths: the tars.
        places: tar number and member of each image.
    """

    paths: tuple[Path, ...]
    places: tuple[tuple[int, str], ...]
    _recent: Recent = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._recent = Recent(self._read_tar, limit=2)

    def _read_tar(self, tar: int) -> dict[str, bytes]:
        wanted = {member for number, member in self.places if number == tar}
        members = read_members(self.paths[tar], wanted.__contains__)
        return {name: content for name, content in members if content is not None}

    @property
    def names(self) -> list[str]:
        """Tar and member."""
        return [f"{self.paths[tar].name}: {member}" for tar, member in self.places]

    def read(self, index: int) -> bytes:
        """One image's bytes; OSError if the tar no longer has it."""
        tar, member = self.places[index]
        held = self._recent.get(tar)
        if member not in held:
            raise OSError("the tar has changed")
        return bytes(held[member])

    def find_missing(self) -> list[int]:
        """None: the tars were read to list them."""
        return []

    def identity(self) -> str:
        """Digest of the tars' names, sizes and times of change."""
        stats = ((path, path.stat()) for path in self.paths)
        return digest_of(f"{path.name}\x1f{stat.st_size}\x1f{stat.st_mtime_ns}" for path, stat in stats)


def list_webdatasets(folder: Path) -> list[Path]:
    """The sets below a folder."""
    return sorted(path.parent for path in folder.glob(f"*/{CLASSES}"))


def open_webdataset(folder: Path) -> Benchmark:
    """One classification set; its templates hold `{c}` where the class's name goes, as DataComp writes them.

    Args:
        folder: of the set.

    Raises:
        InputError: a file is missing, a sample has no class or no image, a class is outside the names, or a tar is cut.
    """
    names = require_texts(read_text_lines(folder / CLASSES), str(folder / CLASSES))
    lines = read_text_lines(folder / TEMPLATES)
    templates = require_templates([line.replace("{c}", "{}") for line in lines if line], str(folder / TEMPLATES))
    paths = tuple(sorted((folder / "test").glob("*.tar")))
    if not paths:
        raise InputError(str(folder / "test"), "no tars", "Fetch the set again.")
    places, labels = _read_samples(paths, len(names))
    prompts = Prompts(np.arange(len(names)), tuple(names), templates)
    short = folder.name.removeprefix("wds_").removesuffix("_test")
    main = "mean_per_class" if any(name in short for name in MEAN_PER_CLASS) else "top1"
    task = Classification(len(names), np.arange(len(labels)), labels, ("en",), lambda language: prompts, main=main)
    annotations = digest_files(folder / CLASSES, folder / TEMPLATES)
    return Benchmark(f"wds-{short}", str(folder), TarImages(paths, places), task, annotations)


def _read_samples(paths: tuple[Path, ...], classes: int) -> tuple[tuple[tuple[int, str], ...], np.ndarray]:
    images: dict[str, tuple[int, str]] = {}
    labels: dict[str, int] = {}
    keys: list[str] = []
    for number, path in enumerate(paths):
        tally: Counter[str] = Counter()
        for name, content in read_members(path, lambda name: name.endswith(".cls"), tally):
            key, extension = split_name(name)
            key = f"{path.name}: {key}"
            if extension in IMAGES:
                images[key] = (number, name)
                keys.append(key)
            elif content is not None:
                labels[key] = _read_class(content, classes, key)
        if tally:
            raise InputError(str(path), ", ".join(tally), "Fetch the set again.")
    require_distinct(keys, str(paths[0].parent))
    if images.keys() != labels.keys():
        lost = min(images.keys() ^ labels.keys())
        raise InputError(lost, "has an image or a class, and not both", "Fetch the set again.")
    return tuple(images[key] for key in keys), np.array([labels[key] for key in keys], np.int64)


def _read_class(content: bytes, classes: int, place: str) -> int:
    try:
        label = int(content)
    except ValueError:
        label = -1
    if not 0 <= label < classes:
        raise InputError(place, f"its class {content[:20]!r} is outside the {classes} names", "Fetch the set again.")
    return label

"""What a benchmark is, whichever it is: images, and one task over them in some languages."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mc2lib.errors import InputError

Rows = npt.NDArray[np.int64]

#: The language of a task that has none, such as few-shot geo-localisation.
NO_LANGUAGE = ""


class Images(Protocol):
    """The images of a set, encoded."""

    @property
    def names(self) -> Sequence[str]:
        """What each is called, for errors."""

    def read(self, index: int) -> bytes:
        """One image's bytes; OSError if it cannot be read."""

    def find_missing(self) -> list[int]:
        """The images that are not there."""

    def identity(self) -> str:
        """Digest that changes when an image does, without reading them."""


@dataclass(frozen=True)
class ImageFiles:
    """Images that are files below a folder.

    Args:
        root: the folder.
        names: paths below it.
    """

    root: Path
    names: tuple[str, ...]

    def read(self, index: int) -> bytes:
        """One image's bytes; OSError if it cannot be read."""
        return (self.root / self.names[index]).read_bytes()

    def find_missing(self) -> list[int]:
        """The images that are not there."""
        return [index for index, stamp in enumerate(self._stamps()) if stamp is None]

    def identity(self) -> str:
        """Digest of all names, sizes and times of change."""
        return digest_of(f"{name}\x1f{stamp}" for name, stamp in zip(self.names, self._stamps(), strict=True))

    def _stamps(self) -> list[tuple[int, int] | None]:
        found: list[tuple[int, int] | None] = []
        for name in self.names:
            try:
                stat = Path(self.root, name).stat()
                found.append((stat.st_size, stat.st_mtime_ns))
            except OSError:
                found.append(None)
        return found


class Recent:
    """The last few parts of a set's files that were read, for threads that read images nearly in order.

    Args:
        load: reads a part.
        limit: how many are kept: threads at the border of two parts need both.
    """

    def __init__(self, load: Callable[[int], Any], limit: int = 3) -> None:
        self._load, self._limit = load, limit
        self._held: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, part: int) -> Any:
        """A part, read unless it is among the last few."""
        with self._lock:
            if part not in self._held:
                while len(self._held) >= self._limit:
                    self._held.popitem(last=False)
                self._held[part] = self._load(part)
            self._held.move_to_end(part)
            return self._held[part]


class Prompts(NamedTuple):
    """One language's classes: which of the set's they are, their names, and templates that each hold `{}`."""

    classes: Rows
    names: tuple[str, ...]
    templates: tuple[str, ...]

    def texts(self) -> list[str]:
        """All prompts, class by class."""
        return [template.replace("{}", name) for name in self.names for template in self.templates]


class Captions(NamedTuple):
    """One language's captions, each of one image."""

    images: Rows
    texts: list[str]


class Questions(NamedTuple):
    """Questions of one language, each of one image; every option is the whole text that is compared."""

    images: Rows
    options: list[list[str]]
    labels: Rows
    subsets: list[str]


@dataclass(frozen=True)
class Classification:
    """Zero-shot classification.

    Args:
        count: number of classes.
        images: int [p], an image; with `classes` one row per image and right class.
        classes: int [p], its right class.
        languages: those that have prompts.
        prompts: one language's prompts; an image is asked with where its class is one of them.
        groups: kind of group, such as region, to the group of each image.
        main: the set's own metric, top1 or mean_per_class.
    """

    count: int
    images: Rows
    classes: Rows
    languages: tuple[str, ...]
    prompts: Callable[[str], Prompts]
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    main: str = "top1"


@dataclass(frozen=True)
class Retrieval:
    """Retrieval both ways, with all captions of each language."""

    languages: tuple[str, ...]
    captions: Callable[[str], Captions]


@dataclass(frozen=True)
class Choice:
    """Multiple choice."""

    languages: tuple[str, ...]
    questions: Callable[[str], Questions]


@dataclass(frozen=True)
class Location:
    """Few-shot geo-localisation.

    Args:
        countries: of each image.
        train: the images that shots are drawn from; without it, `shuffled` of all are drawn anew with each seed.
        shuffled: how many those are.
    """

    countries: tuple[str, ...]
    train: Rows | None = None
    shuffled: int = 0


Task: TypeAlias = Classification | Retrieval | Choice | Location


@dataclass(frozen=True)
class Benchmark:
    """An opened benchmark.

    Args:
        name: as it is asked for.
        place: where it was read from, for errors.
        images: all of its images.
        task: what is measured.
        annotations: digest of everything else that was read.
        remarks: what is worth knowing of this copy, such as languages without prompts.
    """

    name: str
    place: str
    images: Images
    task: Task
    annotations: str
    remarks: tuple[str, ...] = ()

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the task is in."""
        return (NO_LANGUAGE,) if isinstance(self.task, Location) else self.task.languages

    def only(self, languages: Sequence[str]) -> Benchmark:
        """The same in some of its languages, in its own order; a task without languages stays whole."""
        if isinstance(self.task, Location):
            return self
        kept = tuple(language for language in self.task.languages if language in languages)
        return replace(self, task=replace(self.task, languages=kept))


def digest_of(parts: object) -> str:
    """Digest of strings in order, in hex."""
    found = hashlib.blake2b(digest_size=16)
    for part in parts:  # type: ignore[attr-defined]
        found.update(part.encode() + b"\0")
    return found.hexdigest()


def digest_files(*paths: Path) -> str:
    """Digest of the names and contents of annotation files, in hex."""
    found = hashlib.blake2b(digest_size=16)
    for path in paths:
        found.update(path.name.encode() + b"\0")
        with path.open("rb") as content:
            while block := content.read(1 << 20):
                found.update(block)
    return found.hexdigest()


def require_distinct(ids: Sequence[str], place: str) -> None:
    """Raise InputError if there are no ids, or some are there twice."""
    if not ids:
        raise InputError(place, "the set is empty", "Fetch it again.")
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        twice = [one for one in ids if one in seen or seen.add(one)]  # type: ignore[func-returns-value]
        fault = f"{len(twice)} of {len(ids)} ids are there before, such as '{twice[0]}'"
        raise InputError(place, fault, "Give each image one id, or fetch the set again.")


def require_texts(texts: Sequence[object], place: str) -> list[str]:
    """The texts as they are; InputError if one is empty or none, with how many."""
    empty = [i for i, text in enumerate(texts) if not (isinstance(text, str) and text.strip())]
    if empty:
        fault = f"{len(empty)} of {len(texts)} texts are empty, the first is number {empty[0]}"
        raise InputError(place, fault, "Complete them, or fetch the set again.")
    return [str(text) for text in texts]


def require_templates(templates: Sequence[str], place: str) -> tuple[str, ...]:
    """The templates as they are; InputError if there are none or one has no `{}`."""
    for template in templates:
        if "{}" not in template:
            raise InputError(place, f"the template '{template}' has no {{}}", "Write {} where the class's name goes.")
    if not templates:
        raise InputError(place, "no templates", 'Give some; "{}" is the bare name.')
    return tuple(templates)


def number_classes(labels: Sequence[str], classes: Sequence[str], place: str) -> Rows:
    """The place of each label among the classes.

    Raises:
        InputError: a label is none of them, with how many are not.
    """
    place_of = {name: i for i, name in enumerate(classes)}
    outside = sorted({label for label in labels if label not in place_of})
    if outside:
        count = sum(label not in place_of for label in labels)
        fault = f"{count} of {len(labels)} images have a label outside the {len(classes)} classes, such as "
        raise InputError(place, f"{fault}'{outside[0]}'", "Correct the labels, or add the class.")
    return np.array([place_of[label] for label in labels], np.int64)

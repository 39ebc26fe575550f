"""The language of each alt-text by fastText's language identification, label for label what the library says.

fastText answers one text per call and holds Python's lock meanwhile; here whole batches are answered. The `fasttext`
package remains the definition: tests compare every answer with it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mc2lib.languages import OTHER, metadata_language
from mc2lib.recipe.curation.language_id.fasttext_model import Bytes, FastText, Floats, Ints, Longs
from mc2lib.recipe.curation.language_id.fasttext_predict import predict


class Classifier(Protocol):
    """Another implementation of a model, such as the `fasttext` package."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's labels, in its order."""

    def ask(self, texts: pa.Array) -> tuple[Ints, Floats]:
        """See `identify_labels`."""


def identify(texts: pa.Array, model: FastText | Classifier, confidence: float = 0.0) -> pa.Array:
    """Identify the metadata language of each text.

    Args:
        texts: string [n]; each is read as one line, whatever white space it contains.
        model: a fastText classifier such as lid.176, or another implementation of one.
        confidence: a label that is less probable than this, 0 to 1, counts as `other`.

    Returns:
        string [n]: `other` if there is nothing to read, null if the text is null.

    Source: MetaCLIP 2, §3.2.
    """
    labels, probabilities = identify_labels(texts, model) if isinstance(model, FastText) else model.ask(texts)
    # fastText's probability has single precision, and is compared as the double that Python makes of it
    unsure = (labels < 0) | (probabilities.astype(np.float64) < confidence)
    languages = pa.array([*_languages(model.labels), OTHER], pa.string())
    chosen = np.where(unsure, np.int32(len(model.labels)), labels)
    return languages.take(pa.array(chosen, pa.int32(), mask=_nulls(texts)))


def identify_labels(texts: pa.Array, model: FastText) -> tuple[Ints, Floats]:
    """Find the most probable label of each text.

    Args:
        texts: string or large_string [n]; bytes that are not UTF-8 are read as fastText reads them.
        model: a fastText classifier.

    Returns:
        Indices into `model.labels`, int32 [n], -1 if there is no answer (nothing to read, or a null); and fastText's
        probabilities, float32 [n], which may exceed one by 1e-5, and are 0 if there is no answer.
    """
    labels = np.full(len(texts), -1, np.int32)
    probabilities = np.zeros(len(texts), np.float32)
    offsets, data = _buffers(texts)
    predict(data, offsets, model.loss, model.arrays, labels, probabilities)
    nulls = _nulls(texts)
    if nulls is not None:
        labels[nulls], probabilities[nulls] = -1, 0
    return labels, probabilities


@lru_cache(maxsize=8)
def _languages(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(metadata_language(label) for label in labels)


def _nulls(texts: pa.Array) -> npt.NDArray[np.bool_] | None:
    return np.asarray(texts.is_null()) if texts.null_count else None


def _buffers(texts: pa.Array) -> tuple[Longs, Bytes]:
    """Where each text begins and ends, int64 [n + 1], and the bytes; only 32-bit offsets are copied."""
    if not len(texts):
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    _, offsets, data = texts.buffers()
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    found = np.frombuffer(offsets, width)[texts.offset : texts.offset + len(texts) + 1]
    return found.astype(np.int64), np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)

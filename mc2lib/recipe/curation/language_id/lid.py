"""The language of each alt-text, by fastText's language id: label for label what the library says.

fastText answers one text a call and holds Python's lock meanwhile; here a batch is asked about at
once. The `fasttext` package stays the definition: tests hold every answer against it.
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
    """Another who answers for a model, such as the `fasttext` package."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's labels, in its order."""

    def ask(self, texts: pa.Array) -> tuple[Ints, Floats]:
        """As `identify_labels`."""


def identify(texts: pa.Array, model: FastText | Classifier, confidence: float = 0.0) -> pa.Array:
    """The metadata language of each text.

    Args:
        texts: string [n]; each is read as one line, whatever blanks it holds.
        model: a fastText classifier such as lid.176, or who answers for one.
        confidence: a label less probable than this counts as `other`.

    Returns:
        string [n]: `other` where there is nothing to read, null where the text is.

    Source: MetaCLIP 2, §3.2.
    """
    labels, probabilities = identify_labels(texts, model) if isinstance(model, FastText) else model.ask(texts)
    # fastText's probability is of single precision, and compared as the double that Python makes of it
    unsure = (labels < 0) | (probabilities.astype(np.float64) < confidence)
    languages = pa.array([*_languages(model.labels), OTHER], pa.string())
    chosen = np.where(unsure, np.int32(len(model.labels)), labels)
    return languages.take(pa.array(chosen, pa.int32(), mask=_nulls(texts)))


def identify_labels(texts: pa.Array, model: FastText) -> tuple[Ints, Floats]:
    """The likeliest label of each text and its probability.

    Args:
        texts: string or large_string [n]; bytes that are no UTF-8 are taken as fastText takes them.
        model: a fastText classifier.

    Returns:
        int32 [n], indices of `model.labels`, -1 where there is no answer (nothing to read, or a null);
        float32 [n], fastText's probability, which may be above one by 1e-5, and 0 where there is none.
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
    """Where each text lies, int64 [n + 1], and the bytes; nothing is copied but 32-bit offsets."""
    if not len(texts):
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    _, offsets, data = texts.buffers()
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    found = np.frombuffer(offsets, width)[texts.offset : texts.offset + len(texts) + 1]
    return found.astype(np.int64), np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)

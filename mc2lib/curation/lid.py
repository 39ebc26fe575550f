"""The language of each alt-text, by fastText's language id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from mc2lib.languages import OTHER, metadata_language


class LanguageModel(Protocol):
    """What is asked of a fastText model."""

    def predict(self, text: str) -> tuple[Sequence[str], Sequence[float]]:
        """Labels and their probabilities, best first, of one line of text."""
        ...


def identify(texts: pa.Array, model: LanguageModel, confidence: float = 0.0) -> pa.Array:
    """The metadata language of each text.

    Args:
        texts: string [n]; texts that repeat are asked about once.
        model: a fastText model such as lid.176.
        confidence: a label less probable than this counts as `other`.

    Returns:
        string [n], `other` where there is nothing to read.

    Source: MetaCLIP 2, §3.2.
    """
    encoded = texts.dictionary_encode()
    languages = [identify_text(text, model, confidence) for text in encoded.dictionary.to_pylist()]
    return pa.array(languages, pa.string()).take(encoded.indices)


def identify_text(text: str, model: LanguageModel, confidence: float = 0.0) -> str:
    """The metadata language of one text; see `identify`.

    The text is asked about alone and in one line: the model's list form mixes up labels and
    probabilities, and a newline is an error to it.
    """
    line = " ".join(text.split())
    if not line:
        return OTHER
    labels, probabilities = model.predict(line)
    if not labels or probabilities[0] < confidence:
        return OTHER
    return metadata_language(labels[0])

"""Which labels of a language-id model find a metadata list: the model's labels are read from its file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mc2lib.effects.language_model import load_language_model
from mc2lib.metadata.card import cover_labels


def label_coverage(languages: Sequence[str], model: Path | None = None) -> pd.DataFrame:
    """The labels of a fastText model beside the languages that have a list.

    Args:
        languages: metadata languages with a list.
        model: any fastText classifier's file (OpenLID, GlotLID, NLLB, your own); None: lid.176.

    Returns:
        a row a language, see `mc2lib.metadata.card.cover_labels`.

    Raises:
        InputError: no such model, or not a whole one.
    """
    return cover_labels(load_language_model(model).labels, languages)

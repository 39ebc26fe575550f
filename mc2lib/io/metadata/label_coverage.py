"""Which labels in the file of a language-identification model have a metadata list, and which lists have no label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from mc2lib.io.lid_models import load_language_model
from mc2lib.recipe.metadata.card import cover_labels
from mc2lib.recipe.metadata.other import unreached_languages


def label_coverage(languages: Sequence[str], model: Path | None = None) -> pd.DataFrame:
    """Compare the labels of a fastText model with the languages that have a list.

    Args:
        languages: metadata languages with a list.
        model: file of any fastText classifier (OpenLID, GlotLID, NLLB, your own); None for lid.176.

    Returns:
        One row per language, see `mc2lib.recipe.metadata.card.cover_labels`.

    Raises:
        InputError: there is no such model, or it is damaged.
    """
    return cover_labels(load_language_model(model).labels, languages)


def find_unreached(languages: Iterable[str], model: Path | None = None) -> tuple[str, ...]:
    """Find the languages that no label of a fastText model maps to; the list of `other` unites theirs.

    Args:
        languages: metadata languages.
        model: see `label_coverage`.

    Returns:
        Their codes, sorted.

    Raises:
        InputError: there is no such model, or it is damaged.
    """
    return unreached_languages(load_language_model(model).labels, languages)

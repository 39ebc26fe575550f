"""Which labels of a language-id model find a metadata list, and which lists none finds, by the model's own file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from mc2lib.io.lid_models import load_language_model
from mc2lib.recipe.metadata.card import cover_labels
from mc2lib.recipe.metadata.other import unreached_languages


def label_coverage(languages: Sequence[str], model: Path | None = None) -> pd.DataFrame:
    """The labels of a fastText model beside the languages that have a list.

    Args:
        languages: metadata languages with a list.
        model: any fastText classifier's file (OpenLID, GlotLID, NLLB, your own); None: lid.176.

    Returns:
        a row a language, see `mc2lib.recipe.metadata.card.cover_labels`.

    Raises:
        InputError: no such model, or not a whole one.
    """
    return cover_labels(load_language_model(model).labels, languages)


def find_unreached(languages: Iterable[str], model: Path | None = None) -> tuple[str, ...]:
    """The languages that no label of a fastText model means, by code: the list of `other` unites theirs.

    Args:
        languages: metadata languages.
        model: see `label_coverage`.

    Raises:
        InputError: no such model, or not a whole one.
    """
    return unreached_languages(load_language_model(model).labels, languages)

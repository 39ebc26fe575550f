"""The list of `other`: the union of the lists that no label of language identification reaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.languages import OTHER, metadata_language
from mc2lib.schemas import METADATA


@dataclass(frozen=True)
class United:
    """The union of some lists.

    Args:
        table: METADATA; source and rank are those in the list that an entry comes from.
        languages: of the lists, in the order of the union.
        origin: int64 [entries], the place in `languages` of the list that an entry comes from.
        candidates: by source, how many entries the lists have in total.
    """

    table: pa.Table
    languages: tuple[str, ...]
    origin: npt.NDArray[np.int64]
    candidates: Mapping[str, int]


def unreached_languages(labels: Iterable[str], languages: Iterable[str]) -> tuple[str, ...]:
    """Find the languages that no label of a language-identification model maps to.

    Args:
        labels: as the model spells them (`__label__en`, `__label__eng_Latn`).
        languages: metadata languages; `other` is left out.

    Returns:
        Their codes, sorted.

    Source: MetaCLIP 2, §3.2.

    Examples:
        >>> unreached_languages(["__label__en", "__label__zh"], ["en", "zh", "ang", "other"])
        ('ang',)
    """
    return tuple(sorted(set(languages) - {metadata_language(label) for label in labels} - {OTHER}))


def unite_lists(lists: Mapping[str, pa.Table]) -> United:
    """Unite the lists of some languages; of equal entries the first wins.

    Args:
        lists: by metadata language (METADATA). They are united in the order of the languages' codes.

    Returns:
        The union; it is empty if there are no lists.

    Source: MetaCLIP 2, §3.2.
    """
    languages = tuple(sorted(lists))
    whole = pa.concat_tables([lists[language] for language in languages]) if languages else METADATA.empty_table()
    sizes = [lists[language].num_rows for language in languages]
    codes = whole["entry"].combine_chunks().dictionary_encode().indices.to_numpy()
    first = np.sort(np.unique(codes, return_index=True)[1])
    counted = pc.value_counts(whole["source"]).to_pylist()
    return United(
        whole.take(pa.array(first)).combine_chunks(),
        languages,
        np.repeat(np.arange(len(sizes)), np.array(sizes, np.int64))[first],
        {count["values"]: count["counts"] for count in counted},
    )

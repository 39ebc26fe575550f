"""Merging a language's sources into its one list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from mc2lib.errors import InputError, nearest
from mc2lib.languages import is_punctuation
from mc2lib.schemas import METADATA

#: Sources in the order in which an entry that several hold is given to one.
SOURCES = ("wordnet", "unigram", "bigram", "title", "number")

#: Every language has these.
NUMBERS = tuple(str(number) for number in range(100))


def merge_sources(sources: Mapping[str, Sequence[str]], entry_characters: int) -> pa.Table:
    """One language's metadata: every source's entries in the order of `SOURCES`, the first source wins.

    Args:
        sources: entries by rank; a source that is absent is empty. `number` is added here.
        entry_characters: entries longer than this are dropped, and those of nothing but punctuation.

    Returns:
        METADATA; row order is entry id.

    Raises:
        InputError: a source is not of `SOURCES`.

    Source: MetaCLIP 2, §3.1.
    """
    for name in sources:
        if name not in SOURCES:
            raise InputError("metadata", f"no source '{name}'", nearest(name, SOURCES))
    columns: dict[str, tuple[str, int]] = {}
    for name in SOURCES:
        entries = NUMBERS if name == "number" else sources.get(name, ())
        for rank, entry in enumerate(entries):
            if is_usable(entry, entry_characters):
                columns.setdefault(entry, (name, rank))
    origin = list(columns.values())
    return pa.table(
        {
            "entry": pa.array(columns, pa.string()),
            "source": pa.array([name for name, _ in origin], pa.string()),
            "rank": pa.array([rank for _, rank in origin], pa.int32()),
        },
        schema=METADATA,
    )


def is_usable(entry: str, entry_characters: int) -> bool:
    """Whether an entry is short enough, not blank and more than punctuation."""
    return len(entry) <= entry_characters and not all(
        is_punctuation(character) or character.isspace() for character in entry
    )

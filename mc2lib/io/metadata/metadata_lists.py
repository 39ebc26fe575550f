"""Lists of entries on disk: what both the study and a build of one's own write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from mc2lib.io.files import read_table, write_table
from mc2lib.languages import OTHER
from mc2lib.recipe.metadata.card import CARD, card_row, count_letters
from mc2lib.recipe.metadata.merge import SOURCES, Walk
from mc2lib.recipe.metadata.other import unite_lists
from mc2lib.schemas import METADATA


def write_other(lists: Mapping[str, Path], target: Path) -> pd.DataFrame:
    """Write the list of `other`: the union of some lists, in the order of the codes of their languages.

    Args:
        lists: by metadata language, see `mc2lib.io.metadata.label_coverage.find_unreached`.
        target: where the list goes (METADATA).

    Returns:
        Its rows of the card, see `make_card`: `elsewhere` are entries that the list of an earlier language has, and the
        letters of each language's entries are compared with that language's script.
    """
    united = unite_lists({language: read_table(path, METADATA) for language, path in lists.items()})
    write_table(united.table, target, METADATA)
    sources = united.table["source"].to_numpy(zero_copy_only=False)
    rows = []
    for source in SOURCES:
        letters = np.zeros(2, np.int64)
        for place, language in enumerate(united.languages):
            entries = united.table["entry"].filter(pa.array((sources == source) & (united.origin == place)))
            letters += count_letters(entries.to_pylist(), language)
        size, candidates = int((sources == source).sum()), united.candidates.get(source, 0)
        origin = f"lists of {len(lists)} languages" if candidates else ""
        walk = Walk(candidates, None, size, candidates - size, 0)
        rows.append(card_row(OTHER, source, origin, walk, (int(letters[0]), int(letters[1]))))
    return pd.DataFrame(rows, columns=list(CARD))

"""Names are found however markup writes them: the hash of a string is that of its bytes."""

from __future__ import annotations

import numpy as np
import pytest

from mc2lib.recipe.metadata.wikitext.markup_names import (
    HIDDEN,
    INTERLANGUAGE,
    VISIBLE,
    hash_name,
    hash_name_bytes,
    link_names,
    meaning_of,
)


def meaning(written: str) -> int:
    """What a link's prefix means, as kernels look it up."""
    names = link_names({6: "Datei"}, ["de", "zh_yue"])
    data = np.frombuffer(f"[[{written}:x]]".encode(), np.uint8)
    value = np.uint64(hash_name_bytes(data, 2, 2 + len(written.encode())))
    return int(meaning_of(names.hashes, names.meanings, value, VISIBLE))


@pytest.mark.parametrize("name", ["ref", "REF", "Файл", "zh-yue", ""])
def test_a_string_and_its_bytes_have_one_hash(name: str) -> None:
    data = np.frombuffer(name.encode(), np.uint8)
    assert int(hash_name_bytes(data, 0, len(data))) == hash_name(name)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Datei", HIDDEN), ("DATEI", HIDDEN), ("file", HIDDEN), ("Category", HIDDEN), ("zh-yue", INTERLANGUAGE),
        ("zh_yue", VISIBLE), ("fr", VISIBLE), ("Star Wars", VISIBLE),
    ],
)  # fmt: skip
def test_prefixes_mean_what_the_wiki_says(written: str, expected: int) -> None:
    assert meaning(written) == expected

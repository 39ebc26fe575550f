"""A curated pool belongs to the code that curated it: an edit of matching, indices or draws makes them again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mc2lib.effects.code import code_digest
from mc2lib.effects.curate_pool import MATCHING, SAMPLING
from mc2lib.effects.duplicate_search import SEARCHING
from mc2lib.effects.duplicates import HASHING
from mc2lib.effects.indices import INDEXING
from tests.effects.test_training_code import copy_package, covered
from tests.test_study import reached

#: What names, reads and writes, or starts processes; and what a fingerprint holds by its content: parameters, the
#: matches that hashes are of, the metadata that an index is of, where a shard's texts stand.
PLUMBING = {
    "errors", "params", "effects.claims", "effects.code", "effects.columns", "effects.engine", "effects.files",
    "effects.machine", "effects.paths", "effects.steps", "effects.text_fields",
}  # fmt: skip
ENTRIES = {
    "indices": (("effects.indices",), INDEXING, {"schemas"}),
    "draws": (("effects.draws", "effects.repeats", "effects.totals"), SAMPLING, set()),
    "hashes": (
        ("effects.duplicates",),
        HASHING,
        {"curation.balance", "curation.curate", "curation.identity", "effects.matches", "schemas"},
    ),
    "duplicates": (
        ("effects.duplicate_search",),
        SEARCHING,
        {
            "curation.balance", "curation.curate", "curation.identity", "effects.decode", "effects.hygiene",
            "effects.readers", "effects.tars", "schemas",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ENTRIES)
def test_a_digest_holds_all_that_its_result_follows_from(what: str) -> None:
    entries, parts, by_content = ENTRIES[what]
    found = {module for entry in entries for module in reached(entry)} - PLUMBING - by_content
    assert set(entries) <= found and not {module for module in found if not covered(module, parts)}


def test_the_digest_of_matches_holds_the_whole_of_matching() -> None:
    entries = ("curation.match", "curation.lid", "curation.hygiene", "effects.readers", "effects.hygiene")
    found = {module for entry in entries for module in reached(entry)} - PLUMBING
    assert not {module for module in found if not covered(module, MATCHING)}


@pytest.mark.parametrize(
    ("path", "old", "new", "others"),
    [
        ("curation/borders.py", 'SET_OFF = ",.;:?!`"', 'SET_OFF = ",.;:?!"', {"matches", "indices"}),
        ("curation/match.py", "ABREAST = 512", "ABREAST = 256", {"matches"}),
        ("curation/balance.py", "counts[counts < t]", "counts[counts <= t]", {"draws"}),
        ("curation/borders.py", "#: What becomes a space.", "#: What turns into a space.", set()),
    ],
)
def test_an_edit_shows_in_what_follows_from_it(tmp_path: Path, path: str, old: str, new: str, others: set[str]) -> None:
    edited = copy_package(tmp_path, path, old, new) / "mc2lib"
    parts = {"matches": MATCHING, "indices": INDEXING, "draws": SAMPLING}
    changed = {name for name, held in parts.items() if code_digest(*held, package=edited) != code_digest(*held)}
    assert changed == others

"""A curated pool belongs to the code that curated it: an edit of matching, indices or draws makes them again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mc2lib.io.code_digest import code_digest
from mc2lib.io.match_store import INDEXING
from mc2lib.pipeline.curate.duplicate_search import SEARCHING
from mc2lib.pipeline.curate.image_hashing import HASHING
from mc2lib.pipeline.curate.matching import MATCHING
from mc2lib.pipeline.curate.sampling import SAMPLING
from tests.test_architecture import reached
from tests.trainer.test_training_code import copy_package, covered

#: What names, reads and writes, starts processes or reports; and what a fingerprint holds by its content: parameters,
#: the matches that hashes are of, the metadata that an index is of, where a shard's texts stand.
PLUMBING = {
    "errors", "params", "sections", "engine.lock", "io.code_digest", "io.column_files", "io.provenance", "engine.tasks",
    "io.files", "engine.machine", "io.study_paths", "engine.shard_runs", "engine.progress",
    "pipeline.curate.funnel",
}  # fmt: skip
#: What matches follow from: later steps hold the digest of the matches.
MATCHES = {
    *(module for module in MATCHING if module != "schemas"), "io.match_store", "io.curated_pool", "schemas",
    "recipe.curation.balance",
}  # fmt: skip
ENTRIES = {
    "indices": (("io.match_store",), INDEXING, {"schemas"}),
    "draws": (
        ("pipeline.curate.sampling", "pipeline.curate.cross_shard_images", "pipeline.curate.count_reduction"),
        SAMPLING,
        set(),
    ),
    "hashes": (("pipeline.curate.image_hashing",), HASHING, MATCHES - set(HASHING)),
    "duplicates": (
        ("pipeline.curate.duplicate_search",),
        SEARCHING,
        (MATCHES | set(HASHING)) - set(SEARCHING),
    ),
}


@pytest.mark.parametrize("what", ENTRIES)
def test_a_digest_holds_all_that_its_result_follows_from(what: str) -> None:
    entries, parts, by_content = ENTRIES[what]
    found = {module for entry in entries for module in reached(entry) if not covered(module, (*PLUMBING, *by_content))}
    assert set(entries) <= found and not {module for module in found if not covered(module, parts)}


def test_the_digest_of_matches_holds_the_whole_of_matching() -> None:
    entries = (
        "recipe.curation.match",
        "recipe.curation.language_id.lid",
        "recipe.curation.perceptual_hash",
        "io.pools.open_pool",
        "pipeline.curate.decontamination",
    )
    found = {module for entry in entries for module in reached(entry) if not covered(module, tuple(PLUMBING))}
    assert not {module for module in found if not covered(module, MATCHING)}


@pytest.mark.parametrize(
    ("path", "old", "new", "others"),
    [
        ("recipe/curation/borders.py", 'SET_OFF = ",.;:?!`"', 'SET_OFF = ",.;:?!"', {"matches", "indices"}),
        ("recipe/curation/match.py", "ABREAST = 512", "ABREAST = 256", {"matches"}),
        ("recipe/curation/balance.py", "counts[counts < t]", "counts[counts <= t]", {"draws"}),
        ("recipe/curation/borders.py", "#: What becomes a space.", "#: What turns into a space.", set()),
    ],
)
def test_an_edit_shows_in_what_follows_from_it(tmp_path: Path, path: str, old: str, new: str, others: set[str]) -> None:
    edited = copy_package(tmp_path, path, old, new) / "mc2lib"
    parts = {"matches": MATCHING, "indices": INDEXING, "draws": SAMPLING}
    changed = {name for name, held in parts.items() if code_digest(*held, package=edited) != code_digest(*held)}
    assert changed == others

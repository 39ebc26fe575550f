"""A person's files in the folders that they name as outputs: none is lost.

Files whose names look like those of caches, backups and sessions are put into a folder, which is then named as the
output of a curation: before it was ever used, and once more between two runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.errors import InputError
from mc2lib.io.curated_pool import open_curated
from mc2lib.io.pools.open_pool import open_pool
from mc2lib.params import CuratePool, Machine
from mc2lib.pipeline.curate.curate_pool import curate_pool
from mc2lib.schemas import METADATA

#: Below each folder that a run writes to, and beside them.
NAMES = (
    ".conda.previous/history",
    ".vscode.disabled/settings.json",
    ".zsh.sessions/1.session",
    "notes/.draft.original",
    ".backup.20240101",
    ".mc2lib-notes/a.txt",
    ".mc2lib-old.partial",
    "group-1.bin.kept",
    "measures.parquet",
    "thesis.txt.part",
)
FOLDERS = (
    "",
    "matches",
    "matches/own",
    "counts/own",
    "isolated",
    "isolated/curated",
    "isolated/curated/0",
    "isolated/curated/7",
    "isolated/balance",
    "isolated/balance/repeats",
    "isolated/duplicates",
)


def put_files(folder: Path) -> dict[Path, bytes]:
    """Put a person's files into a folder and the folders below it that a run uses; returns what each holds."""
    content: dict[Path, bytes] = {}
    for below in FOLDERS:
        for number, name in enumerate(NAMES):
            path = folder / below / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".parquet":
                pq.write_table(pa.table({"mine": [number]}), path)
            else:
                path.write_bytes(f"{below} {number}".encode())
            content[path] = path.read_bytes()
    return content


def count_lost(content: Mapping[Path, bytes]) -> int:
    """How many files are gone or hold something else."""
    return sum(not path.is_file() or path.read_bytes() != held for path, held in content.items())


def users_files_lost() -> int:
    """Files lost, of those in a folder that is named as OUT and of those put into an OUT between two runs.

    Raises:
        AssertionError: a folder that was not made by a run was not refused, or a run did not do its work.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write_pool(folder / "pool")
        metadata = write_metadata(folder / "metadata")
        filled = put_files(folder / "filled")
        refused = False
        try:
            _curate(source, metadata, folder / "filled")
        except InputError:
            refused = True
        assert refused, "a folder full of a person's files was taken as OUT"
        out = folder / "out"
        _curate(source, metadata, out)
        kept = put_files(out)
        _curate(source, metadata, out, seed=1)
        assert open_curated(out).curated("pairs-0", 0).exists()
        return count_lost(filled) + count_lost(kept)


def _curate(source: Path, metadata: Path, out: Path, seed: int = 0) -> None:
    curate_pool(
        open_pool(source), metadata, out, CuratePool(t_en=3, seed=seed), Machine(processes=1, checkpoint_seconds=60)
    )


def write_pool(folder: Path) -> Path:
    """A pool of eight pairs."""
    folder.mkdir()
    texts = [f"a cat {number}" for number in range(8)]
    table = pa.table(
        {
            "pair_id": pa.array(range(8), pa.uint64()),
            "image_id": pa.array(range(8), pa.uint64()),
            "image": [str(number) for number in range(8)],
            "alt_text": texts,
            "language": ["en"] * 8,
        }
    )
    pq.write_table(table, folder / "pairs-0.parquet")
    return folder


def write_metadata(folder: Path) -> Path:
    """The metadata of one language."""
    folder.mkdir()
    table = pa.table(
        {"entry": ["cat", "dog"], "source": ["wordnet"] * 2, "rank": pa.array([0, 1], pa.int32())}, schema=METADATA
    )
    pq.write_table(table, folder / "en.parquet")
    return folder


if __name__ == "__main__":
    print({"users_files_lost": users_files_lost()})

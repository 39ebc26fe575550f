"""What a finished run was trained on, as far as its data can be reached: languages and the curation funnel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.io.curated_pool import CuratedPool, count_values
from mc2lib.io.files import read_table
from mc2lib.params import Languages
from mc2lib.trainer.recipe import NAME, CuratedFiles, Recipe, find, read_recipe

ENGLISH = "en"
#: What curation calls the texts of all languages without a list of their own.
OTHER = "other"


@dataclass(frozen=True)
class RunData:
    """What a run was trained on; the parts that could not be reached are None."""

    recipe: Recipe | None
    pairs: dict[str, int] | None  # curated pairs by language, the most frequent first
    steps: list[tuple[str, int, int]] | None  # of the funnel: name, pairs it adds or takes away, pairs left

    @property
    def languages(self) -> list[str]:
        """The codes of the languages that the run trained on."""
        return [name for name in self.pairs or {} if name != OTHER]


def read_run_data(folder: Path) -> RunData:
    """Read recipe.json and what is left of the data that it names; a missing file leaves a part out.

    Args:
        folder: of the run.

    Raises:
        InputError: a file is there and cannot be read.
    """
    if not (folder / NAME).exists():
        return RunData(None, None, None)
    recipe = read_recipe(folder)
    if isinstance(recipe.data, CuratedFiles):
        files = [find(path, folder) for path in recipe.data.pairs]
        pairs, steps = _count_files(files), _find_steps(files)
    else:
        pool = CuratedPool.at(find(recipe.data.folder, folder))
        pairs, steps = _count_pool(pool), pool.steps
    return RunData(recipe, pairs and _choose(pairs, recipe.languages), _read_steps(steps))


def _count_files(files: list[Path]) -> dict[str, int] | None:
    """Curated pairs by language in Parquet files; None if one of them is gone."""
    if not all(file.exists() for file in files):
        return None
    return count_values(pa.concat_tables(pq.read_table(file, columns=["language"]) for file in files)["language"])


def _find_steps(files: list[Path]) -> Path | None:
    """The funnel of the curated pool that the files belong to, if they lie in one."""
    above = (parent / "steps.parquet" for file in files[:1] for parent in file.parents[:3])
    return next((path for path in above if path.exists()), None)


def _count_pool(pool: CuratedPool) -> dict[str, int] | None:
    """Curated pairs by language of a pool's first offline draw; None if the pool is gone."""
    if not pool.languages.exists():
        return None
    rows = read_table(pool.languages, columns=["epoch", "language", "kept"]).to_pylist()
    return {row["language"]: row["kept"] for row in rows if row["epoch"] == 0}


def _choose(pairs: dict[str, int], languages: Languages) -> dict[str, int]:
    """The languages that a run took of its pool, the most frequent first."""
    taken = {
        name: count
        for name, count in pairs.items()
        if count and (languages == "all" or (name == ENGLISH) == (languages == "english"))
    }
    return dict(sorted(taken.items(), key=lambda pair: (-pair[1], pair[0])))


def _read_steps(path: Path | None) -> list[tuple[str, int, int]] | None:
    """The funnel of a pool's first offline draw; None if it is gone."""
    if path is None or not path.exists():
        return None
    rows = read_table(path, columns=["epoch", "step", "change", "left"]).to_pylist()
    return [(row["step"], row["change"], row["left"]) for row in rows if row["epoch"] == 0]

"""recipe.json: all that a run is trained by, in its own folder, whoever starts it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mc2lib.errors import InputError
from mc2lib.io.code_digest import code_digest
from mc2lib.io.files import digest, read_json, write_json
from mc2lib.params import Languages, Tokenizer, Tower, Training
from mc2lib.recipe.training.budget import Plan
from mc2lib.sections import build, require_positive

NAME = "recipe.json"
REMEDY = "Start the run again: that writes its recipe anew."
#: Modules that every run's weights follow from: an edit of one trains every run again.
CODE = (
    "hashing",
    "io.image_decoder",
    "io.tars",
    "recipe.training",
    "trainer.checkpoints",
    "trainer.crops",
    "trainer.distributed",
    "trainer.launch",
    "trainer.rank",
    "trainer.recipe",
    "trainer.stream",
    "trainer.training_loop",
    "trainer.vocabulary",
)
#: Further modules that the weights of a run on curated files follow from, and of one on a curated pool.
FILE_CODE = ("trainer.file_stream",)
POOL_CODE = (
    "io.column_files",
    "io.curated_pool",
    "io.epoch_draws",
    "recipe.curation.algorithm",
    "recipe.curation.balance",
    "recipe.curation.pair_ids",
    "recipe.curation.strategies",
    "trainer.image_index",
    "trainer.pool_stream",
)


@dataclass(frozen=True)
class CuratedFiles:
    """Curated pairs in Parquet shards, and tars of images that fit into memory; paths are relative to the run."""

    pairs: tuple[str, ...]
    images: tuple[str, ...]


@dataclass(frozen=True)
class DrawnPool:
    """A curated pool that every epoch draws from anew; the run's folder holds the index of its images."""

    folder: str  # of the strategy that curated it, relative to the run
    seed: int  # of the curation
    identity: str  # digest of what its draws follow from


@dataclass(frozen=True)
class Recipe:
    """All that one run is trained by."""

    title: str  # what progress and errors call it
    seed: int  # of initialisation, order and augmentation
    plan: Plan
    tower: Tower
    training: Training
    context_length: int  # tokens
    tokenizer: Tokenizer
    languages: Languages  # of the pairs
    data: CuratedFiles | DrawnPool
    description: dict[str, Any]  # what model.json says of the run besides its numbers
    fingerprint: str = ""  # digest of everything that shapes the weights

    def check(self, place: str) -> None:
        """Raise InputError unless the run has pairs, steps and tokens, and the size of images that it reads itself."""
        require_positive(f"{place}.plan", batch_size=self.plan.batch_size, steps=self.plan.steps)
        require_positive(place, context_length=self.context_length)
        if isinstance(self.data, DrawnPool) and "image_size" not in self.tower.vision_cfg:
            raise InputError(f"{place}.tower.vision_cfg", "key 'image_size' is missing", REMEDY)


#: How recipe.json calls what a run is trained on.
DATA = {"files": CuratedFiles, "pool": DrawnPool}


def seal(recipe: Recipe, made: Mapping[str, Any]) -> Recipe:
    """The recipe with its fingerprint: of its numbers, the content of its data, and the code.

    The title, the places of the data and the machine are left out: they change no weight.

    Args:
        recipe: of the run.
        made: JSON content that changes whenever the data or the tokenizer does.
    """
    numbers = dataclasses.asdict(recipe)
    for name in ("title", "data", "fingerprint"):
        del numbers[name]
    code = FILE_CODE if isinstance(recipe.data, CuratedFiles) else POOL_CODE
    found = digest({"code": code_digest(*CODE, *code), "numbers": numbers, "made": made})
    return dataclasses.replace(recipe, fingerprint=found)


def write_recipe(recipe: Recipe, run: Path) -> None:
    """Write recipe.json; a finished run of another recipe counts as finished no more."""
    done = run / "model.json"
    if done.exists() and read_json(done).get("digest") != recipe.fingerprint:
        done.unlink()
    kind = next(name for name, kind in DATA.items() if isinstance(recipe.data, kind))
    write_json(dataclasses.asdict(recipe) | {"data": {kind: dataclasses.asdict(recipe.data)}}, run / NAME)


def read_recipe(run: Path) -> Recipe:
    """The recipe in a run's folder.

    Raises:
        InputError: there is none, or a key of it is unknown, missing or of another type; the message names it.
    """
    path = run / NAME
    if not path.exists():
        remedy = "Prepare the run first: the command that trains it writes its recipe."
        raise InputError(str(run), f"no {NAME} here", remedy)
    try:
        recipe = build(Recipe, _read_content(path), f"{path}: recipe")
    except InputError as error:  # whoever reads JSON or parameters knows another remedy
        raise InputError(error.place, error.fault, REMEDY) from error
    return recipe


def locate(path: Path, run: Path) -> str:
    """A path as recipes name it: relative to the run's folder, so that both move together."""
    return os.path.relpath(path, run.resolve())


def find(path: str, run: Path) -> Path:
    """Where a path of a recipe leads from its run's folder."""
    return Path(os.path.normpath(run.resolve() / path))


def _read_content(path: Path) -> dict[str, Any]:
    """recipe.json with its data as the type that its key names, so that an error names the key inside."""
    content = read_json(path)
    if not isinstance(content, dict) or "data" not in content:
        raise InputError(f"{path}: recipe", "key 'data' is missing", REMEDY)
    data, place = content["data"], f"{path}: recipe.data"
    if not isinstance(data, dict) or len(data) != 1 or not data.keys() <= DATA.keys():
        raise InputError(place, f"is not one of {' and '.join(DATA)}", REMEDY)
    ((kind, inner),) = data.items()
    return content | {"data": build(DATA[kind], inner, f"{place}.{kind}")}

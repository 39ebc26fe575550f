"""Training an arm: a recipe for each seed, torchrun over them all, and what the ranks wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow.compute as pc

from mc2lib.errors import InputError
from mc2lib.io.files import file_digest, read_json, read_table
from mc2lib.io.study_paths import Paths
from mc2lib.params import Params
from mc2lib.recipe.training.budget import Plan, plan_arm
from mc2lib.schemas import CURATED
from mc2lib.study.vocabularies import read_vocabulary
from mc2lib.trainer.launch import launch
from mc2lib.trainer.recipe import CuratedFiles, Recipe, locate, seal, write_recipe
from mc2lib.trainer.vocabulary import store_tokenizer


def train_arm(root: Path, params: Params, arm: str) -> pd.DataFrame:
    """Train an arm for every seed with torchrun, and return its training curves.

    Args:
        root: the study's folder.
        params: the study.
        arm: its name.

    Returns:
        columns seed, step, loss, learning_rate, logit_scale.

    Raises:
        InputError: the arm is unknown, or its data is missing.
        RuntimeError: as of `launch`.
    """
    runs = prepare_arm(root, params, arm)
    launch(list(runs), [plan.batch_size for plan in runs.values()], params.machine, arm)
    return read_logs(root, params, arm)


def prepare_arm(root: Path, params: Params, arm: str) -> dict[Path, Plan]:
    """Write recipe and tokenizer of every run of an arm: all that its ranks read besides the data.

    Args:
        root: the study's folder.
        params: the study.
        arm: its name.

    Returns:
        the runs' folders and sizes, in the order of seeds.

    Raises:
        InputError: the arm is unknown, or its data is missing.
    """
    params.arm(arm)
    paths = Paths(Path(root).resolve())
    for seed in params.seeds:  # all data is there before the first run is touched
        curated_shards(paths, params, arm, seed)
    return {paths.run(arm, seed): _prepare_run(paths, params, arm, seed) for seed in params.seeds}


def _prepare_run(paths: Paths, params: Params, arm: str, seed: int) -> Plan:
    chosen, run = params.arms[arm], paths.run(arm, seed)
    pairs, images = curated_shards(paths, params, arm, seed), image_shards(paths, params, arm, seed)
    content, kept = read_vocabulary(paths, chosen.mix, seed, chosen.tokenizer)
    number, which = list(params.arms).index(arm) + 1, f"{params.seeds.index(seed) + 1}/{len(params.seeds)}"
    recipe = Recipe(
        title=f"arm {number}/{len(params.arms)} {arm} | seed {seed} ({which})",
        seed=seed,
        plan=plan_arm(params, arm, english_share(paths, params, arm, seed)),
        tower=params.towers[chosen.tower],
        training=params.training,
        context_length=chosen.context_length or params.training.context_length,
        tokenizer=chosen.tokenizer,
        languages=chosen.languages,
        data=CuratedFiles(_located(pairs, run), _located(images, run)),
        description={"arm": arm, "mix": chosen.mix},
    )
    made = {
        "pairs": {path.name: file_digest(path) for path in pairs},
        "images": {path.name: file_digest(path) for path in images},
        "vocabulary": file_digest(paths.vocabulary(chosen.mix, seed, chosen.tokenizer)),
    }
    write_recipe(seal(recipe, made), run)
    store_tokenizer(run, chosen.tokenizer, content, kept)
    return recipe.plan


def _located(files: Sequence[Path], run: Path) -> tuple[str, ...]:
    return tuple(locate(path, run) for path in files)


def curated_shards(paths: Paths, params: Params, arm: str, seed: int) -> list[Path]:
    """The curated pairs that an arm trains on.

    Args:
        paths: of the study.
        params: the study.
        arm: its name.
        seed: of the run.

    Raises:
        InputError: they are not there.
    """
    chosen = params.arms[arm]
    path = paths.curated(chosen.mix, seed, chosen.curation, chosen.shares)
    if not path.exists():
        again = "" if chosen.shares == "own" else "--force --single-item "  # balance does not depend on the arms
        raise InputError(str(path), "no such curated pool", f"Run `dvc repro {again}balance`.")
    return [path]


def image_shards(paths: Paths, params: Params, arm: str, seed: int) -> list[Path]:
    """The tars with an arm's images; arguments and error as of `curated_shards`."""
    folder = paths.pool(params.arms[arm].mix, seed)
    found = sorted(folder.glob("images-*.tar"))
    if not found:
        raise InputError(str(folder), "no images-*.tar", "Run `dvc repro pool`.")
    return found


def english_share(paths: Paths, params: Params, arm: str, seed: int) -> float:
    """English share of the curated worldwide pairs, the recipe's measure of how much to scale.

    It is only read where the arm scales by it, and 1 otherwise; arguments as of `curated_shards`.

    Raises:
        InputError: no curated pair is English.
    """
    if not any(isinstance(wanted, str) for wanted in (params.arms[arm].seen, params.arms[arm].steps)):
        return 1.0
    path = paths.curated(params.arms[arm].mix, seed, "isolated")
    language = read_table(path, CURATED)["language"]
    share = pc.mean(pc.equal(language, "en")).as_py()
    if not share:
        raise InputError(str(path), "no English pair", "The scaled arms need one; check the pool and its curation.")
    return float(share)


def read_logs(root: Path, params: Params, arm: str) -> pd.DataFrame:
    """Training curves of an arm's finished runs."""
    paths = Paths(root)
    logs = [pd.read_csv(paths.run(arm, seed) / "log.csv").assign(seed=seed) for seed in params.seeds]
    return pd.concat(logs, ignore_index=True)


def describe_runs(root: Path, params: Params, arm: str) -> pd.DataFrame:
    """One row per seed: batch, steps, seen pairs, tokenizer and the digest of all that shaped the run."""
    columns = ["seed", "batch_size", "steps", "seen_pairs", "tokenizer", "vocabulary", "digest"]
    rows = [read_json(Paths(root).run(arm, seed) / "model.json") for seed in params.seeds]
    return pd.DataFrame(rows)[columns]

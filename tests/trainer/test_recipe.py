"""recipe.json: what is written is read, and what cannot be used is named by file and key."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.io.files import write_json
from mc2lib.recipe.training.budget import Plan
from mc2lib.trainer.recipe import CuratedFiles, DrawnPool, Recipe, find, locate, read_recipe, seal, write_recipe
from tests.tiny import REPOSITORY

FILES = CuratedFiles(("../pairs.parquet",), ("../images.tar",))
POOL = DrawnPool("../../out", 3, "abc")


def make_recipe(**changes: Any) -> Recipe:
    """A recipe at smoke scale."""
    params = load_params(REPOSITORY, "smoke")
    recipe = Recipe(
        title="a run",
        seed=0,
        plan=Plan(8, 20),
        tower=params.towers["small"],
        training=params.training,
        context_length=24,
        tokenizer="bytes",
        languages="all",
        data=FILES,
        description={"arm": "x"},
        fingerprint="f",
    )
    return dataclasses.replace(recipe, **changes)


@pytest.mark.parametrize("data", [FILES, POOL])
def test_what_is_written_is_read(tmp_path: Path, data: CuratedFiles | DrawnPool) -> None:
    recipe = make_recipe(data=data, training=load_params(REPOSITORY, "workstation").training)
    write_recipe(recipe, tmp_path)
    assert read_recipe(tmp_path) == recipe


def test_a_folder_without_a_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no recipe\.json here\. Prepare the run first"):
        read_recipe(tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("plan",), {"batch_size": 8}, r"recipe\.json: recipe\.plan: key 'steps' is missing"),
        (("plan", "steps"), 0, r"recipe\.json: recipe\.plan\.steps: 0 is not above zero"),
        (("training", "beta1"), "high", r"recipe\.json: recipe\.training\.beta1: 'high' is str, not float"),
        (("tokenizer",), "words", r"recipe\.json: recipe\.tokenizer: 'words' is not allowed"),
        (("colour",), 1, r"recipe\.json: recipe: unknown key 'colour'"),
        (("data",), {"web": {}}, r"recipe\.json: recipe\.data: is not one of files and pool"),
        (("data",), {"files": {"pairs": ["a"]}}, r"recipe\.json: recipe\.data\.files: key 'images' is missing"),
        (("data",), {"files": {"pairs": [1], "images": ["a"]}}, r"recipe\.data\.files\.pairs\[0\]: 1 is int, not str"),
        (("data",), None, r"recipe\.json: recipe\.data: is not one of"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, path: tuple[str, ...], value: Any, message: str) -> None:
    write_recipe(make_recipe(), tmp_path)
    content = json.loads((tmp_path / "recipe.json").read_text())
    inner = content
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    write_json(content, tmp_path / "recipe.json")
    with pytest.raises(InputError, match=message) as refused:
        read_recipe(tmp_path)
    assert refused.value.remedy == "Start the run again: that writes its recipe anew."


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_recipe_that_is_no_mapping_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "recipe.json").write_text(content)
    with pytest.raises(InputError, match=r"recipe\.json.*Start the run again") as refused:
        read_recipe(tmp_path)
    assert "dvc" not in str(refused.value)


def test_the_fingerprint_is_of_all_that_shapes_the_weights() -> None:
    recipe = make_recipe()
    same = {"title": "another", "fingerprint": "old", "data": CuratedFiles(("elsewhere",), ("too",))}
    other = {"seed": 1, "plan": Plan(8, 21), "context_length": 25, "tokenizer": "pool", "languages": "english"}
    sealed = seal(recipe, {"pairs": 1}).fingerprint
    assert {seal(make_recipe(**{name: value}), {"pairs": 1}).fingerprint for name, value in same.items()} == {sealed}
    changed = [seal(make_recipe(**{name: value}), {"pairs": 1}).fingerprint for name, value in other.items()]
    changed += [seal(recipe, {"pairs": 2}).fingerprint, seal(make_recipe(data=POOL), {"pairs": 1}).fingerprint]
    assert len({sealed, *changed}) == len(changed) + 1


def test_a_finished_run_of_another_recipe_is_finished_no_more(tmp_path: Path) -> None:
    write_json({"digest": "f"}, tmp_path / "model.json")
    write_recipe(make_recipe(), tmp_path)
    assert (tmp_path / "model.json").exists()
    write_recipe(make_recipe(fingerprint="g"), tmp_path)
    assert not (tmp_path / "model.json").exists()


def test_a_path_is_relative_to_the_run_even_where_the_run_is_behind_a_link(tmp_path: Path) -> None:
    large = tmp_path / "large" / "disk" / "runs"
    (large / "0").mkdir(parents=True)
    (tmp_path / "study" / "data").mkdir(parents=True)
    (tmp_path / "study" / "runs").symlink_to(large)
    (tmp_path / "study" / "data" / "a.tar").write_text("here")
    run = tmp_path / "study" / "runs" / "0"
    path = locate(tmp_path / "study" / "data" / "a.tar", run)
    assert not Path(path).is_absolute() and find(path, run).read_text() == "here"
    assert find(path, large / "0").read_text() == "here"

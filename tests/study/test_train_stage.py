"""Training an arm: torchrun, ranks, checkpoints, and what the run's folder holds."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file

from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.io.files import read_json, read_table, write_table
from mc2lib.io.study_paths import Paths
from mc2lib.params import Machine
from mc2lib.schemas import CURATED, POOL
from mc2lib.study.pool_stage import draw_pools, render_drawings
from mc2lib.study.train_stage import curated_shards, prepare_arm, train_arm
from mc2lib.study.vocabularies import make_vocabularies
from mc2lib.trainer.encoder import load_encoder
from mc2lib.trainer.launch import launch
from mc2lib.trainer.recipe import read_recipe
from tests.tiny import REPOSITORY, write_study

ARM = "small-worldwide"


def make_study(root, **overrides):
    write_study(root, **overrides)
    params = load_params(root)
    render_drawings(root, params)
    draw_pools(root, params)
    make_vocabularies(root, params)
    paths = Paths(root)
    pairs = read_table(paths.pool("base", 0) / "pairs-00000.parquet", POOL)
    curated = pairs.append_column("keep_probability", pa.array(np.ones(pairs.num_rows))).select(CURATED.names)
    write_table(curated, paths.curated("base", 0, "isolated"), CURATED)
    return params, paths


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    params, paths = make_study(root, machine={"processes": 1})
    log = train_arm(root, params, ARM)
    return root, params, paths, log


def weights(paths, arm=ARM):
    return load_file(paths.run(arm, 0) / "weights.safetensors")


def test_a_run_is_done_with_its_description(trained):
    _, _, paths, log = trained
    description = read_json(paths.run(ARM, 0) / "model.json")
    assert description["seen_pairs"] == 6 * 32 and log["step"].iloc[-1] == 5 and log["loss"].between(1, 6).all()
    assert not (paths.run(ARM, 0) / "checkpoint.pt").exists()


def test_a_done_run_is_not_trained_again(trained, capfd):
    root, params, paths, _ = trained
    before = (paths.run(ARM, 0) / "weights.safetensors").stat().st_mtime_ns
    train_arm(root, params, ARM)
    assert "already done" in capfd.readouterr().out
    assert (paths.run(ARM, 0) / "weights.safetensors").stat().st_mtime_ns == before


def test_two_ranks_train_the_same_model_as_one(trained, tmp_path):
    params, paths = make_study(tmp_path, machine={"processes": 4})  # two cores a rank
    train_arm(tmp_path, params, ARM)
    one = weights(trained[2])
    for name, tensor in weights(paths).items():
        torch.testing.assert_close(tensor, one[name], atol=2e-4, rtol=2e-3)


def test_sharded_ranks_train_the_same_model_as_one(trained, tmp_path):
    machine = {"processes": 4, "sharding": "full", "grad_checkpointing": True}
    params, paths = make_study(tmp_path, machine=machine)
    train_arm(tmp_path, params, ARM)
    one = weights(trained[2])
    found = weights(paths)
    assert found.keys() == one.keys() and found["logit_scale"].shape == one["logit_scale"].shape
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, one[name], atol=2e-4, rtol=2e-3)
    assert load_encoder(paths.run(ARM, 0)).encode_texts(["apple"]).shape == (1, 32)


@pytest.mark.parametrize(("before", "after", "cores"), [("full", "none", 1), ("none", "full", 4), ("full", "none", 4)])
def test_a_run_continues_on_other_ranks_and_sharding(trained, tmp_path, before, after, cores):
    """Killed on two ranks, copied or sharded, and gone on with on one or two, the other way."""
    machine = {"processes": 4, "sharding": before, "checkpoint_seconds": 0.0}
    kill_when_saved(*make_study(tmp_path, machine=machine), tmp_path)
    params = load_params(tmp_path)
    write_machine(tmp_path, dataclasses.replace(params.machine, processes=cores, sharding=after))
    train_arm(tmp_path, load_params(tmp_path), ARM)
    one = weights(trained[2])
    for name, tensor in weights(Paths(tmp_path)).items():
        torch.testing.assert_close(tensor, one[name], atol=2e-4, rtol=2e-3)


def kill_when_saved(params, paths, root):
    """Start training and kill it, ranks and all, as soon as it has a checkpoint."""
    code = "import sys, pathlib as p; from mc2lib.io import config; from mc2lib.study import train_stage"
    code += "; r = p.Path(sys.argv[1]); train_stage.train_arm(r, config.load_params(r), sys.argv[2])"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(root), ARM],
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    checkpoint = paths.run(ARM, 0) / "checkpoint.pt"
    for _ in range(1200):
        if checkpoint.exists() or run.poll() is not None:
            break
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert checkpoint.exists() and not (paths.run(ARM, 0) / "model.json").exists(), "killed too late to show anything"


def write_machine(root, machine):
    """Change the machine section of a tiny study's params.yaml."""
    yaml = YAML()
    content = yaml.load((root / "params.yaml").read_text(encoding="utf-8"))
    content["machine"] = {k: v for k, v in dataclasses.asdict(machine).items() if v is not None}
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(content, file)


def test_a_killed_run_continues_to_the_same_bits(trained, tmp_path):
    params, paths = make_study(tmp_path, machine={"processes": 1, "checkpoint_seconds": 0.0})
    kill_when_saved(params, paths, tmp_path)
    train_arm(tmp_path, params, ARM)
    expected = weights(trained[2])
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(paths).items())
    assert (paths.run(ARM, 0) / "log.csv").read_text() == (trained[2].run(ARM, 0) / "log.csv").read_text()


def test_the_encoder_gives_unit_features_in_the_order_asked(trained):
    encoder = load_encoder(trained[2].run(ARM, 0))
    texts = ["a much longer text than the others", "apple", "Appleding"]
    features = encoder.encode_texts(texts)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_texts(texts[1:2]), features[1:2], atol=1e-5)
    assert encoder.encode_images(np.zeros((5, 32, 32, 3), np.uint8)).shape == (5, 32)


def test_another_learning_rate_trains_again(trained, capfd):
    root, _, paths, _ = trained
    before = weights(paths)
    text = (root / "scales" / "smoke.yaml").read_text()
    (root / "scales" / "smoke.yaml").write_text(text.replace("learning_rate: 0.002", "learning_rate: 0.001"))
    train_arm(root, load_params(root), ARM)
    assert "already done" not in capfd.readouterr().out
    assert any(not torch.equal(tensor, before[name]) for name, tensor in weights(paths).items())


def test_other_images_train_again(trained, capfd):
    root, _, paths, _ = trained
    (tar,) = sorted(paths.pool("base", 0).glob("images-*.tar"))
    with tar.open("ab") as file:
        file.write(bytes(512))  # the archive's end goes on: the same images in other bytes
    train_arm(root, load_params(root), ARM)
    assert "already done" not in capfd.readouterr().out


def test_an_unknown_arm_and_missing_data_are_named(trained):
    root, params, _, _ = trained
    with pytest.raises(InputError, match=r"no arm 'small-wordwide'.*'small-worldwide'"):
        train_arm(root, params, "small-wordwide")
    with pytest.raises(InputError, match=r"no such curated pool.*dvc repro balance"):
        train_arm(root, params, "merged")


def test_an_arm_trains_on_the_pairs_that_its_shares_ask_for(tmp_path):
    params, paths = load_params(REPOSITORY), Paths(tmp_path)
    equal = dataclasses.replace(params.arm("merged"), shares="recipe")
    params = dataclasses.replace(params, arms={**params.arms, "equal": equal})
    with pytest.raises(InputError, match=r"merged-shares\.parquet: no such .*dvc repro --force --single-item balance"):
        curated_shards(paths, params, "equal", 0)
    path = paths.curated("base", 0, "merged", shares="recipe")
    path.parent.mkdir(parents=True)
    path.touch()
    assert curated_shards(paths, params, "equal", 0) == [path]


def test_a_dead_rank_fails_the_arm(tmp_path):
    params, paths = make_study(tmp_path, machine={"processes": 1})
    shard = paths.pool("base", 0) / "images-00000.tar"
    shard.write_bytes(shard.read_bytes()[:3000])
    with pytest.raises(
        RuntimeError, match=r"a rank stopped: error: .*images-00000\.tar, byte \d+: the tar is cut here"
    ):
        train_arm(tmp_path, params, ARM)


def edit_scale(root, **training):
    """Change the training section of a tiny study's scale."""
    yaml = YAML()
    path = root / "scales" / "smoke.yaml"
    content = yaml.load(path.read_text(encoding="utf-8"))
    content["training"] |= training
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path):
    """A huge learning rate breaks the weights within a few steps; a checkpoint is written after each."""
    make_study(tmp_path, machine={"processes": 1, "checkpoint_seconds": 0.0})
    edit_scale(tmp_path, learning_rate=1e37, grad_clip="none", warmup=0)
    with pytest.raises(RuntimeError) as stopped:
        train_arm(tmp_path, load_params(tmp_path), ARM)
    first = str(stopped.value).splitlines()[0]
    run = Paths(tmp_path).run(ARM, 0)
    assert re.search(rf"a rank stopped: error: arm .* {ARM} \| seed 0 .*training diverged", first)
    assert re.search(r"(the loss is (nan|inf) in|is no longer finite after) step \d", first)
    assert "lower learning_rate (now 1e+37), set grad_clip (now none)" in first and "run again" not in first
    assert not (run / "model.json").exists() and not (run / "weights.safetensors").exists()
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    assert all(torch.isfinite(tensor).all() for tensor in state["model"].values())


def test_an_encoder_is_loaded_from_a_string_and_a_missing_one_is_named(trained, tmp_path):
    assert load_encoder(str(trained[2].run(ARM, 0))).encode_texts(["apple"]).shape == (1, 32)
    with pytest.raises(InputError, match=r"no finished run here \(no model\.json\)\. Train it") as missing:
        load_encoder(str(tmp_path))
    assert "dvc" not in str(missing.value)


def test_an_encoder_is_loaded_from_its_runs_folder_alone(trained, tmp_path):
    """The folder is copied, and the study's data are out of reach: nothing but the copy can be read."""
    root, _, paths, _ = trained
    shutil.copytree(paths.run(ARM, 0), tmp_path / "elsewhere")
    texts, images = ["apple", "Appleding", "never seen"], np.arange(32 * 32 * 3, dtype=np.uint8).reshape(1, 32, 32, 3)
    expected = load_encoder(paths.run(ARM, 0))
    (root / "data").rename(root / "gone")
    try:
        found = load_encoder(tmp_path / "elsewhere")
    finally:
        (root / "gone").rename(root / "data")
    assert (found.encode_texts(texts) == expected.encode_texts(texts)).all()
    assert (found.encode_images(images) == expected.encode_images(images)).all()


def test_a_runs_folder_says_what_it_is_trained_by_and_names_no_machine(trained):
    root, _, paths, _ = trained
    run = paths.run(ARM, 0)
    recipe, text = read_recipe(run), (run / "recipe.json").read_text()
    assert (recipe.tokenizer, recipe.languages, recipe.seed) == ("gemma", "all", 0)
    assert recipe.data.pairs == ("../../../data/curated/base/0/isolated.parquet",)
    assert recipe.data.images == ("../../../data/pool/base/0/images-00000.tar",)
    assert str(root) not in text and "machine" not in text


def test_other_settings_of_the_machine_write_the_same_recipe(tmp_path):
    """So that a machine's settings change no output of a stage."""
    params, paths = make_study(tmp_path)
    machine = Machine(processes=3, checkpoint_seconds=1.0, sharding="full", grad_checkpointing=True)
    written = []
    for one in (params, dataclasses.replace(params, machine=machine)):
        prepare_arm(tmp_path, one, ARM)
        written.append({path.name: path.read_bytes() for path in paths.run(ARM, 0).iterdir()})
    assert written[0] == written[1] and "recipe.json" in written[0]


def test_prepared_runs_are_trained_by_hand_even_where_the_study_moved(tmp_path, capfd):
    """Recipes name data relative to the run; one torchrun trains several, and passes over those that are done."""
    params, _ = make_study(tmp_path / "here", machine={"processes": 1})
    prepare_arm(tmp_path / "here", params, ARM)
    (tmp_path / "here").rename(tmp_path / "there")
    runs = [Paths(tmp_path / "there").run(ARM, seed) for seed in (0, 1)]
    shutil.copytree(*runs)  # the same run twice: a recipe belongs to no folder
    for done in (0, 2):
        launch(runs, [32, 32], params.machine, "two runs")
        assert capfd.readouterr().out.count("already done") == done
    first, second = (load_file(run / "weights.safetensors") for run in runs)
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)

import dataclasses
import os
import re
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
from mc2lib.recipe.training.budget import Plan, checkpoint_bytes
from mc2lib.recipe.training.optimisation import build_optimizer
from mc2lib.recipe.training.towers import build_model
from mc2lib.schemas import CURATED, POOL
from mc2lib.study.pool_stage import draw_pools, render_drawings
from mc2lib.trainer import rank
from mc2lib.trainer.checkpoints import load_checkpoint, load_encoder, save_checkpoint, set_aside
from mc2lib.trainer.distributed import gather_state
from mc2lib.trainer.launch import rank_environment, train_arm
from mc2lib.trainer.rank import Recipe, require_checkpoint_space, require_finite_losses, require_finite_weights
from mc2lib.trainer.vocabulary import make_vocabularies
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
    code = "import sys, pathlib as p; from mc2lib.io import config; from mc2lib.trainer import launch"
    code += "; r = p.Path(sys.argv[1]); launch.train_arm(r, config.load_params(r), sys.argv[2])"
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


def test_a_broken_or_foreign_checkpoint_is_refused(tmp_path, capsys):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"not a checkpoint")
    assert load_checkpoint(path, "a") is None and "not a whole checkpoint" in capsys.readouterr().out
    torch.save({"digest": "b", "step": 1}, path)
    assert load_checkpoint(path, "a") is None and "of another run" in capsys.readouterr().out


def test_a_checkpoint_with_code_in_it_does_not_run(tmp_path):
    class Attack:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "hacked"),))

    torch.save({"digest": "a", "attack": Attack()}, tmp_path / "checkpoint.pt")
    assert load_checkpoint(tmp_path / "checkpoint.pt", "a") is None
    assert not (tmp_path / "hacked").exists()


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


def test_a_dead_rank_fails_the_arm(tmp_path):
    params, paths = make_study(tmp_path, machine={"processes": 1})
    shard = paths.pool("base", 0) / "images-00000.tar"
    shard.write_bytes(shard.read_bytes()[:3000])
    with pytest.raises(RuntimeError, match=r"a rank stopped: error: .*not a whole tar shard"):
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


def test_two_checkpoints_must_find_room(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(rank, "require_space", lambda folder, needed: asked.append(needed))
    require_checkpoint_space(tmp_path, 1000)
    (tmp_path / "checkpoint.pt").write_bytes(bytes(12_000))
    require_checkpoint_space(tmp_path, 1000)
    assert asked == [24_000, 12_000]


def test_a_checkpoint_is_as_large_as_is_asked_of_the_disk(tmp_path):
    model = build_model(load_params(REPOSITORY, "smoke").towers["small"], 5000, 24)
    optimizer = build_optimizer(model, load_params(REPOSITORY, "smoke").training)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    save_checkpoint(tmp_path / "c.pt", "a", 1, *gather_state(model, optimizer))
    wanted = checkpoint_bytes(sum(parameter.numel() for parameter in model.parameters()))
    assert (tmp_path / "c.pt").stat().st_size == pytest.approx(wanted, rel=0.05)


def test_checkpoints_that_cannot_be_used_are_all_kept(tmp_path, capsys):
    for content in (b"1", b"2", b"3"):
        (tmp_path / "checkpoint.pt").write_bytes(content)
        set_aside(tmp_path / "checkpoint.pt")
    set_aside(tmp_path / "checkpoint.pt")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "checkpoint.pt.unused": b"1",
        "checkpoint.pt.unused-2": b"2",
        "checkpoint.pt.unused-3": b"3",
    }
    assert "kept as checkpoint.pt.unused-3" in capsys.readouterr().out


def test_an_encoder_is_loaded_from_a_string_and_a_missing_one_is_named(trained, tmp_path):
    assert load_encoder(str(trained[2].run(ARM, 0))).encode_texts(["apple"]).shape == (1, 32)
    with pytest.raises(InputError, match=r"no finished run here \(no model\.json\)\. Train it") as missing:
        load_encoder(str(tmp_path))
    assert "dvc" not in str(missing.value)


def test_waiting_threads_sleep_unless_someone_decided_otherwise(monkeypatch):
    machine = Machine(processes=4, checkpoint_seconds=1.0)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    found = rank_environment(machine, 2)
    assert (found["OMP_WAIT_POLICY"], found["OMP_NUM_THREADS"]) == ("PASSIVE", "2")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert rank_environment(machine, 8)["OMP_WAIT_POLICY"] == "ACTIVE"
    assert rank_environment(machine, 8)["OMP_NUM_THREADS"] == "1"


def make_recipe(run, **changes):
    params = load_params(REPOSITORY, "smoke")
    training = dataclasses.replace(params.training, **changes)
    nothing = dict.fromkeys(("seed", "tower", "machine", "context_length", "fingerprint", "text_encoder", "batches"))
    return Recipe(run=run, title="arm x", plan=Plan(8, 20), training=training, description={}, **nothing)


def test_the_first_step_that_is_not_finite_is_named_and_the_checkpoint_with_it(tmp_path):
    recipe = make_recipe(tmp_path)
    require_finite_losses(recipe, 12, [1.0, 2.0])
    for means in ([1.0, float("nan"), 3.0, float("inf")], [1.0, float("nan"), float("nan"), 2.0]):
        with pytest.raises(InputError, match=r"arm x .*loss is nan in step 10: training diverged\. The same numbers"):
            require_finite_losses(recipe, 12, means)
    (tmp_path / "checkpoint.pt").touch()
    require_finite_weights(recipe, 3, {"a": torch.ones(2)})
    with pytest.raises(InputError, match=r"b is no longer finite after step 3.*checkpoint\.pt is of a step before it"):
        require_finite_weights(recipe, 3, {"a": torch.ones(2), "b": torch.tensor([1.0, float("inf")])})

"""Checkpoints: whole, of their run, without code, and with room on the disk."""

import os

import pytest
import torch

from mc2lib.io.config import load_params
from mc2lib.recipe.training.budget import checkpoint_bytes
from mc2lib.recipe.training.optimisation import build_optimizer
from mc2lib.recipe.training.towers import build_model
from mc2lib.trainer import checkpoints
from mc2lib.trainer.checkpoints import load_checkpoint, require_checkpoint_space, save_checkpoint, set_aside
from mc2lib.trainer.distributed import gather_state
from tests.tiny import REPOSITORY


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


def test_two_checkpoints_must_find_room(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(checkpoints, "require_space", lambda folder, needed: asked.append(needed))
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

"""Exported folders measure as the run does, and checkpoints of open_clip's trainer open without running their code."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch

from mc2lib.commands.command_line import main
from mc2lib.errors import InputError
from mc2lib.pipeline.evaluate.models.opening import open_model
from tests.pipeline.export_model.runs import CONVNEXT, TEXTS, VIT, write_finished_run, write_images
from tests.tiny_clip import CONFIG


def write_set(folder: Path) -> Path:
    """A retrieval set of one's own: two drawings with captions in two languages."""
    folder.mkdir()
    rows = []
    for number, path in enumerate(write_images(folder)[:2]):
        rows.append({"image": path.name, "language": "en", "caption": TEXTS[0] if number else "a pie"})
        rows.append({"image": path.name, "language": "de", "caption": TEXTS[1] if number else "ein Kuchen"})
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="`make rivals` installs transformers")
def test_exported_folders_measure_as_the_run_does(tmp_path: Path) -> None:
    captions = write_set(tmp_path / "set")
    made = {"vit": (VIT, ["open_clip", "transformers"]), "convnext": (CONVNEXT, ["open_clip"])}
    for name, (tower, layouts) in made.items():
        run = write_finished_run(tmp_path / name, tower, kept=[5, 60, 70, 71, 80])
        models = {"run": run}
        for layout in layouts:
            models[layout] = tmp_path / f"{name}-{layout}"
            assert main(["export-model", str(run), "--as", layout, "--to", str(models[layout])]) == 0
        reports = {}
        for kind, model in models.items():
            out = tmp_path / "measured" / name / kind
            words = ["--tasks", str(captions), "--out", str(out), "--cache", str(tmp_path / "features")]
            assert main(["evaluate", str(model), *words]) == 0
            reports[kind] = pd.read_csv(out / "report.csv").drop(columns="model")
        for layout in layouts:
            pd.testing.assert_frame_equal(reports[layout], reports["run"], rtol=1e-5, atol=1e-6)


@pytest.fixture
def tiny_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A name that open_clip knows during the test."""
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", list(open_clip.factory._MODEL_CONFIG_PATHS))
    (tmp_path / "tiny-of-a-test.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(tmp_path / "tiny-of-a-test.json")
    return "tiny-of-a-test"


def test_a_checkpoint_of_open_clips_trainer_opens(tmp_path: Path, tiny_name: str) -> None:
    torch.manual_seed(1)
    model = open_clip.create_model(tiny_name)
    optimizer = torch.optim.AdamW(model.parameters())
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}  # as DDP names them
    torch.save(
        {"epoch": 3, "name": "run", "state_dict": state, "optimizer": optimizer.state_dict()}, tmp_path / "epoch_3.pt"
    )
    opened = open_model(f"{tiny_name}:{tmp_path / 'epoch_3.pt'}")
    with torch.inference_mode():
        expected = model.eval().encode_text(open_clip.get_tokenizer(tiny_name)(["a cat"]), normalize=True)
    np.testing.assert_allclose(opened.encode_texts(["a cat"]), expected.numpy(), atol=1e-6)


class Code:
    """What a pickle may hold: a call."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return shutil.rmtree, ("no-such-folder",)


def test_a_checkpoint_with_code_is_refused(tmp_path: Path, tiny_name: str) -> None:
    torch.save({"state_dict": open_clip.create_model(tiny_name).state_dict(), "args": Code()}, tmp_path / "bad.pt")
    with pytest.raises(InputError, match=r"bad\.pt: cannot be opened"):
        open_model(f"{tiny_name}:{tmp_path / 'bad.pt'}")

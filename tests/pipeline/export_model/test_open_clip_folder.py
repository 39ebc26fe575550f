"""A run exported for open_clip gives the run's logits in a process that has no mc2lib."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mc2lib.errors import InputError
from mc2lib.params import Tower
from mc2lib.pipeline.export_model.export_model import export_model
from mc2lib.pipeline.export_model.open_clip_folder import describe_convnext
from tests.pipeline.export_model.runs import (
    CONVNEXT,
    LARGE_CONVNEXT,
    QUICK,
    TEXTS,
    VIT,
    logits_of,
    own_ids,
    run_alone,
    write_finished_run,
    write_images,
)

#: What a person types who has open_clip and a folder. `ids` come from the run where transformers is not installed.
SCRIPT = """
import sys
sys.modules["mc2lib"] = None
import json, numpy, open_clip, torch
from PIL import Image

folder, texts, ids = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
model.eval()
if ids is None:
    ids = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
else:
    ids = torch.tensor(ids)
images = torch.stack([preprocess(Image.open(name)) for name in sys.argv[4:]])
with torch.inference_mode():
    left, right = model.encode_image(images, normalize=True), model.encode_text(ids, normalize=True)
    print(json.dumps({"logits": (model.logit_scale.exp() * left @ right.T).tolist(), "ids": ids.tolist()}))
"""


@pytest.mark.parametrize(
    ("tower", "tokenizer", "kept"),
    [
        (VIT, "gemma", None),
        (QUICK, "bytes", None),
        (CONVNEXT, "gemma", [5, 60, 70, 71, 80]),
        (LARGE_CONVNEXT, "pool", None),
    ],
)
def test_open_clip_alone_gives_the_runs_logits(
    tmp_path: Path, tower: Tower, tokenizer: str, kept: list[int] | None
) -> None:
    run = write_finished_run(tmp_path / "run", tower, tokenizer, kept)
    images, texts = write_images(tmp_path), TEXTS[:4]
    written = export_model(run, "open_clip", tmp_path / "out" / "my model")
    expected = logits_of(run, images, texts)
    assert expected.std() > 0.1, "the model tells nothing apart"
    arguments = (tmp_path / "out" / "my model", json.dumps(texts), json.dumps(own_ids(run, texts)))
    found = run_alone(SCRIPT, *arguments, *images, cwd=tmp_path)
    np.testing.assert_allclose(found["logits"], expected, atol=1e-5, rtol=0)
    names = {path.name for path in written}
    assert {"open_clip_config.json", "open_clip_model.safetensors", "tokenizer.json", "README.md"} <= names
    assert ("NOTICE.txt" in names) == (tokenizer == "gemma")


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="open_clip reads tokenizers with it")
@pytest.mark.parametrize(("tokenizer", "kept"), [("gemma", None), ("gemma", [5, 60, 70, 71, 80]), ("bytes", None)])
def test_open_clips_own_tokenizer_gives_the_runs_ids(tmp_path: Path, tokenizer: str, kept: list[int] | None) -> None:
    run = write_finished_run(tmp_path / "run", CONVNEXT, tokenizer, kept)
    images, texts = write_images(tmp_path), [" ".join(text.split()) for text in TEXTS]  # open_clip joins blanks
    export_model(run, "open_clip", tmp_path / "model")
    found = run_alone(SCRIPT, tmp_path / "model", json.dumps(texts), "null", *images, cwd=tmp_path)
    np.testing.assert_allclose(found["logits"], logits_of(run, images, texts), atol=1e-5, rtol=0)
    if kept is None:
        assert found["ids"] == own_ids(run, texts)


def test_a_hub_name_replaces_the_folders_place(tmp_path: Path) -> None:
    run = write_finished_run(tmp_path / "run", CONVNEXT)
    export_model(run, "open_clip", tmp_path / "model", "ann/tiny")
    config = json.loads((tmp_path / "model" / "open_clip_config.json").read_text())["model_cfg"]
    assert config["vision_cfg"]["timm_model_name"] == "hf-hub:ann/tiny"
    assert config["text_cfg"]["hf_tokenizer_name"] == "ann/tiny"


def test_what_cannot_be_exported_is_said(tmp_path: Path) -> None:
    run = write_finished_run(tmp_path / "run", VIT)
    with pytest.raises(InputError, match=r"no layout 'openclip'\. Did you mean 'open_clip'"):
        export_model(run, "openclip", tmp_path / "model")  # type: ignore[arg-type]
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match="taken: is there already"):
        export_model(run, "open_clip", tmp_path / "taken")
    with pytest.raises(InputError, match=r"no finished run here \(no model.json\)"):
        export_model(tmp_path / "taken", "open_clip", tmp_path / "model")
    with pytest.raises(InputError, match="its image tower is a Linear, which stock timm has no description of"):
        describe_convnext(torch.nn.Linear(2, 2), "run")
    assert not (tmp_path / "model").exists() and not list(tmp_path.glob(".mc2lib-*"))

"""A run exported for transformers is a MetaClip2 with the run's logits, in a process that has no mc2lib."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mc2lib.errors import InputError
from mc2lib.params import Tower
from mc2lib.pipeline.export_model.export_model import export_model
from mc2lib.pipeline.export_model.transformers_folder import rename_weights
from tests.pipeline.export_model.runs import (
    CONVNEXT,
    QUICK,
    TEXTS,
    VIT,
    logits_of,
    own_ids,
    run_alone,
    write_finished_run,
    write_images,
)

with_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is an extra: pip install 'mc2lib[models]'"
)

#: What a person types who has transformers and a folder: one logit at a time, then all with their padding.
SCRIPT = """
import sys
sys.modules["mc2lib"] = None
import json, torch
from PIL import Image
from transformers import AutoModel, AutoProcessor, AutoTokenizer

folder, texts = sys.argv[1], json.loads(sys.argv[2])
model = AutoModel.from_pretrained(folder).eval()
processor = AutoProcessor.from_pretrained(folder)
images = [Image.open(name) for name in sys.argv[3:]]
inputs = processor(text=texts, images=images, return_tensors="pt", padding=True, truncation=True)
with torch.inference_mode():
    logits = model(**inputs).logits_per_image
ids = AutoTokenizer.from_pretrained(folder)(texts, truncation=True)["input_ids"]
print(json.dumps({"class": type(model).__name__, "logits": logits.tolist(), "ids": ids}))
"""


@with_transformers
@pytest.mark.parametrize(
    ("tower", "tokenizer", "kept"), [(VIT, "gemma", [5, 60, 70, 71, 80]), (VIT, "pool", None), (QUICK, "bytes", None)]
)
def test_transformers_alone_gives_the_runs_logits(
    tmp_path: Path, tower: Tower, tokenizer: str, kept: list[int] | None
) -> None:
    run = write_finished_run(tmp_path / "run", tower, tokenizer, kept)
    images = write_images(tmp_path)[:2]  # of the model's size: transformers resizes with torchvision, not with Pillow
    export_model(run, "transformers", tmp_path / "model")
    found = run_alone(SCRIPT, tmp_path / "model", json.dumps(TEXTS), *images, cwd=tmp_path)
    assert found["class"] == "MetaClip2Model"
    if kept is None:
        padded = [row + [0] * (24 - len(row)) for row in found["ids"]]
        assert padded == own_ids(run, TEXTS)
    expected = logits_of(run, images, TEXTS)
    assert expected.std() > 0.1, "the model tells nothing apart"
    np.testing.assert_allclose(found["logits"], expected, atol=1e-5, rtol=0)


def test_a_tower_that_metaclip2_has_not_is_refused(tmp_path: Path) -> None:
    run = write_finished_run(tmp_path / "convnext", CONVNEXT)
    with pytest.raises(
        InputError, match=r"a ConvNeXt; transformers' MetaClip2 has a ViT\. Export it with AS=open_clip"
    ):
        export_model(run, "transformers", tmp_path / "model")
    other = dataclasses.replace(VIT, vision_cfg=VIT.vision_cfg | {"no_ln_pre": True})
    run = write_finished_run(tmp_path / "other", other)
    with pytest.raises(InputError, match=r"has nothing like its no_ln_pre\. Export it with AS=open_clip"):
        export_model(run, "transformers", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_weight_without_a_place_is_named() -> None:
    with pytest.raises(InputError, match=r"text.transformer.resblocks.0.extra.weight: .* no such weight"):
        rename_weights({"text.transformer.resblocks.0.extra.weight": torch.zeros(1)})

"""Finished runs of untrained weights, small enough to export in a test."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mc2lib.io.image_decoder import read_square
from mc2lib.params import Tower
from mc2lib.recipe.training.tokenizers import train_bpe
from mc2lib.recipe.training.towers import build_model
from mc2lib.trainer.checkpoints import export_run
from mc2lib.trainer.encoder import load_encoder
from mc2lib.trainer.recipe import write_recipe
from mc2lib.trainer.training_loop import describe_run
from mc2lib.trainer.vocabulary import read_text_encoder, store_tokenizer
from tests.trainer.test_recipe import make_recipe

TEXTS = ["a red apple", "ein roter Apfel", "赤いりんご", "une pomme rouge", "<mc2>", "", "apple " * 40, "🍎 apple\tpie"]
TEXT = {"width": 48, "heads": 3, "layers": 2, "pool_type": "eos", "eos_id": 2}
VIT = Tower(24, {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}, TEXT)
QUICK = Tower(24, {"image_size": 32, "layers": 1, "width": 128, "patch_size": 16, "mlp_ratio": 2.0}, TEXT, True)
SIDES = {"image_size": 32, "timm_pool": "avg", "timm_proj": "linear"}
CONVNEXT = Tower(24, {"timm_model_name": "mc2_convnext_tiny", **SIDES}, TEXT)
LARGE_CONVNEXT = Tower(24, {"timm_model_name": "mc2_convnext_large", **SIDES}, TEXT)


def write_finished_run(
    run: Path, tower: Tower, tokenizer: str = "gemma", kept: Sequence[int] | None = None, **changes: Any
) -> Path:
    """A finished run of random weights, large enough to tell texts and images apart."""
    content = None if tokenizer == "bytes" else train_bpe(TEXTS[:4], 300).to_str().encode()
    run.mkdir(parents=True)
    store_tokenizer(run, tokenizer, content, kept)
    recipe, rows = make_recipe(tokenizer=tokenizer, tower=tower, **changes), read_text_encoder(run).vocabulary
    torch.manual_seed(3)
    model = build_model(tower, rows, recipe.context_length)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
        elif parameter.ndim == 1:  # biases and gains, so that a swapped pair is seen
            parameter.data += torch.randn_like(parameter) * 0.1
    model.logit_scale.data.fill_(0.7)
    write_recipe(recipe, run)
    export_run(run, model.state_dict(), describe_run(recipe, rows))
    return run


def write_images(folder: Path) -> list[Path]:
    """Two drawings and a picture that is neither square nor of the model's size."""
    random = np.random.default_rng(0)
    paths = []
    for number, size in enumerate([(32, 32), (32, 32), (96, 64)]):
        coarse = Image.fromarray(random.integers(0, 255, (8, 8, 3), dtype=np.uint8))
        paths.append(folder / f"{number}.png")
        coarse.resize(size).save(paths[-1])
    return paths


def logits_of(run: Path, images: list[Path], texts: list[str]) -> np.ndarray:
    """The run's own logits."""
    encoder = load_encoder(run)
    pixels = np.stack([read_square(path.read_bytes(), 32) for path in images])
    scale = encoder.model.logit_scale.exp().item()
    return scale * encoder.encode_images(pixels) @ encoder.encode_texts(texts).T


def run_alone(script: str, *arguments: object, cwd: Path) -> dict:
    """What a script prints that runs in a fresh process, away from this repository."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def own_ids(run: Path, texts: list[str]) -> list[list[int]]:
    """The run's ids, padded to the context, with rows of a vocabulary that was cut moved to those of the whole one."""
    encoder = load_encoder(run)
    rows = encoder.text_encoder(texts, encoder.context_length)
    if encoder.text_encoder.kept is not None:
        moved = np.array([0, 1, 2, *(token + 3 for token in encoder.text_encoder.kept)])
        rows = moved[rows]
    return np.pad(rows, ((0, 0), (0, encoder.context_length - rows.shape[1]))).tolist()

"""A tiny open_clip model with weights, in a folder as open_clip saves it."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}


def write_tiny_clip(folder: Path, seed: int = 0, custom: bool = False, **text: object) -> Path:
    """A model of random weights; `custom` builds it of two towers, `text` changes its text_cfg."""
    config = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], **text}, **({"custom_text": True} if custom else {})}
    torch.manual_seed(seed)
    built = {key: value for key, value in config.items() if key != "custom_text"}
    model = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**built)
    for parameter in model.parameters():  # open_clip begins with embeddings too small to tell texts apart
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    folder.mkdir(parents=True, exist_ok=True)
    preprocess = {"size": [32, 32], "mode": "RGB", "interpolation": "bicubic", "resize_mode": "shortest"}
    content = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    weights = {name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder

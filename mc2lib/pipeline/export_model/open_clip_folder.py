"""A finished run as a folder that open_clip opens alone, as `local-dir:…` or from a hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from timm.models.convnext import ConvNeXt

from mc2lib.errors import InputError
from mc2lib.io.files import write_json
from mc2lib.pipeline.export_model.finished_run import FinishedRun
from mc2lib.pipeline.export_model.standard_tokenizer import full_embedding
from mc2lib.recipe.training.augment import MEAN, STD

CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"
#: timm's description of an image tower, which open_clip's own configuration cannot express.
TIMM_CONFIG = "config.json"


def write_open_clip(run: FinishedRun, folder: Path, place: str) -> None:
    """Write configuration, weights and, for a convolutional image tower, timm's description of it.

    Args:
        run: to write.
        folder: gets the files.
        place: where open_clip is to find them in the end: `local-dir:` and an absolute path, or `hf-hub:` and a name.

    Raises:
        InputError: the image tower is of a class that timm cannot build from a description.
    """
    convolutional = "timm_model_name" in run.tower.vision_cfg
    weights = dict(run.weights)
    weights["text.token_embedding.weight"] = full_embedding(weights["text.token_embedding.weight"], run.text_encoder)
    write_json(describe_model(run, place), folder / CONFIG)
    if convolutional:
        write_json(describe_convnext(run.model.visual.trunk, str(run.folder)), folder / TIMM_CONFIG)
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / WEIGHTS)


def describe_model(run: FinishedRun, place: str) -> dict[str, Any]:
    """The content of open_clip_config.json; arguments as of `write_open_clip`."""
    vision = dict(run.tower.vision_cfg)
    if "timm_model_name" in vision:
        vision["timm_model_name"] = place
    name = place.partition(":")[2]
    text = {
        **run.tower.text_cfg,
        "vocab_size": run.full_vocabulary,
        "context_length": run.context_length,
        "hf_tokenizer_name": name,  # a local folder's own tokenizer is read whatever is said here
    }
    model: dict[str, Any] = {"embed_dim": run.tower.embed_dim, "vision_cfg": vision, "text_cfg": text}
    preprocessing = {
        "size": [run.image_size] * 2,
        "mode": "RGB",
        "mean": list(MEAN),
        "std": list(STD),
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    model |= {"custom_text": True} | ({"quick_gelu": True} if run.tower.quick_gelu else {})
    return {"model_cfg": model, "preprocess_cfg": preprocessing}


def describe_convnext(trunk: torch.nn.Module, place: str) -> dict[str, Any]:
    """timm's config.json of a ConvNeXt: the stock class, and the sizes that make it this one.

    Args:
        trunk: the image tower without its projection.
        place: of the run, for the error.

    Raises:
        InputError: it is no ConvNeXt.
    """
    if not isinstance(trunk, ConvNeXt):
        fault = f"its image tower is a {type(trunk).__name__}, which stock timm has no description of"
        raise InputError(place, fault, "Register it with timm where the weights are used, and load them there.")
    found: Any = trunk
    blocks = [list(stage.blocks) for stage in found.stages]
    gain = blocks[0][0].gamma
    return {
        "architecture": "convnext_tiny",
        "num_classes": 0,
        "num_features": found.num_features,
        "global_pool": "avg",
        "model_args": {
            "depths": [len(stage) for stage in blocks],
            "dims": [stage[0].conv_dw.out_channels for stage in blocks],
            "kernel_sizes": [stage[0].conv_dw.kernel_size[0] for stage in blocks],
            "patch_size": found.stem[0].kernel_size[0],
            "ls_init_value": None if gain is None else 1e-6,  # whether there is one; the weights say how large
            "num_classes": 0,
        },
        "pretrained_cfg": {"num_classes": 0, "pool_size": None, "first_conv": "stem.0", "classifier": "head.fc"},
    }

"""A finished run as a folder that `transformers.AutoModel.from_pretrained` opens: MetaClip2, with ViT towers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from mc2lib.errors import InputError
from mc2lib.io.files import write_json
from mc2lib.pipeline.export_model.finished_run import FinishedRun
from mc2lib.pipeline.export_model.standard_tokenizer import full_embedding
from mc2lib.recipe.training.augment import MEAN, STD
from mc2lib.recipe.training.tokenizers import EOS, PAD

#: What transformers' MetaClip2 can be told of a tower. A tower with any other key computes something else.
IMAGE_KEYS = {"image_size", "layers", "width", "head_width", "patch_size", "mlp_ratio", "patch_dropout"}
TEXT_KEYS = {"width", "heads", "layers", "mlp_ratio", "pool_type", "eos_id"}
HEAD_WIDTH, MLP_RATIO = 64, 4.0  # open_clip's where a tower says nothing

#: Names of a transformer block's parts, open_clip's and transformers'; attention's joint projection is split apart.
BLOCK_PARTS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
#: Names of everything outside the blocks.
OTHER_PARTS = {
    "logit_scale": "logit_scale",
    "text.token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "text.positional_embedding": "text_model.embeddings.position_embedding.weight",
    "text.ln_final.weight": "text_model.final_layer_norm.weight",
    "text.ln_final.bias": "text_model.final_layer_norm.bias",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
}
#: Projections, which open_clip multiplies from the right and transformers from the left.
PROJECTIONS = {"text.text_projection": "text_projection.weight", "visual.proj": "visual_projection.weight"}
TOWERS = {"text.transformer.resblocks.": "text_model", "visual.transformer.resblocks.": "vision_model"}


def write_transformers(run: FinishedRun, folder: Path) -> None:
    """Write config.json, model.safetensors and preprocessor_config.json.

    Args:
        run: to write.
        folder: gets the files.

    Raises:
        InputError: a tower of the run is not one of MetaClip2's; the message says what differs.
    """
    require_metaclip2(run)
    weights = dict(run.weights)
    weights["text.token_embedding.weight"] = full_embedding(weights["text.token_embedding.weight"], run.text_encoder)
    save_file(rename_weights(weights), folder / "model.safetensors", metadata={"format": "pt"})
    write_json(describe_metaclip2(run), folder / "config.json")
    write_json(describe_images(run.image_size), folder / "preprocessor_config.json")


def require_metaclip2(run: FinishedRun) -> None:
    """Raise InputError unless transformers' MetaClip2 computes what the run's towers compute."""
    vision, text = run.tower.vision_cfg, run.tower.text_cfg
    if "timm_model_name" in vision:
        fault = f"its image tower is {vision['timm_model_name']}, a ConvNeXt; transformers' MetaClip2 has a ViT"
        raise InputError(str(run.folder), fault, "Export it with AS=open_clip, or train one with a ViT tower.")
    other = sorted({*vision} - IMAGE_KEYS) + sorted({*text} - TEXT_KEYS)
    if text.get("pool_type") != "eos":
        other.append("pool_type")
    if other:
        fault = f"transformers' MetaClip2 has nothing like its {', '.join(other)}"
        raise InputError(str(run.folder), fault, "Export it with AS=open_clip.")


def describe_metaclip2(run: FinishedRun) -> dict[str, Any]:
    """The content of config.json."""
    vision, text = run.tower.vision_cfg, run.tower.text_cfg
    shared = {
        "hidden_act": "quick_gelu" if run.tower.quick_gelu else "gelu",
        "layer_norm_eps": 1e-5,
        "projection_dim": run.tower.embed_dim,
    }
    return {
        "architectures": ["MetaClip2Model"],
        "model_type": "metaclip_2",
        "dtype": "float32",
        "projection_dim": run.tower.embed_dim,
        "text_config": shared
        | {
            "model_type": "metaclip_2_text_model",
            "vocab_size": run.full_vocabulary,
            "hidden_size": text["width"],
            "intermediate_size": int(text["width"] * text.get("mlp_ratio", MLP_RATIO)),
            "num_hidden_layers": text["layers"],
            "num_attention_heads": text["heads"],
            "max_position_embeddings": run.context_length,
            "pad_token_id": PAD,
            "bos_token_id": None,
            "eos_token_id": EOS,
        },
        "vision_config": shared
        | {
            "model_type": "metaclip_2_vision_model",
            "hidden_size": vision["width"],
            "intermediate_size": int(vision["width"] * vision.get("mlp_ratio", MLP_RATIO)),
            "num_hidden_layers": vision["layers"],
            "num_attention_heads": vision["width"] // vision.get("head_width", HEAD_WIDTH),
            "image_size": run.image_size,
            "patch_size": vision["patch_size"],
        },
    }


def describe_images(size: int) -> dict[str, Any]:
    """The content of preprocessor_config.json: the shorter side resized to `size` pixels, then the middle cut out."""
    return {
        "image_processor_type": "CLIPImageProcessor",
        "processor_class": "CLIPProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": size},
        "resample": 3,  # bicubic
        "do_center_crop": True,
        "crop_size": {"height": size, "width": size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(MEAN),
        "image_std": list(STD),
    }


def rename_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """open_clip's weights by the names and in the shapes of transformers' MetaClip2.

    Args:
        weights: of a `CustomTextCLIP` with ViT towers, by its names.

    Raises:
        InputError: a weight has no place there.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if name in OTHER_PARTS:
            found[OTHER_PARTS[name]] = tensor
        elif name in PROJECTIONS:
            found[PROJECTIONS[name]] = tensor.T
        else:
            found |= _rename_block(name, tensor)
    return {name: tensor.contiguous().clone() for name, tensor in found.items()}


def _rename_block(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """A weight of a transformer block; the joint projection of queries, keys and values becomes three."""
    prefix = next((prefix for prefix in TOWERS if name.startswith(prefix)), None)
    if prefix is not None:
        number, _, part = name.removeprefix(prefix).partition(".")
        layer = f"{TOWERS[prefix]}.encoder.layers.{number}"
        if part in ("attn.in_proj_weight", "attn.in_proj_bias"):
            kind = part.rpartition("_")[2]
            pieces = zip("qkv", tensor.chunk(3), strict=True)
            return {f"{layer}.self_attn.{letter}_proj.{kind}": piece for letter, piece in pieces}
        owner, _, kind = part.rpartition(".")
        if owner in BLOCK_PARTS:
            return {f"{layer}.{BLOCK_PARTS[owner]}.{kind}": tensor}
    raise InputError(name, "transformers' MetaClip2 has no such weight", "Export it with AS=open_clip.")

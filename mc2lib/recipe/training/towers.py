"""open_clip models: the study's small convolutional image towers beside open_clip's own ViTs.

The packaged pool's drawings are 32 pixels wide and two cores must train dozens of runs, so the
laptop towers are ConvNeXts (timm's class) with few, small stages. At equal parameters an untuned
ViT stayed far behind there, see docs/log.md; larger scales use open_clip's ViTs.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import open_clip
import torch
from timm.models import register_model
from timm.models.convnext import ConvNeXt

from mc2lib.params import Tower
from mc2lib.recipe.training.text_tower import can_read_ends_only, read_ends_only


@register_model
def mc2_convnext_tiny(pretrained: bool = False, **kwargs: Any) -> ConvNeXt:
    """0.1M parameters, for smoke studies."""
    return _convnext((1, 1, 1, 1), (16, 24, 32, 48), **kwargs)


@register_model
def mc2_convnext_small(pretrained: bool = False, **kwargs: Any) -> ConvNeXt:
    """The laptop study's small image tower."""
    return _convnext((1, 2, 1, 1), (16, 32, 64, 128), **kwargs)


@register_model
def mc2_convnext_large(pretrained: bool = False, **kwargs: Any) -> ConvNeXt:
    """The laptop study's large image tower."""
    return _convnext((1, 2, 1, 1), (24, 48, 96, 192), **kwargs)


def _convnext(depths: tuple[int, ...], dims: tuple[int, ...], **kwargs: Any) -> ConvNeXt:
    model: Any = ConvNeXt(
        in_chans=kwargs.get("in_chans", 3),
        num_classes=kwargs.get("num_classes", 0),
        global_pool=kwargs.get("global_pool") or "avg",
        depths=depths,
        dims=dims,
        kernel_sizes=(5, 3, 3, 3),
        patch_size=4,
        ls_init_value=None,  # layer scale starts blocks near the identity: too slow for so few steps
    )
    model.default_cfg = {"pool_size": None}  # open_clip asks for it
    return model


def build_model(
    tower: Tower, vocabulary: int, context_length: int, nonscalar_logit_scale: bool = False
) -> torch.nn.Module:
    """An open_clip model of two towers, freshly initialised from torch's random state.

    Args:
        tower: open_clip's own config keys.
        vocabulary: rows of the token embedding.
        context_length: tokens a text is cut or padded to.
        nonscalar_logit_scale: whether the logit scale has shape [1] and not []; FSDP2 shards no scalars.

    Returns:
        `open_clip.CustomTextCLIP` whose forward returns a dict of image_features [B, D] and
        text_features [B, D] (normalised) and logit_scale.
    """
    text = {**tower.text_cfg, "vocab_size": vocabulary, "context_length": context_length}
    model = open_clip.CustomTextCLIP(
        embed_dim=tower.embed_dim,
        vision_cfg=dict(tower.vision_cfg),
        text_cfg=text,
        quick_gelu=tower.quick_gelu,
        nonscalar_logit_scale=nonscalar_logit_scale,
        output_dict=True,
    )
    if can_read_ends_only(model.text) and not nonscalar_logit_scale:  # FSDP2 calls the blocks as modules
        read_ends_only(model.text)
    elif model.text.attn_mask is not None:
        model.text.register_forward_pre_hook(_fit_causal_mask)
    return model


def _fit_causal_mask(text: Any, inputs: tuple[torch.Tensor, ...]) -> None:
    """Let batches be padded to their own longest text: under a causal mask, what follows eos is never seen."""
    length = inputs[0].shape[1]
    if text.attn_mask.shape[0] != length:
        text.attn_mask = _causal_mask(length, text.attn_mask)


def _causal_mask(length: int, like: torch.Tensor) -> torch.Tensor:
    return torch.full((length, length), float("-inf"), dtype=like.dtype, device=like.device).triu_(1)


def count_parameters(model: torch.nn.Module) -> dict[str, int]:
    """Parameters of the image tower, the text tower and, of the latter, the token embedding."""
    counts = {"image": 0, "text": 0, "embedding": 0}
    for name, parameter in model.named_parameters():
        if name.startswith("visual."):
            counts["image"] += parameter.numel()
        elif name.startswith("text."):
            counts["text"] += parameter.numel()
        if "token_embedding" in name:
            counts["embedding"] += parameter.numel()
    return counts


def describe(tower: Tower) -> dict[str, Any]:
    """The tower's config as plain values, for model.json."""
    return dataclasses.asdict(tower)

"""The optimiser and one step of it, as OpenAI CLIP trains."""

from __future__ import annotations

import math
from typing import Any

import open_clip
import torch
from torch import Tensor

from mc2lib.params import Training

MAX_LOGIT_SCALE = math.log(100.0)


def build_optimizer(model: torch.nn.Module, training: Training) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels only: no gains, biases, embeddings' scale or logit scale."""
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": training.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=training.learning_rate,
        betas=(training.beta1, training.beta2),
        eps=training.eps,
        fused=True,
    )


def build_loss(rank: int, world: int) -> open_clip.ClipLoss:
    """open_clip's contrastive loss, each rank its own rows, features gathered with gradient."""
    return open_clip.ClipLoss(local_loss=True, gather_with_grad=True, rank=rank, world_size=world)


def take_step(
    model: torch.nn.Module,
    loss: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    texts: Tensor,
    rate: float,
    training: Training,
    bf16: bool,
) -> Tensor:
    """Forward, backward, clip if the recipe says so, update; returns this rank's loss, detached.

    Args:
        model: the (wrapped) open_clip model.
        loss: as `build_loss`.
        optimizer: as `build_optimizer`.
        images: float32 [B, 3, H, W], this rank's.
        texts: int64 [B, T], this rank's.
        rate: learning rate of this step.
        training: for `grad_clip`, the norm that the gradient of all parameters together is cut to; `none` cuts nothing.
        bf16: whether to autocast to bfloat16; the loss is always float32.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=bf16):
        out = model(images, texts)
    value = loss(out["image_features"].float(), out["text_features"].float(), out["logit_scale"].float())
    value.backward()
    if training.grad_clip != "none":
        torch.nn.utils.clip_grad_norm_(model.parameters(), training.grad_clip)
    optimizer.step()
    core: Any = getattr(model, "module", model)
    with torch.no_grad():
        core.logit_scale.clamp_(0.0, MAX_LOGIT_SCALE)
    return value.detach()

"""Reading short texts with open_clip's text tower: the same features as its own forward, for less work.

Only the token of the end is read, and under a causal mask it sees nothing behind it. So texts of like length go
through the tower together, cut to the longest of them, and the last block is computed at the end tokens alone. At
laptop scale (9 tokens on average, 24 at most, two blocks) that leaves a third of the tower's work.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from open_clip.transformer import ResidualAttentionBlock, TextTransformer
from torch import Tensor
from torch.utils.checkpoint import checkpoint

#: Groups of texts by length on a CPU. A GPU gets one: it would wait for the lengths, and a large batch fills it anyway.
CPU_GROUPS = 4


def can_read_ends_only(text: Any) -> bool:
    """Whether a text tower is open_clip's own, causal, of its plain blocks, and pools at the end token."""
    if not isinstance(text, TextTransformer) or text.attn_mask is None or text.cls_emb is not None or text.use_pad_mask:
        return False
    return text.pool_type == "eos" and isinstance(text.transformer.resblocks[-1], ResidualAttentionBlock)


def read_ends_only(text: Any) -> None:
    """Let a text tower that `can_read_ends_only` read texts as this module does.

    Its blocks must not be sharded one by one: the last one is not called as a module.
    """
    text.forward = partial(encode_ends, text)


def encode_ends(text: Any, ids_BT: Tensor) -> Tensor:
    """Features of texts, float [B, D], as `TextTransformer.forward` computes them up to rounding.

    Args:
        text: the tower; causal, pooling at the first token with its `eos_id`.
        ids_BT: int64 [B, T], padded on the right.
    """
    ends_B = (ids_BT == text.eos_id).int().argmax(dim=1)
    if ids_BT.device.type != "cpu":
        return _encode_group(text, ids_BT, ends_B)
    order_B = torch.argsort(ends_B, stable=True)
    groups = [rows for rows in order_B.tensor_split(CPU_GROUPS) if len(rows)]
    parts = [_encode_group(text, ids_BT[rows, : int(ends_B[rows[-1]]) + 1], ends_B[rows]) for rows in groups]
    return torch.cat(parts)[torch.argsort(order_B)]


def _encode_group(text: Any, ids_BT: Tensor, ends_B: Tensor) -> Tensor:
    length, blocks = ids_BT.shape[1], text.transformer.resblocks
    mask_TT = text.attn_mask[:length, :length]
    x_BTW = text.token_embedding(ids_BT) + text.positional_embedding[:length]
    x_BTW = x_BTW.to(text.transformer.get_cast_dtype())
    for block in blocks[:-1]:
        if text.transformer.grad_checkpointing and torch.is_grad_enabled():
            x_BTW = checkpoint(block, x_BTW, None, None, mask_TT, use_reentrant=False)
        else:
            x_BTW = block(x_BTW, attn_mask=mask_TT)
    x_BW = text.ln_final(_read_last_block(blocks[-1], x_BTW, ends_B, mask_TT))
    if text.text_projection is None:
        return x_BW
    projects = isinstance(text.text_projection, torch.nn.Linear)
    return text.text_projection(x_BW) if projects else x_BW @ text.text_projection


def _read_last_block(block: Any, x_BTW: Tensor, ends_B: Tensor, mask_TT: Tensor) -> Tensor:
    """Output of a `ResidualAttentionBlock` at the end tokens, [B, W]: keys and values are of all tokens."""
    rows = torch.arange(len(ends_B), device=ends_B.device)
    normed_BTW = block.ln_1(x_BTW)
    mask_B1T = mask_TT[ends_B].unsqueeze(1).repeat_interleave(block.attn.num_heads, dim=0)
    attended_B1W = block.attention(normed_BTW[rows, ends_B].unsqueeze(1), normed_BTW, normed_BTW, mask_B1T)
    x_BW = x_BTW[rows, ends_B] + block.ls_1(attended_B1W.squeeze(1))
    return x_BW + block.ls_2(block.mlp(block.ln_2(x_BW)))

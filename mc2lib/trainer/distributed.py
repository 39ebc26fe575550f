"""One model over many ranks: copied (DDP) or sharded (FSDP2), and its state as if on one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.distributed as dist
from open_clip.transformer import ResidualAttentionBlock
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

#: The state of the whole model, on the CPU of rank 0, under the names that an unsharded model gives.
WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


@dataclass(frozen=True)
class Rank:
    """This process among the ranks."""

    rank: int
    world: int
    device: torch.device

    def agree(self, wish: bool) -> bool:
        """What rank 0 wishes, on every rank: clocks differ, and all must enter a collective or none."""
        if self.world == 1:
            return wish
        flag = torch.tensor([wish])  # on the CPU, so that no rank waits for its GPU
        dist.broadcast(flag, 0)
        return bool(flag.item())


def distribute(model: torch.nn.Module, here: Rank, sharding: Literal["none", "full"], bf16: bool) -> torch.nn.Module:
    """The model ready to train on all ranks; call it before the optimiser is built.

    Args:
        model: an open_clip model, the same on every rank, on the rank's device.
        here: this rank.
        sharding: none copies the model to every rank; full leaves each rank its share of parameters, gradients and
            optimiser state and gathers a block's parameters when its turn comes.
        bf16: whether sharded blocks gather and compute in bfloat16.

    Returns:
        the module to call; parameters and state stay `model`'s own.
    """
    if sharding == "full":
        mesh = init_device_mesh(here.device.type, (here.world,))
        blocks = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        for block in find_blocks(model):
            fully_shard(block, mesh=mesh, mp_policy=blocks if bf16 else MixedPrecisionPolicy())
        # the rest, logit scale and projections, is small and keeps its precision
        fully_shard(model, mesh=mesh)
        return model
    # the causal mask is each rank's own, as long as its longest text: no buffer is shared
    return DistributedDataParallel(model, broadcast_buffers=False) if here.world > 1 else model


def find_blocks(model: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """What is gathered at once: transformer blocks, stages of a timm trunk, and the token embedding."""
    for name, module in model.named_modules():
        stage = ".trunk.stages." in f".{name}" and name.rpartition(".")[0].endswith(".stages")
        if isinstance(module, ResidualAttentionBlock) or stage or name.endswith("token_embedding"):
            yield module


def read_logit_scale(model: Any) -> float:
    """The factor that cosines are multiplied with; every rank must call it, a sharded model's is gathered."""
    scale = model.logit_scale.detach()
    return float((scale.full_tensor() if isinstance(scale, DTensor) else scale).exp())


def gather_state(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> tuple[dict[str, Any], dict[str, Any]]:
    """Model and optimiser state of the whole run; every rank must call it, rank 0 gets it."""
    return get_state_dict(model, optimizer, options=WHOLE)


def scatter_state(model: Any, optimizer: torch.optim.Optimizer, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Take over what `gather_state` gave, whatever the number of ranks and the sharding then and now."""
    weights, moments = state
    shape = model.logit_scale.shape  # [] in a copy, [1] in a sharded model
    weights = weights | {"logit_scale": weights["logit_scale"].reshape(shape)}
    held = moments["state"]["logit_scale"]
    held = held | {name: held[name].reshape(shape) for name in ("exp_avg", "exp_avg_sq")}
    moments = moments | {"state": moments["state"] | {"logit_scale": held}}
    set_state_dict(model, optimizer, model_state_dict=weights, optim_state_dict=moments, options=WHOLE)

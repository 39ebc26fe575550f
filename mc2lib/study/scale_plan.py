"""What a scale would cost: steps, seen pairs, parameters, memory a rank, GPU-hours. Nothing is trained.

Models are built on torch's meta device, which holds shapes and no numbers, so ViT-H/14 with 901,629
tokens plans in seconds on a laptop; their floating-point operations are counted by running one pair there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from mc2lib.errors import InputError, nearest
from mc2lib.io.config import load_params, read_yaml
from mc2lib.io.study_paths import Paths
from mc2lib.params import Params, Tower, parse
from mc2lib.recipe.training.budget import checkpoint_bytes, checkpoint_seconds, choose_ranks, divide_batches, plan_arm
from mc2lib.recipe.training.towers import build_model, count_parameters
from mc2lib.study.train_stage import english_share

#: Rows of the token embedding by tokenizer. `gemma` stands where the paper has XLM-V: at `vocabulary: full` its
#: size is counted, elsewhere the packaged pool's texts hold fewer tokens than this.
FULL_VOCABULARY = {"gemma": 901_629, "pool": 8_195, "bytes": 259}
CUT_VOCABULARY = 16_384

PAIRS_A_RANK = 196  # the paper's: 75,264 over 384 GPUs
MFU = 0.40  # model FLOP/s utilisation: what well-tuned CLIP trainings reach
PEAK_FLOPS = {"H200": 989e12, "A100": 312e12}  # dense bf16, the makers' figures

BYTES_A_PARAMETER = {"parameters": 4, "gradients": 4, "Adam": 8}  # fp32, not sharded
TRAINED_BYTES = sum(BYTES_A_PARAMETER.values())
BF16_BYTES = 2
BLOCK_FACTOR = 34  # a transformer block's saved activations, in units of tokens x width x bf16 / 2 (bytes)


@dataclass(frozen=True)
class TowerCost:
    """What a pair of towers costs."""

    image_parameters: int
    text_parameters: int
    embedding_parameters: int  # of text_parameters
    forward_flops: float  # a pair
    checkpointed_bytes: float  # activations a pair, only block inputs kept
    block_bytes: float  # activations a pair inside the widest block, while it is computed again

    @property
    def parameters(self) -> int:
        """Of both towers, and the logit scale."""
        return self.image_parameters + self.text_parameters + 1


@dataclass(frozen=True)
class ArmCost:
    """What one run of an arm costs."""

    arm: str
    tower: str
    batch_size: int
    steps: int
    seen: float  # pairs in all, in units of the English arm's
    seen_pairs: int
    ranks: int  # divide the batch
    gigabytes_a_rank: float
    gpu_hours: dict[str, float]  # by GPU, at MFU


def print_plan(root: Path, scale: str | None = None, ranks: int | None = None) -> None:
    """Print what every arm of a scale would cost and, as the last line, the same as one JSON object.

    Args:
        root: the study's folder.
        scale: a file of scales/; by default the one params.yaml names.
        ranks: most GPUs a run; by default as many as give each about 196 pairs, the paper's.

    Raises:
        InputError: there is no such scale, or its numbers cannot be used.
    """
    params = load_scale(root, scale)
    towers = {name: measure_tower(tower, params, "gemma") for name, tower in params.towers.items()}
    shares = {arm: find_english_share(root, params, arm) for arm in params.arms}
    arms = [cost_arm(params, arm, ranks, shares[arm]) for arm in params.arms]
    print(f"scale {params.scale}: {len(arms)} arms x {len(params.seeds)} seeds\n")
    for name, cost in towers.items():
        print(
            f"tower {name}: image {cost.image_parameters / 1e6:,.1f}M + text {cost.text_parameters / 1e6:,.1f}M "
            f"parameters ({cost.embedding_parameters / 1e6:,.1f}M of them the token embedding, "
            f"{TRAINED_BYTES * cost.embedding_parameters / 1e9:,.1f} GB a rank in fp32 Adam unless sharded), "
            f"{cost.forward_flops / 1e9:,.2f} GFLOP a pair forward; a checkpoint of "
            f"{checkpoint_bytes(cost.parameters) / 1e9:,.2f} GB every "
            f"{checkpoint_seconds(params.machine, cost.parameters):,.0f} s, on a disk with room for two"
        )
    print()
    print(format_arms(arms))
    total = {gpu: sum(arm.gpu_hours[gpu] for arm in arms) * len(params.seeds) for gpu in PEAK_FLOPS}
    print(f"\nall arms and seeds: {', '.join(f'{hours:,.0f} {gpu} hours' for gpu, hours in total.items())}")
    print(assumptions(params, shares))
    plan = {
        "what": "plan",
        "scale": params.scale,
        "seeds": len(params.seeds),
        "towers": {
            name: asdict(cost)
            | {
                "parameters": cost.parameters,
                "checkpoint_bytes": checkpoint_bytes(cost.parameters),
                "checkpoint_seconds": checkpoint_seconds(params.machine, cost.parameters),
            }
            for name, cost in towers.items()
        },
        "arms": {arm.arm: {key: value for key, value in asdict(arm).items() if key != "arm"} for arm in arms},
        "gpu_hours": total,
    }
    print(json.dumps(plan))


def format_arms(arms: Sequence[ArmCost]) -> str:
    """A table of arms, each column as wide as its widest cell."""
    head = ["arm", "tower", "batch", "steps", "seen", "seen pairs", "ranks", "GB a rank"]
    rows = [head + [f"{gpu} hours" for gpu in PEAK_FLOPS]]
    for arm in arms:
        sizes = [f"{arm.batch_size:,}", f"{arm.steps:,}", f"{arm.seen:.2f}x", f"{arm.seen_pairs:,}", f"{arm.ranks:,}"]
        costs = [f"{cost:,.1f}" for cost in (arm.gigabytes_a_rank, *arm.gpu_hours.values())]
        rows.append([arm.arm, arm.tower, *sizes, *costs])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    names = 2  # columns of words stand to the left, of numbers to the right
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i < names else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def find_english_share(root: Path, params: Params, arm: str) -> float:
    """The English share that an arm is scaled by: of the first seed's curated pairs where there are any.

    Before the study was curated at this scale, what `pool.english_share` assumes.
    """
    paths, seed = Paths(root), params.seeds[0]
    curated = paths.curated(params.arm(arm).mix, seed, "isolated")
    if not curated.exists() or load_params(root).scale != params.scale:
        return params.pool.english_share
    return english_share(paths, params, arm, seed)


def assumptions(params: Params, shares: Mapping[str, float]) -> str:
    """What the figures rest on, in sentences; `shares` are the arms' of `find_english_share`."""
    scaled = sorted({shares[arm] for arm in params.arms if isinstance(params.arms[arm].seen, str)})
    share = " and ".join(f"{share:.1%}" for share in scaled) or f"{params.pool.english_share:.1%}"
    full = params.training.vocabulary == "full"
    vocabulary = (
        f"XLM-V's {FULL_VOCABULARY['gemma']:,} tokens stand for the packaged Gemma tokenizer, as in the paper"
        if full
        else f"the cut vocabulary is counted as {CUT_VOCABULARY:,} tokens until a pool is drawn"
    )
    return (
        f"Assumed: {MFU:.0%} of the GPU's dense bf16 peak; a step costs 3 forward passes (backward is two; what "
        f"checkpointing computes again is not counted as work); English is {share} of the "
        "curated pairs; fp32 parameters, gradients and Adam, not sharded; bf16 activations with gradient "
        f"checkpointing; {vocabulary}."
    )


def load_scale(root: Path, scale: str | None) -> Params:
    """The study's parameters at a scale; the one params.yaml names by default.

    Raises:
        InputError: there is no such scale, or its numbers cannot be used.
    """
    study = dict(read_yaml(root / "params.yaml"))
    known = {path.stem: path for path in sorted((root / "scales").glob("*.yaml"))}
    name = scale or str(study.get("scale"))
    if name not in known:
        raise InputError("scale", f"no scale '{name}' in scales/", nearest(name, known))
    return parse(study | {"scale": name}, read_yaml(known[name]))


def cost_arm(params: Params, arm: str, ranks: int | None = None, share: float | None = None) -> ArmCost:
    """What one run of an arm costs.

    Args:
        params: the study at some scale.
        arm: its name.
        ranks: most GPUs, of which as many are used as divide the batch; by default as many as give each about 196
            pairs.
        share: English share of the curated pairs; by default `pool.english_share`.

    Raises:
        InputError: there is no such arm, or `ranks` is below one.
    """
    if ranks is not None and ranks < 1:
        raise InputError("ranks", f"{ranks} is below one", "Name a number of GPUs.")
    plan = plan_arm(params, arm, share or params.pool.english_share)
    cost = measure_tower(params.towers[params.arms[arm].tower], params, params.arms[arm].tokenizer)
    ranks = divide_batches([plan.batch_size], ranks) if ranks else choose_ranks(plan.batch_size, PAIRS_A_RANK)
    pairs = plan.batch_size // ranks
    features = (
        4 * plan.batch_size * params.towers[params.arms[arm].tower].embed_dim * BF16_BYTES
        + 3 * pairs * plan.batch_size * 4
    )
    activations = pairs * (cost.checkpointed_bytes + cost.block_bytes) + features
    memory = cost.parameters * TRAINED_BYTES + activations
    flops = 3 * cost.forward_flops * plan.seen_pairs
    hours = {gpu: flops / (peak * MFU) / 3600 for gpu, peak in PEAK_FLOPS.items()}
    seen = plan.seen_pairs / (params.training.batch_size * params.training.steps)
    size = (plan.batch_size, plan.steps, seen, plan.seen_pairs)
    return ArmCost(arm, params.arms[arm].tower, *size, ranks, memory / 1e9, hours)


def vocabulary(params: Params, tokenizer: str) -> int:
    """Rows of the token embedding to count for a tokenizer."""
    full = FULL_VOCABULARY[tokenizer]
    return full if params.training.vocabulary == "full" else min(full, CUT_VOCABULARY)


def measure_tower(tower: Tower, params: Params, tokenizer: str) -> TowerCost:
    """Count a model's parameters and one pair's operations and activations on the meta device."""
    return _measure(
        json.dumps(asdict(tower), sort_keys=True), vocabulary(params, tokenizer), params.training.context_length
    )


@cache
def _measure(tower: str, rows: int, context_length: int) -> TowerCost:
    config: dict[str, Any] = json.loads(tower)
    side = int(config["vision_cfg"]["image_size"])
    with torch.device("meta"), torch.inference_mode():
        model = build_model(Tower(**config), rows, context_length).eval()
        image = torch.empty(1, 3, side, side)
        text = torch.empty(1, context_length, dtype=torch.long)
        with FlopCounterMode(display=False) as counter:
            model(image, text)
    counts = count_parameters(model)
    inputs, widest = _activations(config, context_length)
    return TowerCost(
        counts["image"], counts["text"], counts["embedding"], float(counter.get_total_flops()), inputs, widest
    )


def _activations(config: dict[str, Any], context_length: int) -> tuple[float, float]:
    """Bytes a pair: block inputs kept in bf16, and the widest block's own while it is computed again."""
    sizes: list[tuple[int, int]] = [(config["text_cfg"]["layers"], context_length * config["text_cfg"]["width"])]
    vision = config["vision_cfg"]
    if "patch_size" in vision:
        tokens = (vision["image_size"] // vision["patch_size"]) ** 2 + 1
        sizes.append((vision["layers"], tokens * vision["width"]))
    else:  # a convolutional tower of ours: at most its side in tokens x 256 channels after the stem
        sizes.append((6, (vision["image_size"] // 2) ** 2 * 64))
    return float(sum(layers * size * BF16_BYTES for layers, size in sizes)), float(
        max(size for _, size in sizes) * BLOCK_FACTOR
    )

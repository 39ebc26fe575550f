"""What a scale would cost: steps, seen pairs, parameters, a rank's memory, GPU-hours, days. Nothing is trained.

Models are built on torch's meta device, which holds shapes and no numbers, so ViT-H/14 with 901,629
tokens plans in seconds on a laptop; their floating-point operations are counted by running one pair there.
"""

from __future__ import annotations

import json
import math
import textwrap
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

#: Rows of the token embedding by tokenizer. `gemma` takes the place of the paper's XLM-V: at `vocabulary: full` its
#: size is counted, elsewhere the packaged pool's texts hold fewer tokens than this.
FULL_VOCABULARY = {"gemma": 901_629, "pool": 8_195, "bytes": 259}
CUT_VOCABULARY = 16_384

PAIRS_A_RANK = 196  # the paper's: 75,264 over 384 GPUs
MOST_GPUS = 1024  # that are listed
#: Image towers by width and layers, as the field calls them.
SIZES = {
    (384, 12): "S", (512, 12): "M", (768, 12): "B", (1024, 24): "L", (1280, 32): "H", (1664, 48): "bigG",
}  # fmt: skip
WIDTH = 100  # characters of a line
#: A JPEG of ordinary quality; drawings of few colours take less.
BYTES_A_PIXEL = 0.4
CORES = 2
#: What a core of docs/benchmarks.md's machine reached over the laptop study's 63 runs, forward and backward.
CORE_FLOPS = 38.6e9
#: A plan that would take longer on CORES cores says what it takes of GPUs alone.
MOST_CPU_MINUTES = 7 * 24 * 60
MFU = 0.40  # model FLOP/s utilisation: what well-tuned CLIP trainings reach
PEAK_FLOPS = {"H200": 989e12, "A100": 312e12}  # dense bf16, the makers' figures

BYTES_A_PARAMETER = {"parameters": 4, "gradients": 4, "optimiser": 8}  # fp32, not sharded
TRAINED_BYTES = sum(BYTES_A_PARAMETER.values())
BF16_BYTES = 2
BLOCK_FACTOR = 34  # a transformer block's saved activations, in units of tokens x width x bf16 / 2 (bytes)


@dataclass(frozen=True)
class TowerCost:
    """What a pair of towers costs."""

    name: str  # as the field calls it, such as ViT-H/14
    image_parameters: int
    text_parameters: int
    embedding_parameters: int  # of text_parameters
    forward_flops: float  # per pair
    checkpointed_bytes: float  # activations per pair, with block inputs kept alone
    block_bytes: float  # activations per pair inside the widest block, while it is computed again

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
    gigabytes: dict[str, float]  # of a rank, by what they hold
    gpu_hours: dict[str, float]  # by GPU, at MFU
    cpu_minutes: float  # on CORES cores
    image_gigabytes: float  # that the run reads, at BYTES_A_PIXEL

    @property
    def gigabytes_a_rank(self) -> float:
        """Memory of a rank in all."""
        return sum(self.gigabytes.values())

    @property
    def days(self) -> float:
        """On its ranks, with the first GPU of PEAK_FLOPS."""
        return next(iter(self.gpu_hours.values())) / self.ranks / 24


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
    print("\n".join(format_tower(name, cost, params) for name, cost in towers.items()))
    print(f"\n{format_arms(arms, runs_on_cpu(params, arms))}\n\n{format_memory(arms)}\n")
    print("\n".join(map(_wrap, [*summarise(params, arms), assumptions(params, shares)])))
    print(json.dumps(plan_content(params, towers, arms)))


def plan_content(params: Params, towers: Mapping[str, TowerCost], arms: Sequence[ArmCost]) -> dict[str, Any]:
    """The plan as JSON content: towers and arms by name, and the GPU-hours and CPU minutes of all runs."""
    of_towers = {
        name: asdict(cost)
        | {
            "parameters": cost.parameters,
            "checkpoint_bytes": checkpoint_bytes(cost.parameters),
            "checkpoint_seconds": checkpoint_seconds(params.machine, cost.parameters),
        }
        for name, cost in towers.items()
    }
    of_arms = {
        arm.arm: {key: value for key, value in asdict(arm).items() if key != "arm"}
        | {"gigabytes_a_rank": arm.gigabytes_a_rank, "days": arm.days}
        for arm in arms
    }
    return {
        "what": "plan",
        "scale": params.scale,
        "seeds": len(params.seeds),
        "towers": of_towers,
        "arms": of_arms,
        "gpu_hours": count_gpu_hours(params, arms),
        "cpu_minutes": count_cpu_minutes(params, arms),
    }


def count_gpu_hours(params: Params, arms: Sequence[ArmCost]) -> dict[str, float]:
    """GPU-hours of all arms and seeds, by GPU."""
    return {gpu: sum(arm.gpu_hours[gpu] for arm in arms) * len(params.seeds) for gpu in PEAK_FLOPS}


def count_cpu_minutes(params: Params, arms: Sequence[ArmCost]) -> float:
    """Minutes of all arms and seeds on CORES cores."""
    return sum(arm.cpu_minutes for arm in arms) * len(params.seeds)


def runs_on_cpu(params: Params, arms: Sequence[ArmCost]) -> bool:
    """Whether a machine without a GPU finishes all arms and seeds within a week."""
    return count_cpu_minutes(params, arms) < MOST_CPU_MINUTES


def format_tower(name: str, cost: TowerCost, params: Params) -> str:
    """A tower's line: its model, parameters, operations and checkpoint."""
    line = (
        f"tower {name}: {cost.name}, image {cost.image_parameters / 1e6:,.1f}M + text "
        f"{cost.text_parameters / 1e6:,.1f}M parameters ({cost.embedding_parameters / 1e6:,.1f}M of them the token "
        f"embedding, {TRAINED_BYTES * cost.embedding_parameters / 1e9:,.1f} GB a rank in fp32 Adam unless sharded), "
        f"{cost.forward_flops / 1e9:,.2f} GFLOP a pair forward; a checkpoint of "
        f"{checkpoint_bytes(cost.parameters) / 1e9:,.2f} GB every "
        f"{checkpoint_seconds(params.machine, cost.parameters):,.0f} s, on a disk with room for two"
    )
    return _wrap(line)


def format_arms(arms: Sequence[ArmCost], on_cpu: bool) -> str:
    """A table of arms; those that cost the same share a row, with their names below it.

    Args:
        arms: of a scale.
        on_cpu: whether to say how many minutes a run takes on CORES cores, not what it takes of GPUs.
    """
    head = ["tower", "batch", "steps", "seen", "pairs", "ranks", "GB/rank"]
    head += ["CPU min"] if on_cpu else [*(f"{gpu} h" for gpu in PEAK_FLOPS), "days"]
    groups: dict[tuple[str, int, int, int], list[ArmCost]] = {}
    for arm in arms:
        groups.setdefault((arm.tower, arm.batch_size, arm.steps, arm.ranks), []).append(arm)
    rows, names = [head], [""]
    for same in groups.values():
        arm = same[0]
        sizes = [f"{arm.batch_size:,}", f"{arm.steps:,}", f"{arm.seen:.2f}x", shorten(arm.seen_pairs), f"{arm.ranks:,}"]
        costs = [arm.gigabytes_a_rank, *([arm.cpu_minutes] if on_cpu else [*arm.gpu_hours.values(), arm.days])]
        rows.append([arm.tower, *sizes, *(f"{cost:,.1f}" for cost in costs)])
        names.append(_wrap("  " + ", ".join(one.arm for one in same)))
    return "\n".join(f"{row}\n{arms}" if arms else row for row, arms in zip(format_table(rows), names, strict=True))


def format_memory(arms: Sequence[ArmCost]) -> str:
    """A table of a rank's memory at each tower's largest batch: by what holds it, in all, and with sharding."""
    largest: dict[str, ArmCost] = {}
    for arm in arms:
        if arm.tower not in largest or arm.batch_size > largest[arm.tower].batch_size:
            largest[arm.tower] = arm
    rows = [["GB of a rank", *arms[0].gigabytes, "all", "sharded", "ranks"]]
    for tower, arm in largest.items():
        sharded = sum(size / (arm.ranks if part in BYTES_A_PARAMETER else 1) for part, size in arm.gigabytes.items())
        sizes = [*arm.gigabytes.values(), arm.gigabytes_a_rank, sharded]
        rows.append([tower, *(f"{size:,.2f}" for size in sizes), f"{arm.ranks:,}"])
    return "\n".join(format_table(rows))


def format_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells, the head first, as lines: each column as wide as its widest cell, words left and numbers right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def shorten(pairs: int) -> str:
    """A number of pairs in at most six characters, such as 40,960, 12.8M or 29.4B.

    >>> shorten(40_960), shorten(12_800_000), shorten(29_428_224_000)
    ('40,960', '12.8M', '29.4B')
    """
    for unit, size in (("B", 1e9), ("M", 1e6)):
        if pairs >= size:
            return f"{pairs / size:.1f}{unit}"
    return f"{pairs:,}"


def shorten_bytes(size: float) -> str:
    """A number of bytes in the largest unit that it reaches, megabytes at least.

    >>> shorten_bytes(82e6), shorten_bytes(112e12)
    ('82.0 MB', '112.0 TB')
    """
    unit, factor = next((pair for pair in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9)) if size >= pair[1]), ("MB", 1e6))
    return f"{size / factor:,.1f} {unit}"


def _wrap(line: str) -> str:
    """A line as lines of at most WIDTH characters, broken between words and indented as it begins."""
    return textwrap.fill(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def summarise(params: Params, arms: Sequence[ArmCost]) -> list[str]:
    """What all runs together cost, how many GPUs divide every batch, and how much data is read, in sentences."""
    hours = ", ".join(f"{hours:,.0f} {gpu} hours" for gpu, hours in count_gpu_hours(params, arms).items())
    lines = [f"all arms and seeds: {hours}"]
    if runs_on_cpu(params, arms):
        minutes = count_cpu_minutes(params, arms)
        lines.append(f"all arms and seeds on {CORES} cores without a GPU: {minutes:,.0f} minutes of training")
    shared = math.gcd(*(arm.batch_size for arm in arms))
    fit = [number for number in range(1, min(shared, MOST_GPUS) + 1) if shared % number == 0]
    lines.append(f"numbers of GPUs that divide every batch: {', '.join(f'{number:,}' for number in fit)}")
    most = max(arms, key=lambda arm: arm.seen_pairs)
    pool, read = params.pool.pairs * image_bytes(params), most.image_gigabytes * 1e9
    lines.append(
        f"images: a pool of {shorten(params.pool.pairs)} pairs is about {shorten_bytes(pool)}; {most.arm} reads "
        f"{shorten_bytes(read)} in all, each rank {shorten_bytes(read / most.ranks)}"
    )
    return lines


def image_bytes(params: Params) -> float:
    """What an image of the pool takes on the disk, about."""
    return params.pool.image_size**2 * BYTES_A_PIXEL


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
        f"checkpointing; {vocabulary}; an image takes {BYTES_A_PIXEL:g} bytes a pixel; a core of a CPU "
        f"does {CORE_FLOPS / 1e9:.1f} GFLOP/s."
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
    loss = (
        4 * plan.batch_size * params.towers[params.arms[arm].tower].embed_dim * BF16_BYTES
        + 3 * pairs * plan.batch_size * 4
    )
    activations = pairs * (cost.checkpointed_bytes + cost.block_bytes)
    memory = {part: size * cost.parameters / 1e9 for part, size in BYTES_A_PARAMETER.items()}
    memory |= {"activations": activations / 1e9, "loss": loss / 1e9}
    flops = 3 * cost.forward_flops * plan.seen_pairs
    hours = {gpu: flops / (peak * MFU) / 3600 for gpu, peak in PEAK_FLOPS.items()}
    seen = plan.seen_pairs / (params.training.batch_size * params.training.steps)
    size = (plan.batch_size, plan.steps, seen, plan.seen_pairs)
    minutes = flops / (CORES * CORE_FLOPS) / 60
    images = plan.seen_pairs * image_bytes(params) / 1e9
    return ArmCost(arm, params.arms[arm].tower, *size, ranks, memory, hours, minutes, images)


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
        name_model(config),
        counts["image"],
        counts["text"],
        counts["embedding"],
        float(counter.get_total_flops()),
        inputs,
        widest,
    )


def name_model(config: Mapping[str, Any]) -> str:
    """What the field calls a pair of towers: by the image tower's width and patch, or timm's name of it.

    >>> name_model({"vision_cfg": {"width": 1280, "layers": 32, "patch_size": 14}})
    'ViT-H/14'
    """
    vision = config["vision_cfg"]
    if "timm_model_name" in vision:
        return str(vision["timm_model_name"])
    size = SIZES.get((vision["width"], vision["layers"]), f"{vision['width']}x{vision['layers']}")
    return f"ViT-{size}/{vision['patch_size']}"


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

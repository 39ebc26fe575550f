"""How long an arm trains: seen pairs grow the batch, not the number of steps (MetaCLIP 2, §3.3).

Only an arm that says so (`steps`) takes more steps than the others: one trains longer, one asks what the same pairs
bring in more steps of a smaller batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mc2lib.params import Machine, Params

#: A computed batch is rounded to a multiple of the largest power of two in this share of it: at most 0.4 % off the
#: seen pairs asked for, and still divided by 2 ranks at laptop scale and by 64 with the batch of a workstation.
ROUNDING = 1 / 128

STATE_BYTES = 12
LEAST_CHECKPOINT_SECONDS = 30.0
SECONDS_A_GIGABYTE = 80.0


@dataclass(frozen=True)
class Plan:
    """One run's size."""

    batch_size: int  # pairs a step over all ranks
    steps: int

    @property
    def seen_pairs(self) -> int:
        """Pairs the run sees in all."""
        return self.batch_size * self.steps


def plan_arm(params: Params, arm: str, english_share: float) -> Plan:
    """Batch and steps of an arm: what training, `make plan` and the reports call its seen pairs.

    Args:
        params: the study.
        arm: its name.
        english_share: English share of the curated worldwide pairs, in (0, 1].

    Source: MetaCLIP 2, §3.3: the batch grows by 1 / English share, 32,768 to 75,264 in the paper.
    """
    wanted = params.arm(arm).steps
    steps = max(1, round(params.training.steps * (1.0 / english_share if isinstance(wanted, str) else wanted)))
    return Plan(_round_batch(params.training.batch_size * seen_factor(params, arm, english_share)), steps)


def seen_factor(params: Params, arm: str, english_share: float) -> float:
    """Pairs that an arm sees a step, in units of the English arm's; arguments as of `plan_arm`.

    A scaled arm sees 1 / English share, so that it sees as many English pairs as the English arm. What is left of it
    is the other languages' pairs, and an arm that trains on those alone sees as many of them: 1 / share - 1.
    """
    seen, training = params.arm(arm).seen, params.training
    if not isinstance(seen, str):
        return seen
    scaled = training.scaled_batch_size / training.batch_size if training.scaled_batch_size else 1.0 / english_share
    return scaled if seen == "1/english_share" else scaled - 1.0


def _round_batch(wanted: float) -> int:
    """A batch of whole pairs that small numbers of ranks divide; a whole number that was asked for stays."""
    if wanted.is_integer():
        return int(wanted)
    multiple = 2 ** int(math.log2(max(1.0, wanted * ROUNDING)))
    return multiple * max(1, round(wanted / multiple))


def divide_batches(batches: Sequence[int], most: int) -> int:
    """The largest number of ranks, at most `most`, that divides every batch."""
    shared = math.gcd(*batches)
    return max(ranks for ranks in range(1, most + 1) if shared % ranks == 0)


def choose_ranks(batch_size: int, pairs: int) -> int:
    """The number of ranks that divides a batch into shares nearest, as a ratio, to so many `pairs`.

    >>> choose_ranks(75_264, 196), choose_ranks(32_768, 196)
    (384, 128)
    """
    small = [n for n in range(1, math.isqrt(batch_size) + 1) if batch_size % n == 0]
    return min(sorted({*small, *(batch_size // n for n in small)}), key=lambda n: abs(math.log(batch_size / n / pairs)))


def checkpoint_bytes(parameters: int) -> int:
    """Size of a run's state on disk: each parameter and Adam's two moments of it, in float32."""
    return STATE_BYTES * parameters


def checkpoint_seconds(machine: Machine, parameters: int) -> float:
    """Seconds between checkpoints: what `machine` says, or so many that writing them takes a small share.

    All ranks wait while the state is gathered and written, which takes a second or more a GB.

    >>> round(checkpoint_seconds(Machine("auto", "auto"), 1_858_000_000))
    1784
    """
    if machine.checkpoint_seconds != "auto":
        return machine.checkpoint_seconds
    return max(LEAST_CHECKPOINT_SECONDS, SECONDS_A_GIGABYTE * checkpoint_bytes(parameters) / 1e9)


def learning_rate(step: int, peak: float, warmup: int, steps: int) -> float:
    """Linear warm-up to `peak`, then a half cosine to zero.

    Examples:
        >>> [round(learning_rate(s, 1.0, 2, 6), 3) for s in range(6)]
        [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return peak * 0.5 * (1.0 + math.cos(math.pi * done))

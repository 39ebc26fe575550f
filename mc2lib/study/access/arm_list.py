"""The study's arms as a table: what each trains on, and for how long."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mc2lib.recipe.training.budget import plan_arm
from mc2lib.study.scale_plan import find_english_share, load_scale


def list_arms(root: Path, scale: str | None = None) -> pd.DataFrame:
    """One row per arm, in params.yaml's order.

    Args:
        root: the study's folder.
        scale: a file of scales/; by default the one that params.yaml names.

    Returns:
        arm; tower; curation; languages; mix; tokenizer; batch, in pairs; steps; seen_pairs in all.

    Raises:
        InputError: there is no such scale, or its numbers cannot be used.
    """
    params = load_scale(root, scale)
    rows = []
    for name, arm in params.arms.items():
        plan = plan_arm(params, name, find_english_share(root, params, name))
        data = (arm.tower, arm.curation, arm.languages, arm.mix, arm.tokenizer)
        rows.append((name, *data, plan.batch_size, plan.steps, plan.seen_pairs))
    columns = ["arm", "tower", "curation", "languages", "mix", "tokenizer", "batch", "steps", "seen_pairs"]
    return pd.DataFrame(rows, columns=columns)


def arms_text(root: Path, scale: str | None = None) -> str:
    """`list_arms` as lines of text, words to the left and numbers to the right."""
    table = list_arms(root, scale).rename(columns={"seen_pairs": "seen pairs"})
    cells = [[name, *(f"{v:,}" if isinstance(v, int) else str(v) for v in table[name].tolist())] for name in table]
    words = {name for name in table if table[name].map(type).eq(str).all()}
    padded = []
    for name, column in zip(table, cells, strict=True):
        width = max(map(len, column))
        padded.append([cell.ljust(width) if name in words else cell.rjust(width) for cell in column])
    return "\n".join("  ".join(row).rstrip() for row in zip(*padded, strict=True))

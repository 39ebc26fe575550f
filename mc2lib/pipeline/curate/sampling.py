"""Offline draws: each shard's pairs of each epoch, written. See `mc2lib.io.epoch_draws` for the draws of a stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mc2lib.engine.shard_runs import Stop, no_room
from mc2lib.io.curated_pool import count_values, curated_path, read_rivals
from mc2lib.io.epoch_draws import read_candidates, take_kept
from mc2lib.io.provenance import read_made, write_made
from mc2lib.recipe.curation.algorithm import draw_steps
from mc2lib.recipe.curation.balance import U64, Mask


def sample_shard(task: tuple[Path, str, int, str, int, int]) -> dict[str, Any] | Stop:
    """Draw a shard's pairs for every epoch; write them (CURATED) unless they are there.

    Args:
        task: output folder, the shard's name and number, digest of all that shapes the draw, seed, epochs.
    """
    out, name, place, made, seed, epochs = task
    pa.set_cpu_count(1)
    tallies: dict[str, Any] = {}
    wanted = [epoch for epoch in range(epochs) if read_made(curated_path(out, name, epoch)).get("from") != made]
    for epoch in set(range(epochs)) - set(wanted):
        tallies[str(epoch)] = read_made(curated_path(out, name, epoch))["tally"]
    if wanted:
        pairs = read_candidates(out, name)
        rivals = read_rivals(out, place, pairs["image_id"].to_numpy())
        try:
            for epoch in wanted:
                tallies[str(epoch)] = _write_epoch(out, name, made, pairs, rivals, seed, epoch)
        except OSError as error:
            return no_room(out, error)
    return tallies


def _write_epoch(
    out: Path, name: str, made: str, pairs: pa.Table, rivals: tuple[U64, U64, Mask], seed: int, epoch: int
) -> dict[str, Any]:
    drawn, kept = draw_steps(pairs, seed, epoch, rivals)
    steps = {"matched": np.ones(len(pairs), bool), "drawn": drawn, "kept": kept}
    counted = {step: count_values(pairs["language"].filter(pa.array(mask))) for step, mask in steps.items()}
    tally = {name: {step: found.get(name, 0) for step, found in counted.items()} for name in sorted(counted["matched"])}
    table = take_kept(pairs, kept)
    with write_made(curated_path(out, name, epoch), table.schema, {"from": made, "tally": tally}) as writer:
        writer.write_table(table)
    return tally

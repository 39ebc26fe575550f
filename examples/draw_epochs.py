"""Draw epochs from a curated pool, as a training stream does: another draw each epoch, the same one for each number.

    python examples/draw_epochs.py OUT [EPOCHS]

OUT is a folder that `make curate` or `curate_tiny_pool.py` wrote.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from mc2lib.io.curated_pool import open_curated
from mc2lib.io.epoch_draws import draw_shards


def stream(out: Path, seed: int, epochs: int) -> Iterator[tuple[int, str, str]]:
    """Yield (epoch, image, alt-text) of every pair that an epoch keeps, in the order of the pool's shards."""
    pool = open_curated(out)
    for epoch in range(epochs):
        for pairs in draw_shards(pool, seed, epoch):  # one Arrow table per shard
            for image, text in zip(pairs["image"].to_pylist(), pairs["alt_text"].to_pylist(), strict=True):
                yield epoch, image, text


if __name__ == "__main__":
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    for epoch, image, text in stream(Path(sys.argv[1]), seed=0, epochs=epochs):
        print(f"{epoch}  {image}  {text}")

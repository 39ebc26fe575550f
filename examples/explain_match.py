"""Match one text against a list of entries and see what keeps it: Algorithm 1 on one line.

python examples/explain_match.py "a photo of a lighthouse"
"""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa

from mc2lib.recipe.curation.balance import is_head, keep_probability, pair_keep_probability
from mc2lib.recipe.curation.index import build_index
from mc2lib.recipe.curation.match import match

#: Entries of a list and in how many pairs of some pool each of them matched.
COUNTS = {"a": 900_000, "photo": 400_000, "house": 30_000, "light": 25_000, "lighthouse": 1_200}
T_EN = 20_000  # the paper's threshold at 400 million pairs


def explain(text: str) -> tuple[list[tuple[str, int, str, float]], float]:
    """What an alt-text matches, and its keep probability.

    Args:
        text: an alt-text.

    Returns:
        for each matched entry its name, count, part and keep probability; and the pair's keep probability.
    """
    entries, counts = list(COUNTS), np.array(list(COUNTS.values()))
    keep, head = keep_probability(counts, T_EN), is_head(counts, T_EN)
    found = match(pa.array([text]), build_index(entries))
    offsets, ids = found.offsets.to_numpy().astype(np.int64), found.values.to_numpy()
    (pair,) = pair_keep_probability(
        offsets, ids, np.zeros(1, np.int64), keep
    )  # all texts use the list that starts at 0
    rows = [(entries[i], int(counts[i]), "head" if head[i] else "tail", float(keep[i])) for i in ids]
    return rows, float(pair)


if __name__ == "__main__":
    rows, pair = explain(sys.argv[1] if len(sys.argv) > 1 else "a photo of a lighthouse")
    for entry, count, part, keep in rows:
        print(f"{entry:12} {count:>9,} {part}  {keep:.3f}")
    print(f"{'the pair':12} {'':>9}       {pair:.3f}")

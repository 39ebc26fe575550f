"""What every worker would do again for itself, done once: only the fork server imports this, before it forks any."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pyarrow as pa

from mc2lib.recipe.curation.balance import pair_keep_probability
from mc2lib.recipe.curation.pair_ids import hash_strings

with suppress(Exception):  # a worker says what is wrong where a person can read it
    # the first compiled function that a process calls costs it Numba's own set-up, most of half a second
    hash_strings(pa.array([""]), 0)
    pair_keep_probability(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0))

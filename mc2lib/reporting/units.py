"""What a measure is counted in, how it is printed, and the smallest difference in it that is of interest.

The smallest difference of interest is fixed before any run: a hundredth of the way from a model that is always right
to one that knows nothing. For accuracies and the other shares that is 1 point of 100. Held-out loss starts near 5 nats
(a batch of 128 gives ln 128 = 4.85); the squared distance between features that have nothing to do with each other is
2; uniformity is -4 where features are spread evenly, and 0 where all are the same.
"""

from __future__ import annotations

from typing import NamedTuple


class Unit(NamedTuple):
    """How a measure's values are printed and judged."""

    name: str  # after a number; empty where the numbers have no unit
    axis: str  # what a figure's axis says
    factor: float  # from stored to printed values
    decimals: int
    smallest: float  # difference of interest, in stored values


POINTS = Unit("points", "percentage points", 100.0, 1, 0.01)
NATS = Unit("nats", "nats of held-out loss", 1.0, 3, 0.05)
ALIGNMENT = Unit("", "alignment, squared distance", 1.0, 3, 0.02)
UNIFORMITY = Unit("", "uniformity", 1.0, 3, 0.04)


def unit_of(measure: str) -> Unit:
    """The unit of a measure; what is no loss and no geometry is a share of 1.

    Args:
        measure: its name, such as `en_top1`, `world_loss` or `image_uniformity`.
    """
    endings = {"loss": NATS, "alignment": ALIGNMENT, "uniformity": UNIFORMITY}
    return next((unit for ending, unit in endings.items() if measure.endswith(ending)), POINTS)

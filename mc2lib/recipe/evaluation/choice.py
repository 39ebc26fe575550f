"""Multiple choice: of a question's options, the one whose text is nearest to the image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mc2lib.errors import InputError
from mc2lib.recipe.evaluation.zero_shot import Features, Labels


def choose_options(images: Features, options: Features, labels: Labels) -> npt.NDArray[np.bool_]:
    """Whether the right option of each question is the single most similar one to its image.

    Ties and NaNs count against the model.

    Args:
        images: float [n, d], the image of each question, rows of length one.
        options: float [n, o, d], each option with its question, rows of length one.
        labels: int [n], the right option, 0..o-1.

    Raises:
        InputError: a label is outside the options, as where the answers were withheld (-1).

    Source: MetaCLIP 2, §4 (CVQA).
    """
    outside = (labels < 0) | (labels >= options.shape[1])
    if outside.any():
        first = int(np.argmax(outside))
        fault = f"{int(outside.sum())} of {len(labels)} labels are outside 0..{options.shape[1] - 1}; the first is "
        fault += f"{labels[first]} of question {first}"
        raise InputError("labels", fault, "Fetch a version of the set with its answers.")
    similarity = np.einsum("nd,nod->no", images, options)
    own = np.take_along_axis(similarity, labels[:, None], axis=1)
    return np.asarray(np.count_nonzero(~(similarity < own), axis=1) == 1) & ~np.isnan(own[:, 0])

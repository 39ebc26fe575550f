"""The controls that every table carries: guessing, and the nearest drawing in raw pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mc2lib.errors import InputError
from mc2lib.io.files import write_json
from mc2lib.io.image_decoder import decode_pixels
from mc2lib.io.study_paths import Paths
from mc2lib.io.tars import read_shards
from mc2lib.languages import script
from mc2lib.params import Params
from mc2lib.recipe.evaluation.measures import Measure, measure_chance, summarise
from mc2lib.recipe.evaluation.neighbours import rank_pixel_neighbours
from mc2lib.recipe.evaluation.zero_shot import share_within
from mc2lib.study.evaluate_stage import (
    COLUMNS,
    EvaluationSet,
    list_rows,
    read_evaluation_set,
    summarise_metrics,
    write_csv,
)

#: The draw whose drawings the pixel neighbour looks among; a seed's drawings are the same in every mix.
MIX = "base"


def evaluate_controls(root: Path, params: Params) -> pd.DataFrame:
    """Measure the controls of every seed and write results/controls.csv and controls.json.

    `chance` guesses. `pixel neighbour` takes the concept of the nearest training drawing in raw
    pixels, whose true concept it is told. Neither reads a word, so each scores the same in every language.

    Args:
        root: the study's folder.
        params: the study's parameters.

    Returns:
        tidy table with columns arm (the control), seed, measure, language and value.

    Raises:
        InputError: the pool's images or the evaluation data are missing or broken.
    """
    paths = Paths(Path(root))
    rows: list[dict[str, Any]] = []
    for seed in params.seeds:
        data = read_evaluation_set(paths, params, seed)
        scripts = {language: script(language) for language in data.languages}
        for control, found in (
            ("chance", measure_chance(data.labels, data.seen)),
            ("pixel neighbour", _measure_neighbour(paths, data, seed)),
        ):
            for measure, value in found.items():
                alike = dict.fromkeys(data.languages, value)
                rows += list_rows(control, seed, [Measure(measure, language, value) for language in alike])
                rows += list_rows(control, seed, summarise(measure, alike, scripts))
    table = pd.DataFrame(rows, columns=COLUMNS)
    write_csv(table, paths.results / "controls.csv")
    metrics = {str(name).replace(" ", "_"): summarise_metrics(part) for name, part in table.groupby("arm")}
    write_json(metrics, paths.results / "controls.json")
    return table


def _measure_neighbour(paths: Paths, data: EvaluationSet, seed: int) -> dict[str, float]:
    folder = paths.pool(MIX, seed)
    shards = sorted(folder.glob("images-*.tar"))
    if not shards:
        raise InputError(str(folder), "no images-*.tar", "Run `dvc repro pool`.")
    drawings = read_shards(shards)  # keys are "<style>/<concept>"
    number = {concept: i for i, concept in enumerate(data.concepts)}
    kept = {image: png for image, png in drawings.items() if image.rpartition("/")[2] in number}
    train = decode_pixels(list(kept.values()), str(folder))
    classes = np.array([number[image.rpartition("/")[2]] for image in kept], dtype=np.int64)
    ranks = rank_pixel_neighbours(train, classes, data.images, data.labels)
    known = data.seen[data.labels]
    found = {f"top{k}": share_within(ranks[known], k) for k in (1, 5)}
    if not known.all():
        # Zero by construction: it can only answer with what it was shown.
        found |= {f"unseen_top{k}": share_within(ranks[~known], k) for k in (1, 5)}
    return found

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
from mc2lib.params import Params
from mc2lib.recipe.evaluation.measures import list_measures, measure_chance, measure_ranks
from mc2lib.recipe.evaluation.neighbours import rank_pixel_neighbours
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
    pixels, whose true concept it is told. Neither reads a word, so each scores the same in every language, but for the
    pixel neighbour's `head_top1` and `tail_top1`: which concepts are a pool's head and tail depends on the language.

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
        chance = measure_chance(data.labels, data.seen)
        for control, found in (
            ("chance", dict.fromkeys(data.languages, chance)),
            ("pixel neighbour", _measure_neighbour(paths, data, seed)),
        ):
            rows += list_rows(control, seed, list_measures(found, data.truth.scripts))
    table = pd.DataFrame(rows, columns=COLUMNS)
    write_csv(table, paths.results / "controls.csv")
    metrics = {str(name).replace(" ", "_"): summarise_metrics(part) for name, part in table.groupby("arm")}
    write_json(metrics, paths.results / "controls.json")
    return table


def _measure_neighbour(paths: Paths, data: EvaluationSet, seed: int) -> dict[str, dict[str, float]]:
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
    by_language = zip(data.languages, data.pool_pairs, strict=True)
    # Only head and tail differ by language. Zero on unseen concepts: it can only answer with what it was shown.
    return {language: measure_ranks(ranks, data.labels, data.seen, pairs) for language, pairs in by_language}

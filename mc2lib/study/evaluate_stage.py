"""Evaluating trained arms.

This module does without torch, which takes seconds to import: the workers that evaluate runs import it, all at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from mc2lib.engine.machine import count_gpus, one_thread_each
from mc2lib.engine.shard_runs import map_tasks
from mc2lib.errors import InputError
from mc2lib.io.files import atomic, read_json, read_table, write_json, write_table
from mc2lib.io.image_decoder import decode_pixels
from mc2lib.io.study_paths import Paths
from mc2lib.languages import script
from mc2lib.params import Machine, Params
from mc2lib.recipe.evaluation.concept_measures import ConceptMeasure, measure_concepts
from mc2lib.recipe.evaluation.measures import (
    SEEN_PAIRS,
    GroundTruth,
    Measure,
    ModelFeatures,
    measure_model,
    rank_seen,
)
from mc2lib.recipe.evaluation.zero_shot import class_embeddings
from mc2lib.reporting.findings import mean_and_spread
from mc2lib.schemas import CONCEPT_MEASURES, EVALUATION_IMAGES, EVALUATION_TEXTS

COLUMNS = ["arm", "seed", "measure", "language", "value"]

#: What DVC's metrics hold of an arm, one column each.
METRICS = ("en_top1", "world_top1", "en_t2i_r1", "world_t2i_r1", "en_i2t_r1", "world_i2t_r1")

Features = npt.NDArray[np.float32]


class Encoder(Protocol):
    """What evaluation needs of a model: features with rows of length one, and the scale of its logits."""

    @property
    def logit_scale(self) -> float:
        """What the model multiplies similarities by."""

    def encode_images(self, images: npt.NDArray[np.uint8]) -> Features:
        """uint8 [n, h, w, 3] to float32 [n, d]."""

    def encode_texts(self, texts: Sequence[str]) -> Features:
        """n texts to float32 [n, d]."""


@dataclass(frozen=True)
class EvaluationSet:
    """One draw's test set: images, and each concept's class name and caption in each language."""

    images: npt.NDArray[np.uint8]  # [n, h, w, 3]
    labels: npt.NDArray[np.int64]  # [n], an index into concepts
    concepts: tuple[str, ...]
    seen: npt.NDArray[np.bool_]  # [c]
    languages: tuple[str, ...]
    names: list[str]  # l * c, language by language
    captions: list[str]  # likewise
    pool_pairs: npt.NDArray[np.int64]  # [l, c], pairs of the raw pool that show the concept

    @property
    def truth(self) -> GroundTruth:
        """What is known of the drawings, for the measures."""
        scripts = {language: script(language) for language in self.languages}
        return GroundTruth(self.labels, self.seen, self.pool_pairs, self.languages, scripts)


class RunMeasures(NamedTuple):
    """What one run measured, in all and concept by concept; concepts are numbers of the evaluation set."""

    measures: list[Measure]
    concepts: list[ConceptMeasure]


def evaluate_arm(root: Path, params: Params, arm: str) -> pd.DataFrame:
    """Measure every seed of one arm, seeds side by side, and write what they measured.

    Three files of results/evaluation: <arm>.csv holds every measure, <arm>.json its summary, <arm>.parquet the measures
    of each concept (CONCEPT_MEASURES). Each process has one thread, so how many there are changes no byte; on a GPU
    there is one, which takes the seeds in turn.

    Args:
        root: the study's folder.
        params: the study's parameters.
        arm: the arm's name; its runs must be finished.

    Returns:
        tidy table with columns arm, seed, measure, language and value.

    Raises:
        InputError: there is no such arm, or a run or the evaluation data are missing or broken.

    Source: MetaCLIP 2, §4.
    """
    params.arm(arm)
    paths = Paths(Path(root))
    evaluate = partial(evaluate_run, paths, params, arm)
    with one_thread_each():
        found = map_tasks(evaluate, params.seeds, _divide(params.machine), lambda seed: f"{arm}, seed {seed}")
    rows = [row for seed, (table, _) in zip(params.seeds, found, strict=True) for row in list_rows(arm, seed, table)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    result = paths.evaluation_result(arm)
    write_csv(table, result.with_suffix(".csv"))
    write_table(pa.concat_tables([concepts for _, concepts in found]), result.with_suffix(".parquet"), CONCEPT_MEASURES)
    write_json(summarise_metrics(table), result)
    return table


def _divide(machine: Machine) -> Machine:
    """The processes of this machine that evaluate runs: as many as it is told, but one for a GPU."""
    return replace(machine, engine="local", processes=1 if count_gpus() else machine.processes)


def evaluate_run(paths: Paths, params: Params, arm: str, seed: int) -> tuple[list[Measure], pa.Table]:
    """Measure one seed of an arm, with one thread.

    Args:
        paths: of the study.
        params: the study's parameters.
        arm: the arm's name.
        seed: of the run, which must be finished.

    Returns:
        its measures, and those of each concept (CONCEPT_MEASURES).

    Raises:
        InputError: the run or the evaluation data are missing or broken.
    """
    import torch

    from mc2lib.trainer.encoder import load_encoder

    torch.set_num_threads(1)
    data, run = read_evaluation_set(paths, params, seed), paths.run(arm, seed)
    found = evaluate_encoder(load_encoder(run), data, str(run))
    measures = [Measure(SEEN_PAIRS, "", read_seen_pairs(run)), *found.measures]
    rows = [row._asdict() | {"seed": seed, "concept": data.concepts[row.concept]} for row in found.concepts]
    return measures, pa.Table.from_pylist(rows, CONCEPT_MEASURES)


def read_seen_pairs(run: Path) -> float:
    """The pairs that a finished run saw in all, as it recorded them itself.

    Raises:
        InputError: model.json is missing or does not say.
    """
    path = run / "model.json"
    record = read_json(path)
    if not isinstance(record.get("seen_pairs"), int):
        raise InputError(str(path), "no number of seen pairs", f"Delete {run} and run `dvc repro train`.")
    return float(record["seen_pairs"])


def evaluate_encoder(encoder: Encoder, data: EvaluationSet, place: str) -> RunMeasures:
    """All measures of one model on one draw's test set.

    Args:
        encoder: the model.
        data: the test set.
        place: the run, for the error.

    Raises:
        InputError: the model's features are not finite, as after a diverged training.
    """
    features, truth = encode_set(encoder, data), data.truth
    if not all(np.isfinite(part).all() for part in features):
        raise InputError(place, "its features are not finite: training diverged", "Lower training.learning_rate.")
    ranks, labels = rank_seen(features, truth)
    return RunMeasures(measure_model(features, truth), measure_concepts(ranks, labels, data.languages))


def encode_set(encoder: Encoder, data: EvaluationSet) -> ModelFeatures:
    """A model's features of a test set, each distinct text encoded once.

    Args:
        encoder: the model.
        data: the test set.
    """
    texts = sorted(set(data.names) | set(data.captions))
    row = {text: i for i, text in enumerate(texts)}
    text_features = encoder.encode_texts(texts)
    count = len(data.concepts)
    shape = (len(data.languages), count, text_features.shape[1])
    names = text_features[[row[text] for text in data.names]].reshape(shape)
    captions = text_features[[row[text] for text in data.captions]].reshape(shape)
    prompts = np.stack([class_embeddings(of_language, np.arange(count), count) for of_language in names])
    return ModelFeatures(encoder.encode_images(data.images), prompts, captions, encoder.logit_scale)


def read_evaluation_set(paths: Paths, params: Params, seed: int) -> EvaluationSet:
    """The test set of one draw, concepts sorted by name.

    Raises:
        InputError: a file is missing or broken, or a concept lacks its texts in some language.
    """
    folder = paths.evaluation(seed)
    images = read_table(folder / "images.parquet", EVALUATION_IMAGES)
    texts = read_table(folder / "texts.parquet", EVALUATION_TEXTS)
    return arrange(images, texts, params.languages, str(folder))


def arrange(images: pa.Table, texts: pa.Table, languages: Sequence[str], place: str) -> EvaluationSet:
    """Arrange evaluation tables by concept and language, and the images by name.

    Args:
        images: EVALUATION_IMAGES.
        texts: EVALUATION_TEXTS.
        languages: those to evaluate in.
        place: where the tables came from, for the error.

    Raises:
        InputError: a concept lacks its texts in some language, or an image's concept has none.
    """
    table = texts.to_pandas().set_index(["language", "concept"]).sort_index()
    concepts = tuple(sorted(set(table.index.get_level_values("concept"))))
    wanted = pd.MultiIndex.from_product([languages, concepts])
    lost = wanted.difference(table.index)
    if len(lost):
        raise InputError(place, f"concept '{lost[0][1]}' has no texts in '{lost[0][0]}'", "Run `dvc repro pool`.")
    number = {concept: i for i, concept in enumerate(concepts)}
    unknown = set(images["concept"].to_pylist()) - set(number)
    if unknown:
        raise InputError(place, f"images of '{min(unknown)}' have no texts", "Run `dvc repro pool`.")
    ordered = table.loc[wanted]
    images = images.sort_by("image")
    return EvaluationSet(
        images=decode_pixels(images["png"].to_pylist(), f"{place}/images.parquet"),
        labels=np.array([number[concept] for concept in images["concept"].to_pylist()], dtype=np.int64),
        concepts=concepts,
        seen=ordered["seen"].to_numpy(dtype=bool)[: len(concepts)],
        languages=tuple(languages),
        names=ordered["name"].tolist(),
        captions=ordered["caption"].tolist(),
        pool_pairs=ordered["pool_pairs"].to_numpy(dtype=np.int64).reshape(len(languages), len(concepts)),
    )


def summarise_metrics(table: pd.DataFrame) -> dict[str, float]:
    """What `dvc metrics` shows of one arm: `METRICS`'s means over seeds, and the spread of top-1.

    Args:
        table: the rows of one arm; its CSV holds all that was measured.

    Returns:
        measure to mean, and `<measure>_spread` to sample standard deviation.
    """
    values = {m: table.loc[(table["measure"] == m) & (table["language"] == ""), "value"] for m in METRICS}
    found = {measure: mean_and_spread(of_measure) for measure, of_measure in values.items() if len(of_measure)}
    spreads = {f"{measure}_spread": spread for measure, (_, spread) in found.items() if measure.endswith("top1")}
    return {measure: mean for measure, (mean, _) in found.items()} | spreads


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, atomically, floats with all their digits."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False)


def list_rows(arm: str, seed: int, measures: Iterable[Measure]) -> list[dict[str, Any]]:
    """Measures of one arm (or control) and seed as rows of the tidy table."""
    return [{"arm": arm, "seed": seed, **measure._asdict()} for measure in measures]

"""All measures of one model, from its features: a tidy list that the report reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mc2lib.recipe.evaluation.concept_measures import ENGLISH, SCORES, split_by_frequency
from mc2lib.recipe.evaluation.contrastive import held_out_loss
from mc2lib.recipe.evaluation.geometry import alignment, uniformity
from mc2lib.recipe.evaluation.neighbours import recall_by_chance
from mc2lib.recipe.evaluation.retrieval import rank_gallery
from mc2lib.recipe.evaluation.zero_shot import Features, Labels, Ranks, rank_classes, reciprocal, share_within

RECALLS = (1, 5, 10)
#: The mean over all languages but English, each with the same weight.
MACRO = "macro"
#: How many pairs the run saw, of its own record; a number of the run beside what its features measure.
SEEN_PAIRS = "seen_pairs"


class Measure(NamedTuple):
    """One number. `language` is a language, a script, MACRO, or empty where the name says it."""

    measure: str
    language: str
    value: float


class ModelFeatures(NamedTuple):
    """What a model makes of one draw's test set: features with rows of length one, and the scale of its loss."""

    images: Features  # [n, d]
    names: Features  # [l, c, d], each concept's class embedding in each language
    captions: Features  # [l, c, d], each concept's caption likewise
    logit_scale: float  # similarities times this are the model's logits


class GroundTruth(NamedTuple):
    """What is known of one draw's n test drawings, its c concepts and its l languages."""

    labels: Labels  # [n], each drawing's concept 0..c-1
    seen: npt.NDArray[np.bool_]  # [c], whether the concept was trained on
    pool_pairs: npt.NDArray[np.int64]  # [l, c], pairs of the raw pool that show the concept
    languages: Sequence[str]  # [l]
    scripts: Mapping[str, str]  # language to script


def measure_model(features: ModelFeatures, truth: GroundTruth) -> list[Measure]:
    """Zero-shot, held-out loss, retrieval and geometry of one model in every language.

    Zero-shot (`top1`, `top5`, `mrr`) classifies the drawings of seen concepts among all concepts, seen or not;
    `unseen_top1` and its like do so with the drawings of held-out concepts, `head_top1` and `tail_top1` with those of
    the third of the seen concepts that the raw pool shows most and least often in that language. `loss` is the
    contrastive loss of the seen concepts' drawings and captions. Retrieval (`t2i_r1`, `i2t_r1`, ...) asks with the
    captions or images of seen concepts among those of all. Geometry is of the seen concepts' test pairs: held-out
    drawings, known words.

    Args:
        features: of the model.
        truth: of the test set.

    Returns:
        per language; for each script and as macro mean the mean over its languages without English;
        and, for plain reading, `en_<measure>` and `world_<measure>` (the macro mean).
    """
    known = truth.seen[truth.labels]
    by_language = {language: _measure_language(features, truth, i) for i, language in enumerate(truth.languages)}
    uniform = Measure("image_uniformity", "", uniformity(features.images[known]))
    return [uniform, *list_measures(by_language, truth.scripts)]


def rank_seen(features: ModelFeatures, truth: GroundTruth) -> tuple[npt.NDArray[np.int64], Labels]:
    """The rank of each seen concept's drawing in each language, among all concepts.

    Args:
        features: of the model.
        truth: of the test set.

    Returns:
        int64 [l, m], 0 for the nearest; and int [m], the concept of each of those m drawings.
    """
    known = truth.seen[truth.labels]
    images, labels = features.images[known], truth.labels[known]
    return np.stack([rank_classes(images, names, labels) for names in features.names]), labels


def list_measures(by_language: Mapping[str, Mapping[str, float]], scripts: Mapping[str, str]) -> list[Measure]:
    """Every measure in every language, each followed by its summary.

    Args:
        by_language: language to measure to value; the first language has every measure.
        scripts: language to script.
    """
    rows: list[Measure] = []
    for measure in next(iter(by_language.values())):
        values = {language: found[measure] for language, found in by_language.items()}
        rows += [Measure(measure, language, value) for language, value in values.items()]
        rows += summarise(measure, values, scripts)
    return rows


def summarise(measure: str, values: Mapping[str, float], scripts: Mapping[str, str]) -> list[Measure]:
    """The script means, the macro mean and the headline rows of one measure.

    Args:
        measure: its name.
        values: language to value.
        scripts: language to script.
    """
    rows: list[Measure] = []
    world = {language: value for language, value in values.items() if language != ENGLISH}
    for script in sorted({scripts[language] for language in world}):
        of_script = [value for language, value in world.items() if scripts[language] == script]
        rows.append(Measure(f"{measure}_script", script, float(np.mean(of_script))))
    if world:
        mean = float(np.mean(list(world.values())))
        rows += [Measure(measure, MACRO, mean), Measure(f"world_{measure}", "", mean)]
    if ENGLISH in values:
        rows.append(Measure(f"en_{measure}", "", values[ENGLISH]))
    return rows


def _measure_language(features: ModelFeatures, truth: GroundTruth, number: int) -> dict[str, float]:
    images, labels, seen = features.images, truth.labels, truth.seen
    names, captions = features.names[number], features.captions[number]
    known = seen[labels]
    found = measure_ranks(rank_classes(images, names, labels), labels, seen, truth.pool_pairs[number])
    found["loss"] = held_out_loss(images[known], captions, labels[known], features.logit_scale)
    concepts = np.arange(len(captions))
    asked = np.intersect1d(concepts[seen], labels)  # a concept whose test drawings were all dropped has no answer
    found |= _recalls("t2i", rank_gallery(captions[asked], images, asked, labels))
    found |= _recalls("i2t", rank_gallery(images[known], captions, labels[known], concepts))
    found["alignment"] = alignment(images[known], captions[labels[known]])
    found["text_uniformity"] = uniformity(captions[seen])
    return found


def measure_ranks(
    ranks: Ranks, labels: Labels, seen: npt.NDArray[np.bool_], pairs: npt.NDArray[np.int64]
) -> dict[str, float]:
    """Zero-shot measures of one language: of all seen concepts, of their head and tail, and of unseen concepts.

    Args:
        ranks: int64 [n], the rank of each drawing's concept, 0 for the nearest.
        labels: int [n], each drawing's concept 0..c-1.
        seen: bool [c], whether the concept was trained on.
        pairs: int64 [c], pairs of the raw pool that show the concept in this language.
    """
    known = seen[labels]
    found = {measure: float(score(ranks[known]).mean()) for measure, score in SCORES.items()}
    head, tail = split_by_frequency(pairs, labels[known])
    found["head_top1"] = share_within(ranks[known][head], 1)
    found["tail_top1"] = share_within(ranks[known][tail], 1)
    if not known.all():
        found |= {f"unseen_{measure}": float(score(ranks[~known]).mean()) for measure, score in SCORES.items()}
    return found


def _recalls(direction: str, ranks: Ranks) -> dict[str, float]:
    return {f"{direction}_r{k}": share_within(ranks, k) for k in RECALLS}


def measure_chance(labels: Labels, seen: npt.NDArray[np.bool_]) -> dict[str, float]:
    """What guessing would score, under the names that `measure_model` gives each language.

    Args:
        labels: int [n], the test images' concepts 0..c-1.
        seen: bool [c], whether the concept was trained on.
    """
    concepts = len(seen)
    top: dict[str, float] = {f"top{k}": recall_by_chance(1, concepts, k) for k in (1, 5)}
    top["mrr"] = float(np.mean(reciprocal(np.arange(concepts))))  # every rank is equally likely
    found = top | {f"{part}_top1": top["top1"] for part in ("head", "tail")}
    if not seen.all():
        found |= {f"unseen_{measure}": value for measure, value in top.items()}
    _, drawings = np.unique(labels[seen[labels]], return_counts=True)
    found["loss"] = float(np.log(len(drawings)))
    for k in RECALLS:
        found[f"t2i_r{k}"] = float(np.mean([recall_by_chance(int(n), len(labels), k) for n in drawings]))
        found[f"i2t_r{k}"] = recall_by_chance(1, concepts, k)
    return found

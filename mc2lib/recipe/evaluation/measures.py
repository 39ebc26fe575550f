"""All measures of one model, from its features: a tidy list that the report reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mc2lib.recipe.evaluation.geometry import alignment, uniformity
from mc2lib.recipe.evaluation.neighbours import recall_by_chance
from mc2lib.recipe.evaluation.retrieval import rank_gallery
from mc2lib.recipe.evaluation.zero_shot import Features, Labels, Ranks, rank_classes, share_within

RECALLS = (1, 5, 10)
ENGLISH = "en"
#: The mean over all languages but English, each with the same weight.
MACRO = "macro"
#: How many pairs the run saw, of its own record; a number of the run beside what its features measure.
SEEN_PAIRS = "seen_pairs"


class Measure(NamedTuple):
    """One number. `language` is a language, a script, MACRO, or empty where the name says it."""

    measure: str
    language: str
    value: float


def measure_model(
    images: Features,
    labels: Labels,
    seen: npt.NDArray[np.bool_],
    names: Features,
    captions: Features,
    languages: Sequence[str],
    scripts: Mapping[str, str],
) -> list[Measure]:
    """Zero-shot, retrieval and geometry of one model in every language.

    Zero-shot (`top1`, `top5`) classifies the images of seen concepts among all concepts, seen or
    not; `unseen_top1` does so with the images of held-out concepts. Retrieval (`t2i_r1`, `i2t_r1`, ...)
    asks with the captions or images of seen concepts among those of all. Geometry is of the seen
    concepts' test pairs: held-out drawings, known words.

    Args:
        images: float [n, d], rows of length one.
        labels: int [n], each image's concept 0..c-1.
        seen: bool [c], whether the concept was trained on.
        names: float [l, c, d], each concept's class embedding in each language, rows of length one.
        captions: float [l, c, d], each concept's caption likewise.
        languages: the l languages.
        scripts: language to script.

    Returns:
        per language; for each script and as macro mean the mean over its languages without English;
        and, for plain reading, `en_<measure>` and `world_<measure>` (the macro mean).
    """
    rows: list[Measure] = [Measure("image_uniformity", "", uniformity(images[seen[labels]]))]
    by_language: dict[str, dict[str, float]] = {
        language: _measure_language(images, labels, seen, names[i], captions[i]) for i, language in enumerate(languages)
    }
    for measure in by_language[languages[0]]:
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


def _measure_language(
    images: Features, labels: Labels, seen: npt.NDArray[np.bool_], names: Features, captions: Features
) -> dict[str, float]:
    known = seen[labels]
    ranks = rank_classes(images, names, labels)
    found = {"top1": share_within(ranks[known], 1), "top5": share_within(ranks[known], 5)}
    if not known.all():
        found["unseen_top1"] = share_within(ranks[~known], 1)
        found["unseen_top5"] = share_within(ranks[~known], 5)
    concepts = np.arange(len(captions))
    asked = np.intersect1d(concepts[seen], labels)  # a concept whose test drawings were all dropped has no answer
    found |= _recalls("t2i", rank_gallery(captions[asked], images, asked, labels))
    found |= _recalls("i2t", rank_gallery(images[known], captions, labels[known], concepts))
    found["alignment"] = alignment(images[known], captions[labels[known]])
    found["text_uniformity"] = uniformity(captions[seen])
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
    top = {f"top{k}": recall_by_chance(1, concepts, k) for k in (1, 5)}
    found = dict(top) if seen.all() else top | {f"unseen_{measure}": value for measure, value in top.items()}
    _, drawings = np.unique(labels[seen[labels]], return_counts=True)
    for k in RECALLS:
        found[f"t2i_r{k}"] = float(np.mean([recall_by_chance(int(n), len(labels), k) for n in drawings]))
        found[f"i2t_r{k}"] = recall_by_chance(1, concepts, k)
    return found

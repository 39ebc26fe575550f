"""From features to measures: each task by the paper's protocol, in one language at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.benchmark_set import Benchmark, Choice, Classification, Location, Prompts, Retrieval
from mc2lib.pipeline.evaluate.feature_store import Features, TextStore, text_keys
from mc2lib.recipe.evaluation.bootstrap import Sample, count_by_image
from mc2lib.recipe.evaluation.choice import choose_options
from mc2lib.recipe.evaluation.few_shot import SHOTS, locate, split_images
from mc2lib.recipe.evaluation.geometry import modality_gap, squared_distances, uniformity
from mc2lib.recipe.evaluation.retrieval import collect_answers, rank_answers, rank_captions
from mc2lib.recipe.evaluation.zero_shot import class_embeddings

RECALLS = (1, 5, 10)
#: Seeded draws of few-shot geo-localisation.
DRAWS = 5
#: Numbers of prompts' features that are held at once.
NUMBERS = 1 << 25


class Measured(NamedTuple):
    """One number: a measure of one group of images, or of all (""), in one language.

    `n` is how many answers it is the mean of; the sample says what each image scored, where it is such a mean.
    """

    metric: str
    group: str
    value: float
    n: int
    sample: Sample | None


def _mean(metric: str, sample: Sample, group: str = "") -> Measured:
    return Measured(metric, group, sample.value, sample.n, sample)


@dataclass
class Measuring:
    """One benchmark with its features.

    Args:
        benchmark: the benchmark.
        images: float32 [n, d], of all its images.
        texts: features of all its texts.
        broken: images that are left out of queries and candidates.
    """

    benchmark: Benchmark
    images: Features
    texts: TextStore
    broken: frozenset[int] = frozenset()
    _spreads: dict[bytes, float] = field(default_factory=dict)

    def measure(self, language: str) -> list[Measured]:
        """All measures in one language.

        Raises:
            InputError: nothing is left to ask.
        """
        task = self.benchmark.task
        if isinstance(task, Classification):
            return self._classify(task, task.prompts(language), language)
        if isinstance(task, Retrieval):
            return self._retrieve(task, language)
        if isinstance(task, Choice):
            return self._choose(task, language)
        return self._locate(task)

    def take(self, texts: Sequence[str]) -> Features:
        """Features of texts, in their order."""
        return self.texts.take(self.texts.find(text_keys(texts)))

    def _whole(self, images: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of some images are not broken."""
        if not self.broken:
            return np.ones(len(images), bool)
        return ~np.isin(images, np.fromiter(self.broken, np.int64))

    def _require_some(self, count: int, language: str) -> None:
        if not count:
            place = f"{self.benchmark.name} {language}".strip()
            raise InputError(place, "no image is left to ask with", "Fetch the set's images.")

    # ------------------------------------------------------------------ zero-shot

    def _embed_classes(self, prompts: Prompts) -> Features:
        """Class embeddings, some classes at a time: 1,000 classes have 80,000 prompts."""
        per_class = len(prompts.templates)
        at_once = max(1, NUMBERS // (per_class * self.texts.width))
        parts = []
        for begin in range(0, len(prompts.names), at_once):
            some = prompts._replace(names=prompts.names[begin : begin + at_once])
            of_class = np.repeat(np.arange(len(some.names)), per_class)
            parts.append(class_embeddings(self.take(some.texts()), of_class, len(some.names)))
        return np.concatenate(parts)

    def _classify(self, task: Classification, prompts: Prompts, language: str) -> list[Measured]:
        place = np.full(task.count, -1, np.int64)
        place[prompts.classes] = np.arange(len(prompts.classes))
        kept = (place[task.classes] >= 0) & self._whole(task.images)
        self._require_some(int(kept.sum()), language)
        asked, query = np.unique(task.images[kept], return_inverse=True)
        answers = collect_answers(query, place[task.classes[kept]], len(asked))
        ranks = rank_answers(self.images[asked], self._embed_classes(prompts), answers)
        found = [_mean(f"top{k}", count_by_image(asked, ranks < k)) for k in (1, 5) if k < len(prompts.names)]
        if task.main == "mean_per_class":
            found.append(self._mean_per_class(task, asked, ranks))
        for kind, groups in task.groups.items():
            of_asked = np.array([groups[i] for i in asked])
            for group in sorted(set(of_asked)):
                rows = of_asked == group
                found.append(_mean("top1", count_by_image(asked[rows], ranks[rows] < 1), f"{kind}: {group}"))
        return found

    def _mean_per_class(
        self, task: Classification, asked: npt.NDArray[np.int64], ranks: npt.NDArray[np.int64]
    ) -> Measured:
        """The mean of the classes' recalls, as a mean over images that weighs each by one over its class's size."""
        of_image = np.zeros(len(self.images), np.int64)
        of_image[task.images] = task.classes
        labels = of_image[asked]
        weights = 1.0 / np.bincount(labels)[labels]
        sums, counts = (ranks < 1) * weights, weights
        sample = Sample(asked, sums.astype(np.float32), counts.astype(np.float32))
        return Measured("mean_per_class", "", float(sums.sum() / counts.sum()), len(asked), sample)

    # ------------------------------------------------------------------ retrieval

    def _retrieve(self, task: Retrieval, language: str) -> list[Measured]:
        captions = task.captions(language)
        kept = np.flatnonzero(self._whole(captions.images))
        self._require_some(len(kept), language)
        of_image = captions.images[kept]
        texts = [captions.texts[row] for row in kept]
        distinct = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        of_text = np.array([distinct[text] for text in texts], np.int64)
        gallery = np.flatnonzero(self._whole(np.arange(len(self.images))))
        place = np.full(len(self.images), -1, np.int64)
        place[gallery] = np.arange(len(gallery))
        images = self.images if len(gallery) == len(self.images) else self.images[gallery]
        features = self.take(list(distinct))
        ranks = rank_captions(images, features, place[of_image], of_text)
        found = []
        for k in RECALLS:
            found.append(_mean(f"i2t_r{k}", count_by_image(gallery[ranks.asked], ranks.images < k)))
            found.append(_mean(f"t2i_r{k}", count_by_image(of_image, ranks.captions < k)))
        return found + self._geometry(of_image, features[of_text], features)

    def _geometry(self, of_image: npt.NDArray[np.int64], captions: Features, distinct: Features) -> list[Measured]:
        """Alignment of all pairs; uniformity of distinct texts and of the images that have one; the modality gap."""
        asked = np.unique(of_image)
        squared = squared_distances(self.images[of_image], captions)
        found = [_mean("alignment", count_by_image(of_image, squared))]
        gap = modality_gap(self.images[asked], distinct)
        found.append(Measured("modality_gap", "", gap, len(of_image), None))
        if len(distinct) > 1:
            found.append(Measured("text_uniformity", "", uniformity(distinct), len(distinct), None))
        if len(asked) > 1:
            key = asked.tobytes()  # most languages have captions of the same images
            if key not in self._spreads:
                self._spreads[key] = uniformity(self.images[asked])
            found.append(Measured("image_uniformity", "", self._spreads[key], len(asked), None))
        return found

    # ------------------------------------------------------------------ multiple choice

    def _choose(self, task: Choice, language: str) -> list[Measured]:
        questions = task.questions(language)
        kept = np.flatnonzero(self._whole(questions.images))
        self._require_some(len(kept), language)
        of_image = questions.images[kept]
        options = self.take([text for row in kept for text in questions.options[row]])
        shape = (len(kept), len(questions.options[0]), self.texts.width)
        hits = choose_options(self.images[of_image], options.reshape(shape), questions.labels[kept])
        found = [_mean("top1", count_by_image(of_image, hits))]
        subsets = np.array([questions.subsets[row] for row in kept])
        for subset in sorted(set(subsets)):
            rows = subsets == subset
            found.append(_mean("top1", count_by_image(of_image[rows], hits[rows]), f"subset: {subset}"))
        return found

    # ------------------------------------------------------------------ few-shot geo-localisation

    def _locate(self, task: Location) -> list[Measured]:
        whole = np.flatnonzero(self._whole(np.arange(len(task.countries))))
        self._require_some(len(whole), "")
        _, labels = np.unique(np.array(task.countries), return_inverse=True)
        found: list[Measured] = []
        for shots in SHOTS:
            tests, hits = zip(*self._draw_locations(task, whole, labels, shots), strict=True)
            sample = count_by_image(np.concatenate(tests), np.concatenate(hits))
            spread = float(np.std([of_draw.mean() for of_draw in hits], ddof=1))
            found.append(_mean(f"geo_{shots}shot", sample))
            found.append(Measured(f"geo_{shots}shot_spread", "", spread, DRAWS, None))
        return found

    def _draw_locations(
        self, task: Location, whole: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], shots: int
    ) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]]:
        for seed in range(DRAWS):
            if task.train is None:
                train, test = (whole[rows] for rows in split_images(len(whole), task.shuffled, seed))
            else:
                train, test = np.intersect1d(task.train, whole), np.setdiff1d(whole, task.train)
            if not (len(train) and len(test)):
                raise InputError(self.benchmark.place, "no image to draw or to test", "Fetch the set's images.")
            yield test, locate(self.images, labels, train, test, shots, seed)

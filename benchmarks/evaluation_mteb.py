"""mteb's XM3600 tasks on a local copy in the official layout, and its own open_clip model from a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import mteb
import open_clip
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.models.model_implementations.openclip_models import openclip_loader
from mteb.models.model_meta import ModelMeta
from mteb.tasks.retrieval.multilingual.xm3600_t2i_retrieval import XM3600I2TRetrieval, XM3600T2IRetrieval

from mc2lib.io.benchmarks.registry import open_benchmark

#: What mteb calls the paper's recall of a query with several right answers.
RECALL = "hit_rate_at_1"


def load_tasks(folder: Path) -> dict[str, Any]:
    """Both of mteb's tasks, by our measures' names, with the data of a folder that holds xm3600/."""
    benchmark = open_benchmark("xm3600", folder)
    tasks: dict[str, Any] = {"i2t_r1": XM3600I2TRetrieval(), "t2i_r1": XM3600T2IRetrieval()}
    for direction, task in tasks.items():
        task.hf_subsets = list(benchmark.languages)
        task.dataset = {language: {"test": _split(benchmark, language, direction)} for language in benchmark.languages}
        task.data_loaded = True
    return tasks


def _split(benchmark: Any, language: str, direction: str) -> Any:
    captions = benchmark.task.captions(language)
    paths = [str(benchmark.images.root / name) for name in benchmark.images.names]
    images = datasets.Dataset.from_dict({"id": [f"i{i}" for i in range(len(paths))], "image": paths})
    images = images.cast_column("image", datasets.Image())
    texts = datasets.Dataset.from_dict({"id": [f"t{i}" for i in range(len(captions.texts))], "text": captions.texts})
    pairs = [(f"i{image}", f"t{text}") for text, image in enumerate(captions.images.tolist())]
    queries, corpus = (images, texts) if direction == "i2t_r1" else (texts, images)
    relevant: dict[str, dict[str, int]] = {}
    for image, text in pairs:
        query, answer = (image, text) if direction == "i2t_r1" else (text, image)
        relevant.setdefault(query, {})[answer] = 1
    return RetrievalSplitData(queries=queries, corpus=corpus, relevant_docs=relevant, top_ranked=None)


def evaluate_tasks(model: Any, tasks: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Language to measure to value, by `mteb.evaluate`."""
    values: dict[str, dict[str, float]] = {}
    for direction, task in tasks.items():
        found = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)
        for row in found.task_results[0].scores["test"]:
            values.setdefault(row["hf_subset"], {})[direction] = float(row[RECALL])
    return values


def prepare_retrieval(folder: Path) -> Callable[[], dict[str, dict[str, float]]]:
    """mteb's own open_clip model, from the folder's model/ instead of the hub, on both tasks."""
    plain_model, plain_tokenizer = open_clip.create_model_and_transforms, open_clip.get_tokenizer
    place = f"local-dir:{folder / 'model'}"
    open_clip.create_model_and_transforms = lambda name, **rest: plain_model(place, **rest)
    open_clip.get_tokenizer = lambda name, **rest: plain_tokenizer(place, **rest)
    model = openclip_loader("local/model", revision="0", device="cpu")
    model.mteb_model_meta = ModelMeta.create_empty(
        {"name": "local/model", "revision": "0", "modalities": ["image", "text"]}
    )
    return lambda: evaluate_tasks(model, load_tasks(folder))

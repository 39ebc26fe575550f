"""Language id: texts a second of fastText asked one by one, as a researcher does, and of `identify`.

    python -m benchmarks.curation_lid

One core, the same texts, the answers compared bit for bit; the last line is one JSON object. Texts
are words of 27 languages in their order of frequency, as alt-texts are long: 1 to 16 words.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import fasttext
import numpy as np
import pyarrow as pa
import wordfreq

from mc2lib.io.lid_models import load_language_model, packaged_model
from mc2lib.recipe.curation.language_id.lid import identify_labels

LANGUAGES = (
    "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ko",
    "nl", "pl", "pt", "ru", "sv", "tr", "uk", "vi",
)  # fmt: skip
LONGEST = 16
ROUNDS = 12


def make_texts(count: int, seed: int = 0) -> list[str]:
    """Texts of real words of many languages, half the words common and half seldom; every text differs."""
    generator = np.random.default_rng(seed)
    words = {language: wordfreq.top_n_list(language, 20_000) for language in LANGUAGES}
    texts = []
    for number in range(count):
        known = words[LANGUAGES[number % len(LANGUAGES)]]
        ranks = (len(known) ** generator.random(1 + number % LONGEST)).astype(int) - 1
        texts.append(" ".join(known[rank] for rank in ranks).capitalize())
    return texts


def bench_lid(texts: Sequence[str] | None = None) -> dict[str, Any]:
    """Both ways on the same texts, in turn; the best of `ROUNDS`.

    Args:
        texts: alt-texts; some that are made of words, if none are given.
    """
    texts = list(texts) if texts is not None else make_texts(6_000)
    column, model, peer = pa.array(texts), load_language_model(), fasttext.load_model(str(packaged_model()))
    identify_labels(column[:8], model)  # compiled, or read from the cache
    peer_seconds, seconds = [], []
    for _ in range(ROUNDS):
        took, answers = _time(lambda: [peer.predict(" ".join(text.split())) for text in texts])
        peer_seconds.append(took)
        took, (labels, probabilities) = _time(lambda: identify_labels(column, model))
        seconds.append(took)
    found = [model.labels[label] if label >= 0 else "" for label in labels.tolist()]
    chances = [float(np.float32(chance[0])) if len(chance) else 0.0 for _, chance in answers]
    return {
        "texts": len(texts),
        "bytes_a_text": round(sum(len(text.encode()) for text in texts) / len(texts), 1),
        "fasttext_texts_per_second": round(len(texts) / min(peer_seconds)),
        "texts_per_second": round(len(texts) / min(seconds)),
        "lid_speedup": round(min(peer_seconds) / min(seconds), 2),
        "equal": found == [names[0] if names else "" for names, _ in answers] and chances == probabilities.tolist(),
    }


def _time(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


if __name__ == "__main__":
    print(json.dumps(bench_lid()))

"""One contender of `benchmarks.evaluation`, in a process of its own: python -m … what who folder out."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Language to measure to value.
Values = dict[str, dict[str, float]]


def run_ours(what: str, folder: Path) -> Callable[[], Values]:
    """This library, with nothing cached."""
    from mc2lib.io.benchmarks.registry import open_benchmark
    from mc2lib.pipeline.evaluate.encoding import Encoding, Group
    from mc2lib.pipeline.evaluate.evaluate import Options, evaluate_benchmark
    from mc2lib.pipeline.evaluate.models.opening import open_model

    name = {"retrieval": "xm3600", "zero_shot": "babel-imagenet"}[what]
    model = open_model(str(folder / "model"))

    def run() -> Values:
        place = Path(tempfile.mkdtemp(dir=folder))
        encoding = Encoding(model, place / "cache", Group())
        table = evaluate_benchmark(encoding, open_benchmark(name, folder), Options(place / "out"))
        assert table is not None
        values: Values = {}
        for row in table[table["metric"].isin(["i2t_r1", "t2i_r1", "top1"])].itertuples():
            values.setdefault(str(row.language), {})[str(row.metric)] = float(row.value)
        return values

    return run


def run_clip_benchmark(what: str, folder: Path) -> Callable[[], Values]:
    """clip-benchmark's own metrics, language by language, on all captions."""
    import open_clip
    from clip_benchmark.datasets.builder import image_captions_collate_fn
    from clip_benchmark.metrics import zeroshot_classification, zeroshot_retrieval
    from torch.utils.data import DataLoader

    from mc2lib.io.benchmarks.registry import open_benchmark

    place = f"local-dir:{folder / 'model'}"
    model, _, prepare = open_clip.create_model_and_transforms(place)
    model.eval()
    tokenizer = open_clip.get_tokenizer(place)

    def retrieve() -> Values:
        benchmark = open_benchmark("xm3600", folder)
        values: Values = {}
        for language in benchmark.languages:
            captions = benchmark.task.captions(language)  # type: ignore[union-attr]
            texts: list[list[str]] = [[] for _ in benchmark.images.names]
            for image, text in zip(captions.images, captions.texts, strict=True):
                texts[image].append(text)
            rows = _Rows(benchmark.images, prepare, texts)
            loader = DataLoader(rows, batch_size=32, collate_fn=image_captions_collate_fn)
            found = zeroshot_retrieval.evaluate(model, loader, tokenizer, "cpu", amp=False, recall_k_list=[1])
            values[language] = {
                "i2t_r1": float(found["text_retrieval_recall@1"]),
                "t2i_r1": float(found["image_retrieval_recall@1"]),
            }
        return values

    # Its own makes a number of an array of one, which NumPy 2.4 refuses. The logits and the sorting stay as they were.
    zeroshot_classification.accuracy = _share_of_hits

    def classify() -> Values:
        benchmark = open_benchmark("babel-imagenet", folder)
        values: Values = {}
        for language in benchmark.languages:
            prompts = benchmark.task.prompts(language)  # type: ignore[union-attr]
            rows = _Rows(benchmark.images, prepare, benchmark.task.classes.tolist())  # type: ignore[union-attr]
            rows.classes = list(prompts.names)
            loader = DataLoader(rows, batch_size=32)
            templates = [template.replace("{}", "{c}") for template in prompts.templates]
            found = zeroshot_classification.evaluate(
                model, loader, tokenizer, rows.classes, templates, "cpu", amp=False
            )
            values[language] = {"top1": float(found["acc1"])}
        return values

    return {"retrieval": retrieve, "zero_shot": classify}[what]


def _share_of_hits(logits: Any, target: Any, topk: tuple[int, ...]) -> list[float]:
    found = logits.topk(max(topk), dim=1).indices.eq(target[:, None])
    return [found[:, :k].any(dim=1).float().mean().item() for k in topk]


class _Rows:
    """A data set as torch wants it."""

    def __init__(self, images: Any, prepare: Any, targets: list[Any]) -> None:
        self.images, self.prepare, self.targets = images, prepare, targets
        self.classes: list[str] = []

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from PIL import Image

        with Image.open(self.images.root / self.images.names[index]) as image:
            return self.prepare(image.convert("RGB")), self.targets[index]


def run_mteb(what: str, folder: Path) -> Callable[[], Values]:
    """mteb's retrieval tasks on local data, both ways, language by language."""
    from benchmarks.evaluation_mteb import prepare_retrieval

    assert what == "retrieval"
    return prepare_retrieval(folder)


CONTENDERS = {"ours": run_ours, "clip-benchmark": run_clip_benchmark, "mteb": run_mteb}


def main(what: str, who: str, folder: str, out: str) -> None:
    """Measure one contender, once its model is loaded."""
    run = CONTENDERS[who](what, Path(folder))
    began = time.process_time()
    values = run()
    seconds = time.process_time() - began
    answers = len(list(Path(folder).rglob("*.jpg" if what == "retrieval" else "*.JPEG")))
    content = {"seconds": seconds, "peak_mb": read_peak_mb(), "values": values, "answers": answers}
    Path(out).write_text(json.dumps(content), encoding="utf-8")


def read_peak_mb() -> float:
    """The most memory that this process held, in MB.

    Linux gives a new process the peak of the one that started it (`ru_maxrss`); `VmHWM` is its own.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])

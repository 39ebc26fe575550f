"""One model on some benchmarks: encode what is missing, measure language by language, report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mc2lib.engine.progress import Progress
from mc2lib.errors import InputError
from mc2lib.io.benchmarks.benchmark_set import Benchmark, Choice, Classification, Retrieval
from mc2lib.io.code_digest import code_digest
from mc2lib.io.files import digest
from mc2lib.pipeline.evaluate.encoding import Encoding
from mc2lib.pipeline.evaluate.measuring import Measured, Measuring
from mc2lib.pipeline.evaluate.results import read_language, tabulate, write_language, write_table

#: Modules that measures follow from, once there are features: an edit of one measures again.
CODE = ("recipe.evaluation", "io.benchmarks", "pipeline.evaluate.measuring")


@dataclass(frozen=True)
class Options:
    """How to evaluate.

    Args:
        out: gets the tables.
        skip_broken: leave images that are missing or cannot be read out of queries and candidates, and say how many;
            otherwise they are refused.
        languages: of each benchmark these only.
    """

    out: Path
    skip_broken: bool = False
    languages: tuple[str, ...] = ()


def evaluate_benchmark(encoding: Encoding, benchmark: Benchmark, options: Options) -> pd.DataFrame | None:
    """Evaluate one model on one benchmark, and write its tidy table.

    Args:
        encoding: the model with its features.
        benchmark: opened.
        options: how.

    Returns:
        the table (see `tabulate`); None on a rank that does not measure.

    Raises:
        InputError: the set has none of the languages asked for, an image is missing or cannot be read, or a feature
            is not finite.
    """
    benchmark = _only(benchmark, options.languages)
    made = _made(encoding, benchmark, options.skip_broken)
    found = {language: read_language(options.out, benchmark.name, language, made) for language in benchmark.languages}
    left = [language for language, known in found.items() if known is None]
    measured = {language: known[1] for language, known in found.items() if known is not None}
    if left:
        require_images(benchmark, options.skip_broken)
        for remark in benchmark.remarks:
            _tell(encoding, f"{benchmark.name}: {remark}")
        store = encoding.encode_images(benchmark)
        faults = store.read_faults()
        _require_whole(benchmark, faults, options.skip_broken)
        if faults:
            _tell(encoding, f"{benchmark.name}: {len(faults):,} of {store.count:,} images are left out, see n")
        encoding.encode_texts(benchmark.name, (texts_of(benchmark, language) for language in left), len(left))
    if encoding.group.rank:
        return None
    if left:
        measuring = Measuring(benchmark, store.open(), encoding.texts, frozenset(faults))
        measured |= dict(_measure(measuring, left, made, options.out))
    in_order = {language: measured[language] for language in benchmark.languages}
    table = tabulate(encoding.model.name, benchmark.name, in_order, len(benchmark.images.names))
    write_table(table, options.out / "benchmarks" / f"{benchmark.name.replace('/', '_')}.csv")
    return table


def _measure(
    measuring: Measuring, languages: Sequence[str], made: str, out: Path
) -> Iterator[tuple[str, list[Measured]]]:
    benchmark = measuring.benchmark
    with Progress(f"measure {benchmark.name}", len(languages), "languages") as progress:
        for language in languages:
            found = measuring.measure(language)
            write_language(out, benchmark.name, language, made, len(benchmark.images.names), found)
            progress.add(1)
            yield language, found


def texts_of(benchmark: Benchmark, language: str) -> list[str]:
    """All texts that a task compares in one language."""
    task = benchmark.task
    if isinstance(task, Classification):
        return task.prompts(language).texts()
    if isinstance(task, Retrieval):
        return task.captions(language).texts
    if isinstance(task, Choice):
        return [text for options in task.questions(language).options for text in options]
    return []


def _only(benchmark: Benchmark, languages: Sequence[str]) -> Benchmark:
    if not languages:
        return benchmark
    kept = benchmark.only(languages)
    if not kept.languages:
        has = ", ".join(benchmark.languages)
        fault = f"{benchmark.name} has none of {', '.join(languages)}"
        raise InputError("languages", fault, f"It has {has[:500]}.")
    return kept


def _made(encoding: Encoding, benchmark: Benchmark, skip_broken: bool) -> str:
    """Digest of all that one language's measures follow from."""
    return digest(
        {
            "model": encoding.model.digest,
            "annotations": benchmark.annotations,
            "images": benchmark.images.identity(),
            "skip_broken": skip_broken,
            "code": code_digest(*CODE),
        }
    )


def require_images(benchmark: Benchmark, skip: bool) -> None:
    """Refuse a set with missing images before anything is encoded, unless they are to be skipped.

    Args:
        benchmark: opened.
        skip: leave missing images out.

    Raises:
        InputError: images are missing, with how many and the first.
    """
    missing = benchmark.images.find_missing()
    if missing and (not skip or len(missing) == len(benchmark.images.names)):
        names = benchmark.images.names
        fault = f"{len(missing):,} of {len(names):,} images are missing, the first is {names[missing[0]]}"
        remedy = "Fetch them, or add --skip-broken to leave them out of queries and candidates."
        raise InputError(benchmark.place, fault, remedy)


def _require_whole(benchmark: Benchmark, faults: dict[int, str], skip: bool) -> None:
    if faults and not skip:
        first = min(faults)
        names = benchmark.images.names
        fault = f"{len(faults):,} of {len(names):,} images cannot be used, the first is {names[first]}: {faults[first]}"
        remedy = "Fetch them, or add --skip-broken to leave them out of queries and candidates."
        raise InputError(benchmark.place, fault, remedy)
    if len(faults) == len(benchmark.images.names):
        raise InputError(benchmark.place, "no image can be read", "Fetch the set's images.")


def _tell(encoding: Encoding, line: str) -> None:
    if encoding.group.rank == 0:
        print(line, flush=True)

"""List tasks: a language's counts, titles and lemmas into its list of entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mc2lib.errors import InputError
from mc2lib.io.code_digest import code_digest
from mc2lib.io.files import digest, file_digest, read_json, write_json, write_table
from mc2lib.io.metadata.label_coverage import find_unreached
from mc2lib.io.metadata.metadata_lists import write_other
from mc2lib.languages import OTHER, WIKIPEDIAS
from mc2lib.params import Machine, Metadata, Params
from mc2lib.pipeline.build_metadata.dumps import read_namespaces
from mc2lib.pipeline.build_metadata.pageviews import keep_articles
from mc2lib.pipeline.build_metadata.stamped_tasks import run_named, stamp_path
from mc2lib.pipeline.build_metadata.stored_counts import StoredCounts, open_counts, remove_counts
from mc2lib.pipeline.build_metadata.token_counts import merge_stored
from mc2lib.recipe.metadata.card import (
    CARD,
    make_card,
)
from mc2lib.recipe.metadata.merge import Source, merge_sources
from mc2lib.recipe.metadata.pmi import pair_source, word_source
from mc2lib.recipe.metadata.segment import joiner
from mc2lib.recipe.metadata.titles import fold_namespaces
from mc2lib.schemas import METADATA

#: The code that lists depend on: after an edit of it they are made again.
LISTING = (
    "pipeline.build_metadata.list_tasks",
    "pipeline.build_metadata.pageviews",
    "pipeline.build_metadata.stored_counts",
    "pipeline.build_metadata.token_counts",
    "io.metadata.metadata_lists",
    "recipe.metadata",
    "languages",
    "schemas",
)


@dataclass(frozen=True)
class ListTask:
    """A language to finish: its counted parts, titles and lemmas into its list.

    Args:
        language: metadata language.
        parts: folders of the counts of its dumps' parts.
        dumps: its dumps, which name the namespaces of titles.
        views: the folder of its titles and their views; None if it has none.
        lemmas: of its WordNets.
        origin: where the lemmas are from.
        work: where the merged counts go.
        target: where the list goes.
        rules: shares and caps.
        minimum_count: of a word.
        bigram_minimum_count: of a pair.
        budget: bytes that merging may take.
        segmenter: see `mc2lib.recipe.metadata.segment.make_segmenter`.
    """

    language: str
    parts: tuple[Path, ...]
    dumps: tuple[Path, ...]
    views: Path | None
    lemmas: tuple[str, ...]
    origin: str
    work: Path
    target: Path
    rules: Metadata
    minimum_count: int
    bigram_minimum_count: int
    budget: int
    segmenter: str | None


def make_list_task(
    folder: Path,
    language: str,
    parts: Sequence[Path],
    dumps: Sequence[Path],
    views: Path | None,
    lemmas: Mapping[str, tuple[tuple[str, ...], str]],
    params: Params,
) -> ListTask:
    """Describe the task of a language.

    Args:
        folder: of the build.
        language: metadata language.
        parts: folders of the counts of its dumps' parts.
        dumps: its dumps.
        views: the folder of its titles and their views; None if it has none.
        lemmas: by language, the lemmas and where they are from.
        params: rules, minimum counts, budget and segmenters.
    """
    words, origin = lemmas.get(language, ((), ""))
    return ListTask(
        language,
        tuple(parts),
        tuple(dumps),
        views,
        words,
        origin,
        folder / "work" / "lists" / language,
        folder / "metadata" / f"{language}.parquet",
        params.metadata,
        params.wikipedia.minimum_count,
        params.wikipedia.bigram_minimum_count,
        params.wikipedia.budget_mb << 20,
        params.wikipedia.segmenters.get(language),
    )


def build_lists(tasks: Sequence[ListTask], machine: Machine) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Build the lists of all languages.

    Args:
        tasks: one per language.
        machine: says how many processes, or which engine.

    Returns:
        By language the card of its list; and why, for languages whose lists failed.
    """
    done, faults = run_named("lists", build_list, tasks, machine, lambda task: task.language, "languages")
    cards = {language: pd.DataFrame(rows, columns=list(CARD)) for language, rows in done.items()}
    return cards, {language: str(InputError(*fault)) for language, fault in faults.items()}


def build_other(folder: Path, model: Path | None) -> pd.DataFrame:
    """Unite the lists that no label of the language-id model reaches, unless that is done.

    Args:
        folder: of the build, with the lists in `metadata/`.
        model: of language identification; None for lid.176.

    Returns:
        The card of the list.
    """
    target = folder / "metadata" / f"{OTHER}.parquet"
    built = {path.stem: path for path in (folder / "metadata").glob("*.parquet") if path.stem in WIKIPEDIAS}
    lists = {language: built[language] for language in find_unreached(built, model)}
    made = digest(
        {"code": code_digest(*LISTING), "lists": {language: file_digest(path) for language, path in lists.items()}}
    )
    stamp = folder / "work" / "lists" / f"{OTHER}.json"
    rows = _known_card(stamp, target, made)
    if rows is None:
        rows = write_other(lists, target).to_dict("records")
        write_json({"made": made, "list": file_digest(target), "card": rows}, stamp)
    return pd.DataFrame(rows, columns=list(CARD))


def _known_card(stamp: Path, target: Path, made: str) -> list[dict[str, Any]] | None:
    """The card of the list at `target`, if the list is complete and made from what `made` digests."""
    if not stamp.exists() or not target.exists():
        return None
    known = read_json(stamp)
    rows: list[dict[str, Any]] = known["card"]
    return rows if known["made"] == made and known["list"] == file_digest(target) else None


def build_list(task: ListTask) -> list[dict[str, Any]]:
    """Merge a language's counts, rank and cut its sources, and write its list, unless that is done.

    Args:
        task: the language and its sources.

    Returns:
        The rows of its card.
    """
    namespaces = _namespaces(task.dumps) if task.views else None
    made = _digest_sources(task, namespaces)
    stamp = task.work.with_suffix(".json")
    if (known := _known_card(stamp, task.target, made)) is not None:
        return known
    counted = merge_stored([open_counts(part) for part in task.parts], task.work, task.budget) if task.parts else None
    viewed = open_counts(task.views) if task.views else None
    views = keep_articles(viewed, task.work.with_name(task.language + ".titles"), namespaces) if viewed else None
    merged = merge_sources(_rank_sources(task, counted, views), task.rules)
    write_table(merged.table, task.target, METADATA)
    text = "Wikipedia" if counted else ""
    origins = {"wordnet": task.origin, "unigram": text, "bigram": text, "title": "page views" if views else ""}
    card = make_card(merged, task.language, origins).to_dict("records")
    titles = _count_titles(viewed, views, namespaces)
    write_json({"made": made, "list": file_digest(task.target), "card": card, "titles": titles}, stamp)
    if views:
        remove_counts(views.folder)  # gigabytes for English; the sums that they are made from stay
    return [dict(row) for row in read_json(stamp)["card"]]


def _digest_sources(task: ListTask, namespaces: frozenset[str] | None) -> str:
    """The digest of everything that a list follows from."""
    return digest(
        {
            "code": code_digest(*LISTING),
            "namespaces": sorted(namespaces) if namespaces else None,
            "parts": [read_json(stamp_path(part))["made"] for part in task.parts],
            "views": [file_digest(task.views / name) for name in ("words", "word_counts")] if task.views else None,
            "lemmas": task.lemmas,
            "rules": asdict(task.rules),
            "minimum_counts": [task.minimum_count, task.bigram_minimum_count],
        }
    )


def _count_titles(
    viewed: StoredCounts | None, views: StoredCounts | None, namespaces: frozenset[str] | None
) -> dict[str, Any]:
    """What was left out of the titles as belonging to a namespace, for the report."""
    unknown = "none known: a title with a colon and no space after it counts as in one"
    return {
        "namespaces": sorted(namespaces) if namespaces else unknown,
        "titles_in_namespaces": viewed.words - views.words if viewed and views else 0,
        "views_in_namespaces": viewed.total - views.total if viewed and views else 0,
    }


def _namespaces(dumps: Sequence[Path]) -> frozenset[str] | None:
    """The namespaces that the dumps of a language name; None if there is no dump, or none that names any."""
    names = [name for path in dumps for name in read_namespaces(path).values() if name]
    return fold_namespaces(names) if names else None


def _rank_sources(task: ListTask, counted: StoredCounts | None, views: StoredCounts | None) -> dict[str, Source]:
    sources = {"wordnet": Source.listed(task.lemmas)}
    if counted:
        between = joiner(task.language, task.segmenter)
        sources["unigram"] = word_source(counted, task.minimum_count)
        sources["bigram"] = pair_source(counted, between, task.rules, task.bigram_minimum_count)
    if views:
        sources["title"] = word_source(views)
    return sources

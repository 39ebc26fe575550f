"""Worldwide metadata: Wikipedia's dumps, page views and WordNets into one list of entries per language.

Everything is under one folder: `dumps/`, `pageviews/` and `wordnets/` as fetched, `work/` with the counts of parts, and
`metadata/<language>.parquet`, the lists. Tasks are parts of dumps, then days of page views, then languages. Each result
carries the digest of what it was made from and of the code that made it, so a killed build resumes, and a newer dump
rebuilds its language only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mc2lib.engine.lock import claim
from mc2lib.engine.tasks import keep_engine
from mc2lib.errors import InputError
from mc2lib.io.fetching.download import MANNERS, Manners
from mc2lib.io.files import atomic
from mc2lib.io.lid_models import load_language_model
from mc2lib.io.metadata.label_coverage import label_coverage
from mc2lib.io.study_paths import Paths
from mc2lib.languages import OTHER
from mc2lib.params import Params
from mc2lib.pipeline.build_metadata.build_report import Outcome, find_missing, tell_outcome, write_build_report
from mc2lib.pipeline.build_metadata.count_tasks import count_dumps, sum_views
from mc2lib.pipeline.build_metadata.list_tasks import build_lists, build_other, make_list_task
from mc2lib.pipeline.build_metadata.pageviews import FILE_NAME
from mc2lib.pipeline.build_metadata.source_files import fetch_all, find_dumps, group_wikis, read_lemmas

#: What a person may put into the folder; everything else in it is written by the build.
INPUTS = ("dumps", "pageviews", "wordnets")
#: How `fetch` says that a mirror has no such file; then the list lacks nothing that exists.
NO_SUCH = "the server has no such"


def build_wikipedia(root: Path, params: Params, manners: Manners = MANNERS) -> Outcome:
    """Build the lists of `params.wikipedia.languages` from Wikipedia, page views and WordNets.

    Args:
        root: the study's folder; `wikipedia.folder` is relative to it.
        params: sources, languages and memory in `wikipedia`, shares and caps in `metadata`, engine in `machine`.
        manners: how the mirror is asked.

    Returns:
        The card, what was missing and what failed. The last language is `other`, whose list unites all lists in the
        folder that no label of `curate_pool.lid_model` reaches. A language without a dump, WordNet or page views is
        built from what it has.

    Raises:
        InputError: a language is unknown, the language-id model is missing, another build uses the folder, page views
            could not be fetched, or there is no source at all.
    """
    wikipedia = params.wikipedia
    wikis = group_wikis(wikipedia.languages)
    model = Path(params.curate_pool.lid_model) if params.curate_pool.lid_model else None
    load_language_model(model)  # a missing model is reported before hours of counting
    folder = root / wikipedia.folder
    with claim(folder, INPUTS), keep_engine(params.machine):
        missing = fetch_all(folder, wikis, wikipedia, manners) if wikipedia.fetch else {}
        _require_all_hours(missing)
        dumps = find_dumps(folder / "dumps", wikis, wikipedia.date)
        lemmas = read_lemmas(folder / "wordnets", Paths(root).sources / "wordnet")
        views = sum_views(folder, wikipedia, params.machine)
        if not dumps and not views and not lemmas:
            raise InputError(
                str(folder), "no dump, page view or WordNet", "Set `wikipedia.fetch: true`, or put them into it."
            )
        parts, failed = count_dumps(folder, dumps, wikipedia, params.machine)
        failed |= _find_lost_text(folder, wikis, dumps, missing)
        tasks = [
            make_list_task(
                folder, language, parts.get(language, ()), dumps.get(language, ()), views.get(language), lemmas, params
            )
            for language in wikis
            if language not in failed
        ]
        cards, more_failed = build_lists(tasks, params.machine)
        if not cards:
            raise InputError(str(folder), "no list could be built", next(iter((failed | more_failed).values())))
        cards[OTHER] = build_other(folder, model)
        outcome = Outcome(
            pd.concat([cards[language] for language in (*wikis, OTHER) if language in cards], ignore_index=True),
            find_missing(wikis, dumps, views, lemmas, missing),
            failed | more_failed,
        )
        counted = [path for paths in parts.values() for path in paths]
        write_build_report(folder, outcome, [*counted, *(folder / "work" / "views" / "days").glob("[0-9]*[0-9]")])
    return outcome


def build_and_tell(root: Path, params: Params) -> Outcome:
    """Build the lists that `params.wikipedia` asks for, and print what they contain and what was missing.

    Args:
        root: the study's folder.
        params: of the study.

    Returns:
        As `build_wikipedia`.
    """
    outcome = build_wikipedia(root, params)
    model = params.curate_pool.lid_model
    lists = root / params.wikipedia.folder / "metadata"
    coverage = label_coverage([path.stem for path in sorted(lists.glob("*.parquet"))], Path(model) if model else None)
    with atomic(lists / "coverage.csv") as temporary:
        coverage.to_csv(temporary)
    tell_outcome(outcome, coverage)
    print(f"lists: {lists}")
    return outcome


def _require_all_hours(missing: Mapping[str, str]) -> None:
    """Raise InputError if hourly page views exist but could not be fetched."""
    hours = sorted(name for name in missing if FILE_NAME.fullmatch(name) and NO_SUCH not in missing[name])
    if hours:
        fault = f"{len(hours)} hourly files could not be fetched; {hours[0]}: {missing[hours[0]]}"
        raise InputError("page views", fault, "Run again, or remove those days and hours from params.yaml.")


def _find_lost_text(
    folder: Path, wikis: Mapping[str, Sequence[str]], dumps: Mapping[str, Any], missing: Mapping[str, str]
) -> dict[str, str]:
    """Languages that lack text which exists, and why: an older, fuller list must not be replaced."""
    failed = {}
    for language, codes in wikis.items():
        lost = [f"{code}: {missing[code]}" for code in codes if code in missing and NO_SUCH not in missing[code]]
        if lost:
            failed[language] = "; ".join(lost)
        elif language not in dumps and (folder / "work" / "lists" / language / "counts.json").exists():
            failed[language] = "its dump is gone; the older list stays (delete work/lists to build without)"
    return failed

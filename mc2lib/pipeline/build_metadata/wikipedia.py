"""Worldwide metadata: Wikipedia's dumps, page views and WordNets into one list of entries a language.

Everything lies under one folder: `dumps/`, `pageviews/` and `wordnets/` as fetched, `work/` with counts of parts, and
`metadata/<language>.parquet`, the lists. Tasks are parts of dumps, days of page views, then languages; each result
carries the digest of what it was made from and of the code that made it, so a killed build goes on, and a newer dump
rebuilds its language only.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from mc2lib.engine.lock import claim
from mc2lib.engine.tasks import TaskFailure, keep_engine, run_tasks
from mc2lib.errors import InputError, nearest
from mc2lib.io.code_digest import code_digest
from mc2lib.io.download import (
    DUMP_CODES,
    MANNERS,
    Manners,
    bytes_to_fetch,
    check_room,
    dump_files,
    fetch_dumps,
    fetch_pageviews,
    pageview_files,
)
from mc2lib.io.files import atomic, digest, file_digest, read_json, write_json, write_table
from mc2lib.io.label_coverage import find_unreached, label_coverage
from mc2lib.io.lid_models import load_language_model
from mc2lib.io.metadata_lists import write_other
from mc2lib.io.study_paths import Paths
from mc2lib.languages import MERGED, OTHER, WIKIPEDIAS, WORDNET_CODES
from mc2lib.params import Machine, Metadata, Params, Wikipedia
from mc2lib.pipeline.build_metadata.dump_counts import count_part
from mc2lib.pipeline.build_metadata.dumps import Part, read_namespaces, split_dump
from mc2lib.pipeline.build_metadata.pageviews import FILE_NAME, count_view_files, keep_articles, split_views
from mc2lib.pipeline.build_metadata.token_counts import StoredCounts, merge_stored, open_counts, remove_counts
from mc2lib.pipeline.build_metadata.wordnets import read_wndb, read_wordnets
from mc2lib.recipe.metadata.card import (
    CARD,
    compare_english,
    make_card,
    summarise_card,
    summarise_coverage,
    summarise_cuts,
)
from mc2lib.recipe.metadata.merge import Source, merge_sources
from mc2lib.recipe.metadata.pmi import pair_source, word_source
from mc2lib.recipe.metadata.segment import joiner, make_segmenter
from mc2lib.recipe.metadata.titles import Tally as LineTally
from mc2lib.recipe.metadata.titles import fold_namespaces
from mc2lib.schemas import METADATA

#: The code that counts of dumps, sums of page views and lists depend on: who edits it has them made again.
COUNTING = (
    "pipeline.build_metadata.dump_counts",
    "pipeline.build_metadata.dumps",
    "pipeline.build_metadata.token_counts",
    "recipe.metadata.count",
    "recipe.metadata.segment",
    "recipe.metadata.words",
    "recipe.metadata.wikitext",
    "languages",
)
VIEWING = (
    "pipeline.build_metadata.pageviews",
    "pipeline.build_metadata.token_counts",
    "recipe.metadata.titles",
    "recipe.metadata.count",
    "recipe.metadata.segment",
    "recipe.metadata.words",
    "languages",
)
LISTING = (
    "pipeline.build_metadata.wikipedia",
    "study.metadata_stage",
    "pipeline.build_metadata.pageviews",
    "pipeline.build_metadata.token_counts",
    "recipe.metadata",
    "languages",
    "schemas",
)
MEGABYTE = 1 << 20
#: What a person may put into the folder, to be read: the rest of it is ours.
INPUTS = ("dumps", "pageviews", "wordnets")
DUMP_NAME = re.compile(r"([a-z_]+?)wiki-(\d{8}|latest)-pages-articles(-multistream)?\.xml\.bz2")
REPORT_SECONDS = 5.0
#: How `fetch` says that a mirror has no such file: then there is nothing that a list could lack.
NO_SUCH = "the server has no such"


@dataclass(frozen=True)
class Outcome:
    """What a build gave.

    Args:
        card: a row a (language, source), see `mc2lib.recipe.metadata.card.make_card`.
        missing: by language the sources that it lacks, and why.
        failed: languages whose lists could not be built, and why; an older list of theirs stays.
    """

    card: pd.DataFrame
    missing: dict[str, dict[str, str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _PartTask:
    """A part of a dump to count."""

    language: str
    dump: Path
    part: Part
    folder: Path
    budget: int
    segmenter: str | None


@dataclass(frozen=True)
class _ViewTask:
    """Hourly page-view files to sum."""

    files: tuple[Path, ...]
    folder: Path
    budget: int


@dataclass(frozen=True)
class _ListTask:
    """A language to finish: its counted parts, titles and lemmas into its list."""

    language: str
    parts: tuple[Path, ...]
    dumps: tuple[Path, ...]  # name the namespaces of the titles
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


def build_wikipedia(root: Path, params: Params, manners: Manners = MANNERS) -> Outcome:
    """Build the lists of `params.wikipedia.languages` from Wikipedia, page views and WordNets.

    Args:
        root: the study's folder; `wikipedia.folder` is relative to it.
        params: sources, languages and memory in `wikipedia`, shares and caps in `metadata`, engine in `machine`.
        manners: how the mirror is asked.

    Returns:
        the card, what was missing and what failed. The last language is `other`, whose list unites all lists in the
        folder that no label of `curate_pool.lid_model` reaches. A language without dump, WordNet or page views is
        built from what it has.

    Raises:
        InputError: a language is unknown, the language-id model is missing, another build holds the folder, or there is
            no source at all.
    """
    wikipedia = params.wikipedia
    wikis = group_wikis(wikipedia.languages)
    model = Path(params.curate_pool.lid_model) if params.curate_pool.lid_model else None
    load_language_model(model)  # one that is not there is told before hours of counting
    folder = root / wikipedia.folder
    with claim(folder, INPUTS), keep_engine(params.machine):
        missing = fetch_all(folder, wikis, wikipedia, manners) if wikipedia.fetch else {}
        hours = sorted(name for name in missing if FILE_NAME.fullmatch(name) and NO_SUCH not in missing[name])
        if hours:
            fault = f"{len(hours)} hourly files could not be had; {hours[0]}: {missing[hours[0]]}"
            raise InputError("page views", fault, "Run again, or take those days and hours off params.yaml.")
        dumps = find_dumps(folder / "dumps", wikis, wikipedia.date)
        lemmas = read_lemmas(folder / "wordnets", Paths(root).sources / "wordnet")
        views = _sum_views(folder, wikipedia, params.machine)
        if not dumps and not views and not lemmas:
            raise InputError(
                str(folder), "no dump, page view or WordNet", "Set `wikipedia.fetch: true`, or put them there."
            )
        parts, failed = _count_dumps(folder, dumps, wikipedia, params.machine)
        failed |= _not_to_shorten(folder, wikis, dumps, missing)
        tasks = [
            _list_task(
                folder, language, parts.get(language, ()), dumps.get(language, ()), views.get(language), lemmas, params
            )
            for language in wikis
            if language not in failed
        ]
        cards, more_failed = _build_lists(tasks, params.machine)
        if not cards:
            raise InputError(str(folder), "no list could be built", next(iter((failed | more_failed).values())))
        cards[OTHER] = _build_other(folder, model)
        outcome = Outcome(
            pd.concat([cards[language] for language in (*wikis, OTHER) if language in cards], ignore_index=True),
            _missing(wikis, dumps, views, lemmas, missing),
            failed | more_failed,
        )
        counted = [path for paths in parts.values() for path in paths]
        _write_report(folder, outcome, [*counted, *(folder / "work" / "views" / "days").glob("[0-9]*[0-9]")])
    return outcome


def build_and_tell(root: Path, params: Params) -> Outcome:
    """Build the lists that `params.wikipedia` asks for, and print what they hold and what was missing.

    Args:
        root: the study's folder.
        params: of the study.
    """
    outcome = build_wikipedia(root, params)
    model = params.curate_pool.lid_model
    lists = root / params.wikipedia.folder / "metadata"
    coverage = label_coverage([path.stem for path in sorted(lists.glob("*.parquet"))], Path(model) if model else None)
    with atomic(lists / "coverage.csv") as temporary:
        coverage.to_csv(temporary)
    _tell(outcome, coverage)
    print(f"lists: {lists}")
    return outcome


def _tell(outcome: Outcome, coverage: pd.DataFrame) -> None:
    """Print the card, and what was missing."""
    print(summarise_card(outcome.card).to_string(float_format="{:.2f}".format), end="\n\n")
    print(summarise_cuts(outcome.card).to_string(), end="\n\n")
    if "en" in set(outcome.card["language"]):
        print(compare_english(outcome.card).to_string(), end="\n\n")
    for part, row in summarise_coverage(coverage).iterrows():
        print(f"language id | {part}: {row['languages']} languages, {row['labels']} labels")
    for language, sources in outcome.missing.items():
        print(f"missing | {language}: " + "; ".join(f"{source} ({why})" for source, why in sources.items()))
    for language, why in outcome.failed.items():
        print(f"failed | {language}: {why}")


def _not_to_shorten(
    folder: Path, wikis: Mapping[str, Sequence[str]], dumps: Mapping[str, Any], missing: Mapping[str, str]
) -> dict[str, str]:
    """Languages whose text is not all there though it should be: an older, fuller list must not make room for it."""
    failed = {}
    for language, codes in wikis.items():
        lost = [f"{code}: {missing[code]}" for code in codes if code in missing and NO_SUCH not in missing[code]]
        if lost:
            failed[language] = "; ".join(lost)
        elif language not in dumps and (folder / "work" / "lists" / language / "counts.json").exists():
            failed[language] = "its dump is gone; the older list stays (delete work/lists to build without)"
    return failed


def group_wikis(languages: str | Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The Wikipedias that make up each metadata language.

    Args:
        languages: metadata languages, or `all`.

    Raises:
        InputError: no Wikipedia has such a code.

    >>> group_wikis(["be"])
    {'be': ('be', 'be_tarask')}
    """
    groups: dict[str, list[str]] = {}
    for code in WIKIPEDIAS:
        groups.setdefault(MERGED.get(code, code), []).append(code)
    chosen = list(groups) if languages == "all" else list(dict.fromkeys(languages))
    for language in chosen:
        if language in MERGED:
            raise InputError(
                "wikipedia.languages", f"'{language}' stands in the list of '{MERGED[language]}'", "Name that one."
            )
        if language not in groups:
            raise InputError("wikipedia.languages", f"no language '{language}'", nearest(language, groups))
    # a language's own Wikipedia first
    return {language: tuple(sorted(groups[language], key=lambda code: (code != language, code))) for language in chosen}


# ---------------------------------------------------------------------- sources


def fetch_all(
    folder: Path, wikis: Mapping[str, Sequence[str]], wikipedia: Wikipedia, manners: Manners = MANNERS
) -> dict[str, str]:
    """Fetch what is not there yet: dumps of the Wikipedias and page views of the days.

    Returns:
        what could not be had, and why: Wikipedia codes and page-view files.

    Raises:
        InputError: a day is none, or the disk has no room for all that is to come.
    """
    days = [_day(text) for text in wikipedia.days]
    if not re.fullmatch(r"\d{8}|latest", wikipedia.date):
        raise InputError("wikipedia.date", f"'{wikipedia.date}' is no dump's", "Write it as 20240501, or latest.")
    codes = [code for group in wikis.values() for code in group]
    files = dump_files(wikipedia.mirror, codes, wikipedia.date, folder / "dumps")
    files |= pageview_files(wikipedia.pageviews_mirror, days, folder / "pageviews", hours=wikipedia.hours)
    print(f"fetch | asking for the sizes of {sum(not path.is_file() for path in files.values())} files", flush=True)
    wanted = bytes_to_fetch(files, manners)
    check_room(folder, wanted, "what is to be fetched")
    print(f"fetch | {wanted / 1e9:.1f} GB to come", flush=True)
    print(f"fetch | dumps of {len(codes)} Wikipedias, {wikipedia.date} | {wikipedia.mirror}", flush=True)
    dumps = fetch_dumps(wikipedia.mirror, codes, wikipedia.date, folder / "dumps", manners=manners)
    print(f"fetch | page views of {len(days)} days | {wikipedia.pageviews_mirror}", flush=True)
    views = fetch_pageviews(
        wikipedia.pageviews_mirror, days, folder / "pageviews", hours=wikipedia.hours, manners=manners
    )
    return {name: str(error) for name, error in (dumps.missing | views.missing).items()}


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError("wikipedia.days", f"'{text}' is no day ({error})", "Write it as '2024-02-29'.") from error


def find_dumps(folder: Path, wikis: Mapping[str, Sequence[str]], day: str) -> dict[str, tuple[Path, ...]]:
    """The dumps that lie in a folder, by metadata language: of `day`, or else the newest; multistream ones first."""
    candidates: dict[str, list[tuple[tuple[bool, str, bool], Path]]] = {}
    for path in sorted(folder.glob("*wiki-*-pages-articles*.xml.bz2")):
        if match := DUMP_NAME.fullmatch(path.name):
            code = next((code for code, written in DUMP_CODES.items() if written == match[1]), match[1])
            candidates.setdefault(code, []).append(((match[2] == day, match[2], match[3] is not None), path))
    found = {code: max(paths)[1] for code, paths in candidates.items()}
    by_language = {language: tuple(found[code] for code in codes if code in found) for language, codes in wikis.items()}
    return {language: paths for language, paths in by_language.items() if paths}


def read_lemmas(folder: Path, packaged: Path | None = None) -> dict[str, tuple[tuple[str, ...], str]]:
    """Lemmas by language and where they are from.

    Args:
        folder: WNDB files in `wndb/` (English), WN-LMF files and packages beside it.
        packaged: WNDB files that serve if there is no `wndb/`: those of the packaged study.

    Raises:
        InputError: a file is no WordNet.
    """
    lemmas: dict[str, dict[str, None]] = {}
    origins: dict[str, list[str]] = {}
    wndb = folder / "wndb"
    if words := read_wndb(packaged if packaged and not wndb.exists() else wndb):
        lemmas["en"], origins["en"] = dict.fromkeys(words), ["WNDB"]
    others = sorted(path for path in folder.glob("*") if path != wndb and not path.name.startswith("."))
    for language, words in read_wordnets(others).items():
        lemmas.setdefault(language, {}).update(dict.fromkeys(words))
        origins.setdefault(language, []).append("WN-LMF")
    return {language: (tuple(words), " + ".join(origins[language])) for language, words in lemmas.items()}


# ---------------------------------------------------------------------- page views


def _sum_views(folder: Path, wikipedia: Wikipedia, machine: Machine) -> dict[str, Path]:
    """Titles and their views by language, summed over the days and hours that are asked for.

    Raises:
        InputError: a file could not be read: sums that lack an hour are not what was asked for.
    """
    names = {path.name: path for path in sorted((folder / "pageviews").rglob("pageviews-*.gz"))}
    if wikipedia.fetch:
        days = [_day(text) for text in wikipedia.days]
        wanted = {f"pageviews-{day:%Y%m%d}-{hour:02}0000.gz" for day in days for hour in wikipedia.hours}
        names = {name: path for name, path in names.items() if name in wanted}
    files = [path for name, path in sorted(names.items()) if FILE_NAME.fullmatch(name)]
    if not files:
        return {}
    by_day: dict[str, list[Path]] = {}
    for path in files:
        by_day.setdefault(path.name[10:18], []).append(path)
    work = folder / "work" / "views"
    budget = wikipedia.budget_mb << 20
    tasks = [_ViewTask(tuple(paths), work / "days" / day, budget) for day, paths in by_day.items()]
    done, failed = _run("page views", _sum_day, tasks, machine, lambda task: task.folder.name, lambda task: 1)
    if failed:
        raise InputError(*next(iter(failed.values())))
    made = digest({"code": code_digest(*VIEWING), "days": [done[task.folder.name] for task in tasks]})
    stamp = work / "languages.json"
    known = read_json(stamp) if stamp.exists() else {}
    if known.get("made") != made:
        stamp.unlink(missing_ok=True)  # the folders are about to change
        merged = merge_stored([open_counts(task.folder) for task in tasks], work / "all", budget)
        languages = sorted(split_views(merged, work / "languages"))
        write_json({"made": made, "languages": languages}, stamp)
        known = {"languages": languages}
    return {language: work / "languages" / language for language in known["languages"]}


def _sum_day(task: _ViewTask) -> str:
    """Sum a day's files, if that was not done; returns the digest of what it was made from."""
    made = digest({"code": code_digest(*VIEWING), "files": {path.name: file_digest(path) for path in task.files}})
    if not _fits(task.folder, made):
        _beside(task.folder).unlink(missing_ok=True)  # the folder is about to change
        tally = LineTally()
        count_view_files(task.files, task.folder, task.budget, tally)
        _stamp(task.folder, made, asdict(tally))
    return made


# ---------------------------------------------------------------------- dumps


def _count_dumps(
    folder: Path, dumps: Mapping[str, Sequence[Path]], wikipedia: Wikipedia, machine: Machine
) -> tuple[dict[str, tuple[Path, ...]], dict[str, str]]:
    """Count all parts of all dumps; by language the folders of its parts, and languages with a part that failed."""
    tasks: list[_PartTask] = []
    failed: dict[str, str] = {}
    for language, paths in dumps.items():
        try:
            tasks += [task for path in paths for task in _part_tasks(folder, language, path, wikipedia)]
        except InputError as error:
            failed[language] = str(error)
    # the largest dumps first, so that none is left for the end
    tasks.sort(key=lambda task: (-task.dump.stat().st_size, task.dump.name, task.part.start))
    done, faults = _run(
        "dumps",
        _count_part,
        tasks,
        machine,
        lambda task: str(task.folder),
        lambda task: task.part.stop - task.part.start,
    )
    for task in tasks:
        if str(task.folder) in faults:
            failed[task.language] = str(InputError(*faults[str(task.folder)]))
    counted: dict[str, tuple[Path, ...]] = {}
    for task in sorted(tasks, key=lambda task: (task.language, task.dump.name, task.part.start)):
        if str(task.folder) in done:
            counted[task.language] = (*counted.get(task.language, ()), task.folder)
    return counted, failed


def _part_tasks(folder: Path, language: str, dump: Path, wikipedia: Wikipedia) -> list[_PartTask]:
    segmenter = wikipedia.segmenters.get(language)
    make_segmenter(language, segmenter)  # a segmenter that is not there is told before hours of counting
    index = dump.with_name(dump.name.replace(".xml.bz2", "-index.txt.bz2"))
    parts = max(1, round(dump.stat().st_size / (wikipedia.part_mb * MEGABYTE)))
    return [
        _PartTask(
            language,
            dump,
            part,
            folder / "work" / "parts" / dump.name.removesuffix(".xml.bz2") / f"{part.start}-{part.stop}",
            wikipedia.budget_mb << 20,
            segmenter,
        )
        for part in split_dump(dump, index if index.exists() else None, parts)
    ]


def _count_part(task: _PartTask) -> str:
    """Count a part of a dump, if that was not done; returns the digest of what it was made from."""
    made = digest(
        {
            "code": code_digest(*COUNTING),
            "language": task.language,
            "segmenter": task.segmenter,
            "head": _digest_bytes(task.dump, Part(0, min(1 << 16, task.dump.stat().st_size))),
            "part": _digest_bytes(task.dump, task.part),
        }
    )
    if not _fits(task.folder, made):
        _beside(task.folder).unlink(missing_ok=True)  # the folder is about to change
        tally = count_part(task.dump, task.part, task.folder, task.budget, task.language, task.segmenter)
        _stamp(task.folder, made, asdict(tally))
    return made


def _digest_bytes(path: Path, part: Part) -> str:
    found = sha256()
    with path.open("rb") as content:
        content.seek(part.start)
        left = part.stop - part.start
        while left and (chunk := content.read(min(left, 1 << 20))):
            found.update(chunk)
            left -= len(chunk)
    return found.hexdigest()


# ---------------------------------------------------------------------- lists


def _list_task(
    folder: Path,
    language: str,
    parts: Sequence[Path],
    dumps: Sequence[Path],
    views: Path | None,
    lemmas: Mapping[str, tuple[tuple[str, ...], str]],
    params: Params,
) -> _ListTask:
    words, origin = lemmas.get(language, ((), ""))
    return _ListTask(
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


def _build_lists(tasks: Sequence[_ListTask], machine: Machine) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    done, faults = _run("lists", build_list, tasks, machine, lambda task: task.language, lambda task: 1)
    cards = {language: pd.DataFrame(rows, columns=list(CARD)) for language, rows in done.items()}
    return cards, {language: str(InputError(*fault)) for language, fault in faults.items()}


def _build_other(folder: Path, model: Path | None) -> pd.DataFrame:
    """Unite the lists in the folder that no label of the language-id model reaches; nothing if that was done."""
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
    """The card of the list at `target`, if it is whole and made from what `made` digests."""
    if not stamp.exists() or not target.exists():
        return None
    known = read_json(stamp)
    rows: list[dict[str, Any]] = known["card"]
    return rows if known["made"] == made and known["list"] == file_digest(target) else None


def build_list(task: _ListTask) -> list[dict[str, Any]]:
    """Merge a language's counts, rank and cut its sources, and write its list; nothing if it is there already.

    Returns:
        the rows of its card.
    """
    namespaces = _namespaces(task.dumps) if task.views else None
    made = digest(
        {
            "code": code_digest(*LISTING),
            "namespaces": sorted(namespaces) if namespaces else None,
            "parts": [read_json(_beside(part))["made"] for part in task.parts],
            "views": [file_digest(task.views / name) for name in ("words", "word_counts")] if task.views else None,
            "lemmas": task.lemmas,
            "rules": asdict(task.rules),
            "minimum_counts": [task.minimum_count, task.bigram_minimum_count],
        }
    )
    stamp = task.work.with_suffix(".json")
    if (known := _known_card(stamp, task.target, made)) is not None:
        return known
    counted = merge_stored([open_counts(part) for part in task.parts], task.work, task.budget) if task.parts else None
    viewed = open_counts(task.views) if task.views else None
    views = keep_articles(viewed, task.work.with_name(task.language + ".titles"), namespaces) if viewed else None
    merged = merge_sources(_sources(task, counted, views), task.rules)
    write_table(merged.table, task.target, METADATA)
    text = "Wikipedia" if counted else ""
    origins = {"wordnet": task.origin, "unigram": text, "bigram": text, "title": "page views" if views else ""}
    card = make_card(merged, task.language, origins)
    titles = {
        "namespaces": sorted(namespaces) if namespaces else "none known: a colon without a space behind is one's",
        "titles_in_namespaces": viewed.words - views.words if viewed and views else 0,
        "views_in_namespaces": viewed.total - views.total if viewed and views else 0,
    }
    card_rows = card.to_dict("records")
    write_json({"made": made, "list": file_digest(task.target), "card": card_rows, "titles": titles}, stamp)
    if views:
        remove_counts(views.folder)  # gigabytes of English, and the sums they are from stay
    return [dict(row) for row in read_json(stamp)["card"]]


def _namespaces(dumps: Sequence[Path]) -> frozenset[str] | None:
    """The namespaces that a language's dumps name; None if there is no dump, or none that names any."""
    names = [name for path in dumps for name in read_namespaces(path).values() if name]
    return fold_namespaces(names) if names else None


def _sources(task: _ListTask, counted: StoredCounts | None, views: StoredCounts | None) -> dict[str, Source]:
    sources = {"wordnet": Source.listed(task.lemmas)}
    if counted:
        between = joiner(task.language, task.segmenter)
        sources["unigram"] = word_source(counted, task.minimum_count)
        sources["bigram"] = pair_source(counted, between, task.rules, task.bigram_minimum_count)
    if views:
        sources["title"] = word_source(views)
    return sources


# ---------------------------------------------------------------------- tasks and their stamps


def _beside(folder: Path) -> Path:
    return folder.with_name(folder.name + ".json")


def _fits(folder: Path, made: str) -> bool:
    """Whether counts are there, whole, and made from what `made` digests; what does not fit is made again."""
    try:
        if not _beside(folder).exists() or read_json(_beside(folder)).get("made") != made:
            return False
        open_counts(folder)
    except InputError:
        return False
    return True


def _stamp(folder: Path, made: str, tally: Mapping[str, Any]) -> None:
    write_json({"made": made, "tally": dict(tally)}, _beside(folder))


def _run(
    what: str,
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    machine: Machine,
    name: Callable[[Any], str],
    weight: Callable[[Any], int],
) -> tuple[dict[str, Any], dict[str, tuple[str, str, str]]]:
    """Run tasks and tell how far they are; results, and faults as (place, fault, remedy), by the tasks' names."""
    results: dict[str, Any] = {}
    faults: dict[str, tuple[str, str, str]] = {}
    total = sum(map(weight, tasks))
    began = shown = time.monotonic()
    done = 0
    for number, result in run_tasks(function, tasks, machine, describe=name):
        task = tasks[number]
        done += weight(task)
        if isinstance(result, TaskFailure):
            faults[name(task)] = (result.place, result.fault, result.remedy)
            print(f"{what} | failed: {result}", flush=True)
        else:
            results[name(task)] = result
        now = time.monotonic()
        if now - shown > REPORT_SECONDS or done == total:
            shown = now
            left = int((now - began) * (total - done) / max(done, 1))
            finished = len(results) + len(faults)
            print(f"{what} {finished}/{len(tasks)} | {left // 60:02d}:{left % 60:02d} left", flush=True)
    return results, faults


def _missing(
    wikis: Mapping[str, Sequence[str]],
    dumps: Mapping[str, Any],
    views: Mapping[str, Any],
    lemmas: Mapping[str, Any],
    reasons: Mapping[str, str],
) -> dict[str, dict[str, str]]:
    """By language the sources it lacks, and why if it is known."""
    hours = {name: reason for name, reason in reasons.items() if FILE_NAME.fullmatch(name)}
    found: dict[str, dict[str, str]] = {"page views": hours} if hours else {}
    for language, codes in wikis.items():
        lacks = {}
        if language not in dumps:
            lacks["dump"] = "; ".join(reasons[code] for code in codes if code in reasons) or "not in the folder"
        if language not in views:
            lacks["titles"] = "no page views"
        if language not in lemmas:
            lacks["wordnet"] = "none in wordnets/" if language in WORDNET_CODES.values() else "none for this language"
        if lacks:
            found[language] = lacks
    return found


def _write_report(folder: Path, outcome: Outcome, counted: Sequence[Path]) -> None:
    """metadata/card.csv of all lists that lie there, and report.json with what became of pages, lines and titles.

    Args:
        folder: the build's.
        outcome: of this build, which may have been of a few languages.
        counted: folders of counts whose tallies are told.
    """
    target = folder / "metadata"
    target.mkdir(parents=True, exist_ok=True)
    stamps = {path.stem: folder / "work" / "lists" / f"{path.stem}.json" for path in sorted(target.glob("*.parquet"))}
    lists = {language: read_json(stamp) for language, stamp in stamps.items() if stamp.exists()}
    tallies = {str(path.relative_to(folder / "work")): read_json(_beside(path))["tally"] for path in sorted(counted)}
    titles = {language: known.get("titles") for language, known in lists.items()}
    report = {"missing": outcome.missing, "failed": outcome.failed, "titles": titles, "tallies": tallies}
    write_json(report, target / "report.json")
    rows = [row for known in lists.values() for row in known["card"]]
    with atomic(target / "card.csv") as temporary:
        pd.DataFrame(rows, columns=list(CARD)).to_csv(temporary, index=False)

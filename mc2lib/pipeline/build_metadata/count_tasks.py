"""Counting tasks: parts of dumps into counts of words and pairs, days of page views into views of titles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from mc2lib.errors import InputError
from mc2lib.io.code_digest import code_digest
from mc2lib.io.files import digest, file_digest, read_json, write_json
from mc2lib.params import Machine, Wikipedia
from mc2lib.pipeline.build_metadata.dump_counts import count_part
from mc2lib.pipeline.build_metadata.dump_parts import split_dump
from mc2lib.pipeline.build_metadata.dumps import Part
from mc2lib.pipeline.build_metadata.pageviews import FILE_NAME, count_view_files, split_views
from mc2lib.pipeline.build_metadata.source_files import parse_day
from mc2lib.pipeline.build_metadata.stamped_tasks import is_counted, run_named, stamp_path, write_stamp
from mc2lib.pipeline.build_metadata.stored_counts import open_counts
from mc2lib.pipeline.build_metadata.token_counts import merge_stored
from mc2lib.recipe.metadata.segment import make_segmenter
from mc2lib.recipe.metadata.titles import Tally as LineTally

#: The code that counts of dumps, and sums of page views, depend on: after an edit of it they are made again.
COUNTING = (
    "pipeline.build_metadata.dump_counts",
    "pipeline.build_metadata.dumps",
    "pipeline.build_metadata.stored_counts",
    "pipeline.build_metadata.token_counts",
    "recipe.metadata.counting",
    "recipe.metadata.segment",
    "recipe.metadata.words",
    "recipe.metadata.wikitext",
    "languages",
)
VIEWING = (
    "pipeline.build_metadata.pageviews",
    "pipeline.build_metadata.stored_counts",
    "pipeline.build_metadata.token_counts",
    "recipe.metadata.titles",
    "recipe.metadata.counting",
    "recipe.metadata.segment",
    "recipe.metadata.words",
    "languages",
)
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class PartTask:
    """A part of a dump to count.

    Args:
        language: metadata language.
        dump: its file.
        part: the bytes of it to count.
        folder: where the counts go.
        budget: bytes that counting may take.
        segmenter: see `mc2lib.recipe.metadata.segment.make_segmenter`.
    """

    language: str
    dump: Path
    part: Part
    folder: Path
    budget: int
    segmenter: str | None


@dataclass(frozen=True)
class ViewTask:
    """Hourly page-view files to sum.

    Args:
        files: of one day.
        folder: where the sums go.
        budget: bytes that summing may take.
    """

    files: tuple[Path, ...]
    folder: Path
    budget: int


def sum_views(folder: Path, wikipedia: Wikipedia, machine: Machine) -> dict[str, Path]:
    """Sum the views of titles over the days and hours that are asked for.

    Args:
        folder: of the build; the files are in `pageviews/`, the sums go to `work/views/`.
        wikipedia: days and hours, if it fetches; otherwise all files in the folder count.
        machine: says how many processes, or which engine.

    Returns:
        By language, the folder of its titles and their views.

    Raises:
        InputError: a file could not be read: sums that lack an hour are not what was asked for.
    """
    names = {path.name: path for path in sorted((folder / "pageviews").rglob("pageviews-*.gz"))}
    if wikipedia.fetch:
        days = [parse_day(text) for text in wikipedia.days]
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
    tasks = [ViewTask(tuple(paths), work / "days" / day, budget) for day, paths in by_day.items()]
    done, failed = run_named("page views", _sum_day, tasks, machine, lambda task: task.folder.name, "days")
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


def _sum_day(task: ViewTask) -> str:
    """Sum the files of a day unless that is done; return the digest of what the sum is made from."""
    made = digest({"code": code_digest(*VIEWING), "files": {path.name: file_digest(path) for path in task.files}})
    if not is_counted(task.folder, made):
        stamp_path(task.folder).unlink(missing_ok=True)  # the folder is about to change
        tally = LineTally()
        count_view_files(task.files, task.folder, task.budget, tally)
        write_stamp(task.folder, made, asdict(tally))
    return made


def count_dumps(
    folder: Path, dumps: Mapping[str, Sequence[Path]], wikipedia: Wikipedia, machine: Machine
) -> tuple[dict[str, tuple[Path, ...]], dict[str, str]]:
    """Count all parts of all dumps.

    Args:
        folder: of the build; counts go to `work/parts/`.
        dumps: by language.
        wikipedia: segmenters, and how large parts and budgets are.
        machine: says how many processes, or which engine.

    Returns:
        By language, the folders of its counted parts; and why, for languages of which a part failed.
    """
    tasks: list[PartTask] = []
    failed: dict[str, str] = {}
    for language, paths in dumps.items():
        try:
            tasks += [task for path in paths for task in _part_tasks(folder, language, path, wikipedia)]
        except InputError as error:
            failed[language] = str(error)
    # the largest dumps first, so that no large one is left for the end
    tasks.sort(key=lambda task: (-task.dump.stat().st_size, task.dump.name, task.part.start))
    done, faults = run_named(
        "dumps",
        _count_part,
        tasks,
        machine,
        lambda task: str(task.folder),
        "MiB",
        lambda task: max(1, (task.part.stop - task.part.start) // MEBIBYTE),
    )
    for task in tasks:
        if str(task.folder) in faults:
            failed[task.language] = str(InputError(*faults[str(task.folder)]))
    counted: dict[str, tuple[Path, ...]] = {}
    for task in sorted(tasks, key=lambda task: (task.language, task.dump.name, task.part.start)):
        if str(task.folder) in done:
            counted[task.language] = (*counted.get(task.language, ()), task.folder)
    return counted, failed


def _part_tasks(folder: Path, language: str, dump: Path, wikipedia: Wikipedia) -> list[PartTask]:
    segmenter = wikipedia.segmenters.get(language)
    make_segmenter(language, segmenter)  # a missing segmenter is reported before hours of counting
    index = dump.with_name(dump.name.replace(".xml.bz2", "-index.txt.bz2"))
    parts = max(1, round(dump.stat().st_size / (wikipedia.part_mb * MEBIBYTE)))
    return [
        PartTask(
            language,
            dump,
            part,
            folder / "work" / "parts" / dump.name.removesuffix(".xml.bz2") / f"{part.start}-{part.stop}",
            wikipedia.budget_mb << 20,
            segmenter,
        )
        for part in split_dump(dump, index if index.exists() else None, parts)
    ]


def _count_part(task: PartTask) -> str:
    """Count a part of a dump unless that is done; return the digest of what the counts are made from."""
    made = digest(
        {
            "code": code_digest(*COUNTING),
            "language": task.language,
            "segmenter": task.segmenter,
            "head": _digest_bytes(task.dump, Part(0, min(1 << 16, task.dump.stat().st_size))),
            "part": _digest_bytes(task.dump, task.part),
        }
    )
    if not is_counted(task.folder, made):
        stamp_path(task.folder).unlink(missing_ok=True)  # the folder is about to change
        tally = count_part(task.dump, task.part, task.folder, task.budget, task.language, task.segmenter)
        write_stamp(task.folder, made, asdict(tally))
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

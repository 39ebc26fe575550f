"""The sources of a build: which Wikipedias make up a language, and the dumps, page views and WordNets in a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from mc2lib.errors import InputError, nearest
from mc2lib.io.fetching.download import MANNERS, Manners, bytes_to_fetch, check_room
from mc2lib.io.fetching.wikimedia import DUMP_CODES, dump_files, fetch_dumps, fetch_pageviews, pageview_files
from mc2lib.languages import MERGED, WIKIPEDIAS
from mc2lib.params import Wikipedia
from mc2lib.pipeline.build_metadata.wordnets import read_wndb, read_wordnets

DUMP_NAME = re.compile(r"([a-z_]+?)wiki-(\d{8}|latest)-pages-articles(-multistream)?\.xml\.bz2")


def group_wikis(languages: str | Sequence[str]) -> dict[str, tuple[str, ...]]:
    """List the Wikipedias that make up each metadata language.

    Args:
        languages: metadata languages, or `all`.

    Returns:
        By metadata language, the codes of its Wikipedias, its own first.

    Raises:
        InputError: no Wikipedia has such a code.

    Examples:

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
                "wikipedia.languages", f"'{language}' is part of the list of '{MERGED[language]}'", "Name that one."
            )
        if language not in groups:
            raise InputError("wikipedia.languages", f"no language '{language}'", nearest(language, groups))
    # a language's own Wikipedia first
    return {language: tuple(sorted(groups[language], key=lambda code: (code != language, code))) for language in chosen}


def fetch_all(
    folder: Path, wikis: Mapping[str, Sequence[str]], wikipedia: Wikipedia, manners: Manners = MANNERS
) -> dict[str, str]:
    """Fetch the dumps and page views that are not in the folder yet.

    Args:
        folder: of the build; dumps go to `dumps/`, page views to `pageviews/`.
        wikis: by metadata language, the codes of its Wikipedias.
        wikipedia: mirrors, date, days and hours.
        manners: how the mirrors are asked.

    Returns:
        Why files could not be fetched, by Wikipedia code or name of the page-view file.

    Raises:
        InputError: a day or the date is invalid, or the disk has no room for all that is missing.
    """
    days = [parse_day(text) for text in wikipedia.days]
    if not re.fullmatch(r"\d{8}|latest", wikipedia.date):
        raise InputError(
            "wikipedia.date", f"'{wikipedia.date}' is not the date of a dump", "Write it as 20240501, or latest."
        )
    codes = [code for group in wikis.values() for code in group]
    files = dump_files(wikipedia.mirror, codes, wikipedia.date, folder / "dumps")
    files |= pageview_files(wikipedia.pageviews_mirror, days, folder / "pageviews", hours=wikipedia.hours)
    print(f"fetch | asking for the sizes of {sum(not path.is_file() for path in files.values())} files", flush=True)
    wanted = bytes_to_fetch(files, manners)
    check_room(folder, wanted, "what is to be fetched")
    print(f"fetch | {wanted / 1e9:.1f} GB to fetch", flush=True)
    print(f"fetch | dumps of {len(codes)} Wikipedias, {wikipedia.date} | {wikipedia.mirror}", flush=True)
    dumps = fetch_dumps(wikipedia.mirror, codes, wikipedia.date, folder / "dumps", manners=manners)
    print(f"fetch | page views of {len(days)} days | {wikipedia.pageviews_mirror}", flush=True)
    views = fetch_pageviews(
        wikipedia.pageviews_mirror, days, folder / "pageviews", hours=wikipedia.hours, manners=manners
    )
    return {name: str(error) for name, error in (dumps.missing | views.missing).items()}


def parse_day(text: str) -> date:
    """Read a day of `wikipedia.days`; InputError if it is not one."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError("wikipedia.days", f"'{text}' is not a day ({error})", "Write it as '2024-02-29'.") from error


def find_dumps(folder: Path, wikis: Mapping[str, Sequence[str]], day: str) -> dict[str, tuple[Path, ...]]:
    """Find the dumps in a folder.

    Args:
        folder: with dumps under Wikimedia's names.
        wikis: by metadata language, the codes of its Wikipedias.
        day: the preferred date, YYYYMMDD or `latest`; without a dump of it, the newest is taken.

    Returns:
        By metadata language one dump per Wikipedia, a multistream one if there is a choice.
    """
    candidates: dict[str, list[tuple[tuple[bool, str, bool], Path]]] = {}
    for path in sorted(folder.glob("*wiki-*-pages-articles*.xml.bz2")):
        if match := DUMP_NAME.fullmatch(path.name):
            code = next((code for code, written in DUMP_CODES.items() if written == match[1]), match[1])
            candidates.setdefault(code, []).append(((match[2] == day, match[2], match[3] is not None), path))
    found = {code: max(paths)[1] for code, paths in candidates.items()}
    by_language = {language: tuple(found[code] for code in codes if code in found) for language, codes in wikis.items()}
    return {language: paths for language, paths in by_language.items() if paths}


def read_lemmas(folder: Path, packaged: Path | None = None) -> dict[str, tuple[tuple[str, ...], str]]:
    """Read the lemmas of all WordNets in a folder.

    Args:
        folder: WNDB files in `wndb/` (English), and WN-LMF files and packages next to it.
        packaged: WNDB files to read if there is no `wndb/`: those of the packaged study.

    Returns:
        By language its lemmas, and where they are from.

    Raises:
        InputError: a file is not a WordNet.
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

"""Wikimedia's dumps and page views: where they are, and fetching them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mc2lib.errors import InputError, nearest
from mc2lib.io.fetching.download import ALGORITHMS, MANNERS, Fetched, Manners, fetch, fetch_many
from mc2lib.io.files import scratch_folder
from mc2lib.languages import WIKIPEDIAS

DUMPS = "https://dumps.wikimedia.org"
PAGEVIEWS = "https://dumps.wikimedia.org/other/pageviews"

#: Dumps that are not named after the code of the Wikipedia.
DUMP_CODES = {"be_tarask": "be_x_old"}

#: Endings of the files of a multistream dump: the dump and its index.
MULTISTREAM = ("-pages-articles-multistream.xml.bz2", "-pages-articles-multistream-index.txt.bz2")


@dataclass(frozen=True)
class DumpFiles:
    """The dump of a language and, if it is a multistream dump, its index."""

    dump: Path
    index: Path | None


def fetch_dump(
    base: str, language: str, day: str, folder: Path, *, multistream: bool = True, manners: Manners = MANNERS
) -> DumpFiles:
    """Fetch the articles of a language, and verify the checksums that are published with them.

    Args:
        base: the mirror's address, such as `DUMPS`.
        language: a Wikipedia's code, such as `bat_smg`.
        day: the dump's date, YYYYMMDD, or `latest`.
        folder: where the files go.
        multistream: whether to fetch the dump that can be read in parts, with its index, or the single stream.
        manners: how the site is asked.

    Returns:
        Where the dump and its index are.

    Raises:
        InputError: no Wikipedia has that code, the mirror has no dump of that language and date, its sums do not
            list it, or `fetch` failed.
    """
    if language not in WIKIPEDIAS:
        raise InputError("language", f"no Wikipedia '{language}'", nearest(language, WIKIPEDIAS))
    wiki = f"{DUMP_CODES.get(language, language)}wiki"
    endings = MULTISTREAM if multistream else ("-pages-articles.xml.bz2",)
    targets = [folder / f"{wiki}-{day}{ending}" for ending in endings]
    if not all(target.is_file() for target in targets):
        place = _dump_place(base, wiki, day)
        sums = _fetch_sums(place, f"{wiki}-{day}", folder, language, manners)
        for target, ending in zip(targets, endings, strict=True):
            # the sums of `latest` list the files by their dates
            digests = [sums[name] for name in sums if name[len(wiki) + 9 :] == ending]
            if not digests:
                raise InputError(
                    f"{place}: {language}", f"its sums list no {target.name}", "Choose a date whose dump is complete."
                )
            fetch(f"{place}/{target.name}", target, digest=digests[0], manners=manners)
    return DumpFiles(targets[0], targets[1] if multistream else None)


def dump_files(base: str, languages: Iterable[str], day: str, folder: Path) -> dict[str, Path]:
    """List the addresses of multistream dumps and of their indices.

    Args:
        base: the mirror's address, such as `DUMPS`.
        languages: codes of Wikipedias.
        day: the date of the dumps, YYYYMMDD, or `latest`.
        folder: where the files go.

    Returns:
        By address, where its file goes.
    """
    wikis = [f"{DUMP_CODES.get(language, language)}wiki" for language in languages]
    names = [(wiki, f"{wiki}-{day}{ending}") for wiki in wikis for ending in MULTISTREAM]
    return {f"{_dump_place(base, wiki, day)}/{name}": folder / name for wiki, name in names}


def _dump_place(base: str, wiki: str, day: str) -> str:
    return f"{base.rstrip('/')}/{wiki}/{day}"


def _fetch_sums(place: str, stem: str, folder: Path, language: str, manners: Manners) -> dict[str, str]:
    """The digests that a dump publishes, by file name; they are fetched anew each time."""
    for kind in ("sha1sums", "md5sums"):
        name = f"{stem}-{kind}.txt"
        try:
            with scratch_folder(folder) as scratch:  # a file of that name in the folder may be of another date
                path = fetch(f"{place}/{name}", scratch / name, manners=manners)
                text = path.read_text(encoding="utf-8", errors="replace")
        except InputError as error:
            if "no such file" not in error.fault:
                raise
            continue
        pairs = [line.split() for line in text.splitlines()]
        return {words[1].lstrip("*"): words[0] for words in pairs if len(words) == 2 and len(words[0]) in ALGORITHMS}
    raise InputError(
        f"{place}: {language}",
        "the server has no such dump",
        "Choose a language and date that the mirror lists, or another mirror: old dumps are removed.",
    )


def fetch_dumps(
    base: str, languages: Sequence[str], day: str, folder: Path, *, multistream: bool = True, manners: Manners = MANNERS
) -> Fetched:
    """Fetch the dumps of many languages; one that is missing is reported, and the others are fetched.

    Args:
        base: the mirror's address, such as `DUMPS`.
        languages: codes of Wikipedias.
        day: the date of the dumps, YYYYMMDD, or `latest`.
        folder: where the files go.
        multistream: see `fetch_dump`.
        manners: how the site is asked.

    Returns:
        The dump of each language, or why it is missing. The index is next to its dump.
    """
    return fetch_many(
        languages,
        lambda code: fetch_dump(base, code, day, folder, multistream=multistream, manners=manners).dump,
        manners,
    )


def fetch_pageviews(
    base: str, days: Iterable[date], folder: Path, *, hours: Sequence[int] = range(24), manners: Manners = MANNERS
) -> Fetched:
    """Fetch the hourly page views of some days; one that is missing is reported, and the others are fetched.

    Args:
        base: the mirror's address of page views, such as `PAGEVIEWS`.
        days: the sampled days.
        folder: where the files go.
        hours: of each day, 0..23.
        manners: how the site is asked.

    Returns:
        Each file by its name, `pageviews-YYYYMMDD-HH0000.gz`, or why it is missing. The site publishes no checksums:
        only lengths are checked here, and gzip's own checksum when a file is read.
    """
    places = {path.name: url for url, path in pageview_files(base, days, folder, hours=hours).items()}
    return fetch_many(list(places), lambda name: fetch(places[name], folder / name, manners=manners), manners)


def pageview_files(
    base: str, days: Iterable[date], folder: Path, *, hours: Sequence[int] = range(24)
) -> dict[str, Path]:
    """List the addresses of hourly page views.

    Args:
        base: the mirror's address of page views, such as `PAGEVIEWS`.
        days: the sampled days.
        folder: where the files go.
        hours: of each day, 0..23.

    Returns:
        By address, where its file goes.
    """
    names = [(day, f"pageviews-{day:%Y%m%d}-{hour:02}0000.gz") for day in days for hour in hours]
    return {f"{base.rstrip('/')}/{day:%Y}/{day:%Y-%m}/{name}": folder / name for day, name in names}

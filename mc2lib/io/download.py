"""Fetching large files over HTTP: goes on where it stopped, holds to checksums, and spares the site.

A file appears whole or not at all. What came so far lies beside it as `<name>.mc2lib-part`, with what the server
said the file was (`<name>.mc2lib-part.json`), so that a file that changed in between is begun again and never mixed.
"""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit

import requests
from filelock import FileLock, Timeout

from mc2lib.errors import InputError, nearest
from mc2lib.io.files import scratch_folder, write_json
from mc2lib.languages import WIKIPEDIAS

DUMPS = "https://dumps.wikimedia.org"
PAGEVIEWS = "https://dumps.wikimedia.org/other/pageviews"

#: Dumps whose name is not the Wikipedia's code.
DUMP_CODES = {"be_tarask": "be_x_old"}

#: Endings of a multistream dump's files: it and its index.
MULTISTREAM = ("-pages-articles-multistream.xml.bz2", "-pages-articles-multistream-index.txt.bz2")

CHUNK_BYTES = 1 << 20

#: How what came of a file so far is named: browsers and other tools call theirs .part.
PART = ".mc2lib-part"
#: Answers after which the same request may work later.
PASSING = frozenset((408, 429, 500, 502, 503, 504))
_STOP = threading.Event()
_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256"}


@dataclass(frozen=True)
class Manners:
    """How a site is asked: how many connections at once, how often again, after how long, and by whom."""

    connections: int = 2  # what the dumps site allows; held over all processes of this machine
    attempts: int = 6  # tries in a row that bring nothing
    wait: float = 5.0  # seconds before the second try, doubled each time
    longest_wait: float = 600.0  # seconds, whatever the server asks
    timeout: float = 60.0  # seconds without a byte
    contact: str = ""  # an address for the site's keepers, as they ask for
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    def headers(self) -> dict[str, str]:
        """Who asks, and that bytes are wanted as they lie there."""
        try:
            number = version("mc2lib")
        except PackageNotFoundError:
            number = "0"
        contact = f"; {self.contact}" if self.contact else ""
        agent = f"mc2lib/{number} (metadata of MetaCLIP 2{contact}) python-requests/{version('requests')}"
        return {"User-Agent": agent, "Accept-Encoding": "identity"}


MANNERS = Manners()


class NoRoomError(InputError):
    """The disk has no room for what is to be fetched: no other file would do better, so all fetching ends."""


class UnreachableError(InputError):
    """No try in a row brought anything of a file: the network or the site, and not the file, may be at fault."""


#: Files in a row that cannot be reached before no other is asked for: each takes minutes of tries.
GIVE_UP = 4


@dataclass
class Fetched:
    """Files that are there, by what they were asked for, and why the others are missing."""

    files: dict[str, Path] = field(default_factory=dict)
    missing: dict[str, InputError] = field(default_factory=dict)


@dataclass(frozen=True)
class DumpFiles:
    """A language's dump and, if it is a multistream one, its index."""

    dump: Path
    index: Path | None


class _PassingError(Exception):
    """This try failed, another may not; after so many seconds, if the server said."""

    def __init__(self, fault: str, wait: float | None = None) -> None:
        super().__init__(fault)
        self.wait = wait


def fetch(url: str, target: Path, *, digest: str | None = None, manners: Manners = MANNERS) -> Path:
    """Fetch one file, going on from what an earlier try left.

    Args:
        url: the file's address, http or https.
        target: where it shall lie; if it lies there already, it is taken as it is.
        digest: its MD5, SHA-1 or SHA-256 in hex, told apart by length; None: only its length is checked.
        manners: how the site is asked.

    Returns:
        `target`.

    Raises:
        InputError: the server has no such file or refuses it, the checksum is wrong twice, or no try brought
            anything further; what came so far stays as `.mc2lib-part`.
    """
    if digest is not None and len(digest) not in _ALGORITHMS:
        raise InputError(url, f"'{digest}' is no MD5, SHA-1 or SHA-256 in hex", "Give the digest of the sums file.")
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(_beside(target, f"{PART}.lock")):
            if not target.is_file():
                _fetch_locked(url, target, digest, manners)
    finally:
        if target.is_file() or not _beside(target, PART).exists():
            _beside(target, f"{PART}.lock").unlink(missing_ok=True)
    return target


def _fetch_locked(url: str, target: Path, digest: str | None, manners: Manners) -> None:
    part = _beside(target, PART)
    failures = wrong = 0
    wait = manners.wait
    while True:
        before = _size(part)
        try:
            with _connection(url, manners):
                _receive(url, part, target, manners)
            if digest is None or _digest(part, len(digest)) == digest.lower():
                break
            wrong += 1
            _forget(target)
            if wrong == 2:
                raise InputError(
                    str(target),
                    f"what {url} gives has not the checksum {digest} of its sums file, twice",
                    "Try later or another mirror: the file there is damaged, or its sums are another date's.",
                )
        except (requests.RequestException, _PassingError) as error:
            failures, wait = (1, manners.wait) if _size(part) > before else (failures + 1, wait)
            if failures >= manners.attempts:
                raise UnreachableError(
                    url, f"{failures} tries in a row failed ({error})", "Check the network and run again: it goes on."
                ) from error
            asked = error.wait if isinstance(error, _PassingError) else None
            manners.sleep(min(manners.longest_wait, wait if asked is None else max(asked, 0.0)))
            wait *= 2
    part.replace(target)
    _beside(target, f"{PART}.json").unlink(missing_ok=True)


def _receive(url: str, part: Path, target: Path, manners: Manners) -> None:
    """One request: everything from where `part` ends; _PassingError if less came."""
    known = _known(target, url)
    have = _size(part)
    headers = manners.headers()
    validator = str(known.get("etag") or known.get("modified") or "")
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with requests.get(url, headers=headers, stream=True, timeout=manners.timeout) as answer:
        if answer.status_code == 416 and have and _total(answer) == have == known.get("total"):
            return  # all of it came, and the end was cut off
        if answer.status_code == 416:
            _forget(target)
            raise _PassingError("the file has changed", 0.0)
        _refuse(answer, url)
        start = _start(answer, have)
        total = _total(answer)
        etag = answer.headers.get("ETag", "")
        told = {
            "url": url,
            "etag": "" if etag.startswith("W/") else etag,  # a weak one does not promise equal bytes
            "modified": answer.headers.get("Last-Modified", ""),
            "total": total,
        }
        if start:
            if start != have or total != known.get("total"):
                _forget(target)
                raise _PassingError("the file has changed", 0.0)
        else:
            write_json(told, _beside(target, f"{PART}.json"))
        if total is not None:
            check_room(part.parent, total - start, url)
        with part.open("r+b" if start else "wb") as content:
            content.seek(start)
            _write_body(answer, content)
        if total is not None and _size(part) != total:
            raise _PassingError(f"the connection ended at {_size(part):,} of {total:,} bytes")


def check_room(folder: Path, wanted: int, what: str) -> None:
    """Raise if a folder's disk has no room for some bytes.

    Args:
        folder: where they shall lie; it need not be there yet.
        wanted: bytes.
        what: is to lie there, for the error.

    Raises:
        NoRoomError: there is no room.
    """
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if wanted > free:
        raise NoRoomError(
            str(folder),
            f"{what} takes {_readable(wanted)}, and {_readable(free)} are free",
            "Free some space, name a folder on a larger disk, or ask for fewer languages or days.",
        )


def _readable(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 10**8 else f"{size / 1e6:,.1f} MB"


def bytes_to_fetch(files: Mapping[str, Path], manners: Manners = MANNERS) -> int:
    """How many bytes are still to come of some files, as their server tells when asked for no more than that.

    Args:
        files: where each address's file shall lie. Those that lie there count nothing, and what came of the others is
            taken off; so do those whose size the server does not tell.
        manners: how the site is asked; it is asked once a file.

    Raises:
        InputError: one request after the other failed.
    """
    failures: list[str] = []  # in a row
    wanted = {url: target for url, target in files.items() if not target.is_file()}
    with ThreadPoolExecutor(manners.connections) as threads:
        sizes = list(threads.map(lambda url: _tell_size(url, manners, failures), wanted))
    pairs = zip(wanted.values(), sizes, strict=True)
    return sum(max(0, size - _size(_beside(target, PART))) for target, size in pairs)


def _tell_size(url: str, manners: Manners, failures: list[str]) -> int:
    if len(failures) >= GIVE_UP:
        fault = f"the last {len(failures)} requests failed ({failures[-1]})"
        raise InputError(url, fault, "Check the network and the address, or take only what lies in the folder.")
    try:
        with _connection(url, manners):
            answer = requests.head(url, headers=manners.headers(), timeout=manners.timeout, allow_redirects=True)
    except requests.RequestException as error:
        failures.append(type(error).__name__)
        return 0
    failures.clear()
    return (_total(answer) or 0) if answer.status_code == 200 else 0


def _write_body(answer: requests.Response, content: BinaryIO) -> None:
    """Write what comes, and keep it on disk even if the connection breaks."""
    try:
        while data := _read(answer, content.tell()):
            content.write(data)
            if _STOP.is_set():
                raise InputError(content.name, "stopped", "Run again: the fetching goes on where it stopped.")
    except OSError as error:
        raise InputError(content.name, f"cannot be written ({error})", "Free some space and run again.") from error
    finally:
        with contextlib.suppress(OSError):  # a full disk has been told
            content.flush()
            os.fsync(content.fileno())


def _read(answer: requests.Response, place: int) -> bytes:
    try:
        return bytes(answer.raw.read(CHUNK_BYTES, decode_content=False))
    except Exception as error:  # urllib3, http.client and socket have a dozen names for a connection that broke
        raise _PassingError(f"the connection broke after {place:,} bytes") from error


def _refuse(answer: requests.Response, url: str) -> None:
    code = answer.status_code
    if code in (200, 206):
        return
    if code in PASSING:
        raise _PassingError(f"the server answers {code}", _retry_after(answer.headers.get("Retry-After", "")))
    if code in (404, 410):
        raise InputError(url, "the server has no such file", "Choose a language and date that its listing shows.")
    raise InputError(url, f"the server answers {code} {answer.reason}", "Check the address, or name another mirror.")


def _retry_after(text: str) -> float | None:
    """Seconds that a Retry-After asks for, as a number or as a date."""
    if text.strip().isdigit():
        return float(text)
    try:
        return (email.utils.parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None


def _start(answer: requests.Response, have: int) -> int:
    """The first byte of an answer in the file: 0 of a whole one."""
    if answer.status_code == 200:
        return 0
    first = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else have


def _total(answer: requests.Response) -> int | None:
    """The length of the whole file as an answer tells it, if it does."""
    if "Content-Range" in answer.headers:
        total = answer.headers["Content-Range"].rpartition("/")[2]
    else:
        total = answer.headers.get("Content-Length", "")
    return int(total) if total.isdigit() else None


# ---------------------------------------------------------------------- what lies beside a file


def _beside(target: Path, ending: str) -> Path:
    return target.with_name(target.name + ending)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _forget(target: Path) -> None:
    for ending in (PART, f"{PART}.json"):
        _beside(target, ending).unlink(missing_ok=True)


def _known(target: Path, url: str) -> dict[str, str | int]:
    """What the server said of the file when its part was begun; nothing if it was another file's, or is broken."""
    try:
        known = json.loads(_beside(target, f"{PART}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and known.get("url") == url else {}


def _digest(path: Path, length: int) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, _ALGORITHMS[length]).hexdigest()


@contextlib.contextmanager
def _connection(url: str, manners: Manners) -> Iterator[None]:
    """One of the connections that this machine, all its processes together, may have to a site."""
    folder = Path(tempfile.gettempdir()) / f"mc2lib-connections-{os.getuid() if hasattr(os, 'getuid') else 0}"
    folder.mkdir(exist_ok=True)
    host = quote(urlsplit(url).netloc, safe="")
    locks = [FileLock(folder / f"{host}.{number}", thread_local=False) for number in range(manners.connections)]
    while True:
        for lock in locks:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                yield
            finally:
                lock.release()
            return
        time.sleep(0.05)


# ---------------------------------------------------------------------- dumps and page views


def fetch_dump(
    base: str, language: str, day: str, folder: Path, *, multistream: bool = True, manners: Manners = MANNERS
) -> DumpFiles:
    """Fetch a language's articles, held to the checksums that stand beside them.

    Args:
        base: the mirror's address, such as `DUMPS`.
        language: a Wikipedia's code, such as `bat_smg`.
        day: the dump's date, YYYYMMDD, or `latest`.
        folder: where the files shall lie.
        multistream: the dump that can be read in parts, with its index; False: the single stream.
        manners: how the site is asked.

    Returns:
        where dump and index lie.

    Raises:
        InputError: no Wikipedia has that code, the mirror has no dump of that language and date, its sums do not
            list it, or as `fetch`.
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
            # the sums of `latest` list the files under their dates
            digests = [sums[name] for name in sums if name[len(wiki) + 9 :] == ending]
            if not digests:
                raise InputError(
                    f"{place}: {language}", f"its sums list no {target.name}", "Choose a date whose dump is complete."
                )
            fetch(f"{place}/{target.name}", target, digest=digests[0], manners=manners)
    return DumpFiles(targets[0], targets[1] if multistream else None)


def dump_files(base: str, languages: Iterable[str], day: str, folder: Path) -> dict[str, Path]:
    """The addresses of multistream dumps and their indices, and where each shall lie; arguments as `fetch_dumps`'s."""
    wikis = [f"{DUMP_CODES.get(language, language)}wiki" for language in languages]
    names = [(wiki, f"{wiki}-{day}{ending}") for wiki in wikis for ending in MULTISTREAM]
    return {f"{_dump_place(base, wiki, day)}/{name}": folder / name for wiki, name in names}


def _dump_place(base: str, wiki: str, day: str) -> str:
    return f"{base.rstrip('/')}/{wiki}/{day}"


def _fetch_sums(place: str, stem: str, folder: Path, language: str, manners: Manners) -> dict[str, str]:
    """File name to digest, of a dump's own sums; they are fetched anew each time."""
    for kind in ("sha1sums", "md5sums"):
        name = f"{stem}-{kind}.txt"
        try:
            with scratch_folder(folder) as scratch:  # one that lies in the folder may be of another date
                path = fetch(f"{place}/{name}", scratch / name, manners=manners)
                text = path.read_text(encoding="utf-8", errors="replace")
        except InputError as error:
            if "no such file" not in error.fault:
                raise
            continue
        pairs = [line.split() for line in text.splitlines()]
        return {words[1].lstrip("*"): words[0] for words in pairs if len(words) == 2 and len(words[0]) in _ALGORITHMS}
    raise InputError(
        f"{place}: {language}",
        "the server has no such dump",
        "Choose a language and date that the mirror lists, or another mirror: old dumps are taken away.",
    )


def fetch_dumps(
    base: str, languages: Sequence[str], day: str, folder: Path, *, multistream: bool = True, manners: Manners = MANNERS
) -> Fetched:
    """Fetch the dumps of many languages; one that is missing is told, and the others go on.

    Args:
        base, day, folder, multistream, manners: as `fetch_dump` has them.
        languages: Wikipedias' codes.

    Returns:
        each language's dump, or why it is missing. The index lies beside its dump.
    """
    return _fetch_all(
        languages,
        lambda code: fetch_dump(base, code, day, folder, multistream=multistream, manners=manners).dump,
        manners,
    )


def fetch_pageviews(
    base: str, days: Iterable[date], folder: Path, *, hours: Sequence[int] = range(24), manners: Manners = MANNERS
) -> Fetched:
    """Fetch the hourly page views of some days; one that is missing is told, and the others go on.

    Args:
        base: the mirror's address of page views, such as `PAGEVIEWS`.
        days: the sampled days.
        folder: where the files shall lie.
        hours: of each day, 0..23.
        manners: how the site is asked.

    Returns:
        each file by its name, `pageviews-YYYYMMDD-HH0000.gz`, or why it is missing. The site lists no checksums:
        only lengths are checked here, and reading checks gzip's own.
    """
    places = {path.name: url for url, path in pageview_files(base, days, folder, hours=hours).items()}
    return _fetch_all(list(places), lambda name: fetch(places[name], folder / name, manners=manners), manners)


def pageview_files(
    base: str, days: Iterable[date], folder: Path, *, hours: Sequence[int] = range(24)
) -> dict[str, Path]:
    """The addresses of hourly page views, and where each shall lie; arguments as `fetch_pageviews`'s."""
    names = [(day, f"pageviews-{day:%Y%m%d}-{hour:02}0000.gz") for day in days for hour in hours]
    return {f"{base.rstrip('/')}/{day:%Y}/{day:%Y-%m}/{name}": folder / name for day, name in names}


def _fetch_all(names: Sequence[str], task: Callable[[str], Path], manners: Manners) -> Fetched:
    found: Mapping[str, Path | InputError]
    _STOP.clear()
    failures: list[str] = []  # in a row
    with ThreadPoolExecutor(manners.connections) as threads:
        try:
            found = dict(zip(names, threads.map(lambda name: _attempt(task, name, failures), names), strict=True))
        except BaseException:  # Ctrl-C: what is being fetched need not come to its end first
            _STOP.set()
            raise
    return Fetched(
        {name: path for name, path in found.items() if isinstance(path, Path)},
        {name: error for name, error in found.items() if isinstance(error, InputError)},
    )


def _attempt(task: Callable[[str], Path], name: str, failures: list[str]) -> Path | InputError:
    """The file, or why it is missing; `failures` are the files that could not be reached since one could."""
    if len(failures) >= GIVE_UP:
        fault = f"{', '.join(failures)} could not be reached, one after the other"
        raise UnreachableError(name, fault, "Check the network and run again: it goes on.")
    try:
        found: Path | InputError = task(name)
    except NoRoomError:
        raise
    except UnreachableError as error:
        failures.append(name)
        return error
    except InputError as error:
        found = error
    failures.clear()
    return found

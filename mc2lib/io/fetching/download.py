"""Fetching large files over HTTP: resumes where it stopped, verifies checksums, and spares the site.

A file appears complete or not at all. What has arrived so far is kept next to it as `<name>.mc2lib-part`, with what the
server said about the file (`<name>.mc2lib-part.json`), so a file that changed in between is fetched again from its
start, and two versions are never mixed.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit

import requests
from filelock import FileLock, Timeout

from mc2lib.errors import InputError
from mc2lib.io.files import write_json

CHUNK_BYTES = 1 << 20

#: The ending of an incomplete file; browsers and other tools call theirs .part.
PART = ".mc2lib-part"
#: Answers after which the same request may work later.
PASSING = frozenset((408, 429, 500, 502, 503, 504))
#: Set to end all fetching of this process.
_STOP = threading.Event()
#: Hash functions by the length of their digests in hex.
ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256"}


@dataclass(frozen=True)
class Manners:
    """How a site is asked.

    Args:
        connections: at once, over all processes of this machine; the dumps site allows two.
        attempts: how many tries in a row may bring nothing.
        wait: seconds before the second try, doubled each time.
        longest_wait: seconds, whatever the server asks for.
        timeout: seconds without a byte.
        contact: an address for the operators of the site, who ask for one.
        sleep: waits for some seconds.
    """

    connections: int = 2
    attempts: int = 6
    wait: float = 5.0
    longest_wait: float = 600.0
    timeout: float = 60.0
    contact: str = ""
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    def headers(self) -> dict[str, str]:
        """The headers of a request: who asks, and that the bytes are wanted unencoded."""
        try:
            number = version("mc2lib")
        except PackageNotFoundError:
            number = "0"
        contact = f"; {self.contact}" if self.contact else ""
        agent = f"mc2lib/{number} (metadata of MetaCLIP 2{contact}) python-requests/{version('requests')}"
        return {"User-Agent": agent, "Accept-Encoding": "identity"}


MANNERS = Manners()


class NoRoomError(InputError):
    """The disk has no room for what is to be fetched; no other file would fare better, so all fetching ends."""


class UnreachableError(InputError):
    """Several tries in a row brought nothing of a file: the network or the site may be at fault, not the file."""


#: After this many unreachable files in a row no other is requested: each takes minutes of tries.
GIVE_UP = 4


@dataclass
class Fetched:
    """Files that were fetched, and why others are missing.

    Args:
        files: by the names that were asked for.
        missing: by the names that were asked for.
    """

    files: dict[str, Path] = field(default_factory=dict)
    missing: dict[str, InputError] = field(default_factory=dict)


class _PassingError(Exception):
    """This try failed, but another may succeed, after `wait` seconds if the server said."""

    def __init__(self, fault: str, wait: float | None = None) -> None:
        super().__init__(fault)
        self.wait = wait


def fetch(url: str, target: Path, *, digest: str | None = None, manners: Manners = MANNERS) -> Path:
    """Fetch one file, resuming from what an earlier try left.

    Args:
        url: the file's address, http or https.
        target: where to put it; a file that is there already is taken as it is.
        digest: its MD5, SHA-1 or SHA-256 in hex, recognised by length; None to check only the file's length.
        manners: how the site is asked.

    Returns:
        `target`.

    Raises:
        InputError: the server has no such file or refuses it, the checksum is wrong twice, or several tries in a row
            brought nothing more. What has arrived stays as `.mc2lib-part`.
    """
    if digest is not None and len(digest) not in ALGORITHMS:
        raise InputError(url, f"'{digest}' is not an MD5, SHA-1 or SHA-256 in hex", "Give the digest of the sums file.")
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
                    f"the file at {url} did not have the checksum {digest} of its sums file, twice",
                    "Try later or another mirror: the file there is damaged, or its sums are of another date.",
                )
        except (requests.RequestException, _PassingError) as error:
            failures, wait = (1, manners.wait) if _size(part) > before else (failures + 1, wait)
            if failures >= manners.attempts:
                raise UnreachableError(
                    url, f"{failures} tries in a row failed ({error})", "Check the network, and run again to resume."
                ) from error
            asked = error.wait if isinstance(error, _PassingError) else None
            manners.sleep(min(manners.longest_wait, wait if asked is None else max(asked, 0.0)))
            wait *= 2
    part.replace(target)
    _beside(target, f"{PART}.json").unlink(missing_ok=True)


def _receive(url: str, part: Path, target: Path, manners: Manners) -> None:
    """Make one request for everything after the end of `part`; _PassingError if less arrived."""
    known = _known(target, url)
    have = _size(part)
    headers = manners.headers()
    validator = str(known.get("etag") or known.get("modified") or "")
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with requests.get(url, headers=headers, stream=True, timeout=manners.timeout) as answer:
        if answer.status_code == 416 and have and _total(answer) == have == known.get("total"):
            return  # everything arrived, but the connection broke at the very end
        if answer.status_code == 416:
            _forget(target)
            raise _PassingError("the file has changed", 0.0)
        _refuse(answer, url)
        start = _start(answer, have)
        total = _total(answer)
        etag = answer.headers.get("ETag", "")
        told = {
            "url": url,
            "etag": "" if etag.startswith("W/") else etag,  # a weak tag does not promise identical bytes
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
    """Raise NoRoomError if the disk of a folder has no room for some bytes.

    Args:
        folder: where they go; it need not exist yet.
        wanted: bytes.
        what: they are, for the message.

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
    """Ask the server how many bytes of some files are still to be fetched.

    Args:
        files: by address, where its file goes. Files that are there count nothing, parts of files are subtracted, and
            files whose size the server does not tell count nothing.
        manners: how the site is asked; one request per file.

    Returns:
        Bytes.

    Raises:
        InputError: several requests in a row failed.
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
        raise InputError(url, fault, "Check the network and the address, or use only the files that are in the folder.")
    try:
        with _connection(url, manners):
            answer = requests.head(url, headers=manners.headers(), timeout=manners.timeout, allow_redirects=True)
    except requests.RequestException as error:
        failures.append(type(error).__name__)
        return 0
    failures.clear()
    return (_total(answer) or 0) if answer.status_code == 200 else 0


def _write_body(answer: requests.Response, content: BinaryIO) -> None:
    """Write what arrives, and keep it on disk even if the connection breaks."""
    try:
        while data := _read(answer, content.tell()):
            content.write(data)
            if _STOP.is_set():
                raise InputError(content.name, "stopped", "Run again to resume.")
    except OSError as error:
        raise InputError(content.name, f"cannot be written ({error})", "Free some space and run again.") from error
    finally:
        with contextlib.suppress(OSError):  # a full disk has been reported
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
    """The seconds that a Retry-After header asks for, as a number or as a date."""
    if text.strip().isdigit():
        return float(text)
    try:
        return (email.utils.parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None


def _start(answer: requests.Response, have: int) -> int:
    """Where in the file an answer begins; 0 if it is the whole file."""
    if answer.status_code == 200:
        return 0
    first = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else have


def _total(answer: requests.Response) -> int | None:
    """The length of the whole file, if an answer tells it."""
    if "Content-Range" in answer.headers:
        total = answer.headers["Content-Range"].rpartition("/")[2]
    else:
        total = answer.headers.get("Content-Length", "")
    return int(total) if total.isdigit() else None


def _beside(target: Path, ending: str) -> Path:
    return target.with_name(target.name + ending)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _forget(target: Path) -> None:
    for ending in (PART, f"{PART}.json"):
        _beside(target, ending).unlink(missing_ok=True)


def _known(target: Path, url: str) -> dict[str, str | int]:
    """What the server said about the file when its part was begun; nothing if that was another file or is damaged."""
    try:
        known = json.loads(_beside(target, f"{PART}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and known.get("url") == url else {}


def _digest(path: Path, length: int) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, ALGORITHMS[length]).hexdigest()


@contextlib.contextmanager
def _connection(url: str, manners: Manners) -> Iterator[None]:
    """Hold one of the connections that all processes of this machine together may have to a site."""
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


def fetch_many(names: Sequence[str], task: Callable[[str], Path], manners: Manners) -> Fetched:
    """Fetch many files; one that is missing is reported, and the others are fetched.

    Args:
        names: what to fetch.
        task: fetches one of them.
        manners: how the site is asked.

    Raises:
        NoRoomError: the disk is full.
    """
    found: Mapping[str, Path | InputError]
    _STOP.clear()
    failures: list[str] = []  # in a row
    with ThreadPoolExecutor(manners.connections) as threads:
        try:
            found = dict(zip(names, threads.map(lambda name: _attempt(task, name, failures), names), strict=True))
        except BaseException:  # Ctrl-C: do not wait for the files that are being fetched
            _STOP.set()
            raise
    return Fetched(
        {name: path for name, path in found.items() if isinstance(path, Path)},
        {name: error for name, error in found.items() if isinstance(error, InputError)},
    )


def _attempt(task: Callable[[str], Path], name: str, failures: list[str]) -> Path | InputError:
    """The file, or why it is missing; `failures` are the unreachable files since the last one that was reached."""
    if len(failures) >= GIVE_UP:
        fault = f"{', '.join(failures)} could not be reached in a row"
        raise UnreachableError(name, fault, "Check the network, and run again to resume.")
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

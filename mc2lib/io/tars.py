"""Tar shards read member by member, to the very end: a shard that was cut is an error, not a short shard.

Python's `tarfile` takes a cut header, or none, for the end of an archive, and so do most readers of
webdataset shards. Here an archive ends only at its zero blocks. No member is ever
extracted to disk; links and names that lead out of the archive are counted and passed over.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from mc2lib.errors import InputError
from mc2lib.io.files import atomic

BLOCK = 512
SUFFIXES = (".tar", ".tar.gz", ".tgz")
IMAGES = frozenset(("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"))

#: Bytes of one member that are held in memory; a larger one is counted and passed over.
LARGEST = 1 << 28
#: Bytes of a header that extends another one (long names, PAX records).
LARGEST_HEADER = 1 << 20

_SAMPLE = re.compile(r"((?:.*/)?[^/.]+)\.([^/]+)", re.DOTALL)


@dataclass(frozen=True)
class Member:
    """A regular file in a tar; its content is None unless it was wanted."""

    name: str
    offset: int  # byte of the unpacked tar at which the content begins
    size: int  # bytes
    content: bytes | None


def split_name(name: str) -> tuple[str, str]:
    """A member's sample key and extension, as webdataset splits them: at the first dot of the file name.

    >>> split_name("a.b/0001.Seg.PNG")
    ('a.b/0001', 'seg.png')
    """
    found = _SAMPLE.fullmatch(name)
    return (found[1], found[2].lower()) if found else (name, "")


def read_members(
    path: Path, wanted: Callable[[str], bool], tally: Counter[str] | None = None
) -> Iterator[tuple[str, bytes | None]]:
    """Yield every regular file of a tar in its order: (name, content), content None unless it is wanted.

    Args:
        path: a tar, or a tar in gzip (`SUFFIXES`).
        wanted: says by a member's name whether to read it.
        tally: counts links, unsafe names and too large members under `passed over: …`.

    Raises:
        InputError: the archive is cut, damaged or goes on after its end; the message names the place.
    """
    for member in _open(path, path.name.endswith("gz"), wanted, Counter() if tally is None else tally):
        yield member.name, member.content


def locate_images(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield (key, offset, bytes) of a plain tar's images, for reading them out of order later.

    Raises:
        InputError: the archive is compressed, cut or damaged.
    """
    for member in _open(path, False, lambda name: False, Counter()):
        key, extension = split_name(member.name)
        if extension in IMAGES:
            yield key, member.offset, member.size


def write_images(images: Iterable[tuple[str, bytes]], path: Path) -> None:
    """Write (key, PNG) pairs as one webdataset shard, byte for byte the same from the same images."""
    with atomic(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as shard:
        for key, png in images:
            member = tarfile.TarInfo(f"{key}.png")
            member.size = len(png)
            shard.addfile(member, io.BytesIO(png))


def read_images(path: Path, wanted: Callable[[str], bool] | None = None) -> Iterator[tuple[str, str, bytes]]:
    """Yield (key, extension, bytes) of a tar's images: all, or those whose key is wanted."""

    def is_wanted(name: str) -> bool:
        key, extension = split_name(name)
        return extension in IMAGES and (wanted is None or wanted(key))

    for name, content in read_members(path, is_wanted):
        if content is not None:
            yield *split_name(name), content


def read_shards(paths: Iterable[Path]) -> dict[str, bytes]:
    """All images of some shards, key to encoded bytes; raises what `read_members` raises."""
    return {key: content for path in paths for key, _, content in read_images(path)}


def _open(path: Path, packed: bool, wanted: Callable[[str], bool], tally: Counter[str]) -> Iterator[Member]:
    try:
        with gzip.open(path) if packed else path.open("rb") as archive:
            yield from _walk(cast(IO[bytes], archive), path, wanted, tally)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(str(path), f"cannot be read ({error})", "Fetch the shard again.") from error


def _walk(archive: IO[bytes], path: Path, wanted: Callable[[str], bool], tally: Counter[str]) -> Iterator[Member]:
    offset, long_name, long_size = 0, "", -1
    while True:
        header = archive.read(BLOCK)
        if len(header) < BLOCK:
            raise _cut(path, offset)
        if header.count(0) == BLOCK:
            break
        kind, size = _check(header, path, offset)
        if kind in (b"x", b"g", b"L", b"K"):
            extra = _read_whole(archive, min(size, LARGEST_HEADER + 1), path, offset)
            if size > LARGEST_HEADER:
                raise InputError(f"{path}, byte {offset}", f"a header of {size} bytes", "Fetch the shard again.")
            if kind == b"L":
                long_name = extra.rstrip(b"\0").decode("utf-8", "replace")
            elif kind == b"x":
                long_name, long_size = _read_pax(extra, path, offset)
            offset = _skip(archive, offset, size, size)
            continue
        size = long_size if long_size >= 0 else size
        name, long_name, long_size = long_name or _name(header), "", -1
        read, content = 0, None
        if kind in (b"0", b"\0", b"7"):
            name = name.removeprefix("./")
            if _leads_out(name):
                tally["passed over: unsafe member name"] += 1
            elif wanted(name) and size > LARGEST:
                tally["passed over: too large a member"] += 1
            else:
                if wanted(name):
                    content, read = _read_whole(archive, size, path, offset), size
                yield Member(name, offset + BLOCK, size, content)
        elif kind == b"S":
            raise InputError(f"{path}: {name}", "a sparse member", "Write the shard again as a plain tar.")
        else:
            size = 0 if kind in (b"1", b"2", b"3", b"4", b"5", b"6") else size
            if kind != b"5":
                tally["passed over: link or device"] += 1
        offset = _skip(archive, offset, size, read)
    _check_end(archive, path, offset)


def _read_whole(archive: IO[bytes], size: int, path: Path, offset: int) -> bytes:
    content = archive.read(size)
    if len(content) < size:
        raise _cut(path, offset)
    return content


def _skip(archive: IO[bytes], offset: int, size: int, read: int) -> int:
    """Go on to the next header; a seek past the end shows there."""
    end = -(-size // BLOCK) * BLOCK
    archive.seek(end - read, 1)
    return offset + BLOCK + end


def _cut(path: Path, offset: int) -> InputError:
    return InputError(
        f"{path}, byte {offset}", "the tar is cut here: it has no end-of-archive block", "Fetch the shard again."
    )


def _check_end(archive: IO[bytes], path: Path, offset: int) -> None:
    while rest := archive.read(1 << 16):
        if rest.count(0) != len(rest):
            raise InputError(
                f"{path}, byte {offset}",
                "the tar goes on after its end-of-archive block",
                "Join tars with `tar --concatenate`, or fetch the shard again.",
            )


def _check(header: bytes, path: Path, offset: int) -> tuple[bytes, int]:
    """Kind and size of a member whose header's checksum holds."""
    try:
        wanted = _number(header[148:156])
        size = _number(header[124:136])
    except ValueError:
        wanted, size = -1, -1
    # eight spaces stand for the checksum while it is made; old writers summed signed bytes
    found = sum(header) - sum(header[148:156]) + 8 * 32
    if (wanted != found and wanted != found - 256 * sum(b > 127 for b in header[:148] + header[156:])) or size < 0:
        raise InputError(f"{path}, byte {offset}", "no tar header stands here", "Fetch the shard again.")
    return header[156:157], size


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # GNU's binary numbers, for 8 GB and more
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    return int(field.strip(b" \0") or b"0", 8)


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0", 1)[0]
    if header[257:263] == b"ustar\0" and header[345] != 0:
        name = header[345:500].split(b"\0", 1)[0] + b"/" + name
    return name.decode("utf-8", "replace")


def _read_pax(records: bytes, path: Path, offset: int) -> tuple[str, int]:
    """The name and the size that a PAX header gives the next member, empty and -1 if it gives none."""
    name, size = "", -1
    try:
        while records.strip(b"\0"):
            length = int(records.split(b" ", 1)[0])
            word, value = records[:length].split(b" ", 1)[1].removesuffix(b"\n").split(b"=", 1)
            if word == b"path":
                name = value.decode("utf-8", "replace")
            elif word == b"size":
                size = int(value)
            elif word.startswith(b"GNU.sparse"):
                raise InputError(f"{path}, byte {offset}", "a sparse member", "Write the shard again as a plain tar.")
            if length <= 0:
                raise ValueError("a record of no length")
            records = records[length:]
    except (ValueError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}, byte {offset}", f"a broken PAX header ({error})", "Fetch the shard again."
        ) from error
    return name, size


def _leads_out(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return not name or name.startswith(("/", "\\")) or ".." in parts or "\0" in name or ":" in parts[0][1:2]

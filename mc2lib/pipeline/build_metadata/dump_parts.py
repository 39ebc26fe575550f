"""Parts of a multistream dump, which workers can read independently: where its bz2 streams begin."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from pathlib import Path

from mc2lib.errors import InputError
from mc2lib.pipeline.build_metadata.dumps import Part, read_xml

_STREAM = re.compile(rb"BZh[1-9]1AY&SY")


def split_dump(path: Path, index: Path | None = None, parts: int = 1) -> list[Part]:
    """Split a multistream dump into parts of about the same size, which workers can read independently.

    Args:
        path: a dump, `-multistream.xml.bz2`; a single stream is one part.
        index: its `-multistream-index.txt.bz2`, lines `offset:page id:title`; None to find streams by their first
            bytes, if the name says multistream.
        parts: how many at most.

    Returns:
        Parts in the order of the dump, which cover it without overlap.

    Raises:
        InputError: a file is missing, or the index does not belong to this dump.
    """
    if not path.is_file():
        raise InputError(str(path), "no such dump", "Fetch it, or correct the folder, language or date.")
    size = path.stat().st_size
    aims = [size * number // parts for number in range(1, parts)]
    if index is not None:
        offsets = read_offsets(index, size)
        cuts = [offsets[place] for aim in aims if (place := bisect_left(offsets, aim)) < len(offsets)]
    else:
        cuts = [_next_stream(path, aim) for aim in aims] if "multistream" in path.name else []
    borders = sorted({0, size, *cuts})
    _check_starts(path, borders[:-1], index)
    return [Part(start, stop) for start, stop in itertools.pairwise(borders)]


def _check_starts(path: Path, starts: list[int], index: Path | None) -> None:
    with path.open("rb") as content:
        for start in starts:
            content.seek(start)
            if content.read(3) != b"BZh":
                place = str(path) if index is None or start == 0 else str(index)
                raise InputError(
                    place,
                    f"no bz2 stream begins at byte {start:,} of {path.name}",
                    "Fetch dump and index of the same date.",
                )


def read_offsets(index: Path, size: int) -> list[int]:
    """Read the offsets of the streams that a multistream index lists.

    Args:
        index: a `-multistream-index.txt.bz2`.
        size: bytes of the dump.

    Returns:
        Bytes, distinct and ascending.

    Raises:
        InputError: the index is missing or damaged, a line has no offset, or an offset is beyond the dump.
    """
    offsets: set[int] = set()
    rest = b""
    for chunk in read_xml(index):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        offsets |= _offsets(lines, index)
    offsets |= _offsets([rest], index)
    ordered = sorted(offsets)
    if ordered and ordered[-1] >= size:
        raise InputError(
            str(index),
            f"a stream at byte {ordered[-1]:,} of {size:,}",
            "Fetch dump and index of the same date, complete.",
        )
    return ordered


def _offsets(lines: list[bytes], index: Path) -> set[int]:
    """The distinct offsets of some lines; the lines of a stream are adjacent, so few are converted to numbers."""
    words = {line.partition(b":")[0] for line in lines} - {b""}
    if not all(word.isdigit() for word in words):
        raise InputError(str(index), "a line does not begin with an offset", "It should read `offset:page id:title`.")
    return {int(word) for word in words}


def _next_stream(path: Path, aim: int) -> int:
    """The first byte at or after `aim` at which a bz2 stream begins; the size of the file if there is none."""
    with path.open("rb") as content:
        content.seek(aim)
        place, tail = aim, b""
        while data := content.read(1 << 22):
            match = _STREAM.search(tail + data)
            if match:
                return place - len(tail) + match.start()
            place += len(data)
            tail = (tail + data)[-9:]
    return path.stat().st_size

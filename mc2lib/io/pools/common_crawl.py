"""Common Crawl's WAT files: the images of each page with their alt-texts and titles."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pyarrow as pa
from fastwarc.warc import ArchiveIterator, WarcRecordType

from mc2lib.io.pools.json_fields import read_fields, texts_in
from mc2lib.io.pools.shards import BYTES, Format, Reading, Shard, shard_name
from mc2lib.io.pools.standard_rows import assemble_pairs, mend_surrogates
from mc2lib.io.tars import LARGEST

if TYPE_CHECKING:
    pass


def _find(root: Path, files: Sequence[Path], split: str) -> list[Shard]:
    found = [path for path in files if path.name.endswith((".wat.gz", ".wat"))]
    return [Shard(shard_name(path, root), "wat", (path,)) for path in found]


def _read(reading: Reading) -> Iterator[pa.Table]:
    """Images of Common Crawl's WAT records with their texts, by page and url.

    The file is unpacked by `gzip`, which checks every member's length and sum: FastWARC alone takes a
    cut file for a short one. A file cut exactly between two records cannot be told from a whole one.
    """
    path, tally = reading.shard.paths[0], reading.tally
    rows: list[dict[str, Any]] = []
    size = 0
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.metadata, parse_http=False):
            if record.content_length > LARGEST:  # a page's links are kilobytes; a bomb's are gigabytes
                tally["passed over: too large a record"] += 1
                continue
            content = record.reader.read()
            if len(content) < record.content_length:
                raise EOFError(f"a record of {record.content_length} bytes ends after {len(content)}")
            reading.row += 1
            if b"IMG@/src" not in content:
                continue
            for row in _page_images(record.headers.get("WARC-Target-URI") or "", content, tally):
                rows.append(row)
                size += sum(map(len, row["texts"]))
            if len(rows) >= reading.loose_rows or size >= BYTES:
                yield assemble_pairs(reading, _wat_table(rows))
                rows, size = [], 0
    if rows:
        yield assemble_pairs(reading, _wat_table(rows))


def _wat_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    types = {"url": pa.string(), "page": pa.string(), "texts": pa.list_(pa.string())}
    return pa.table({name: pa.array([row[name] for row in rows], type_) for name, type_ in types.items()})


def _page_images(page: str, content: bytes, tally: Counter[str]) -> Iterator[dict[str, Any]]:
    page = mend_surrogates(page, tally)
    found = read_fields(content, tally)
    for step in ("Envelope", "Payload-Metadata", "HTTP-Response-Metadata", "HTML-Metadata"):
        found = found.get(step) or {}
        if not isinstance(found, dict):
            return
    head, links = found.get("Head"), found.get("Links")
    base = head.get("Base") if isinstance(head, dict) else None
    start = _resolve(page, base) if isinstance(base, str) else page
    for link in links if isinstance(links, list) else []:
        if not isinstance(link, dict) or not str(link.get("path", "")).startswith("IMG@/src"):
            continue
        url = _resolve(start or page, link["url"]) if isinstance(link.get("url"), str) else None
        if url is None:
            tally["rows"] += 1
            tally["dropped: no http url"] += 1
            continue
        yield {"url": mend_surrogates(url, tally), "page": page, "texts": texts_in(link, None, tally)}


def _resolve(page: str, url: str) -> str | None:
    try:
        whole = urljoin(page, url.strip())
    except ValueError:  # such as a bracket where an address of IPv6 would stand
        return None
    return whole if whole.lower().startswith(("http://", "https://")) else None


COMMON_CRAWL = Format("*.wat.gz", _find, _read)

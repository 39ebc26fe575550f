"""Tiny pools in the layouts that the field's tools write, byte for byte by hand."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def jpg(shade: int, size: int = 8) -> bytes:
    """A grey JPEG."""
    out = io.BytesIO()
    Image.new("L", (size, size), shade).save(out, "JPEG")
    return out.getvalue()


def write_tar(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    """A tar of (name, content) in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def sha256(text: str) -> str:
    """The hash that a pool gives for an image, here that of some text."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_img2dataset(root: Path, shard: str, rows: Sequence[Mapping[str, object]], tar: bool = True) -> Path:
    """One shard of img2dataset: tar, Parquet and stats; failed rows stand in the Parquet only."""
    root.mkdir(parents=True, exist_ok=True)
    table = []
    members: list[tuple[str, bytes]] = []
    for number, row in enumerate(rows):
        fields = {
            "url": f"http://a.example/{shard}/{number}.jpg",
            "key": f"{shard}{number:04d}",
            "status": "success",
            "error_message": None,
            "width": 256,
            "height": 256,
            "original_width": 640,
            "original_height": 480,
            "exif": "{}",
            **row,
        }
        fields.setdefault("sha256", sha256(str(fields["url"])))
        table.append(fields)
        if fields["status"] == "success":
            key = fields["key"]
            members.append((f"{key}.jpg", jpg(number)))
            if fields["caption"] is not None:
                members.append((f"{key}.txt", str(fields["caption"]).encode()))
            members.append((f"{key}.json", json.dumps(fields, indent=4).encode()))
    pq.write_table(pa.Table.from_pylist(table), root / f"{shard}.parquet")
    if tar:
        write_tar(root / f"{shard}.tar", members)
    stats = {"count": len(rows), "successes": len(members) // 3, "status_dict": {}}
    (root / f"{shard}_stats.json").write_text(json.dumps(stats))
    return root


def write_commonpool(path: Path, uids: Sequence[str], texts: Sequence[str | None], *, numbered: bool = False) -> Path:
    """One file of CommonPool's metadata; `numbered` images' hashes count up and their urls are short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = len(uids)
    table = pa.table(
        {
            "uid": uids,
            "url": [f"http://b.example/{uid[-4:] if numbered else uid}" for uid in uids],
            "text": pa.array(texts, pa.string()),
            "original_width": pa.array([100 + i for i in range(rows)], pa.int64()),
            "original_height": pa.array([50] * rows, pa.int64()),
            "clip_b32_similarity_score": pa.array([0.2] * rows, pa.float32()),
            "clip_l14_similarity_score": pa.array([0.3] * rows, pa.float32()),
            "face_bboxes": pa.array([[[0.1, 0.1, 0.5, 0.5]] if i % 2 else [] for i in range(rows)]),
            "sha256": [f"{i:064x}" if numbered else sha256(uid) for i, uid in enumerate(uids)],
        }
    )
    pq.write_table(table, path)
    return path


def write_laion(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """One file of LAION's metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = [
        {
            "SAMPLE_ID": 7_000_000_000 + i,
            "URL": f"http://c.example/{i}.png",
            "HEIGHT": 32,
            "WIDTH": 64,
            "LICENSE": "?",
            "LANGUAGE": "sv",
            "NSFW": ("UNLIKELY", "UNSURE", "NSFW", None)[i % 4],
            "similarity": 0.31,
            **row,
        }
        for i, row in enumerate(rows)
    ]
    pq.write_table(pa.Table.from_pylist(whole), path)
    return path


def wat_record(page: str, links: object, head: object = None, kind: str = "metadata") -> bytes:
    """One gzip member of a WAT file."""
    html = {"Head": head if head is not None else {}, "Links": links}
    body = json.dumps({"Envelope": {"Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": html}}}}).encode()
    return wat_member(page, body, kind)


def wat_member(page: str, body: bytes, kind: str = "metadata") -> bytes:
    """One gzip member of a WAT file with any body."""
    header = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {page}\r\nWARC-Date: 2024-05-20T00:00:00Z\r\n"
        "WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000000>\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return gzip.compress(header.encode() + body + b"\r\n\r\n", mtime=0)


def write_wat(path: Path, records: Sequence[bytes]) -> Path:
    """A WAT file: a warcinfo record, then one member a record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wat_member("x.warc.wat.gz", b"Software-Info: by hand", "warcinfo") + b"".join(records))
    return path

"""Webdataset tars: consecutive members of one key are a sample, an image with its text and its JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mc2lib.errors import InputError
from mc2lib.io.pools.json_fields import read_fields, standard_fields, texts_in
from mc2lib.io.pools.shards import BYTES, REMEDY, Format, Reading, Shard, shard_name
from mc2lib.io.pools.standard_rows import MORE_TEXTS, TEXTS, assemble_pairs, decode_text, mend_surrogates
from mc2lib.io.pools.text_fields import find_fields, likely_fields, tell_fields
from mc2lib.io.tars import IMAGES, SUFFIXES, read_members, split_name
from mc2lib.schemas import WEB

if TYPE_CHECKING:
    pass


def find_text(shards: Sequence[Shard]) -> str | None:
    """Where a webdataset's texts stand, if in none of the usual places but in one whose name says so.

    Raises:
        InputError: several names say so.
    """
    for shard in shards:
        try:
            fields = find_fields(shard.paths[0])
        except InputError:  # it is set aside when it is read
            continue
        members = {field.name for field in fields if field.kind == "member"}
        keys = {field.name for field in fields if field.kind == "JSON key"}
        names = likely_fields(fields)
        if "txt" in members or keys & set(TEXTS) or (keys >= set(names) and set(names) <= set(MORE_TEXTS)):
            return None
        if len(names) > 1:
            fault = f"several parts of its samples may hold the texts. {tell_fields(fields, names)}"
            raise InputError(shard.place, fault, f"Choose one: --text {names[0]}.")
        if names:
            return names[0]
    return None


def _find(root: Path, files: Sequence[Path], split: str) -> list[Shard]:
    tars = [path for path in files if path.name.endswith(SUFFIXES)]
    return [Shard(shard_name(path, root), "webdataset", (path,), (path,)) for path in tars]


def read_tar(reading: Reading) -> Iterator[pa.Table]:
    """Samples of a webdataset tar: consecutive members of one key, an image with `.txt` and `.json` beside it."""
    path, tally, text = reading.shard.paths[0], reading.tally, reading.shard.text
    samples: list[dict[str, Any]] = []
    key, held, size = "", dict[str, bytes | None](), 0
    members = read_members(path, lambda name: split_name(name)[1] in ("txt", "json", text), tally)
    for name, content in members:
        found, extension = split_name(name)
        if found != key and held:
            samples += _sample(key, held, text, tally)
            held = {}
            if len(samples) >= reading.loose_rows or size >= BYTES:
                yield _standard_samples(reading, samples)
                samples, size = [], 0
        key = found
        if extension in held:
            raise InputError(f"{path}: {name}", "a member of this name stands here twice", REMEDY)
        held[extension] = content
        size += len(content or b"")
    if held:
        samples += _sample(key, held, text, tally)
    if samples:
        yield _standard_samples(reading, samples)


def _sample(key: str, held: Mapping[str, bytes | None], text: str | None, tally: Counter[str]) -> list[dict[str, Any]]:
    if not IMAGES & held.keys():
        tally["rows"] += 1
        tally["dropped: no image"] += 1
        return []
    fields = read_fields(held.get("json") or b"{}", tally)
    member = text or "txt"
    texts = [decode_text(held[member] or b"", tally)] if member in held else []
    return [
        {
            **standard_fields(fields),
            "key": mend_surrogates(key, tally),
            "texts": list(dict.fromkeys(texts + texts_in(fields, text, tally))),
        }
    ]


def _standard_samples(reading: Reading, samples: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A table of samples that were read one by one; columns that none of them has are left out."""
    types = {**{f.name: f.type for f in WEB}, "key": pa.string(), "texts": pa.list_(pa.string())}
    names = [n for n in samples[0] if n in ("key", "texts") or any(s[n] is not None for s in samples)]
    columns = {name: pa.array([sample[name] for sample in samples], types[name]) for name in names}
    table = assemble_pairs(reading, pa.table(columns), "key")
    reading.row += len(samples)
    return table


WEBDATASET = Format("*.tar", _find, read_tar)

"""Readers: pools as the field writes them, one schema out.

`open_pool` says what a folder holds and lists its shards; `read_batches` reads one shard as tables of
`schemas.WEB`, in bounded memory. Nothing is lost in silence: what cannot be a pair is counted by its
reason, and a shard that was cut or damaged is an error that names the file and the place.
"""

from __future__ import annotations

import gzip
import json
import os
import shlex
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fastwarc.warc import ArchiveIterator, WarcRecordType

from mc2lib.errors import InputError, nearest
from mc2lib.io.pools.text_fields import find_fields, likely_fields, tell_fields
from mc2lib.io.tars import IMAGES, LARGEST, SUFFIXES, read_images, read_members, split_name
from mc2lib.recipe.curation.pair_ids import Met, image_ids, pair_ids
from mc2lib.schemas import POOL, WEB, check

if TYPE_CHECKING:
    import datasets

#: Rows of a batch, and bytes of text at which a batch ends before.
ROWS = 1 << 18
BYTES = 1 << 26
#: Rows of a batch while they are Python's objects, or their bytes are not known before.
LOOSE_ROWS = 1 << 16

#: What a column of WEB is called in the pools, in lower case, the first that is there counts.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "uid": ("uid", "sample_id"),
    "url": ("url", "image_url"),
    "sha256": ("sha256",),
    "width": ("original_width", "width"),
    "height": ("original_height", "height"),
    "similarity": ("similarity", "clip_l14_similarity_score", "clip_b32_similarity_score"),
    "nsfw": ("nsfw", "punsafe"),
    "faces": ("face_bboxes",),
    "source_language": ("language", "lang"),
}
#: Where texts stand: the first that is there, or else all of the alternatives.
TEXTS = ("text", "texts", "caption", "captions", "alt_text")
MORE_TEXTS = ("alt", "title", "data-image-title")
#: Where they stand if there is none of these, and exactly one of those.
RARE_TEXTS = ("prompt", "description")
IMAGE = ("image", "img", "jpg", "png", "webp")
#: Files that `datasets` loads, and what it calls their kind.
LOADABLE = {".parquet": "parquet", ".jsonl": "json", ".csv": "csv"}
NSFW = {"UNLIKELY": 0.0, "UNSURE": 0.5, "NSFW": 1.0}

REMEDY = "Fetch the shard again, or take it out of the pool."
#: What cutting or damaging a file makes the libraries raise.
BROKEN = (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeError)


@dataclass(frozen=True)
class Shard:
    """One part of a pool, read by one worker; it pickles.

    Args:
        name: its path below the pool's root, without suffix; no two shards of a pool share it.
        format: a key of `FORMATS`.
        paths: the files that its rows are read from; none where the `datasets` library finds them.
        images: the tars that may hold its images.
        text: the column with the text, if the usual names do not find it.
        image: the column with the image, likewise.
        dataset: what `datasets.load_dataset` is given, with `split`; the shard is `part` of `parts`.
    """

    name: str
    format: str
    paths: tuple[Path, ...] = ()
    images: tuple[Path, ...] = ()
    text: str | None = None
    image: str | None = None
    dataset: str = ""
    split: str = "train"
    part: int = 0
    parts: int = 1

    @property
    def place(self) -> str:
        """What an error calls the shard."""
        return str(self.paths[0]) if self.paths else f"{self.dataset}, part {self.part} of {self.parts}"


@dataclass(frozen=True)
class PoolSource:
    """A pool: its format, where it lies and its shards, sorted by name."""

    format: str
    root: Path | str
    shards: tuple[Shard, ...]

    @property
    def images(self) -> tuple[Path, ...]:
        """All tars with images, sorted."""
        return tuple(sorted({path for shard in self.shards for path in shard.images}))


@dataclass
class _Reading:
    """One pass over a shard: what was counted and met so far."""

    shard: Shard
    rows: int
    tally: Counter[str]
    images: Met = field(default_factory=Met)
    pairs: Met = field(default_factory=Met)
    row: int = 0

    @property
    def loose_rows(self) -> int:
        """Rows of a batch that are read one by one."""
        return min(self.rows, LOOSE_ROWS)


def open_pool(
    path: Path | str,
    format: str | None = None,
    *,
    text: str | None = None,
    image: str | None = None,
    split: str = "train",
) -> PoolSource:
    """Say which format a pool has and list its shards; of a webdataset's first shard a few samples are read.

    Args:
        path: a folder or one file; with format `datasets` also a name on the Hugging Face hub.
        format: a key of `FORMATS`; without it the first that fits.
        text: where texts stand if not under the usual names: a column, a JSON key, or a member's extension.
        image: the column of a data set that holds its images, likewise.
        split: of a data set that `datasets` loads.

    Raises:
        InputError: there is no such folder, format or data set, nothing in it is known, or several parts of a
            webdataset's samples may hold their texts.
    """
    if format is not None and format not in FORMATS:
        raise InputError("format", f"no pool format '{format}'", nearest(format, FORMATS))
    root = Path(path)
    options = {"text": text, "image": image}
    if not root.exists():
        if format != "datasets":
            raise InputError(str(path), "no such folder", "Check the path; the hub's data sets want format 'datasets'.")
        return PoolSource(format, str(path), _list_parts(str(path), split, options))
    files = _list_files(root)
    for name in [format] if format else FORMATS:
        shards = FORMATS[name].find(root, files, split)
        if shards:
            if name == "webdataset" and text is None:
                options["text"] = _find_text(shards)
            named = [_with_options(shard, options) for shard in shards]
            return PoolSource(name, root, _in_order(named, root))
    looked = FORMATS[format].looks_for if format else "; ".join(f"{n}: {f.looks_for}" for n, f in FORMATS.items())
    remedy = _way_in(root, files) or f"Looked for {looked}."
    raise InputError(str(path), f"no pool is known here among {len(files)} files", remedy)


def _way_in(root: Path, files: Sequence[Path]) -> str:
    """The command that turns images with texts beside them, or a table of another kind, into a pool; or nothing."""
    names = [path.name.lower() for path in files]
    if any(split_name(name)[1].rpartition(".")[2] in IMAGES for name in names):
        tar = f"python -m tarfile -c pool/0.tar {shlex.quote(str(root))}"  # in order of names, wherever Python is
        return f"Images with a .txt or .json file of the same name beside each become a webdataset: mkdir pool && {tar}"
    tables = [path for path, name in zip(files, names, strict=True) if name.endswith((".tsv", ".tsv.gz"))]
    if tables:
        found = json.dumps(str(tables[0]), ensure_ascii=False)
        if len(tables) > 1:
            found = f'pathlib.Path({json.dumps(str(root), ensure_ascii=False)}).rglob("*.tsv*")'
        written = 'pandas.read_csv(path, sep="\\t").to_parquet(f"pool/{number}.parquet")'
        among = f"sorted({found})" if len(tables) > 1 else f"[{found}]"
        code = f"import pandas, pathlib; [{written} for number, path in enumerate({among})]"
        return f"A table of another kind becomes Parquet: mkdir pool && python -c {shlex.quote(code)}"
    if any(name.endswith((".tar.bz2", ".tar.xz", ".tar.zst", ".tbz2", ".txz")) for name in names):
        return "Tars are read as they are or in gzip: unpack these first, with bunzip2, unxz or unzstd."
    if any(name.endswith((".warc", ".warc.gz")) for name in names):
        return "Of a crawl its WAT files are read, which hold the images' addresses and texts: fetch those instead."
    return ""


def _find_text(shards: Sequence[Shard]) -> str | None:
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


def read_shard(shard: Shard, tally: Counter[str] | None = None) -> pa.Table:
    """All pairs of a shard; see `read_batches`, which needs less memory."""
    batches = list(read_batches(shard, tally=tally))
    return pa.concat_tables(batches, promote_options="default") if batches else POOL.empty_table()


def read_batches(shard: Shard, rows: int = ROWS, tally: Counter[str] | None = None) -> Iterator[pa.Table]:
    """Yield a shard's pairs: columns of `schemas.WEB`, POOL's always, the others where the pool has them.

    Args:
        shard: of `open_pool`.
        rows: of the source that are read together; batches are smaller where texts are long.
        tally: counts `rows` read, `more texts` of a row beyond its first, `pairs` given, each
            `dropped: <reason>`, `mended: <what>` and `passed over: <member>` of a tar.
            Rows + more texts = pairs + all that was dropped.

    Raises:
        InputError: the shard is cut, damaged or not of its format.
    """
    reading = _Reading(shard, rows, Counter() if tally is None else tally)
    try:
        yield from FORMATS[shard.format].read(reading)
    except BROKEN as error:
        raise InputError(
            f"{shard.place}, after row {reading.row}", f"cannot be read ({_one_line(error)})", REMEDY
        ) from error


def read_shard_images(shard: Shard, wanted: Callable[[str], bool] | None = None) -> Iterator[tuple[str, str, bytes]]:
    """Yield (key, extension, bytes) of the images of a shard, all or those whose key (POOL's `image`) is wanted.

    Raises:
        InputError: the pool holds no images, or they cannot be read.
    """
    if not holds_images(shard):
        remedy = "Download it with img2dataset as webdataset or parquet; images in files are put into a tar first."
        raise InputError(shard.place, "this pool holds no images", remedy)
    for path in shard.images:
        yield from read_images(path, wanted)
    if not shard.images:
        try:
            yield from _read_column_images(shard, wanted or (lambda key: True))
        except BROKEN as error:
            raise InputError(shard.place, f"its images cannot be read ({_one_line(error)})", REMEDY) from error


def holds_images(shard: Shard) -> bool:
    """Whether a shard's images stand in tars or in a column of it."""
    if shard.images or shard.format in ("datasets", "datasets-saved"):
        return True
    return shard.format == "img2dataset" and bool(_image_columns(shard.paths))


# ---------------------------------------------------------------------- finding


def _list_files(root: Path) -> list[Path]:
    """All files of a pool, hidden ones and half-written ones aside; folders that are links are pools' parts too."""
    if root.is_file():
        return [root]
    found: list[Path] = []
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        seen.add(os.path.realpath(folder))
        kept = (name for name in folders if not name.startswith("."))
        # a link to a folder that holds it would be walked without end
        folders[:] = [name for name in sorted(kept) if os.path.realpath(Path(folder, name)) not in seen]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    for path in found:
        if not str(path).isprintable() and any("\ud800" <= letter <= "\udfff" for letter in str(path)):
            raise InputError(ascii(str(path)), "the file's name is no UTF-8", "Rename it.")
    return sorted(path for path in found if path.is_file())


def _shard_name(path: Path, root: Path) -> str:
    name = path.name if path == root else path.relative_to(root).as_posix()
    suffixes = (*SUFFIXES, ".warc.wat.gz", ".wat.gz", ".warc.wat", ".wat", ".parquet", ".arrow", ".jsonl")
    return next((name.removesuffix(suffix) for suffix in suffixes if name.endswith(suffix)), name)


def _with_options(shard: Shard, options: Mapping[str, str | None]) -> Shard:
    return Shard(**{**shard.__dict__, **{name: value for name, value in options.items() if value}})


def _in_order(shards: Sequence[Shard], root: Path) -> tuple[Shard, ...]:
    counts = Counter(shard.name for shard in shards)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise InputError(str(root), f"two shards are called '{twice[0]}'", "Rename one of them.")
    return tuple(sorted(shards, key=lambda shard: shard.name))


def _schema_of(files: Sequence[Path]) -> pa.Schema:
    """Columns of the first Parquet file that can be read; a broken one speaks when it is read."""
    for path in files:
        if path.suffix == ".parquet":
            try:
                return pq.read_schema(path)
            except BROKEN:
                continue
    return pa.schema([])


def _columns_of(files: Sequence[Path]) -> set[str]:
    """Their names, in lower case."""
    return {name.lower() for name in _schema_of(files).names}


def _image_columns(files: Sequence[Path]) -> list[str]:
    """Those that hold images' bytes, plain or as `datasets` writes them."""
    held = [field for field in _schema_of(files) if pa.types.is_struct(field.type) or _is_bytes(field.type)]
    return [field.name for field in held if field.name.lower() in IMAGE]


def _find_packaged(root: Path, files: Sequence[Path], split: str) -> list[Shard]:
    pairs = [path for path in files if path.name.startswith("pairs-") and path.suffix == ".parquet"]
    if not set(POOL.names) <= _columns_of(pairs):
        return []
    tars = {path: path.parent for path in files if path.name.startswith("images-") and path.suffix == ".tar"}
    return [
        Shard(
            _shard_name(path, root),
            "packaged",
            (path,),
            tuple(t for t, folder in tars.items() if folder == path.parent),
        )
        for path in pairs
    ]


def _find_img2dataset(root: Path, files: Sequence[Path], split: str) -> list[Shard]:
    tables = [path for path in files if path.suffix == ".parquet" and path.stem.isdigit()]
    tars = [path for path in files if path.suffix == ".tar" and path.stem.isdigit()]
    stats = [path for path in files if path.name.endswith("_stats.json")]
    if not {"key", "status", "url"} <= _columns_of(tables) and not (stats and tars):
        return []
    by_name: dict[str, list[Path]] = {}
    for path in tables + tars:  # the table goes before its tar
        by_name.setdefault(_shard_name(path, root), []).append(path)
    return [
        Shard(name, "img2dataset", (found[0],), tuple(path for path in found if path.suffix == ".tar"))
        for name, found in by_name.items()
    ]


def _find_tables(format: str, columns: set[str]) -> Callable[[Path, Sequence[Path], str], list[Shard]]:
    def find(root: Path, files: Sequence[Path], split: str) -> list[Shard]:
        tables = [path for path in files if path.suffix == ".parquet"]
        if not columns <= _columns_of(tables) or _image_columns(tables):  # `datasets` gives the images too
            return []
        return [Shard(_shard_name(path, root), format, (path,)) for path in tables]

    return find


def _find_wat(root: Path, files: Sequence[Path], split: str) -> list[Shard]:
    found = [path for path in files if path.name.endswith((".wat.gz", ".wat"))]
    return [Shard(_shard_name(path, root), "wat", (path,)) for path in found]


def _find_webdataset(root: Path, files: Sequence[Path], split: str) -> list[Shard]:
    tars = [path for path in files if path.name.endswith(SUFFIXES)]
    return [Shard(_shard_name(path, root), "webdataset", (path,), (path,)) for path in tars]


def _find_saved(root: Path, files: Sequence[Path], split: str) -> list[Shard]:
    """Arrow files of `save_to_disk`; of a dictionary of data sets those of one split."""
    states = [path for path in files if path.name == "state.json"]
    if len(states) > 1:
        states = [path for path in states if path.parent.name == split]
    shards = []
    for state in states:
        try:
            listed = json.loads(state.read_text(encoding="utf-8"))["_data_files"]
            arrows = [state.parent / part["filename"] for part in listed]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(str(state), f"no state of a saved data set ({error})", "Save it again.") from error
        shards += [Shard(_shard_name(path, root), "datasets-saved", (path,)) for path in arrows]
    return shards


def _find_loadable(root: Path, files: Sequence[Path], split: str) -> list[Shard]:
    if not any(path.suffix in LOADABLE for path in files):
        return []
    return list(_list_parts(str(root), split, {}))


def _list_parts(name: str, split: str, options: Mapping[str, str | None]) -> tuple[Shard, ...]:
    parts = _load_streaming(name, split).num_shards
    shards = [
        Shard(f"{split}-{part:05d}-of-{parts:05d}", "datasets", dataset=name, split=split, part=part, parts=parts)
        for part in range(parts)
    ]
    return tuple(_with_options(shard, options) for shard in shards)


def _load_streaming(name: str, split: str) -> datasets.IterableDataset:
    import datasets  # 70 MB in every worker, which most pools' readers do not need

    path = Path(name)
    files = [str(p) for p in _list_files(path) if p.suffix in LOADABLE] if path.exists() else []
    try:
        if path.is_file():
            return datasets.load_dataset(LOADABLE[path.suffix], data_files={split: files}, split=split, streaming=True)
        return datasets.load_dataset(name, split=split, streaming=True)
    except Exception as error:  # the library and its network clients raise of every kind
        raise InputError(
            name, f"`datasets` cannot load split '{split}' ({_one_line(error)})", "Check the name and the split."
        ) from error


# ---------------------------------------------------------------------- reading


def _read_packaged(reading: _Reading) -> Iterator[pa.Table]:
    for table in _read_parquet(reading, POOL.names):
        reading.tally["rows"] += len(table)
        repeats = reading.pairs.meet(table["pair_id"].to_numpy().astype(np.uint64))
        table = _drop_repeats(reading, table, repeats)
        table = check(table, POOL, f"{reading.shard.place}, after row {reading.row}")
        for place, name in enumerate(table.column_names):
            if pa.types.is_string(POOL.field(name).type):
                table = table.set_column(place, POOL.field(name), _clean(table[name], reading))
        yield _count(reading, table, 0)


def _read_img2dataset(reading: _Reading) -> Iterator[pa.Table]:
    if reading.shard.paths[0].suffix == ".tar":
        yield from _read_tar(reading)
        return
    for table in _read_parquet(reading):
        done = pc.fill_null(pc.equal(table["status"], "success"), False)
        reading.tally["dropped: not downloaded"] += table.num_rows - (pc.sum(done).as_py() or 0)
        # `width` is that of the resized image, `original_width` what the web had
        yield _standard(reading, table, done, key="key", texts=["caption"])


def _read_table(reading: _Reading) -> Iterator[pa.Table]:
    for table in _read_parquet(reading):
        yield _standard(reading, table)


def _read_parquet(reading: _Reading, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    path = reading.shard.paths[0]
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        names = list(columns or _useful(file.schema_arrow.names, reading.shard))
        missing = set(names) - set(file.schema_arrow.names)
        if missing:
            raise InputError(str(path), f"column '{min(missing)}' is missing", REMEDY)
        batch = min(reading.rows, _rows_within(file))
        for part in file.iter_batches(batch_size=batch, columns=names):
            yield pa.Table.from_batches([part])
            reading.row += part.num_rows


def _useful(names: Sequence[str], shard: Shard) -> list[str]:
    """The columns to read: never the images' bytes."""
    texts = {*TEXTS, *MORE_TEXTS, *RARE_TEXTS}
    known = {name for names in COLUMNS.values() for name in names} | texts | {"key", "status", "id"}
    return [name for name in names if name.lower() in known or name == shard.text]


def _rows_within(file: pq.ParquetFile) -> int:
    """How many rows of the file's longest row group hold `BYTES`.

    All columns count: asked for one column's size, pyarrow ends the process where the footer is damaged.
    """
    groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
    longest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=0)
    return max(1, int(BYTES / max(longest, 1)))


def _read_tar(reading: _Reading) -> Iterator[pa.Table]:
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
    fields = _read_json(held.get("json") or b"{}", tally)
    member = text or "txt"
    texts = [_decode(held[member] or b"", tally)] if member in held else []
    return [
        {
            **_standard_fields(fields),
            "key": _mend(key, tally),
            "texts": list(dict.fromkeys(texts + _texts_of(fields, text, tally))),
        }
    ]


def _read_json(content: bytes, tally: Counter[str]) -> dict[str, Any]:
    try:
        fields = json.loads(content.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        tally["mended: broken json left out"] += 1
        return {}
    return fields


def _texts_of(fields: Mapping[str, Any], key: str | None, tally: Counter[str]) -> list[str]:
    """All texts of a sample's json, under one key or the usual ones: strings, lists of them, or of (name, text)."""
    named = [fields[name] for name in ((key,) if key else TEXTS) if fields.get(name)][:1]
    more = () if key else MORE_TEXTS
    found: dict[str, None] = {}
    for value in named or [fields[name] for name in more if fields.get(name)]:
        for text in value if isinstance(value, list) else [value]:
            text = text[1] if isinstance(text, list) and len(text) == 2 else text
            if isinstance(text, str):
                found[_mend(text, tally)] = None
    return list(found)


def _standard_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    lowered = {name.lower(): value for name, value in fields.items()}
    chosen: dict[str, Any] = {}
    for name, known in COLUMNS.items():
        value = next((lowered[k] for k in known if lowered.get(k) is not None), None)
        if name in ("uid", "url", "sha256", "source_language"):
            chosen[name] = None if value is None else _mend(str(value), Counter())
        elif name in ("width", "height"):
            chosen[name] = int(value) if isinstance(value, int | float) and abs(value) < 1 << 31 else None
        elif name == "nsfw":
            chosen[name] = NSFW.get(value) if isinstance(value, str) else _float(value)
        elif name == "similarity":
            chosen[name] = _float(value)
        elif name == "faces":
            chosen[name] = value if _are_boxes(value) else None
    return chosen


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e30 else None


def _are_boxes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(box, list) and all(_float(edge) is not None for edge in box) for box in value
    )


def _standard_samples(reading: _Reading, samples: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A table of samples that were read one by one; columns that none of them has are left out."""
    types = {**{f.name: f.type for f in WEB}, "key": pa.string(), "texts": pa.list_(pa.string())}
    names = [n for n in samples[0] if n in ("key", "texts") or any(s[n] is not None for s in samples)]
    columns = {name: pa.array([sample[name] for sample in samples], types[name]) for name in names}
    table = _assemble(reading, pa.table(columns), "key")
    reading.row += len(samples)
    return table


def _read_wat(reading: _Reading) -> Iterator[pa.Table]:
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
                yield _assemble(reading, _wat_table(rows))
                rows, size = [], 0
    if rows:
        yield _assemble(reading, _wat_table(rows))


def _wat_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    types = {"url": pa.string(), "page": pa.string(), "texts": pa.list_(pa.string())}
    return pa.table({name: pa.array([row[name] for row in rows], type_) for name, type_ in types.items()})


def _page_images(page: str, content: bytes, tally: Counter[str]) -> Iterator[dict[str, Any]]:
    page = _mend(page, tally)
    found = _read_json(content, tally)
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
        yield {"url": _mend(url, tally), "page": page, "texts": _texts_of(link, None, tally)}


def _resolve(page: str, url: str) -> str | None:
    try:
        whole = urljoin(page, url.strip())
    except ValueError:  # such as a bracket where an address of IPv6 would stand
        return None
    return whole if whole.lower().startswith(("http://", "https://")) else None


def _read_saved(reading: _Reading) -> Iterator[pa.Table]:
    for table in _read_arrow(reading.shard):
        yield _standard_rows(reading, table)
        reading.row += table.num_rows


def _read_arrow(shard: Shard) -> Iterator[pa.Table]:
    """Batches of an Arrow stream that ends with its end mark; without it Arrow reads a cut file as a short one."""
    path = shard.paths[0]
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - 8))
        if file.read() != b"\xff\xff\xff\xff\0\0\0\0":
            raise InputError(str(path), "the Arrow stream is cut: it has no end mark", REMEDY)
    with pa.memory_map(str(path)) as mapped, pa.ipc.open_stream(mapped) as stream:
        for batch in stream:
            yield pa.Table.from_batches([batch])


def _read_dataset(reading: _Reading) -> Iterator[pa.Table]:
    for table in _stream(reading.shard, reading.loose_rows, images=False):
        yield _standard_rows(reading, table)
        reading.row += table.num_rows


def _stream(shard: Shard, rows: int, images: bool) -> Iterator[pa.Table]:
    try:
        streamed = _load_streaming(shard.dataset, shard.split).shard(shard.parts, shard.part)
        names = streamed.column_names
        if names and not images:
            streamed = streamed.select_columns(_useful(names, shard) or names)
        yield from streamed.with_format("arrow").iter(batch_size=rows)
    except (InputError, *BROKEN):
        raise
    except Exception as error:  # the library and its network clients raise of every kind
        raise InputError(shard.place, f"`datasets` cannot read it ({_one_line(error)})", REMEDY) from error


def _row_keys(shard: Shard, start: int, rows: int) -> list[str]:
    """Keys of a data set's rows, which have none of their own: the shard's name and the row."""
    return [f"{shard.name}/{row:09d}" for row in range(start, start + rows)]


def _standard_rows(reading: _Reading, table: pa.Table) -> pa.Table:
    keys = pa.array(_row_keys(reading.shard, reading.row, table.num_rows), pa.string())
    return _standard(reading, table.append_column("__key", keys), key="__key")


def _read_column_images(shard: Shard, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str, bytes]]:
    row = 0
    for table in _image_tables(shard):
        names = [n for n in table.column_names if n == shard.image or (not shard.image and n.lower() in IMAGE)]
        if not names:
            raise InputError(shard.place, "no column holds images", "Name it: open_pool(…, image=…).")
        own = table["key"].to_pylist() if shard.format == "img2dataset" else _row_keys(shard, row, table.num_rows)
        for key, value in zip(own, table[names[0]], strict=True):
            content = _image_bytes(shard, key, value.as_py()) if wanted(key) else None
            if content is not None:
                yield key, extension_of(content), content
        row += table.num_rows


def _image_tables(shard: Shard) -> Iterator[pa.Table]:
    if shard.format == "datasets-saved":
        yield from _read_arrow(shard)
    elif shard.format == "datasets":
        yield from _stream(shard, 256, images=True)
    else:
        yield from _read_parquet(_Reading(shard, LOOSE_ROWS, Counter()), ["key", _image_columns(shard.paths)[0]])


def _image_bytes(shard: Shard, key: str, value: Any) -> bytes | None:
    """An image of a column; where only its path stands there, as in an imagefolder, that file's bytes.

    Raises:
        InputError: the path leads out of the pool: a stranger's table must not choose among this machine's files.
    """
    path = value.get("path") if isinstance(value, dict) else None
    content = value.get("bytes") if isinstance(value, dict) else value
    if content is None and path:
        folder = Path(shard.dataset or shard.paths[0].parent).absolute()
        file = Path(os.path.normpath(folder / path))
        if not file.is_relative_to(folder) or not file.is_file():
            fault = f"of image '{key}' only a path stands here, '{path}', which is no file of the pool"
            raise InputError(shard.place, fault, "Write the data set with `save_to_disk`, which puts the images in.")
        return file.read_bytes()
    return content if isinstance(content, bytes) else None


def extension_of(content: bytes) -> str:
    """The file extension of an encoded image by its first bytes; jpg where they say nothing."""
    known = {b"\x89PNG": "png", b"GIF8": "gif", b"RIFF": "webp", b"BM": "bmp"}
    return next((name for start, name in known.items() if content.startswith(start)), "jpg")


# ---------------------------------------------------------------------- one schema


def _standard(
    reading: _Reading,
    table: pa.Table,
    keep: pa.Array | pa.ChunkedArray | None = None,
    key: str | None = None,
    texts: Sequence[str] | None = None,
) -> pa.Table:
    """Rename, cast and assemble a source's table; rows that are not kept still count as read."""
    lowered = {name.lower(): name for name in reversed(table.column_names)}
    columns: dict[str, Any] = {}
    for name, known in COLUMNS.items():
        source = next((lowered[k] for k in known if k in lowered), None)
        if source is not None:
            columns[name] = _cast(table[source], name, reading)
    if key is not None:
        columns["key"] = _cast(table[key], "key", reading)
    columns["texts"] = _gather_texts(reading, table, texts, lowered)
    if "id" in lowered and "uid" not in columns:
        columns["uid"] = _cast(table[lowered["id"]], "uid", reading)
    rows = pa.table(columns)
    unique = {"commonpool": "uid", "laion": "uid", "img2dataset": "key"}.get(reading.shard.format, "")
    if keep is not None:
        reading.tally["rows"] += int(rows.num_rows - (pc.sum(keep).as_py() or 0))
        rows = rows.filter(keep)
    return _assemble(reading, rows, unique)


def _gather_texts(
    reading: _Reading, table: pa.Table, texts: Sequence[str] | None, lowered: Mapping[str, str]
) -> pa.ChunkedArray | pa.Array:
    """The text column, or lists where several columns hold texts."""
    if reading.shard.text:
        names = [reading.shard.text]
    elif texts:
        names = list(texts)
    else:
        names = [lowered[name] for name in TEXTS if name in lowered][:1]
        names = names or [lowered[name] for name in MORE_TEXTS if name in lowered]
        rare = [lowered[name] for name in RARE_TEXTS if name in lowered]
        if not names and len(rare) > 1:
            raise InputError(
                reading.shard.place,
                f"both '{rare[0]}' and '{rare[1]}' may hold texts",
                f"Choose one: --text {rare[0]}.",
            )
        names = names or rare
    missing = [name for name in names if name not in table.column_names]
    if missing or not names:
        columns = ", ".join(name for name in table.column_names if name != "__key")
        raise InputError(
            reading.shard.place,
            f"no column '{missing[0]}'" if missing else "no column holds texts",
            f"Name it: --text NAME, or open_pool(…, text=…). There are {columns}.",
        )
    if len(names) == 1:
        return _clean(table[names[0]], reading)
    listed = [_clean(table[name], reading).to_pylist() for name in names]
    return pa.array([list(row) for row in zip(*listed, strict=True)], pa.list_(pa.string()))


def _cast(column: pa.ChunkedArray, name: str, reading: _Reading) -> pa.ChunkedArray | pa.Array:
    """A source's column in the type that WEB gives it; InputError if it cannot be that."""
    wanted = pa.string() if name == "key" else WEB.field(name).type
    try:
        if name in ("nsfw", "similarity") and not pa.types.is_floating(column.type):
            return pa.array([NSFW.get(v) if isinstance(v, str) else v for v in column.to_pylist()], wanted)
        if pa.types.is_integer(wanted):  # one row's odd number is no reason to lose the shard
            number = column.cast(pa.float64())
            fits = pc.less(pc.abs(number), 2.0**31)
            return pc.if_else(fits, pc.trunc(number), pa.scalar(None, pa.float64())).cast(wanted)
        if pa.types.is_string(wanted):
            if pa.types.is_floating(column.type):  # LAION's SAMPLE_ID in some releases, NaN where there is none
                column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type)).cast(pa.int64())
            return _clean(column, reading)
        return column.cast(wanted)
    except pa.ArrowException as error:
        raise InputError(
            f"{reading.shard.place}, after row {reading.row}", f"column for '{name}' ({_one_line(error)})", REMEDY
        ) from error


def _clean(column: pa.ChunkedArray, reading: _Reading) -> pa.ChunkedArray | pa.Array:
    """Strings, or lists of them, with every byte of invalid UTF-8 replaced."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        values = _clean(pa.chunked_array([whole.flatten()]), reading)
        lengths = pc.fill_null(pc.list_value_length(whole), 0).to_numpy(zero_copy_only=False)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        return pa.ListArray.from_arrays(offsets, values if isinstance(values, pa.Array) else values.combine_chunks())
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or _is_bytes(column.type)):
        return column.cast(pa.string())
    try:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            return column.cast(pa.binary()).cast(pa.string())  # the cast from bytes checks them
        return column.cast(pa.large_binary()).cast(pa.large_string()).cast(pa.string())
    except pa.ArrowInvalid:
        raw = column.cast(pa.large_binary())
        return pa.array([None if v is None else _decode(v, reading.tally) for v in raw.to_pylist()], pa.string())


def _is_bytes(type_: pa.DataType) -> bool:
    return bool(pa.types.is_binary(type_) or pa.types.is_large_binary(type_))


def _decode(content: bytes, tally: Counter[str]) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        tally["mended: invalid UTF-8"] += 1
        return content.decode("utf-8", "replace")


def _mend(text: str, tally: Counter[str]) -> str:
    """`text` with pairs of surrogates joined and lone ones replaced: JSON can spell what UTF-8 cannot."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        tally["mended: lone surrogate"] += 1
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _assemble(reading: _Reading, rows: pa.Table, unique: str = "") -> pa.Table:
    """Pairs of rows: ids, one row a text, empty texts and pairs that were met before left out.

    Args:
        rows: `texts` (strings or lists of them), some of uid, url and key, other columns of WEB.
        unique: which of uid and key the format promises to stand once in a shard, if any; a later row is left out.
    """
    tally = reading.tally
    total = rows.num_rows
    tally["rows"] += total
    names = {name: rows[name] for name in ("uid", "url", "key") if name in rows.column_names}
    if not names:
        raise InputError(reading.shard.place, "no column names the images", "A pool needs uid, url or key.")
    # tars may begin their keys anew: without another name, an image is told from others by its tar too
    place = pa.scalar(f"{reading.shard.name}/")
    better = {"sha256": rows["sha256"]} if "sha256" in rows.column_names else {}
    if "key" in names:
        better["key"] = pc.binary_join_element_wise(place, names["key"], "")
    ids, named = image_ids(names | better)
    image = pc.coalesce(*(names[name] for name in ("key", "uid", "url") if name in names))
    rows = rows.append_column("image_id", pa.array(ids)).append_column("image", image)
    tally["dropped: no id"] += int(total - named.sum())
    rows = rows.filter(pa.array(named))
    if unique in names:
        own, has = image_ids({unique: rows[unique]})
        repeats = np.zeros(len(rows), bool)
        repeats[has] = reading.images.meet(own[has])
        rows = _drop_repeats(reading, rows, repeats)
    rows = _one_text_a_row(rows, tally)
    rows = rows.append_column("pair_id", pa.array(pair_ids(rows["image_id"].to_numpy(), rows["alt_text"])))
    again = reading.pairs.meet(rows["pair_id"].to_numpy())
    tally["dropped: same pair again"] += int(again.sum())
    rows = rows.filter(pa.array(~again)).append_column("language", pa.nulls(int((~again).sum()), pa.string()))
    fields = [f for f in WEB if f.name in rows.column_names]
    return _count(reading, rows.select([f.name for f in fields]).cast(pa.schema(fields)), 0)


def _one_text_a_row(rows: pa.Table, tally: Counter[str]) -> pa.Table:
    texts = rows["texts"].combine_chunks()
    others = rows.drop_columns(["texts"])
    if pa.types.is_list(texts.type):
        lengths = pc.fill_null(pc.list_value_length(texts), 0).to_numpy(zero_copy_only=False)
        tally["dropped: no text"] += int((lengths == 0).sum())
        tally["more texts"] += int(np.maximum(lengths - 1, 0).sum())
        others = others.take(pa.array(np.repeat(np.arange(len(texts)), lengths)))
        texts = texts.flatten()
    full = pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0)
    tally["dropped: no text"] += texts.null_count
    tally["dropped: empty text"] += int(pc.sum(pc.invert(full)).as_py() or 0)
    return others.append_column("alt_text", texts).filter(pc.fill_null(full, False))


def _drop_repeats(reading: _Reading, rows: pa.Table, repeats: np.ndarray) -> pa.Table:
    """Leave out rows whose id an earlier row of the shard has: one row is no reason to lose the others."""
    reading.tally["dropped: id of an earlier row"] += int(repeats.sum())
    return rows.filter(pa.array(~repeats)) if repeats.any() else rows


def _count(reading: _Reading, table: pa.Table, rows: int) -> pa.Table:
    reading.tally["rows"] += rows
    reading.tally["pairs"] += table.num_rows
    return table


def _one_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


@dataclass(frozen=True)
class Format:
    """How a format is recognised, found and read."""

    looks_for: str
    find: Callable[[Path, Sequence[Path], str], list[Shard]]
    read: Callable[[_Reading], Iterator[pa.Table]]


#: The formats in the order in which they are tried.
FORMATS: Mapping[str, Format] = {
    "packaged": Format("pairs-*.parquet with pair_id", _find_packaged, _read_packaged),
    "img2dataset": Format(
        "00000.parquet with key and status, or 00000_stats.json", _find_img2dataset, _read_img2dataset
    ),
    "commonpool": Format(
        "Parquet with uid, url, text and no images", _find_tables("commonpool", {"uid", "url", "text"}), _read_table
    ),
    "laion": Format("Parquet with URL, TEXT and no images", _find_tables("laion", {"url", "text"}), _read_table),
    "wat": Format("*.wat.gz", _find_wat, _read_wat),
    "datasets-saved": Format("state.json of save_to_disk", _find_saved, _read_saved),
    "webdataset": Format("*.tar", _find_webdataset, _read_tar),
    "datasets": Format("Parquet, JSON lines or CSV that `datasets` loads", _find_loadable, _read_dataset),
}

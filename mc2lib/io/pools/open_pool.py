"""Opening a pool of any format: `open_pool` says what a folder holds and lists its shards; `read_batches` reads one.

`read_batches` gives tables of `schemas.WEB` in bounded memory. Nothing is lost in silence: what cannot be a pair is
counted by its reason, and a shard that was cut or damaged is an error that names the file and the place.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from mc2lib.errors import InputError, nearest
from mc2lib.io.pools.common_crawl import COMMON_CRAWL
from mc2lib.io.pools.hugging_face import LOADED, SAVED, list_parts, read_column_images
from mc2lib.io.pools.img2dataset import IMG2DATASET
from mc2lib.io.pools.parquet_tables import COMMONPOOL, LAION, PACKAGED
from mc2lib.io.pools.shards import (
    BROKEN,
    REMEDY,
    ROWS,
    Format,
    PoolSource,
    Reading,
    Shard,
    first_line,
    image_columns,
    in_order,
    list_files,
    with_options,
)
from mc2lib.io.pools.webdataset import WEBDATASET, find_text
from mc2lib.io.tars import IMAGES, read_images, split_name
from mc2lib.schemas import POOL


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
        return PoolSource(format, str(path), list_parts(str(path), split, options))
    files = list_files(root)
    for name in [format] if format else FORMATS:
        shards = FORMATS[name].find(root, files, split)
        if shards:
            if name == "webdataset" and text is None:
                options["text"] = find_text(shards)
            named = [with_options(shard, options) for shard in shards]
            return PoolSource(name, root, in_order(named, root))
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
    reading = Reading(shard, rows, Counter() if tally is None else tally)
    try:
        yield from FORMATS[shard.format].read(reading)
    except BROKEN as error:
        raise InputError(
            f"{shard.place}, after row {reading.row}", f"cannot be read ({first_line(error)})", REMEDY
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
            yield from read_column_images(shard, wanted or (lambda key: True))
        except BROKEN as error:
            raise InputError(shard.place, f"its images cannot be read ({first_line(error)})", REMEDY) from error


def holds_images(shard: Shard) -> bool:
    """Whether a shard's images stand in tars or in a column of it."""
    if shard.images or shard.format in ("datasets", "datasets-saved"):
        return True
    return shard.format == "img2dataset" and bool(image_columns(shard.paths))


#: The formats by name, in the order in which they are tried.
FORMATS: Mapping[str, Format] = {
    "packaged": PACKAGED,
    "img2dataset": IMG2DATASET,
    "commonpool": COMMONPOOL,
    "laion": LAION,
    "wat": COMMON_CRAWL,
    "datasets-saved": SAVED,
    "webdataset": WEBDATASET,
    "datasets": LOADED,
}

"""One schema: the columns, JSON fields and texts of any pool as the pairs of `schemas.WEB`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.errors import InputError
from mc2lib.io.pools.shards import REMEDY, Reading, first_line, is_binary
from mc2lib.recipe.curation.pair_ids import image_ids, pair_ids
from mc2lib.schemas import WEB

if TYPE_CHECKING:
    pass

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
NSFW = {"UNLIKELY": 0.0, "UNSURE": 0.5, "NSFW": 1.0}


def standard_rows(
    reading: Reading,
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
    return assemble_pairs(reading, rows, unique)


def _gather_texts(
    reading: Reading, table: pa.Table, texts: Sequence[str] | None, lowered: Mapping[str, str]
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
        return clean_strings(table[names[0]], reading)
    listed = [clean_strings(table[name], reading).to_pylist() for name in names]
    return pa.array([list(row) for row in zip(*listed, strict=True)], pa.list_(pa.string()))


def _cast(column: pa.ChunkedArray, name: str, reading: Reading) -> pa.ChunkedArray | pa.Array:
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
            return clean_strings(column, reading)
        return column.cast(wanted)
    except pa.ArrowException as error:
        raise InputError(
            f"{reading.shard.place}, after row {reading.row}", f"column for '{name}' ({first_line(error)})", REMEDY
        ) from error


def clean_strings(column: pa.ChunkedArray, reading: Reading) -> pa.ChunkedArray | pa.Array:
    """Strings, or lists of them, with every byte of invalid UTF-8 replaced."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        values = clean_strings(pa.chunked_array([whole.flatten()]), reading)
        lengths = pc.fill_null(pc.list_value_length(whole), 0).to_numpy(zero_copy_only=False)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        return pa.ListArray.from_arrays(offsets, values if isinstance(values, pa.Array) else values.combine_chunks())
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or is_binary(column.type)):
        return column.cast(pa.string())
    try:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            return column.cast(pa.binary()).cast(pa.string())  # the cast from bytes checks them
        return column.cast(pa.large_binary()).cast(pa.large_string()).cast(pa.string())
    except pa.ArrowInvalid:
        raw = column.cast(pa.large_binary())
        return pa.array([None if v is None else decode_text(v, reading.tally) for v in raw.to_pylist()], pa.string())


def decode_text(content: bytes, tally: Counter[str]) -> str:
    """Bytes as UTF-8; invalid ones are replaced, and counted."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        tally["mended: invalid UTF-8"] += 1
        return content.decode("utf-8", "replace")


def mend_surrogates(text: str, tally: Counter[str]) -> str:
    """`text` with pairs of surrogates joined and lone ones replaced: JSON can spell what UTF-8 cannot."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        tally["mended: lone surrogate"] += 1
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def assemble_pairs(reading: Reading, rows: pa.Table, unique: str = "") -> pa.Table:
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
        rows = drop_repeated_rows(reading, rows, repeats)
    rows = _one_text_a_row(rows, tally)
    rows = rows.append_column("pair_id", pa.array(pair_ids(rows["image_id"].to_numpy(), rows["alt_text"])))
    again = reading.pairs.meet(rows["pair_id"].to_numpy())
    tally["dropped: same pair again"] += int(again.sum())
    rows = rows.filter(pa.array(~again)).append_column("language", pa.nulls(int((~again).sum()), pa.string()))
    fields = [f for f in WEB if f.name in rows.column_names]
    return count_pairs(reading, rows.select([f.name for f in fields]).cast(pa.schema(fields)), 0)


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


def drop_repeated_rows(reading: Reading, rows: pa.Table, repeats: np.ndarray) -> pa.Table:
    """Leave out rows whose id an earlier row of the shard has: one row is no reason to lose the others."""
    reading.tally["dropped: id of an earlier row"] += int(repeats.sum())
    return rows.filter(pa.array(~repeats)) if repeats.any() else rows


def count_pairs(reading: Reading, table: pa.Table, rows: int) -> pa.Table:
    """Count the rows that were read and the pairs that came of them; returns the pairs."""
    reading.tally["rows"] += rows
    reading.tally["pairs"] += table.num_rows
    return table

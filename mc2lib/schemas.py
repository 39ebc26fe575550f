"""The Arrow schemas that stages hand each other.

Every table on disk is Parquet in one of these shapes; `check` holds a table to its shape
before a stage reads on.
"""

from __future__ import annotations

import pyarrow as pa

from mc2lib.errors import InputError

#: One (image occurrence, alt-text) pair as crawled. `pair_id` is stable across runs and shards.
#: `image_id` is the occurrence (several alt-texts may share it), `image` the key in the shards,
#: `language` the declared metadata language, null where only LID can tell.
POOL = pa.schema(
    [
        pa.field("pair_id", pa.uint64(), nullable=False),
        pa.field("image_id", pa.uint64(), nullable=False),
        pa.field("image", pa.string(), nullable=False),
        pa.field("alt_text", pa.string(), nullable=False),
        pa.field("language", pa.string()),
    ]
)

#: Pairs of a real pool: POOL's columns, then whichever of the others the pool has. `image` is the key in
#: the pool's tars, or the url where the pool holds no images.
WEB = pa.schema(
    [
        *POOL,
        pa.field("uid", pa.string()),  # the pool's own id of the image: CommonPool's uid, LAION's SAMPLE_ID
        pa.field("url", pa.string()),
        pa.field("page", pa.string()),  # where Common Crawl found the image
        pa.field("sha256", pa.string()),  # of the image's bytes, in hex
        pa.field("width", pa.int32()),  # pixels, as crawled
        pa.field("height", pa.int32()),
        pa.field("similarity", pa.float32()),  # of image and text, by the pool's own CLIP
        pa.field("nsfw", pa.float32()),  # 0 safe to 1 not; LAION's UNLIKELY, UNSURE, NSFW are 0, 0.5, 1
        pa.field("faces", pa.list_(pa.list_(pa.float64()))),  # boxes x0, y0, x1, y1 as shares of the image
        pa.field("source_language", pa.string()),  # what the pool says; nothing here relies on it
    ]
)

#: What the packaged pool knows about each pair and curation must never read.
TRUTH = pa.schema(
    [
        pa.field("pair_id", pa.uint64(), nullable=False),
        pa.field("concept", pa.string(), nullable=False),
        pa.field("style", pa.string(), nullable=False),
        pa.field("form", pa.string(), nullable=False),
        pa.field("noise", pa.string(), nullable=False),  # "none" or a kind of pool.mixes
    ]
)

#: One drawing: a rendered image of a concept in a style. `split` is train, test or unused;
#: `png` is RGBA.
DRAWINGS = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),  # "<style>/<concept>"
        pa.field("concept", pa.string(), nullable=False),
        pa.field("style", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("png", pa.binary(), nullable=False),
    ]
)

#: The evaluation images of one pool draw. `seen` is whether the concept was trained on.
EVALUATION_IMAGES = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("concept", pa.string(), nullable=False),
        pa.field("style", pa.string(), nullable=False),
        pa.field("seen", pa.bool_(), nullable=False),
        pa.field("png", pa.binary(), nullable=False),
    ]
)

#: The evaluation texts: per concept and language the class name, a caption for retrieval, and how many pairs of the
#: raw pool show the concept in that language.
EVALUATION_TEXTS = pa.schema(
    [
        pa.field("concept", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("seen", pa.bool_(), nullable=False),
        pa.field("pool_pairs", pa.int64(), nullable=False),
    ]
)

#: What an arm measured concept by concept: the mean of a measure over the concept's test drawings, for each seen
#: concept that has some. `world_` measures are means over the languages but English.
CONCEPT_MEASURES = pa.schema(
    [
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("measure", pa.string(), nullable=False),
        pa.field("concept", pa.string(), nullable=False),
        pa.field("drawings", pa.int64(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
    ]
)

#: One language's metadata; row order is entry id. `rank` is 0-based within `source`.
METADATA = pa.schema(
    [
        pa.field("entry", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # wordnet, unigram, bigram, title, number
        pa.field("rank", pa.int32(), nullable=False),
    ]
)

#: Per pair the language used and the distinct entries of that language's metadata it contains.
MATCHES = pa.schema(
    [
        pa.field("pair_id", pa.uint64(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("entries", pa.list_(pa.int32()), nullable=False),
    ]
)

#: A curated pair, ready to train on.
CURATED = pa.schema(
    [
        pa.field("pair_id", pa.uint64(), nullable=False),
        pa.field("image", pa.string(), nullable=False),
        pa.field("alt_text", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("keep_probability", pa.float64(), nullable=False),
    ]
)


def check(table: pa.Table, schema: pa.Schema, place: str) -> pa.Table:
    """Return `table` with exactly the columns of `schema`, in its order.

    Args:
        table: any Arrow table.
        schema: one of this module's schemas.
        place: the file the table came from, for the error.

    Raises:
        InputError: a column is missing, has another type, or holds nulls it must not.
    """
    for field in schema:
        if field.name not in table.column_names:
            raise InputError(place, f"column '{field.name}' is missing", "Write it, or make the file again.")
        column = table.column(field.name)
        if not _same_type(column.type, field.type):
            raise InputError(
                place,
                f"column '{field.name}' is {column.type}, not {field.type}",
                "Cast it, or make the file again.",
            )
        if not field.nullable and column.null_count:
            raise InputError(place, f"column '{field.name}' has {column.null_count} nulls", "Fill or drop those rows.")
    return table.select(schema.names).cast(schema)


def _same_type(found: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_list(found) and pa.types.is_list(wanted):
        return bool(found.value_type == wanted.value_type)
    if pa.types.is_large_string(found) and pa.types.is_string(wanted):
        return True
    return bool(found == wanted)

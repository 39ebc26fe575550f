import pyarrow as pa
import pytest

from mc2lib.errors import InputError
from mc2lib.schemas import MATCHES, POOL, check

ROW = {"pair_id": [1], "image_id": [2], "image": ["a"], "alt_text": ["b"], "language": ["en"]}


def pool(**changed: pa.Array) -> pa.Table:
    """A one-row pool with some columns replaced."""
    table = pa.table(ROW, schema=POOL)
    for name, column in changed.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def test_columns_come_out_in_the_schemas_order_and_others_are_dropped() -> None:
    table = (
        pool()
        .append_column("more", pa.array([1]))
        .select(["more", "language", "alt_text", "image", "image_id", "pair_id"])
    )
    assert check(table, POOL, "here").schema.equals(POOL)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InputError, match=r"pool.parquet: column 'alt_text' is missing"):
        check(pool().drop_columns("alt_text"), POOL, "pool.parquet")


def test_another_type_is_refused() -> None:
    with pytest.raises(InputError, match=r"column 'pair_id' is int64, not uint64"):
        check(pool(pair_id=pa.array([1])), POOL, "here")


def test_nulls_are_refused_where_they_must_not_be() -> None:
    with pytest.raises(InputError, match=r"column 'image' has 1 nulls"):
        check(pool(image=pa.array([None], pa.string())), POOL, "here")
    assert check(pool(language=pa.array([None], pa.string())), POOL, "here")["language"].null_count == 1


def test_large_strings_and_list_items_of_other_names_fit() -> None:
    assert check(pool(image=pa.array(["a"], pa.large_string())), POOL, "here").schema.equals(POOL)
    lists = pa.array([[1, 2]], pa.list_(pa.field("element", pa.int32())))
    table = pa.table({"pair_id": pa.array([1], pa.uint64()), "language": ["en"], "entries": lists})
    assert check(table, MATCHES, "here")["entries"].to_pylist() == [[1, 2]]

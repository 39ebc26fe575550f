import hashlib
from collections import namedtuple
from pathlib import Path

import pyarrow as pa
import pytest

from mc2lib.errors import InputError
from mc2lib.io.files import (
    MARKER,
    atomic,
    digest,
    file_digest,
    read_json,
    read_table,
    require_space,
    write_json,
    write_table,
)
from mc2lib.schemas import METADATA

ENTRIES = pa.table({"entry": ["a", "b"], "source": ["title", "title"], "rank": [0, 1]}, schema=METADATA)


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with atomic(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half" and [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic(path) as temporary:
        temporary.write_text("new")
        raise ZeroDivisionError
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_tables_come_back(tmp_path: Path) -> None:
    write_table(ENTRIES, tmp_path / "t.parquet", METADATA)
    assert read_table(tmp_path / "t.parquet", METADATA).equals(ENTRIES)
    assert read_table(tmp_path / "t.parquet", columns=["entry"]).column_names == ["entry"]


def test_the_same_table_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_table(ENTRIES, tmp_path / name, METADATA)
    assert file_digest(tmp_path / "a") == file_digest(tmp_path / "b")


def test_a_table_of_another_shape_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="column 'rank' is missing"):
        write_table(ENTRIES.drop_columns("rank"), tmp_path / "t.parquet", METADATA)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keep", [0, 3, 100, -1])
def test_a_truncated_table_is_refused_by_name(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "t.parquet"
    write_table(ENTRIES, path, METADATA)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"t.parquet: not a whole Parquet file .* Delete it and run `dvc repro`"):
        read_table(path)


def test_a_missing_table_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file. Run `dvc repro`"):
        read_table(tmp_path / "t.parquet")


def test_json_comes_back_and_is_the_same_whatever_the_order(tmp_path: Path) -> None:
    write_json({"b": 1, "a": "ğ"}, tmp_path / "a.json")
    write_json({"a": "ğ", "b": 1}, tmp_path / "b.json")
    assert read_json(tmp_path / "a.json") == {"a": "ğ", "b": 1}
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_broken_json_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(InputError, match=r"a.json: not JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "b.json")


def test_digests(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})


def test_too_little_disk_is_said_before_work_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")(10**10, 9 * 10**9, 10**9)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    require_space(tmp_path, 10**9)
    with pytest.raises(InputError, match=r"1.0 GB free on this disk, 2.0 GB needed"):
        require_space(tmp_path, 2 * 10**9)


def test_the_remedy_for_a_persons_own_output_is_the_command_that_wrote_it(tmp_path: Path) -> None:
    (tmp_path / "out" / "balance").mkdir(parents=True)
    (tmp_path / "out" / MARKER).write_text("{}")
    (tmp_path / "out" / "balance" / "keep.json").write_text("{")
    for read, name in ((read_json, "balance/keep.json"), (read_json, "report.json"), (read_table, "a.parquet")):
        with pytest.raises(InputError, match=r"run the command that wrote .*out again") as told:
            read(tmp_path / "out" / name)
        assert "dvc" not in str(told.value)

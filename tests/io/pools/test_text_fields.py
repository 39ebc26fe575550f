"""Texts that stand in unusual places of a webdataset are found, asked for, or named: none is dropped in silence."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mc2lib.commands.command_line import main
from mc2lib.errors import InputError
from mc2lib.io.pools.open_pool import open_pool, read_shard
from mc2lib.io.pools.text_fields import TextField, find_fields
from mc2lib.schemas import METADATA
from tests.pools import jpg, write_tar

Members = list[tuple[str, bytes]]


def tar_of(folder: Path, *beside: tuple[str, bytes | dict[str, object]], rows: int = 3) -> Path:
    """A webdataset of some samples: an image, and beside it members by extension; a dict becomes JSON."""
    members: Members = []
    for row in range(rows):
        members.append((f"{row}.jpg", jpg(row)))
        for extension, content in beside:
            held = json.dumps(content).encode() if isinstance(content, dict) else content
            members.append((f"{row}.{extension}", held.replace(b"#", str(row).encode())))
    write_tar(folder / "0.tar", members)
    return folder


def texts_of(folder: Path, text: str | None = None) -> list[str]:
    return read_shard(open_pool(folder, text=text).shards[0])["alt_text"].to_pylist()


CATS = ["a red cat 0", "a red cat 1", "a red cat 2"]


@pytest.mark.parametrize("name", ["caption", "text", "alt", "prompt", "description", "title"])
def test_a_common_name_is_found_by_itself(tmp_path: Path, name: str) -> None:
    assert texts_of(tar_of(tmp_path / "member", (name, b"a red cat #"), ("cls", b"7"))) == CATS
    assert texts_of(tar_of(tmp_path / "key", ("json", {name: "a red cat #", "seed": "7"}))) == CATS


def test_the_usual_places_come_first(tmp_path: Path) -> None:
    beside = [("prompt", b"other"), ("json", {"description": "another"})]
    assert texts_of(tar_of(tmp_path / "txt", ("txt", b"a red cat #"), *beside)) == CATS
    assert texts_of(tar_of(tmp_path / "key", beside[0], ("json", {"caption": "a red cat #"}))) == CATS
    both = tar_of(tmp_path / "both", ("json", {"alt": "a red cat", "title": "a dog"}), rows=1)
    assert texts_of(both) == ["a red cat", "a dog"]


def test_of_several_common_names_one_is_asked_for(tmp_path: Path) -> None:
    folder = tar_of(tmp_path, ("caption", b"a red cat #"), ("json", {"prompt": "photo of a cat, 4k", "id": "1"}))
    with pytest.raises(InputError) as caught:
        open_pool(folder)
    said = str(caught.value)
    assert "0.tar: several parts of its samples may hold the texts" in said and "--text caption" in said
    assert ".caption (member, such as 'a red cat 0')" in said and "prompt (JSON key, such as 'photo of a cat" in said
    assert texts_of(folder, "caption") == CATS
    assert texts_of(folder, "prompt") == ["photo of a cat, 4k"] * 3


def test_any_member_or_key_can_be_named(tmp_path: Path) -> None:
    folder = tar_of(tmp_path, ("blip", b"a red cat #"), ("json", {"label": "Katze"}))
    assert texts_of(folder, "blip") == CATS and texts_of(folder, "label") == ["Katze"] * 3


@pytest.mark.parametrize(
    ("example", "like"),
    [
        ("a red cat", True),
        ("猫", True),
        ("Katze", True),
        ("17", False),
        ("https://a.example/cat.jpg", False),
        ("9f86d081884c7d659a2feaa0c55ad015", False),
        ("deadbeefdeadbeefdeadbeefdeadbeefdeadbeef", False),
        ("2024-05-01T00:00:00", False),
    ],
)
def test_what_looks_like_text(example: str, like: bool) -> None:
    assert TextField("x", "member", example).like_text is like


def test_fields_are_those_of_text_with_an_example(tmp_path: Path) -> None:
    folder = tar_of(tmp_path, ("npy", b"\x93NUMPY\xff\xfe"), ("blip", b" "), ("json", {"label": "Katze", "n": 3}))
    assert find_fields(folder / "0.tar") == [TextField("label", "JSON key", "Katze")]
    write_tar(tmp_path / "broken" / "0.tar", [("0.json", b"["), ("1.json", b"[1]")])
    assert find_fields(tmp_path / "broken" / "0.tar") == []


def curate(pool: Path, out: Path, *more: str) -> int:
    entries = pa.table([["cat", "red"], ["wordnet"] * 2, pa.array([0, 1], pa.int32())], schema=METADATA)
    metadata = out.parent / "lists"
    metadata.mkdir(exist_ok=True)
    pq.write_table(entries, metadata / "en.parquet")
    arguments = ["--metadata", str(metadata), "--processes", "1", "--t-en", "1000", *more]
    return main(["curate", str(pool), "--out", str(out), *arguments])


def test_a_pool_without_texts_ends_with_what_may_hold_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool = tar_of(tmp_path / "pool", ("blip", b"a red cat #"), ("json", {"url": "https://a.example/1.jpg"}))
    assert curate(pool, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert f"{pool}: of 3 rows none was kept; 3 went as 'no text'" in error
    assert "These look like text: .blip (member, such as 'a red cat 0')" in error
    assert "Others are url (JSON key, such as 'https://a.example/1.jpg')" in error and "--text blip" in error
    assert curate(pool, tmp_path / "out", "--text", "blip") == 0


def test_a_pool_of_which_nothing_is_kept_names_the_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool = tar_of(tmp_path / "pool", ("txt", b"IMG_#.jpg"))
    assert curate(pool, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "none was kept" in error and ("no entry matched" in error or "language without metadata" in error)


def test_columns_of_rare_names_are_found_or_asked_for(tmp_path: Path) -> None:
    table = pa.table({"id": ["a"], "prompt": ["a red cat"]})
    (tmp_path / "one").mkdir()
    pq.write_table(table, tmp_path / "one" / "m.parquet")
    assert texts_of(tmp_path / "one") == ["a red cat"]
    (tmp_path / "two").mkdir()
    pq.write_table(table.append_column("description", pa.array(["a cat"])), tmp_path / "two" / "m.parquet")
    with pytest.raises(InputError, match=r"both 'prompt' and 'description' may hold texts\. Choose one: --text prompt"):
        texts_of(tmp_path / "two")
    assert texts_of(tmp_path / "two", "description") == ["a cat"]


def test_csv_is_read_as_datasets_reads_it(tmp_path: Path) -> None:
    (tmp_path / "pool.csv").write_text('url,caption\nhttp://a/1.jpg,a red cat\nhttp://a/2.jpg,"a cat, red"\n')
    for place in (tmp_path, tmp_path / "pool.csv"):
        assert open_pool(place).format == "datasets" and texts_of(place) == ["a red cat", "a cat, red"]


def test_images_with_texts_beside_them_are_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    folder = tmp_path / "my images"
    folder.mkdir()
    for row in range(3):
        (folder / f"{row}.jpg").write_bytes(jpg(row))
        (folder / f"{row}.txt").write_text(f"a red cat {row}")
    with pytest.raises(InputError, match="become a webdataset: ") as caught:
        open_pool(folder)
    command = str(caught.value).split("webdataset: ")[1].replace("python -m", f"{sys.executable} -m")
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    assert texts_of(tmp_path / "pool") == CATS


def test_a_tsv_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    (tmp_path / "captions.tsv").write_text("url\ttext\nhttp://a/1.jpg\ta red cat 0\n")
    with pytest.raises(InputError, match="becomes Parquet: ") as caught:
        open_pool(tmp_path)
    command = str(caught.value).split("becomes Parquet: ")[1].replace("python -c", f"{sys.executable} -c")
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    assert texts_of(tmp_path / "pool") == ["a red cat 0"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("0.tar.bz2", "unpack these first"),
        ("0.TAR.ZST", "unpack these first"),
        ("0.warc.gz", "its WAT files are read"),
        ("IMG.2024.05.jpg", "become a webdataset"),
    ],
)
def test_other_files_are_refused_with_what_helps(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=says):
        open_pool(tmp_path)


def test_all_of_several_tsv_become_parquet_whatever_their_names(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s "mine" $HOME `x`'
    for part in range(2):
        (folder / str(part)).mkdir(parents=True)
        (folder / str(part) / "a.tsv").write_text(f"url\ttext\nhttp://a/{part}.jpg\ta red cat {part}\n")
    with gzip.open(folder / "b.tsv.gz", "wt") as file:
        file.write("url\ttext\nhttp://a/2.jpg\ta red cat 2\n")
    with pytest.raises(InputError, match="becomes Parquet: ") as caught:
        open_pool(folder)
    command = str(caught.value).split("becomes Parquet: ")[1].replace("python -c", f"{sys.executable} -c")
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    found = [
        text for shard in open_pool(tmp_path / "pool").shards for text in read_shard(shard)["alt_text"].to_pylist()
    ]
    assert sorted(found) == CATS


def test_members_of_long_extensions_are_named_as_the_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tar(tmp_path / "pool" / "0.tar", [("0.image.jpg", jpg(0)), ("0.caption.txt", b"a red cat")])
    assert curate(tmp_path / "pool", tmp_path / "out") == 2
    assert "1 went as 'no image'. Name an image key.jpg" in capsys.readouterr().err

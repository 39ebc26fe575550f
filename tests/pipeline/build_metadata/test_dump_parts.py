import bz2
from itertools import pairwise

import pytest

from mc2lib.errors import InputError
from mc2lib.pipeline.build_metadata import dumps
from mc2lib.pipeline.build_metadata.dump_parts import read_offsets, split_dump
from mc2lib.pipeline.build_metadata.dumps import (
    Part,
    Tally,
    read_articles,
)
from tests.pipeline.build_metadata.test_dumps import HEAD, TAIL, page, write


@pytest.fixture
def multistream(tmp_path):
    """A dump of 40 streams of three pages, and its index."""
    streams = [HEAD]
    lines = []
    for number in range(40):
        pages = [(f"T{number}:{place}", "wort " * (number * 7 % 90)) for place in range(3)]
        lines.append((len(b"".join(map(bz2.compress, streams))), [title for title, _ in pages]))
        streams.append(b"".join(page(title, f"{title} {text}") for title, text in pages))
    path = write(tmp_path / "dewiki-20240501-pages-articles-multistream.xml.bz2", *streams, TAIL)
    index = tmp_path / "dewiki-20240501-pages-articles-multistream-index.txt.bz2"
    text = "".join(f"{offset}:{7 * i}:{title}\n" for offset, group in lines for i, title in enumerate(group))
    index.write_bytes(bz2.compress(text.encode()))
    return path, index


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("parts", [1, 2, 3, 7, 1000])
def test_parts_together_are_the_dump(multistream, indexed, parts):
    path, index = multistream
    whole = Tally()
    expected = list(read_articles(path, tally=whole))
    split = split_dump(path, index if indexed else None, parts)
    assert split[0].start == 0 and split[-1].stop == path.stat().st_size
    assert all(a.stop == b.start for a, b in pairwise(split))
    assert len(split) == parts if parts < 8 else len(split) > 20
    joined, together = [], Tally()
    for part in split:
        tally = Tally()
        joined += list(read_articles(path, part, tally=tally))
        together.add(tally)
    assert joined == expected and len(expected) == 120 and together == whole


def test_a_dump_of_one_stream_is_one_part(tmp_path):
    path = write(tmp_path / "dewiki.xml.bz2", HEAD + page("A", "x") + TAIL)
    assert split_dump(path, None, 4) == [Part(0, path.stat().st_size)]


def test_offsets_are_each_given_once(multistream, monkeypatch):
    path, index = multistream
    monkeypatch.setattr(dumps, "UNPACKED_BYTES", 7)  # lines cross the borders of chunks
    offsets = read_offsets(index, path.stat().st_size)
    assert len(offsets) == 40 and offsets == sorted(set(offsets))


def test_an_index_of_another_dump_is_refused(multistream):
    path, index = multistream
    index.write_bytes(bz2.compress(b"100000000:1:A\n"))
    with pytest.raises(InputError, match="a stream at byte 100,000,000"):
        split_dump(path, index, 2)
    index.write_bytes(bz2.compress(b"%d:1:A\n" % (path.stat().st_size // 2 + 1)))
    with pytest.raises(InputError, match=r"index.txt.bz2: no bz2 stream begins at byte"):
        split_dump(path, index, 2)
    index.write_bytes(bz2.compress(b"1:1:A\nzwei:2:B\n"))
    with pytest.raises(InputError, match="does not begin with an offset"):
        split_dump(path, index, 2)
    with pytest.raises(InputError, match="no such dump"):
        split_dump(path.with_name("none"), index, 2)


def test_a_part_that_ends_within_a_stream_is_refused(multistream):
    path, index = multistream
    part = split_dump(path, index, 2)[0]
    with pytest.raises(InputError, match="continues past byte"):
        list(read_articles(path, Part(part.start, part.stop - 5)))

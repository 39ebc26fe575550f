"""The match index on disk: what is opened is what was built, or it is refused."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mc2lib.errors import InputError
from mc2lib.io.files import read_json, write_json, write_table
from mc2lib.io.match_store import open_indices, write_indices
from mc2lib.params import MatchRules
from mc2lib.recipe.curation.index import build_index
from mc2lib.recipe.curation.match import match, match_languages
from mc2lib.schemas import METADATA

LISTS = {"en": ["cat", "black cat", "C++", "New York"], "th": ["ไทย", "อาหาร", "แมว"], "de": []}


def write_list(path: Path, entries: list[str]) -> None:
    rows = {"entry": entries, "source": ["wordnet"] * len(entries), "rank": list(range(len(entries)))}
    write_table(pa.table(rows, schema=METADATA), path)


@pytest.fixture
def metadata(tmp_path: Path) -> dict[str, Path]:
    paths = {language: tmp_path / "metadata" / f"{language}.parquet" for language in LISTS}
    for language, path in paths.items():
        write_list(path, LISTS[language])
    return paths


def test_opened_indices_match_as_built_ones(tmp_path: Path, metadata: dict[str, Path]):
    written = write_indices(tmp_path / "index", metadata)
    assert written == (tmp_path / "index" / "index.bin").stat().st_size
    opened = open_indices(tmp_path / "index", metadata, whole=True)
    assert list(opened) == sorted(LISTS)
    texts = pa.array(["a black cat", "อาหารไทย", "C++ in New York", "eine Katze"])
    found = match_languages(texts, pa.array(["en", "th", "en", "de"]), opened)
    assert found.to_pylist() == [[0, 1], [0, 1], [2, 3], []]
    for language, entries in LISTS.items():
        built = build_index(entries)
        index = opened[language]
        assert (index.size, index.seed) == (built.size, built.seed) and list(index.arrays) == list(built.arrays)
        for ours, theirs in zip(index.arrays.values(), built.arrays.values(), strict=True):
            assert np.array_equal(ours, theirs) and ours.dtype == theirs.dtype
            assert not ours.flags.writeable and not theirs.flags.writeable
        assert index.nbytes == built.nbytes


def test_two_builds_write_the_same_bytes(tmp_path: Path, metadata: dict[str, Path]):
    write_indices(tmp_path / "a", metadata)
    write_indices(tmp_path / "b", metadata)
    assert (tmp_path / "a" / "index.bin").read_bytes() == (tmp_path / "b" / "index.bin").read_bytes()


def test_lists_that_changed_are_refused_until_built_again(tmp_path: Path, metadata: dict[str, Path]):
    write_indices(tmp_path, metadata)
    metadata["en"].write_bytes(metadata["en"].read_bytes())  # another time, the same bytes
    assert set(open_indices(tmp_path, metadata)) == set(LISTS)
    write_list(metadata["en"], ["dog"])
    with pytest.raises(InputError, match=r"en\.parquet: is not the list .* Build the index again"):
        open_indices(tmp_path, metadata)
    assert match(pa.array(["cat"]), open_indices(tmp_path)["en"]).to_pylist() == [[0]]
    metadata["en"].unlink()
    with pytest.raises(InputError, match="no such metadata"):
        open_indices(tmp_path, metadata)
    with pytest.raises(InputError, match="not of the same languages as the metadata: de, en"):
        open_indices(tmp_path, {"th": metadata["th"]})


def test_damaged_indices_are_refused(tmp_path: Path, metadata: dict[str, Path]):
    with pytest.raises(InputError, match=r"no such file\. Build the index again"):
        open_indices(tmp_path)
    write_indices(tmp_path, metadata)
    path = tmp_path / "index.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"index\.bin: .* truncated or changed"):
        open_indices(tmp_path)
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(InputError, match="not those that were written"):
        open_indices(tmp_path, whole=True)
    path.unlink()
    with pytest.raises(InputError, match=r"index\.bin: no such file"):
        open_indices(tmp_path)
    path.write_bytes(content)
    header = read_json(tmp_path / "index.json")
    write_json(header | {"code": "0"}, tmp_path / "index.json")
    with pytest.raises(InputError, match="no index that this version built"):
        open_indices(tmp_path)
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        open_indices(tmp_path)


def test_an_index_of_other_rules_is_refused(tmp_path: Path, metadata: dict[str, Path]):
    rules = MatchRules(borders="paper", normalise="nfc")
    write_indices(tmp_path, metadata, rules)
    assert {index.rules for index in open_indices(tmp_path, metadata, rules).values()} == {rules}
    with pytest.raises(InputError, match=r"built by other rules: .*nfc.*Build the index again"):
        open_indices(tmp_path, metadata, MatchRules())


def test_no_languages_are_no_indices(tmp_path: Path):
    assert write_indices(tmp_path, {}) == 0
    assert open_indices(tmp_path, {}) == {}

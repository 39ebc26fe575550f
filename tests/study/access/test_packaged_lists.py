import importlib.util
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.io.files import write_table
from mc2lib.params import Params
from mc2lib.study.access.packaged_lists import packaged_lists
from tests.conftest import ROOT

PARAMS = load_params(ROOT)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """What is asked of the metadata stage's code, which writes one list."""
    asked = []

    def fetch(root: Path, locked: Path) -> None:
        asked.append(("fetch", locked))
        (root / "data" / "sources" / "wordnet").mkdir(parents=True)

    def build(root: Path, params: Params) -> pd.DataFrame:
        asked.append(("build", root))
        assert (root / "data" / "sources" / "wordnet").is_dir()
        write_table(pa.table({"entry": ["cat"]}), root / "data" / "metadata" / "en.parquet")
        return pd.DataFrame({"language": ["en"], "entries": [1]})

    monkeypatch.setattr("mc2lib.study.sources.fetch_sources", fetch)
    monkeypatch.setattr("mc2lib.study.metadata_stage.build_metadata", build)
    return asked


def test_missing_lists_are_built_once_by_the_stages_own_code(tmp_path: Path, stage: list, capsys) -> None:
    assert packaged_lists(tmp_path, PARAMS) == packaged_lists(tmp_path, PARAMS) == tmp_path / "data" / "metadata"
    assert [what for what, _ in stage] == ["fetch", "build"] and stage[0][1] == ROOT / "sources"
    assert stage[1][1] != tmp_path, "a killed build leaves no list that the next run would take for all"
    assert [path.name for path in (tmp_path / "data" / "metadata").iterdir()] == ["en.parquet"]
    assert "lists of 1 languages, 1 entries" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "data" / "metadata")
    packaged_lists(tmp_path, PARAMS)
    assert [what for what, _ in stage] == ["fetch", "build", "build"], "sources that are there are not fetched again"


def test_a_failed_build_leaves_nothing(tmp_path: Path, stage: list, monkeypatch) -> None:
    def fail(root: Path, params: Params) -> None:
        write_table(pa.table({"entry": ["cat"]}), root / "data" / "metadata" / "en.parquet")
        raise InputError("udhr", "is broken", "Fetch it again.")

    monkeypatch.setattr("mc2lib.study.metadata_stage.build_metadata", fail)
    with pytest.raises(InputError, match="is broken"):
        packaged_lists(tmp_path, PARAMS)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["sources"]


def test_a_light_install_says_where_lists_come_from(tmp_path: Path, monkeypatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "wordfreq" else found(name))
    with pytest.raises(InputError, match=r"no lists of entries here. Name lists with --metadata, .*mc2lib\[study\]"):
        packaged_lists(tmp_path, PARAMS)
    assert not (tmp_path / "data").exists()

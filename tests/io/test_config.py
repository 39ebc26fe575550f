import shutil
from pathlib import Path

import pytest

from mc2lib.errors import InputError
from mc2lib.io.config import (
    find_root,
    find_workplace,
    load_params,
    load_settings,
    name_settings,
    packaged_settings,
    read_yaml,
)


@pytest.fixture
def study(tmp_path: Path, root: Path) -> Path:
    shutil.copy(root / "params.yaml", tmp_path)
    shutil.copy(root / "dvc.yaml", tmp_path)
    shutil.copytree(root / "scales", tmp_path / "scales")
    return tmp_path


def set_line(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_scale_is_a_parameter(study: Path) -> None:
    set_line(study / "params.yaml", "scale: laptop", "scale: smoke")
    assert load_params(study).pool.concepts == read_yaml(study / "scales" / "smoke.yaml")["pool"]["concepts"]


def test_an_unknown_scale_gets_the_near_miss(study: Path) -> None:
    set_line(study / "params.yaml", "scale: laptop", "scale: labtop")
    with pytest.raises(InputError, match=r"no scale 'labtop' in scales/. Did you mean 'laptop'\?"):
        load_params(study)


def test_broken_yaml_names_the_line(study: Path) -> None:
    set_line(study / "params.yaml", "scale: laptop", "scale: [laptop")
    with pytest.raises(InputError, match=r"(?s)params.yaml: not YAML: .*line \d+"):
        load_params(study)


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file. Run from the root of the study"):
        load_params(tmp_path)


def test_a_list_is_no_parameter_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("- 1\n")
    with pytest.raises(InputError, match="not a mapping"):
        read_yaml(tmp_path / "a.yaml")


def test_norwegian_is_not_false_and_exponents_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("languages: [no, on]\nrate: 5e-4\n")
    assert read_yaml(tmp_path / "a.yaml") == {"languages": ["no", "on"], "rate": 5e-4}


def test_the_root_is_found_from_the_notebooks(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (study / "notebooks").mkdir()
    monkeypatch.chdir(study / "notebooks")
    assert find_root() == study


def test_no_root_outside_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no params.yaml here or above"):
        find_root()


def test_outside_a_study_the_packaged_parameters_are_used_and_named(tmp_path: Path, root: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_workplace() == tmp_path and packaged_settings() == root
    assert load_settings(tmp_path) == load_params(root)
    assert name_settings(tmp_path) == "packaged defaults (no params.yaml here or above)"
    for name in ("params.yaml", "dvc.yaml"):  # another project's
        (tmp_path / name).write_text("lr: 0.1\n")
    assert load_settings(tmp_path) == load_params(root)


def test_a_file_of_parameters_replaces_keys_section_by_section(study: Path) -> None:
    (study / "mine.yaml").write_text("curate_pool: { t_en: 7 }\nseeds: [4]\n")
    found, before = load_settings(study, over=study / "mine.yaml"), load_params(study)
    assert found.curate_pool.t_en == 7 and found.curate_pool.tail_share == before.curate_pool.tail_share
    assert found.seeds == (4,) and found.pool == before.pool
    assert name_settings(study, study / "mine.yaml") == f"{study / 'params.yaml'}, then {study / 'mine.yaml'}"
    (study / "mine.yaml").write_text("curate_pool: { t_n: 7 }\n")
    with pytest.raises(InputError, match=r"unknown key 't_n'. Did you mean 't_en'\?"):
        load_settings(study, over=study / "mine.yaml")
    with pytest.raises(InputError, match=r"no such file. Give the path of a YAML file"):
        load_settings(study, over=study / "none.yaml")

from pathlib import Path

import pytest

from mc2lib.errors import InputError
from mc2lib.io.config import load_params, read_yaml
from mc2lib.study.running.trial import PARTS, SMOKE_ARMS, copy_study, edit_params, edit_scale
from tests.conftest import ROOT


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the checkout as a fresh clone has it: nothing fetched."""
    source = tmp_path / "source"
    source.mkdir()
    for part in PARTS:
        (source / part).parent.mkdir(parents=True, exist_ok=True)
        (source / part).symlink_to(ROOT / part)
    copy_study(source, tmp_path / "copy")
    return tmp_path / "copy"


def test_a_copy_holds_what_makes_a_study_and_nothing_it_made(copy: Path) -> None:
    assert {path.name for path in copy.iterdir()} == {part.split("/")[0] for part in PARTS}
    assert not list(copy.rglob("*.pyc")) and not (copy / "data").exists()
    assert "no_scm = true" in (copy / ".dvc" / "config.local").read_text()


def test_a_copy_is_made_in_an_empty_folder_only(copy: Path) -> None:
    with pytest.raises(InputError, match="not an empty folder"):
        copy_study(ROOT, copy)


def test_edited_params(copy: Path) -> None:
    edit_params(copy, "smoke", arms=["raw", "small-worldwide-scaled"], seeds=[3], languages=["en", "th"])
    params = load_params(copy)
    assert (params.scale, params.languages, list(params.arms)) == (
        "smoke",
        ("en", "th"),
        ["raw", "small-worldwide-scaled"],
    )
    assert params.tables["curation"] == ("raw", "small-worldwide-scaled")
    assert params.tables["main"] == ("small-worldwide-scaled",)
    assert read_yaml(copy / "params.yaml")["seeds"] == [3] and list(params.pool.mixes) == ["base"]
    assert "# Zipf over" in (copy / "params.yaml").read_text(), "comments stay"


def test_an_unknown_arm_gets_the_near_miss(copy: Path) -> None:
    with pytest.raises(InputError, match=r"no arm 'ra'"):
        edit_params(copy, "smoke", arms=["ra"])


def test_every_table_but_the_stress_pools_has_a_smoke_arm() -> None:
    params = load_params(ROOT)
    assert {name for name, rows in params.tables.items() if not set(rows) & set(SMOKE_ARMS)} == {"stress"}
    arms = [params.arm(name) for name in SMOKE_ARMS]
    assert {arm.tower for arm in arms} == {"small", "large"} and {arm.seen for arm in arms} == {"1/english_share"}


def test_settings_override_the_scale(copy: Path) -> None:
    edit_scale(
        copy, "tune", ["training.steps=7", "training.augmentation.affine.flip=0.5", "pool.held_out_styles=[noto]"]
    )
    edit_params(copy, "tune", seeds=[100])
    params = load_params(copy)
    assert (params.training.steps, params.training.augmentation.affine.flip) == (7, 0.5)
    assert params.pool.held_out_styles == ("noto",)


@pytest.mark.parametrize("setting", ["training.step=7", "steps=7", "training.steps", "training.steps.x=7", "="])
def test_a_setting_that_names_nothing_is_refused(copy: Path, setting: str) -> None:
    with pytest.raises(InputError, match=r"names no number of scales/tune\.yaml"):
        edit_scale(copy, "tune", [setting])


def test_tuning_is_the_laptop_scale_on_styles_that_are_not_tested_on() -> None:
    laptop, tune = (read_yaml(ROOT / "scales" / f"{scale}.yaml") for scale in ("laptop", "tune"))
    validation = {name: tune["pool"].pop(name) for name in ("held_out_styles", "unused_styles")}
    assert tune == laptop
    tested = load_params(ROOT).pool.held_out_styles
    assert set(validation["unused_styles"]) == set(tested) and not set(validation["held_out_styles"]) & set(tested)

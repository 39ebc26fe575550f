import copy
import dataclasses
import json
from typing import Any

import pytest
from ruamel.yaml import YAML

from mc2lib.errors import InputError, nearest
from mc2lib.params import Arm, Augmentation, Noise, Params, RandomResizedCrop, Training, parse
from mc2lib.sections import build
from tests.conftest import ROOT

yaml = YAML(typ="safe", pure=True)
STUDY: dict[str, Any] = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
SCALES: dict[str, Any] = {
    p.stem: yaml.load(p.read_text(encoding="utf-8")) for p in sorted((ROOT / "scales").glob("*.yaml"))
}


def edited(path: str, value: Any) -> Params:
    """The laptop study with the value at a dotted path of params.yaml replaced."""
    study = copy.deepcopy(STUDY)
    *parents, last = path.split(".")
    place = study
    for parent in parents:
        place = place[parent]
    place[last] = value
    return parse(study, SCALES["laptop"])


@pytest.mark.parametrize("scale", ["smoke", "laptop", "tune", "overnight", "workstation", "paper"])
def test_every_scale_validates(scale: str) -> None:
    params = parse(STUDY, SCALES[scale])
    assert set(params.towers) >= {arm.tower for arm in params.arms.values()}
    assert params.training.learning_rate == SCALES[scale]["training"]["learning_rate"]


def test_a_table_that_is_not_there_has_no_rows() -> None:
    params = parse(STUDY, SCALES["laptop"])
    assert params.table("tokenizer") == params.tables["tokenizer"] and params.table("culture") == ()


@pytest.mark.parametrize("steps", [0.0, -1.0, float("nan"), float("inf")])
def test_an_arm_takes_some_steps(steps: float) -> None:
    with pytest.raises(InputError, match="steps is"):
        edited("arms.raw", {**STUDY["arms"]["raw"], "steps": steps})


def test_the_overnight_scale_sees_eight_times_the_pairs_of_the_laptop_scale() -> None:
    laptop, overnight = (parse(STUDY, SCALES[scale]) for scale in ("laptop", "overnight"))
    assert overnight.training.steps == 8 * laptop.training.steps
    assert dataclasses.replace(overnight.training, steps=0, warmup=0) == dataclasses.replace(
        laptop.training, steps=0, warmup=0
    )
    assert overnight.towers == laptop.towers


def test_yaml_is_read_as_dvc_reads_it() -> None:
    assert yaml.load("[no, 5e-4]") == ["no", 5e-4]


def test_values_are_typed() -> None:
    params = parse(STUDY, SCALES["laptop"])
    assert params.arms["small-english"] == Arm("small", "english", "english", 1.0, "gemma", "base")
    assert params.arms["small-worldwide-scaled"].seen == "1/english_share"
    assert params.arms["small-other"].seen == "1/english_share - 1"
    assert params.pool.mixes["stress"] == Noise(0.08, 0.08, 0.08, 0.06, 0.4)
    assert params.languages[0] == "en" and isinstance(params.languages, tuple)
    assert type(params.pool.pairs) is int and type(params.training.learning_rate) is float


def test_the_issue_of_the_study() -> None:
    """The numbers that the recipe fixes."""
    params = parse(STUDY, SCALES["laptop"])
    assert len(params.seeds) >= 5 and params.pool.english_share == 0.44
    assert len(params.pool.held_out_styles) >= 2
    assert sum(vars(params.pool.mixes["base"]).values()) == pytest.approx(0.30)
    assert {arm.curation for arm in params.arms.values()} == {
        "raw", "english", "english_metadata", "merged", "isolated_t_en", "isolated"
    }  # fmt: skip
    assert {arm.tokenizer for arm in params.arms.values()} == {"gemma", "pool"}


def test_a_scale_overrides_section_by_section() -> None:
    params = parse(STUDY, SCALES["paper"])
    assert params.training.beta2 == 0.95 and params.training.beta1 == STUDY["training"]["beta1"]


def test_gradients_are_clipped_where_a_scale_says_so_and_not_in_the_papers_setting() -> None:
    clips = {scale: parse(STUDY, SCALES[scale]).training.grad_clip for scale in SCALES}
    assert clips == {"smoke": 1.0, "laptop": 1.0, "tune": 1.0, "overnight": 1.0, "workstation": "none", "paper": "none"}
    with pytest.raises(InputError, match=r"params\.training\.grad_clip: 0\.0 is not above zero"):
        parse(STUDY, {**SCALES["laptop"], "training": {**SCALES["laptop"]["training"], "grad_clip": 0.0}})


def test_a_scaled_batch_is_larger_than_the_english_arms() -> None:
    with pytest.raises(InputError, match=r"scaled_batch_size: 128 is not above training\.batch_size"):
        edited("training.scaled_batch_size", 128)


def test_photographs_are_cropped_as_in_the_paper_and_drawings_are_mapped() -> None:
    how = {scale: parse(STUDY, SCALES[scale]).training.augmentation for scale in SCALES}
    assert how["paper"] == how["workstation"] == Augmentation(None, RandomResizedCrop((0.9, 1.0), (3 / 4, 4 / 3)))
    assert how["laptop"].affine is not None and how["laptop"].random_resized_crop is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"affine": SCALES["laptop"]["training"]["augmentation"]["affine"], "random_resized_crop": {"scale": [0.9, 1]}},
         "names affine and random_resized_crop"),
        ({"random_resized_crop": {"scale": [1.0, 0.9]}}, r"scale: \[1.0, 0.9\] is not the least and the most"),
        ({"random_resized_crop": {"scale": [0.9, 1.1]}}, "is not the least and the most"),
        ({"random_resized_crop": {"scale": [0.9]}}, "is not the least and the most"),
        ({"random_resized_crop": {"scale": [0.9, 1.0], "ratio": [0.0, 1.0]}}, r"ratio: .* is not the least"),
    ],
)  # fmt: skip
def test_an_augmentation_that_cannot_be_is_named(value: Any, message: str) -> None:
    training = SCALES["paper"]["training"] | {"augmentation": value}
    with pytest.raises(InputError, match=message):
        parse(STUDY, SCALES["paper"] | {"training": training})


def test_a_section_is_read_back_from_json() -> None:
    for scale in SCALES:
        training = parse(STUDY, SCALES[scale]).training
        assert build(Training, json.loads(json.dumps(dataclasses.asdict(training))), "here") == training
    with pytest.raises(InputError, match=r"here: unknown key 'stepz'"):
        build(Training, {"stepz": 1}, "here")


def with_equal_shares(ways: list[str], **arm: Any) -> Params:
    """The laptop study with an arm on the recipe's language shares, and `ways` listed for them."""
    study = copy.deepcopy(STUDY)
    study["curation"]["equal_shares"] = ways
    for other in study["arms"].values():
        other.pop("shares", None)
    study["arms"]["equal"] = {**study["arms"]["merged"], "shares": "recipe", **arm}
    return parse(study, SCALES["laptop"])


def test_an_arm_at_equal_shares_has_its_way_listed_where_the_balance_stage_reads_it() -> None:
    params = with_equal_shares(["raw", "merged"])
    assert params.arm("equal").shares == "recipe" and params.curation.equal_shares == ("raw", "merged")
    with pytest.raises(InputError, match=r"arms\.equal.*equal_shares does not list merged\. Add merged"):
        with_equal_shares(["raw"])


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ({"curation": "english"}, r"arms\.equal\.shares: cannot be recipe: 'english' keeps English pairs only"),
        ({"curation": "isolated"}, r"arms\.equal\.shares: .*has its shares already"),
        ({"languages": "other"}, r"arms\.equal\.shares: .*does not train on all languages\. Leave `shares` out"),
    ],
)
def test_an_arm_without_shares_of_its_own_to_equal_is_refused(arm: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_equal_shares(["merged"], **arm)


@pytest.mark.parametrize("way", ["english", "isolated"])
def test_a_way_that_cannot_be_subsampled_is_not_listed(way: str) -> None:
    with pytest.raises(InputError, match=rf"equal_shares: '{way}' .*Remove {way}"):
        with_equal_shares(["merged", way])


def test_params_are_frozen() -> None:
    params = parse(STUDY, SCALES["laptop"])
    with pytest.raises(AttributeError):
        params.scale = "paper"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sede", [0], r"unknown key 'sede'. Did you mean 'seeds'\?"),
        ("pool.english_shar", 0.4, r"params.pool: unknown key 'english_shar'. Did you mean 'english_share'\?"),
        ("pool.english_share", "half", r"params.pool.english_share: 'half' is str, not float"),
        ("pool.english_share", 1.5, r"1.5 is not in 0..1"),
        ("pool.english_share", True, r"is bool, not float"),
        ("pool.forms.frame", 0.9, r"shares do not sum to 1"),
        ("pool.mixes.base.boilerplate", 0.9, r"params.pool.mixes.base: shares sum to"),
        ("pool.mixes.base.boilerplate", -0.1, r"params.pool.mixes.base"),
        ("arms.raw.tower", "smal", r"params.arms.raw: no tower 'smal'. Did you mean 'small'\?"),
        ("arms.raw.mix", "stres", r"no mix 'stres'. Did you mean 'stress'\?"),
        ("arms.raw.curation", "mergd", r"'mergd' is not allowed. Did you mean 'merged'\?"),
        ("arms.raw.seen", "twice", r"params.arms.raw.seen: 'twice' is neither"),
        ("arms.raw.seen", 0, r"seen is 0.0. Write a number above zero"),
        ("arms.raw.sen", 1.0, r"params.arms.raw: unknown key 'sen'. Did you mean 'seen'\?"),
        (
            "tables.curation",
            ["small-englsh"],
            r"params.tables.curation: no arm 'small-englsh'. Did you mean 'small-english'\?",
        ),
        ("seeds", [], r"params.seeds: \[\] is not a list"),
        ("seeds", [1, 1], r"a seed is named twice"),
        ("seeds", [0.5], r"params.seeds\[0\]: 0.5 is float, not int"),
        ("languages", ["de", "en"], r"must begin with en"),
        ("languages", ["en", "de", "de"], r"no language twice"),
        ("machine.processes", "many", r"'many' is neither"),
        ("metadata", 3, r"params.metadata: 3 is not a mapping"),
    ],
)
def test_bad_values_are_refused_by_name(path: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        edited(path, value)


@pytest.mark.parametrize(("section", "key"), [("pool", "pairs"), ("training", "steps"), ("curation", "t_en")])
def test_numbers_of_a_scale_are_above_zero(section: str, key: str) -> None:
    with pytest.raises(InputError, match=rf"params.{section}.{key}: 0 is not above zero"):
        parse(STUDY, {**SCALES["laptop"], section: {**SCALES["laptop"][section], key: 0}})


def test_a_missing_key_is_named() -> None:
    with pytest.raises(InputError, match=r"params.pool: key 'pairs' is missing"):
        parse(STUDY, {**SCALES["laptop"], "pool": {"concepts": 4, "image_size": 32}})


def test_an_unknown_arm_gets_the_near_miss() -> None:
    with pytest.raises(InputError, match=r"no arm 'small-wordwide'. Did you mean 'small-worldwide'\?"):
        parse(STUDY, SCALES["laptop"]).arm("small-wordwide")


def test_nearest_lists_all_when_none_is_close() -> None:
    assert nearest("zebra", ["b", "a"]) == "Known: a, b."

"""Models by name have the sizes that their numbers give by hand."""

from __future__ import annotations

import json

import open_clip
import pytest

from mc2lib.commands.command_line import main
from mc2lib.pipeline.named_models.model_list import measure_named
from mc2lib.pipeline.named_models.model_names import CONFIGS, OPEN_CLIPS, list_own_names, register_names

#: Image width, layers and patch, text width, shared width; of the authors' configurations.
SIZES = {
    "metaclip2-ViT-S-16-xlmv": (384, 12, 16, 384, 384),
    "metaclip2-ViT-M-16-xlmv": (512, 12, 16, 512, 512),
    "metaclip2-ViT-B-16-xlmv": (768, 12, 16, 512, 512),
    "metaclip2-ViT-B-32-xlmv": (768, 12, 32, 512, 512),
    "metaclip2-ViT-L-14-xlmv": (1024, 24, 14, 768, 768),
}
XLM_V = 901_629


def blocks(width: int, layers: int) -> int:
    """Parameters of transformer blocks: attention's four matrices, an MLP four times as wide, two norms."""
    attention, mlp, norms = 4 * width * (width + 1), 4 * width * (width + 1) + width * (4 * width + 1), 4 * width
    return layers * (attention + mlp + norms)


@pytest.mark.parametrize("name", SIZES)
def test_parameters_are_those_of_its_numbers(name: str) -> None:
    width, layers, patch, text, shared = SIZES[name]
    places = (224 // patch) ** 2 + 1
    image = 3 * patch**2 * width + width + places * width + 4 * width + blocks(width, layers) + width * shared
    tokens = XLM_V * text
    words = tokens + 77 * text + blocks(text, 12) + 2 * text + text * shared
    found = measure_named(name)
    assert (found.image_size, found.vocabulary) == (224, XLM_V)
    assert (found.image_parameters, found.text_parameters, found.embedding_parameters) == (image, words, tokens)


def test_open_clip_knows_them_and_no_name_is_taken() -> None:
    before = {*open_clip.list_models()} - SIZES.keys()
    register_names()
    assert {*open_clip.list_models()} - before == SIZES.keys() == {*list_own_names()}
    assert {*OPEN_CLIPS} <= before
    for name in SIZES:
        assert open_clip.get_model_config(name) == json.loads((CONFIGS / f"{name}.json").read_text())


def test_the_list_names_every_model(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mc2lib.pipeline.named_models.model_list.OPEN_CLIPS", ("ViT-H-14-worldwide-quickgelu",))
    assert main(["models"]) == 0
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()[2:]}
    assert list(rows) == [*SIZES, "ViT-H-14-worldwide-quickgelu"]
    assert rows["metaclip2-ViT-B-16-xlmv"][:2] == ["224", "86.2"]  # open_clip's own profile of ViT-B-16
    assert rows["ViT-H-14-worldwide-quickgelu"][1] == "632.1"

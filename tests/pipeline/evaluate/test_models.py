"""Models: shortened texts change no feature, digests tell models apart, and what cannot be opened is named."""

import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mc2lib.errors import InputError
from mc2lib.pipeline.evaluate.models.model import encode_by_length
from mc2lib.pipeline.evaluate.models.open_clip_model import find_causal_tower
from mc2lib.pipeline.evaluate.models.opening import open_model
from tests.pools import jpg
from tests.tiny_clip import write_tiny_clip

TEXTS = ["a cat", "", "a photo of a very large dog, " * 30, "猫", *(f"number {i}" * (i % 7) for i in range(40))]


@pytest.mark.parametrize("custom", [False, True])
def test_shortened_texts_have_the_features_of_whole_ones(tmp_path, custom):
    model = open_model(str(write_tiny_clip(tmp_path, custom=custom)))
    assert model._tower is not None
    with torch.inference_mode():
        whole = torch.nn.functional.normalize(model._model.encode_text(model._tokenizer(TEXTS)), dim=-1).numpy()
    found = model.encode_texts(TEXTS)
    assert found.dtype == np.float32 and np.abs(found - whole).max() < 2e-6
    assert np.linalg.norm(whole[0] - whole[3]) > 0.1  # they do tell texts apart


@pytest.mark.parametrize("text", [{"no_causal_mask": True}, {"pool_type": "last"}, {"embed_cls": True, "pad_id": 0}])
def test_towers_that_see_what_follows_are_given_whole_texts(tmp_path, text):
    model = open_model(str(write_tiny_clip(tmp_path, custom=True, **text)))
    assert find_causal_tower(model._model) is None
    with torch.inference_mode():
        whole = torch.nn.functional.normalize(model._model.encode_text(model._tokenizer(TEXTS)), dim=-1).numpy()
    assert np.abs(model.encode_texts(TEXTS) - whole).max() < 2e-6


def test_images_are_prepared_as_open_clip_does_and_have_length_one(tmp_path):
    model = open_model(str(write_tiny_clip(tmp_path)))
    batch = torch.stack([model.prepare(jpg(30, 50)), model.prepare(jpg(200, 40))])
    assert batch.shape == (2, 3, 32, 32)
    assert np.allclose(np.linalg.norm(model.encode_images(batch), axis=1), 1, atol=1e-6)
    with pytest.raises(InputError, match="not a whole image"):
        model.prepare(b"no image")


def test_a_digest_changes_with_weights_and_precision_alone(tmp_path):
    folder = str(write_tiny_clip(tmp_path / "a"))
    before = open_model(folder).digest
    assert open_model(folder).digest == before != open_model(folder, "bf16").digest
    weights = load_file(tmp_path / "a" / "open_clip_model.safetensors")
    weights["text_projection"][0, 0] += 1
    save_file(weights, tmp_path / "a" / "open_clip_model.safetensors")
    assert open_model(folder).digest != before


def test_batches_hold_so_many_tokens_and_keep_the_order():
    sizes = []

    def encode(rows, length):
        sizes.append(len(rows) * length)
        return rows[:, None].astype(np.float32)

    lengths = np.array([5, 1, 9, 2, 2, 30])
    assert encode_by_length(lengths, 12, encode)[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert all(size <= 12 for size in sizes[:-1]) and sizes[-1] == 30  # a longer text is a batch of its own


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("ViT-B-99:openai", "open_clip has no model 'ViT-B-99'"),
        ("ViT-B-32", r"without weights would be measured untrained.*ViT-B-32:"),
        ("local-dir:/no/such/folder", "cannot be opened"),
        ("ViT-B-32:/no/such/weights.pt", "cannot be opened"),
    ],
)
def test_what_is_no_model_is_named(name, fault):
    with pytest.raises(InputError, match=fault):
        open_model(name)


def test_a_folder_without_a_model_and_a_library_that_is_not_here_are_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"no model.json, open_clip_config.json or config.json"):
        open_model(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"is a model of transformers, which is not installed.*mc2lib\[models\]"):
        open_model(str(tmp_path))


def test_an_open_clip_model_whose_tokenizer_is_not_here_is_named(tmp_path, monkeypatch):
    folder = write_tiny_clip(tmp_path)
    config = (
        (folder / "open_clip_config.json").read_text().replace('"width": 16,', '"hf_tokenizer_name": "x", "width": 16,')
    )
    (folder / "open_clip_config.json").write_text(config)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"its tokenizer needs a library that is not here.*mc2lib\[models\]"):
        open_model(str(folder))

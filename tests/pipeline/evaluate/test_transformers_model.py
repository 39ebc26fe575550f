"""Models of transformers: shortened texts change no feature, images go through the model's own processor."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from mc2lib.pipeline.evaluate.models.opening import open_model
from tests.pools import jpg

transformers = pytest.importorskip("transformers", reason="transformers is installed by `make rivals`")

TEXTS = ["a cat", "a photo of a very large dog", "Katze", "a " * 40]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny CLIP as transformers saves it."""
    place = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**small, "vocab_size": 300, "max_position_embeddings": 16, "eos_token_id": 1, "pad_token_id": 0}
    vision = {**small, "image_size": 32, "patch_size": 16}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    model = transformers.CLIPModel(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(place)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    special = ["<pad>", "<eos>", "<bos>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        "<bos> $A <eos>", special_tokens=[("<bos>", 2), ("<eos>", 1)]
    )
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")
    fast.save_pretrained(place)
    size = {"shortest_edge": 32}
    transformers.CLIPImageProcessor(size=size, crop_size={"height": 32, "width": 32}).save_pretrained(place)
    return place


def test_shortened_texts_have_the_features_of_padded_ones(folder):
    model = open_model(str(folder))
    ids = model._tokenizer(TEXTS, truncation=True, max_length=16, padding="max_length", return_tensors="pt")
    with torch.inference_mode():
        found = model._model.get_text_features(**{k: ids[k] for k in ("input_ids", "attention_mask")})
        found = found if isinstance(found, torch.Tensor) else found.pooler_output
        whole = torch.nn.functional.normalize(found, dim=-1).numpy()
    assert np.abs(model.encode_texts(TEXTS) - whole).max() < 2e-6
    assert np.linalg.norm(whole[0] - whole[2]) > 0.05


def test_images_have_features_of_length_one(folder):
    model = open_model(str(folder))
    batch = torch.stack([model.prepare(jpg(30, 50)), model.prepare(jpg(200, 40))])
    features = model.encode_images(batch)
    assert batch.shape == (2, 3, 32, 32) and features.shape == (2, 8)
    assert np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)

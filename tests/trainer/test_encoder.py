"""An encoder is made from a run's folder, and nothing else."""

import shutil

import numpy as np
import pytest

from mc2lib.errors import InputError
from mc2lib.recipe.training.tokenizers import train_bpe
from mc2lib.recipe.training.towers import build_model
from mc2lib.trainer.checkpoints import export_run
from mc2lib.trainer.encoder import load_encoder
from mc2lib.trainer.training_loop import describe_run
from mc2lib.trainer.vocabulary import TOKENIZER, VOCABULARY, read_text_encoder, store_tokenizer
from tests.trainer.test_recipe import make_recipe

TEXTS = ["a red apple", "ein roter Apfel", "赤いりんご"]


def write_run(run, kind):
    """A finished run with the weights of an untrained model."""
    content = None if kind == "bytes" else train_bpe(TEXTS, 300).to_str().encode()
    run.mkdir()
    store_tokenizer(run, kind, content, [5, 70, 71, 80] if kind == "gemma" else None)
    recipe, rows = make_recipe(tokenizer=kind), read_text_encoder(run).vocabulary
    model = build_model(recipe.tower, rows, recipe.context_length)
    export_run(run, model.state_dict(), describe_run(recipe, rows))
    return model


@pytest.mark.parametrize("kind", ["gemma", "pool", "bytes"])
def test_a_runs_folder_is_enough_wherever_it_is(tmp_path, kind):
    model = write_run(tmp_path / "run", kind)
    expected = load_encoder(tmp_path / "run").encode_texts(TEXTS)
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    encoder = load_encoder(tmp_path / "elsewhere")
    assert (encoder.encode_texts(TEXTS) == expected).all()
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-5)
    assert encoder.logit_scale == pytest.approx(np.exp(model.logit_scale.item()))


def test_a_text_has_its_features_whatever_is_encoded_with_it(tmp_path, monkeypatch):
    write_run(tmp_path / "run", "bytes")
    encoder = load_encoder(tmp_path / "run")
    texts = ["a red apple on a green table", "x", "赤いりんご", "", "a red apple"]
    alone = np.concatenate([encoder.encode_texts([text]) for text in texts])
    monkeypatch.setattr("mc2lib.trainer.encoder.BATCH", 2)
    np.testing.assert_allclose(encoder.encode_texts(texts), alone, atol=1e-6)


def test_what_is_missing_or_does_not_fit_is_named(tmp_path):
    write_run(tmp_path / "run", "pool")
    (tmp_path / "run" / TOKENIZER).rename(tmp_path / "kept")
    with pytest.raises(InputError, match=r"tokenizer\.json\.zst: cannot be read .*copy its whole folder"):
        load_encoder(tmp_path / "run")
    store_tokenizer(tmp_path / "run", "bytes", None, None)
    with pytest.raises(InputError, match=r"run: weights do not fit model\.json"):
        load_encoder(tmp_path / "run")
    (tmp_path / "run" / VOCABULARY).unlink()
    with pytest.raises(InputError, match=r"vocabulary\.json: no such file\. Train the run again"):
        load_encoder(tmp_path / "run")

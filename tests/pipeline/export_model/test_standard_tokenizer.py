"""An exported tokenizer.json gives the run's own ids, by the tokenizers library alone."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers

from mc2lib.errors import InputError
from mc2lib.pipeline.export_model.standard_tokenizer import PAD_TOKEN, full_embedding, standardise
from mc2lib.recipe.training.tokenizers import TextEncoder, train_bpe
from tests.pipeline.export_model.runs import TEXTS


def byte_level() -> Tokenizer:
    """As the study trains one on its pool."""
    return train_bpe(TEXTS, 290)


def as_gemma() -> Tokenizer:
    """As Gemma's: BPE with byte fallback, blanks as ▁, its own special tokens, and tokens added at the end."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    own = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(
        TEXTS[:2], trainers.BpeTrainer(vocab_size=330, special_tokens=own, show_progress=False)
    )
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("<unused>", normalized=False)])
    return tokenizer


def as_xlm_r() -> Tokenizer:
    """As XLM-R's: Unigram, whose ids are places in a list."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    own = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer.train_from_iterator(
        TEXTS, trainers.UnigramTrainer(vocab_size=60, special_tokens=own, unk_token="<unk>", show_progress=False)
    )
    return tokenizer


@pytest.mark.parametrize("make", [byte_level, as_gemma, as_xlm_r, lambda: None])
def test_the_ids_are_the_runs(make: Callable[[], Tokenizer | None]) -> None:
    encoder = TextEncoder(make())
    exported = Tokenizer.from_str(json.dumps(standardise(encoder)))
    exported.enable_truncation(12)
    exported.enable_padding(pad_id=0, pad_token=PAD_TOKEN)
    texts = [*TEXTS, "a\n\n<unused> apple", "<bos>", "\x00\x7f ÿ"]
    found = np.array([encoding.ids for encoding in exported.encode_batch(texts)])
    np.testing.assert_array_equal(found, encoder(texts, 12))
    assert exported.get_vocab_size() == encoder.vocabulary


def test_bytes_are_written_back_as_they_were() -> None:
    exported = Tokenizer.from_str(json.dumps(standardise(TextEncoder(None))))
    assert [exported.decode(exported.encode(text).ids) for text in TEXTS] == TEXTS


def test_a_token_that_was_cut_has_the_unknown_tokens_row() -> None:
    encoder = TextEncoder(byte_level(), [2, 7, 9])
    rows = torch.arange(encoder.vocabulary).float()[:, None].expand(-1, 2)
    full = full_embedding(rows, encoder)
    expected = [0, 1, 2, *(3 + [2, 7, 9].index(token) if token in (2, 7, 9) else 1 for token in range(290))]
    assert full[:, 0].tolist() == expected and full.shape == (293, 2)


def test_a_model_whose_ids_cannot_be_moved_is_refused() -> None:
    encoder = TextEncoder(byte_level())

    class Strange:
        def to_str(self) -> str:
            return json.dumps({"model": {"type": "Strange"}, "added_tokens": []})

    encoder.tokenizer = Strange()  # type: ignore[assignment]
    with pytest.raises(InputError, match="of the kind Strange, whose ids cannot be moved"):
        standardise(encoder)

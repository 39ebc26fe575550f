"""A run's tokenizer, in the run's folder."""

import json

import pytest

from mc2lib.errors import InputError
from mc2lib.recipe.training.tokenizers import TextEncoder, find_kept, train_bpe
from mc2lib.trainer.vocabulary import TOKENIZER, VOCABULARY, parse_tokenizer, read_text_encoder, store_tokenizer

TEXTS = ["a red apple", "ein roter Apfel", "赤いりんご", "unseen words"]


@pytest.fixture(scope="module")
def content():
    return train_bpe(TEXTS[:3], 300).to_str().encode()


@pytest.mark.parametrize("cut", [True, False])
def test_what_is_stored_reads_as_it_did(tmp_path, content, cut):
    whole = TextEncoder(parse_tokenizer(content, "here"))
    kept = find_kept(whole, TEXTS[:2]) if cut else None
    store_tokenizer(tmp_path, "pool", content, kept)
    found, expected = read_text_encoder(tmp_path), TextEncoder(whole.tokenizer, kept)
    assert found.vocabulary == expected.vocabulary
    assert (found(TEXTS, 9) == expected(TEXTS, 9)).all()
    assert not (tmp_path / "NOTICE.txt").exists()


def test_bytes_need_no_tokenizer_and_none_is_left_of_another_run(tmp_path, content):
    store_tokenizer(tmp_path, "gemma", content, None)
    # the sentence that the terms ask for
    sentence = "Gemma is provided under and subject to the Gemma Terms of Use found at\nai.google.dev/gemma/terms"
    assert sentence in (tmp_path / "NOTICE.txt").read_text()
    store_tokenizer(tmp_path, "bytes", None, None)
    assert [path.name for path in tmp_path.iterdir()] == [VOCABULARY]
    assert read_text_encoder(tmp_path).vocabulary == 3 + 256


def test_a_missing_or_broken_file_is_named(tmp_path, content):
    with pytest.raises(InputError, match=r"vocabulary\.json: no such file\. Train the run again"):
        read_text_encoder(tmp_path)
    store_tokenizer(tmp_path, "pool", content, None)
    packed = (tmp_path / TOKENIZER).read_bytes()
    for broken in (b"", b"no zstd", packed[: len(packed) // 2]):
        (tmp_path / TOKENIZER).write_bytes(broken)
        with pytest.raises(InputError, match=r"tokenizer\.json\.zst: (cannot be read|not a tokenizer\.json)"):
            read_text_encoder(tmp_path)
    (tmp_path / TOKENIZER).unlink()
    with pytest.raises(InputError, match=r"tokenizer\.json\.zst: cannot be read"):
        read_text_encoder(tmp_path)
    (tmp_path / VOCABULARY).write_text(json.dumps({"tokenizer": "pool"}))
    with pytest.raises(InputError, match="does not say which tokenizer"):
        read_text_encoder(tmp_path)

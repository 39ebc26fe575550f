import numpy as np

from mc2lib.recipe.training.tokenizers import EOS, PAD, UNKNOWN, TextEncoder, find_kept, train_bpe

TEXTS = ["red apple", "rotes Auto", "りんご", "red car"]


def test_bytes_by_hand():
    assert TextEncoder(None)(["ab", "c"], 8).tolist() == [[97 + 3, 98 + 3, EOS], [99 + 3, EOS, PAD]]


def test_long_texts_are_cut_before_the_end_token():
    ids = TextEncoder(None)(["abcdefgh"], 4)
    assert ids.shape == (1, 4) and ids[0, -1] == EOS


def test_every_text_ends_once():
    encoder = TextEncoder(train_bpe(TEXTS, 300))
    ids = encoder([*TEXTS, ""], 16)
    assert ((ids == EOS).sum(axis=1) == 1).all() and ids.max() < encoder.vocabulary


def test_a_cut_vocabulary_knows_what_it_kept_and_no_more():
    whole = TextEncoder(train_bpe(TEXTS, 300))
    cut = TextEncoder(whole.tokenizer, find_kept(whole, TEXTS[:2]))
    assert cut.vocabulary < whole.vocabulary
    assert UNKNOWN not in cut(TEXTS[:2], 32) and UNKNOWN in cut(["りんご"], 32)
    assert [len(row) for row in cut.split(TEXTS)] == [len(row) for row in whole.split(TEXTS)]


def test_training_a_tokenizer_is_repeatable():
    assert train_bpe(TEXTS * 5, 320).to_str() == train_bpe(TEXTS * 5, 320).to_str()
    assert np.array_equal(TextEncoder(train_bpe(TEXTS, 300))(TEXTS, 8), TextEncoder(train_bpe(TEXTS, 300))(TEXTS, 8))

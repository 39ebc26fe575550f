"""Tokenizers: Gemma's, one trained on the pool, and bytes; vocabularies cut to what occurs.

Ids are the same in all: 0 pads, 1 is unknown, 2 ends a text (MetaCLIP 2 pools at eos, id 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

Ids = npt.NDArray[np.int64]

PAD, UNKNOWN, EOS = 0, 1, 2
SPECIAL = 3


class TextEncoder:
    """Texts to padded id arrays.

    Args:
        tokenizer: a Hugging Face tokenizer, or None for UTF-8 bytes.
        kept: the tokenizer's ids that stay in the vocabulary, sorted; None keeps all.
    """

    def __init__(self, tokenizer: Tokenizer | None, kept: Sequence[int] | None = None) -> None:
        self.tokenizer = tokenizer
        self.kept = None if kept is None else list(kept)
        size = 256 if tokenizer is None else tokenizer.get_vocab_size()
        self.table = np.arange(size, dtype=np.int64) + SPECIAL
        if self.kept is not None:
            self.table = np.full(size, UNKNOWN, dtype=np.int64)
            self.table[self.kept] = np.arange(len(self.kept)) + SPECIAL

    @property
    def vocabulary(self) -> int:
        """Rows the token embedding needs."""
        return SPECIAL + (len(self.table) if self.kept is None else len(self.kept))

    def split(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokenizer's own ids per text, neither cut nor padded."""
        if self.tokenizer is None:
            return [list(text.encode()) for text in texts]
        return [found.ids for found in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def __call__(self, texts: Sequence[str], context_length: int) -> Ids:
        """Encode texts.

        Args:
            texts: n texts.
            context_length: tokens, the end token included; longer texts are cut before it.

        Returns:
            int64 array [n, longest], longest <= context_length; every row holds EOS once.
        """
        rows = [self.table[ids[: context_length - 1]] for ids in self.split(texts)]
        longest = max((len(row) for row in rows), default=0) + 1
        padded = np.full((len(rows), longest), PAD, dtype=np.int64)
        for i, row in enumerate(rows):
            padded[i, : len(row)] = row
            padded[i, len(row)] = EOS
        return padded


def find_kept(encoder: TextEncoder, texts: Sequence[str]) -> list[int]:
    """The tokenizer's ids that occur in `texts`, sorted."""
    kept: set[int] = set()
    for ids in encoder.split(texts):
        kept.update(ids)
    return sorted(kept)


def train_bpe(texts: Iterable[str], size: int) -> Tokenizer:
    """A byte-level BPE tokenizer trained on texts; the same texts in the same order give the same one."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer

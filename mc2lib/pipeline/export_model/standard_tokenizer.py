"""A run's tokenizer as a tokenizer.json that standard libraries read and that gives the run's own ids.

A run keeps three ids for itself (0 pads, 1 is unknown, 2 ends a text) and moves the tokenizer's own behind them. Here
they become entries of the tokenizer's vocabulary, and its post-processor appends the end token.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from mc2lib.errors import InputError
from mc2lib.recipe.training.tokenizers import EOS, PAD, SPECIAL, UNKNOWN, TextEncoder

#: The run's own ids by the tokens that stand for them in an exported tokenizer.
TOKENS = {"<mc2_pad>": PAD, "<mc2_unknown>": UNKNOWN, "<mc2_end>": EOS}
PAD_TOKEN, UNKNOWN_TOKEN, EOS_TOKEN = TOKENS


def standardise(encoder: TextEncoder) -> dict[str, Any]:
    """The content of a tokenizer.json whose ids are rows of `full_embedding`.

    Args:
        encoder: of the run; the tokens that its vocabulary left out get ids too.

    Raises:
        InputError: the tokenizer's model is of a kind whose ids cannot be moved.
    """
    tokenizer = encoder.tokenizer or _byte_tokenizer()
    content: dict[str, Any] = json.loads(tokenizer.to_str())
    content["model"] = _move_ids(content["model"])
    content["added_tokens"] = [
        *({"id": number, "content": token, "special": True} | _PLAIN for token, number in TOKENS.items()),
        *(token | {"id": token["id"] + SPECIAL} for token in content["added_tokens"]),
    ]
    content["post_processor"] = _append_end()
    return content | {"truncation": None, "padding": None}


def describe_tokenizer(context_length: int) -> dict[str, Any]:
    """The content of the tokenizer_config.json beside it; `context_length` counts tokens, the end token included."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "pad_token": PAD_TOKEN,
        "unk_token": UNKNOWN_TOKEN,
        "eos_token": EOS_TOKEN,
        "padding_side": "right",
        "truncation_side": "right",
        "clean_up_tokenization_spaces": False,
    }


def full_embedding(embedding_VD: Tensor, encoder: TextEncoder) -> Tensor:
    """The token embedding with one row for each id of `standardise`.

    A run whose vocabulary was cut reads every token that its pool did not hold as the unknown token, so these tokens'
    rows are copies of that token's: the exported model gives the run's features for any text.

    Args:
        embedding_VD: float32 [V, D], the run's.
        encoder: of the run.

    Returns:
        float32 [3 + the tokenizer's size, D].
    """
    own = torch.arange(SPECIAL)
    return embedding_VD[torch.cat([own, torch.from_numpy(encoder.table)])]


#: How the tokens of `TOKENS` are looked for in a text: as they are.
_PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}


def _move_ids(model: dict[str, Any]) -> dict[str, Any]:
    """A tokenizer's model with its ids moved behind the run's own."""
    vocabulary = model.get("vocab")
    if isinstance(vocabulary, dict):  # BPE, WordPiece, WordLevel: ids by token
        return model | {"vocab": TOKENS | {token: number + SPECIAL for token, number in vocabulary.items()}}
    if isinstance(vocabulary, list):  # Unigram: scores by id
        unknown = model.get("unk_id")
        own = [[token, 0.0] for token in TOKENS]
        return model | {"vocab": own + vocabulary, "unk_id": None if unknown is None else unknown + SPECIAL}
    fault = f"its model is of the kind {model.get('type')}, whose ids cannot be moved"
    raise InputError("tokenizer", fault, "Train with a BPE, Unigram, WordPiece or WordLevel tokenizer.")


def _append_end() -> dict[str, Any]:
    """A post-processor that ends each text with the end token."""
    end = {"SpecialToken": {"id": EOS_TOKEN, "type_id": 0}}
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in ("A", "B"))
    return {
        "type": "TemplateProcessing",
        "single": [first, end],
        "pair": [first, end, second, end],
        "special_tokens": {EOS_TOKEN: {"id": EOS_TOKEN, "ids": [EOS], "tokens": [EOS_TOKEN]}},
    }


def _byte_tokenizer() -> Tokenizer:
    """A tokenizer whose tokens are the 256 bytes of UTF-8, by their value."""
    tokenizer = Tokenizer(models.BPE(_byte_characters(), []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _byte_characters() -> dict[str, int]:
    """The character that byte-level tokenizers write for each byte: itself if it is seen, else one from 256 on."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    unseen = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + place): byte for place, byte in enumerate(unseen)}

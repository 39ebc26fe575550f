"""The study's vocabularies: tokenizers cut to what a pool draw holds, or trained on it, once for each draw."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.engine.shard_runs import map_tasks
from mc2lib.errors import InputError
from mc2lib.io.files import atomic, file_digest, read_json, read_table, write_json
from mc2lib.io.study_paths import Paths
from mc2lib.params import Params, Tokenizer
from mc2lib.recipe.training.tokenizers import TextEncoder, find_kept, train_bpe
from mc2lib.trainer.vocabulary import parse_tokenizer

#: Vocabulary of the tokenizer trained on the pool, at most.
POOL_VOCABULARY = 8192


def make_vocabularies(root: Path, params: Params) -> pd.DataFrame:
    """Write the vocabulary of every (mix, seed, tokenizer), whichever of them arms train with.

    Args:
        root: the study's folder.
        params: the study; `training.vocabulary` says whether to cut.

    Returns:
        columns mix, seed, tokenizer, vocabulary (rows of the token embedding).
    """
    jobs = [(mix, seed, kind) for mix in params.pool.mixes for kind in get_args(Tokenizer) for seed in params.seeds]
    return pd.DataFrame(map_tasks(partial(_make, Paths(root), params), jobs, params.machine))


def _make(paths: Paths, params: Params, job: tuple[str, int, Tokenizer]) -> dict[str, Any]:
    mix, seed, kind = job
    path = paths.vocabulary(mix, seed, kind)
    if kind == "pool":
        with atomic(path) as temporary:
            train_bpe(_pool_texts(paths, mix, seed), POOL_VOCABULARY).save(str(temporary))
    elif kind == "gemma":
        source = _fetched(paths)
        whole = TextEncoder(parse_tokenizer(source.read_bytes(), str(source)))
        cut = params.training.vocabulary == "cut"
        kept = find_kept(whole, _pool_texts(paths, mix, seed)) if cut else None
        write_json({"tokenizer": file_digest(source), "kept": kept}, path)
    else:
        write_json({"tokenizer": kind}, path)
    content, kept = read_vocabulary(paths, mix, seed, kind)
    tokenizer = None if content is None else parse_tokenizer(content, str(path))
    rows = TextEncoder(tokenizer, kept).vocabulary
    return {"mix": mix, "seed": seed, "tokenizer": kind, "vocabulary": rows}


def read_vocabulary(paths: Paths, mix: str, seed: int, kind: Tokenizer) -> tuple[bytes | None, list[int] | None]:
    """The vocabulary that `make_vocabularies` wrote for a draw.

    Args:
        paths: of the study.
        mix: of the draw.
        seed: of the draw.
        kind: of tokenizer.

    Returns:
        the content of the tokenizer.json, None for bytes; and its ids that stay, None where all do.

    Raises:
        InputError: a file is missing, or the tokenizer is not the one that the vocabulary was cut from.
    """
    path = paths.vocabulary(mix, seed, kind)
    if not path.exists():
        raise InputError(str(path), "no such vocabulary", "Run `dvc repro pool`.")
    if kind == "bytes":
        return None, None
    if kind == "pool":
        return path.read_bytes(), None
    source, about = _fetched(paths), read_json(path)
    if not source.exists() or file_digest(source) != about["tokenizer"]:
        raise InputError(str(source), f"not the tokenizer that {path} was cut from", "Run `dvc repro pool`.")
    return source.read_bytes(), about["kept"]


def _fetched(paths: Paths) -> Path:
    return paths.sources / "tokenizers" / "gemma.json"


def _pool_texts(paths: Paths, mix: str, seed: int) -> list[str]:
    """Distinct alt-texts of a pool draw, sorted: what a cut or trained vocabulary may know."""
    folder = paths.pool(mix, seed)
    tables = [read_table(path, columns=["alt_text"]) for path in sorted(folder.glob("pairs-*.parquet"))]
    if not tables:
        raise InputError(str(folder), "no pairs-*.parquet", "Run `dvc repro pool`.")
    return sorted(pc.unique(pa.concat_tables(tables)["alt_text"]).to_pylist())

"""The match index of all languages: one file, written once, mapped by every process of a node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mc2lib.errors import InputError
from mc2lib.io.code_digest import code_digest
from mc2lib.io.files import atomic, file_digest, read_json, read_table, write_json
from mc2lib.params import DEFAULT_RULES, MatchRules
from mc2lib.recipe.curation.index import Index, build_index
from mc2lib.schemas import METADATA

#: What an index follows from: where one is edited, it is built again.
INDEXING = (
    "recipe.curation.borders",
    "recipe.curation.index",
    "recipe.curation.index_tokens",
    "recipe.curation.index_trie",
    "recipe.curation.perfect_hash",
    "io.match_store",
    "languages",
)
#: Arrays start at multiples of this many bytes.
ALIGNMENT = 64
_REBUILD = "Build the index again with `write_indices`."


def write_indices(folder: Path, metadata: Mapping[str, Path], rules: MatchRules = DEFAULT_RULES) -> int:
    """Build the index of every language, one after another, into one file that `open_indices` maps.

    Args:
        folder: gets `index.bin`, the arrays end to end, and `index.json`, which says where each lies.
        metadata: by language its list of entries (Parquet, METADATA).
        rules: of matching.

    Returns:
        bytes of the index.

    Raises:
        InputError: a list is missing, broken or empty of meaning (see `build_index`).
    """
    languages: dict[str, Any] = {}
    (folder / "index.json").unlink(missing_ok=True)  # no moment at which the two files do not belong together
    with atomic(folder / "index.bin") as temporary, temporary.open("wb") as out:
        for language, path in sorted(metadata.items()):
            source = _fingerprint(path)
            index = build_index(read_table(path, METADATA)["entry"], rules)
            arrays = {}
            for name, array in index.arrays.items():
                out.write(b"\0" * (-out.tell() % ALIGNMENT))
                arrays[name] = [array.dtype.name, out.tell(), *array.shape]
                out.write(array.tobytes())
            languages[language] = {"arrays": arrays, "source": source, "seed": index.seed, "entries": index.size}
        size = out.tell()
    content = {
        "code": code_digest(*INDEXING),
        "rules": asdict(rules),
        "bytes": size,
        "sha256": file_digest(folder / "index.bin"),
    }
    write_json(content | {"languages": languages}, folder / "index.json")
    return size


def open_indices(
    folder: Path,
    metadata: Mapping[str, Path] | None = None,
    rules: MatchRules | None = None,
    *,
    whole: bool = False,
) -> dict[str, Index]:
    """Map the index that `write_indices` wrote; takes milliseconds, and all processes share its memory.

    Args:
        folder: where it was written.
        metadata: by language the lists that it must have been built from; None trusts it. A file with the
            size and time of change of then is taken for the same, any other is read and digested.
        rules: by which it must have been built; None trusts it.
        whole: read and digest the index itself too.

    Returns:
        by language the index, its arrays read-only views of the file.

    Raises:
        InputError: the index is missing, truncated, changed, built by other code, by other rules, or from
            other lists.
    """
    path = folder / "index.bin"
    try:
        header = read_json(folder / "index.json")
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise InputError(str(path), "no such file", _REBUILD) from error
    except InputError as error:
        raise InputError(error.place, error.fault, _REBUILD) from error
    if not isinstance(header, dict) or header.get("code") != code_digest(*INDEXING):
        raise InputError(str(folder / "index.json"), "no index that this version built", _REBUILD)
    if size != header["bytes"]:
        raise InputError(str(path), f"{size:,} bytes, not {header['bytes']:,}: truncated or changed", _REBUILD)
    if whole and file_digest(path) != header["sha256"]:
        raise InputError(str(path), "its bytes are not those that were written", _REBUILD)
    built = MatchRules(**header["rules"])
    if rules is not None and built != rules:
        raise InputError(str(folder), f"built by other rules: {built}", _REBUILD)
    if metadata is not None:
        _require_same(folder, header["languages"], metadata)
    content = np.memmap(path, np.uint8, "r") if size else np.zeros(0, np.uint8)
    return {language: _open(content, about, built) for language, about in header["languages"].items()}


def _open(content: npt.NDArray[np.uint8], about: Mapping[str, Any], rules: MatchRules) -> Index:
    arrays = {name: _view(content, *place) for name, place in about["arrays"].items()}
    return Index(size=about["entries"], seed=about["seed"], rules=rules, **arrays)


def _view(content: npt.NDArray[np.uint8], kind: str, start: int, *shape: int) -> npt.NDArray[Any]:
    stop = start + int(np.prod(shape)) * np.dtype(kind).itemsize
    # a plain array: numba compiles for it as for one in memory
    view: npt.NDArray[Any] = np.asarray(content[start:stop]).view(np.ndarray).view(kind).reshape(shape)
    view.flags.writeable = False
    return view


def _fingerprint(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise InputError(str(path), "no such metadata", "Build it with `dvc repro metadata`.")
    about = path.stat()
    return {"bytes": about.st_size, "changed_ns": about.st_mtime_ns, "sha256": file_digest(path)}


def _require_same(folder: Path, built: Mapping[str, Any], metadata: Mapping[str, Path]) -> None:
    """Raise InputError unless the index was built from these very lists."""
    if set(built) != set(metadata):
        named = ", ".join(sorted(set(built) ^ set(metadata)))
        raise InputError(str(folder), f"not of the same languages as the metadata: {named}", _REBUILD)
    for language, path in metadata.items():
        source = built[language]["source"]
        about = path.stat() if path.exists() else None
        if about and about.st_size == source["bytes"] and about.st_mtime_ns == source["changed_ns"]:
            continue
        if _fingerprint(path)["sha256"] != source["sha256"]:
            raise InputError(str(path), f"is not the list that {folder} was built from", _REBUILD)

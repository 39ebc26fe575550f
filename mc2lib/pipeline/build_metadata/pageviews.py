"""Hourly page-view files, summed: how often each title of each language was viewed."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa

from mc2lib.errors import InputError
from mc2lib.io.files import write_json
from mc2lib.pipeline.build_metadata.stored_counts import BLOCK, CountsWriter, StoredCounts, WordReader
from mc2lib.pipeline.build_metadata.token_counts import count_batches
from mc2lib.recipe.metadata.counting.count_table import Table
from mc2lib.recipe.metadata.counting.counts import Bytes, Counts, Integers, as_binary
from mc2lib.recipe.metadata.titles import PARTING, Tally, add_views, find_articles

#: The file of an hour; its name has the time at which the hour ends.
FILE_NAME = re.compile(r"pageviews-(\d{8})-(\d{2})0000\.gz")

#: After a language code, a bound above all keys of the language and below those of the next.
AFTER_PARTING = bytes([PARTING[0] + 1])

#: How many bytes are unpacked at a time.
CHUNK = 4 << 20

#: No page has a longer line: it is dropped up to its end, and counted as broken.
LONGEST_LINE = 1 << 20


def count_views(files: Sequence[Path], folder: Path, budget: int) -> tuple[dict[str, StoredCounts], Tally]:
    """Sum the views of each title over files, language by language.

    Args:
        files: hourly page-view files, gzip.
        folder: where the sums go: one folder of counts per language, whose words are titles, and `tally.json`.
        budget: bytes, see `mc2lib.pipeline.build_metadata.token_counts.count_language`.

    Returns:
        The titles of each language, and what became of the lines.

    Raises:
        InputError: a file is missing, truncated or not gzip.
    """
    tally = Tally()
    stored = count_view_files(files, folder / "all", budget, tally)
    languages = split_views(stored, folder)
    write_json(asdict(tally), folder / "tally.json")
    return languages, tally


def count_view_files(files: Sequence[Path], folder: Path, budget: int, tally: Tally) -> StoredCounts:
    """Sum the views of all languages into one list of `language NUL title`.

    `token_counts.merge_stored` adds up the lists of several workers; `split_views` splits the sum.

    Args:
        files: see `count_views`.
        folder: where the list goes.
        budget: see `count_views`.
        tally: lines are added to it.
    """
    return count_batches(_batches(files, tally), folder, budget)


def split_views(stored: StoredCounts, folder: Path) -> dict[str, StoredCounts]:
    """Split a list of `language NUL title` into one folder of titles per language.

    Args:
        stored: see `count_view_files`.
        folder: where the folders of the languages go.

    Returns:
        By language its titles and their views.
    """
    languages: dict[str, StoredCounts] = {}
    with WordReader(stored, BLOCK) as reader:
        for language, blocks in groupby(_language_blocks(reader), key=itemgetter(0)):
            with CountsWriter(folder / language) as writer:
                for _, titles, views in blocks:
                    writer.add_words(titles, views)
                languages[language] = writer.finish()
    return languages


def keep_articles(stored: StoredCounts, folder: Path, namespaces: frozenset[str] | None) -> StoredCounts:
    """Copy the titles and views of a language without titles in a namespace.

    Args:
        stored: titles of one language, see `split_views`.
        folder: where the copy goes.
        namespaces: see `mc2lib.recipe.metadata.titles.find_articles`.

    Returns:
        The titles of articles and their views.
    """
    with WordReader(stored, BLOCK) as reader, CountsWriter(folder) as writer:
        while len((block := reader.read())[0]):
            titles, views = block
            articles = find_articles(titles, namespaces)
            writer.add_words(titles.filter(pa.array(articles)), views[articles])
        return writer.finish()


def read_lines(path: Path) -> Iterator[tuple[Bytes, int]]:
    """Read the lines of a gzip file, some megabytes of whole lines at a time.

    Args:
        path: gzip file.

    Yields:
        Whole lines, uint8, and how many lines before them were left out as too long.

    Raises:
        InputError: the file is missing, truncated or not gzip.
    """
    rest, dropping, dropped = b"", False, 0
    for chunk in _unpacked(path):
        if dropping:
            _, end, chunk = chunk.partition(b"\n")
            dropping = not end
        rest += chunk
        cut = rest.rfind(b"\n") + 1
        if cut:
            yield np.frombuffer(rest[:cut], np.uint8), dropped
            rest, dropped = rest[cut:], 0
        if len(rest) > LONGEST_LINE:
            rest, dropping, dropped = b"", True, dropped + 1
    yield np.frombuffer(rest, np.uint8), dropped


def _unpacked(path: Path) -> Iterator[bytes]:
    try:
        if not path.stat().st_size:
            raise EOFError("empty")
        with gzip.open(path) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except FileNotFoundError as error:
        raise InputError(str(path), "no such file", "Fetch it, or remove it from the list.") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(str(path), f"not a complete gzip file ({error})", "Delete it and fetch it again.") from error


def _batches(files: Iterable[Path], tally: Tally) -> Iterator[Callable[[Table], Iterator[Counts]]]:
    for path in files:
        for lines, dropped in read_lines(path):
            tally.broken += dropped
            yield partial(add_views, lines=lines, tally=tally)


def _language_blocks(reader: WordReader) -> Iterator[tuple[str, pa.LargeBinaryArray, Integers]]:
    """Yield the languages in order, each with its titles and their views, block by block."""
    keys, views = reader.read()
    while len(keys):
        begin = keys[0].as_py().partition(PARTING)[0]
        cut = reader.upto(keys, begin + AFTER_PARTING)
        yield begin.decode(), _without_beginning(keys[:cut], len(begin) + 1), views[:cut]
        keys, views = (keys[cut:], views[cut:]) if cut < len(keys) else reader.read()


def _without_beginning(keys: pa.LargeBinaryArray, length: int) -> pa.LargeBinaryArray:
    """Each key without its first `length` bytes."""
    data, places = as_binary(keys)
    kept = np.ones(places[-1] - places[0], bool)
    kept[(places[:-1, None] - places[0] + np.arange(length)).ravel()] = False
    offsets = places - places[0] - length * np.arange(len(places))
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data[places[0] : places[-1]][kept])]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(keys), buffers)

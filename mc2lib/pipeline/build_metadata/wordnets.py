"""WordNets: Princeton's database files, and WN-LMF, the format of the Open Multilingual Wordnet."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import langcodes
import wn
from wn import lmf
from wn.project import iterpackages

from mc2lib.errors import InputError
from mc2lib.languages import MERGED, WIKIPEDIAS, WORDNET_CODES
from mc2lib.recipe.metadata.wordnet import parse_lemmas

#: What reading may raise; `wn` checks the format by assertions.
_FAULTS = (
    wn.Error, lmf.LMFError, OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error, AssertionError, KeyError,
    ValueError,
)  # fmt: skip

#: Tags of lexicons for which Wikipedia has another code.
TAGS = {"nb": "no"}


def wordnet_language(code: str) -> str | None:
    """Find the metadata language of a lexicon's language code.

    Args:
        code: ISO 639 code of two or three letters (`als`: Tosk Albanian), or a tag that begins with one (`cmn-Hans`).

    Returns:
        Its code; None if there is none.
    """
    code = code.replace("_", "-").split("-")[0].lower()
    if code not in WORDNET_CODES and code not in WIKIPEDIAS:
        # three letters for Wikipedia's two (`tur`), or part of a macrolanguage without a Wikipedia of its own (`pes`)
        code = langcodes.standardize_tag(code, macro=True) if langcodes.tag_is_valid(code) else ""
    code = WORDNET_CODES.get(code, TAGS.get(code, code))
    code = MERGED.get(code, code)
    return code if code in WIKIPEDIAS else None


def read_wordnets(paths: Iterable[Path]) -> dict[str, list[str]]:
    """Read the lemmas of WN-LMF files by metadata language.

    Several wordnets of a language merge, in the order of `paths` and of the names of their packages.

    Args:
        paths: WN-LMF files (XML, also compressed), packages, collections of packages, or archives of these, such as
            those of the Open Multilingual Wordnet.

    Returns:
        By language, distinct lemmas in the order of the files. Lexicons in languages without metadata are left out.

    Raises:
        InputError: a file is missing or not WN-LMF.
    """
    lemmas: dict[str, dict[str, None]] = {}
    for path in paths:
        if not path.exists():
            raise InputError(str(path), "no such file", "Fetch it, or remove it from the list.")
        for code, words in read_lexicons(path):
            language = wordnet_language(code)
            if language is not None:
                lemmas.setdefault(language, {}).update(dict.fromkeys(words))
    return {language: list(lemmas[language]) for language in sorted(lemmas)}


def read_wndb(folder: Path) -> list[str]:
    """Read the distinct lemmas of Princeton's database files, as written: nouns, verbs, adjectives, adverbs.

    Args:
        folder: with `data.noun` and the others; missing ones are left out.

    Raises:
        InputError: a file is not WNDB.
    """
    lemmas: dict[str, None] = {}
    for path in (folder / f"data.{part}" for part in ("noun", "verb", "adj", "adv")):
        if not path.exists():
            continue
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(str(path), f"not a WordNet file ({error})", "Fetch it again.") from error
        lemmas.update(dict.fromkeys(parse_lemmas(lines, str(path))))
    return list(lemmas)


def read_lexicons(path: Path) -> list[tuple[str, list[str]]]:
    """Read the lexicons of a file, a package or an archive.

    Args:
        path: see `read_wordnets`.

    Returns:
        The language code of each lexicon, and its lemmas in the order of the file, with spaces for underscores.

    Raises:
        InputError: the file is not WN-LMF, truncated or malformed.
    """
    lexicons: dict[str, list[tuple[str, list[str]]]] = {}
    try:
        for package in iterpackages(path):
            if package.type == "wordnet":
                file = package.resource_file()
                found = cast(list[Mapping[str, Any]], lmf.load(file, progress_handler=None)["lexicons"])
                lexicons[f"{file.parent.name}/{file.name}"] = [_lemmas(lexicon) for lexicon in found]
    except _FAULTS as error:
        raise InputError(
            str(path), f"not WN-LMF ({error or type(error).__name__})", "Fetch it again, or remove it from the list."
        ) from error
    if not lexicons:
        raise InputError(str(path), "contains no wordnet", "Give a WN-LMF file, a package or an archive of packages.")
    return [lexicon for name in sorted(lexicons) for lexicon in lexicons[name]]


def _lemmas(lexicon: Mapping[str, Any]) -> tuple[str, list[str]]:
    # entries of an extension that only add to those of another lexicon have no lemma of their own
    lemmas = (entry.get("lemma") or {} for entry in lexicon.get("entries", []))
    words = (" ".join(lemma.get("writtenForm", "").replace("_", " ").split()) for lemma in lemmas)
    return lexicon["language"], [word for word in words if word]

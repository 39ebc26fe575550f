"""Whether this is the recipe: matching beside an oracle, junk beside clean pairs, list sizes, users' files.

    python -m benchmarks.fidelity

The oracle (tests/oracles/matching.py) is written from the recipe alone. It reads a million texts made of every script
that a Wikipedia is written in, and of mixtures of scripts. File names are graded twice: on the packaged pool as the
study curated it, and, for the unspaced languages that this pool lacks too, on windows of the Universal Declaration of
Human Rights with file names among them.
"""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.fidelity_files import users_files_lost
from benchmarks.fidelity_metadata import english_entries
from mc2lib.io.config import find_root, load_params
from mc2lib.io.udhr import read_udhr
from mc2lib.languages import SCRIPTS, UNSPACED, WIKIPEDIAS, udhr_code
from mc2lib.params import MatchRules
from mc2lib.recipe.curation.balance import count_entries, keep_probability, pair_keep_probability, threshold_for_share
from mc2lib.recipe.curation.index import build_index
from mc2lib.recipe.curation.match import match
from mc2lib.recipe.metadata.words import count_words, split_clauses
from mc2lib.recipe.pool.texts import FILE_NAMES as NAME_PATTERNS
from mc2lib.study.curation_grades import grade_languages
from mc2lib.study.metadata_stage import load_metadata
from tests.oracles.matching import find_entries

TEXTS = 1_040_000
#: Entries of each script's list, and of the list that all scripts share in the mixtures.
ENTRIES = 400
#: What Unicode calls the letters of a script, where it is not the script's own name.
NAMES = {
    "Canadian Syllabics": ("CANADIAN SYLLABICS ",),
    "Han": ("CJK UNIFIED IDEOGRAPH-4E", "CJK UNIFIED IDEOGRAPH-9F", "CJK UNIFIED IDEOGRAPH-2000"),
    "Japanese": ("HIRAGANA LETTER", "KATAKANA LETTER", "KATAKANA-HIRAGANA", "CJK UNIFIED IDEOGRAPH-65"),
    "Korean": ("HANGUL SYLLABLE GA", "HANGUL SYLLABLE HA", "HANGUL CHOSEONG", "HALFWIDTH HANGUL"),
    "N'Ko": ("NKO ",),
    "Odia": ("ORIYA ",),
    "Meetei Mayek": ("MEETEI MAYEK ",),
}
#: What stands between and inside words in every script's texts, more often than other characters.
COMMON = "      aAbB47,.;:?!`'-_()/\t\n。、・།"

#: The study's pool holds these; the other unspaced languages are graded on the Declaration.
SPACED_SAMPLE = ("en", "de", "ru", "ar", "hi", "vi")
SHARE = 0.06  # p, near the paper's English
WINDOWS, FILE_NAMES = 9_000, 1_000


def script_letters() -> dict[str, list[str]]:
    """The assigned letters, marks and digits of every script that a Wikipedia is written in."""
    points = [chr(point) for point in range(0xA0, 0x30000) if unicodedata.name(chr(point), "")]
    letters = {"Latin": [chr(point) for point in range(0x41, 0x24F) if chr(point).isalpha()]}
    for script in SCRIPTS:
        begins = NAMES.get(script, (script.upper() + " ",))
        letters[script] = [
            c for c in points if unicodedata.name(c).startswith(begins) and unicodedata.category(c)[0] in "LMN"
        ]
        assert letters[script], script
    return letters


def make_case(letters: Sequence[str], n: int, draw: np.random.Generator) -> tuple[list[str], list[str]]:
    """`n` texts and `ENTRIES` entries of the same few characters, so that many match and more nearly do."""
    few = [letters[i] for i in draw.choice(len(letters), min(12, len(letters)), replace=False)] + list(COMMON)
    entries = {"".join(draw.choice(few, size)) for size in draw.integers(1, 5, ENTRIES)}
    entries = sorted(entry for entry in entries if entry.strip())
    parts = np.array([*few, *entries], dtype=object)
    sizes = draw.integers(1, 9, n)
    drawn = draw.integers(0, len(parts), sizes.sum())
    ends = np.cumsum(sizes)
    return ["".join(parts[drawn[end - size : end]]) for size, end in zip(sizes, ends, strict=True)], entries


def compare_with_oracle(total: int, seed: int = 0) -> tuple[int, int, bool]:
    """Texts compared, scripts among them, and whether every match was equal, by the paper's borders and with kana."""
    scripts = script_letters()
    everything = [c for letters in scripts.values() for c in letters]
    draw = np.random.default_rng(seed)
    cases = [*scripts.items(), *((f"mixture {i}", everything) for i in range(len(scripts)))]
    compared, equal = 0, True
    for name, letters in cases:
        began = time.monotonic()
        texts, entries = make_case(letters, -(-total // len(cases)), draw)
        column = pa.array(texts)
        for borders, half in (("paper", slice(0, None, 2)), ("kana", slice(1, None, 2))):
            rows = texts[half]
            found = match(column.take(pa.array(range(len(texts))[half])), build_index(entries, MatchRules(borders)))
            same = found.to_pylist() == find_entries(rows, entries, kana=borders == "paper")
            compared, equal = compared + len(rows), equal and same
        print(f"oracle: {name}: {len(texts):,} texts, equal {same}, {time.monotonic() - began:.1f} s", flush=True)
    return compared, len(scripts), equal


def grade_declaration(root: Path, languages: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Per language the shares of file names and of windows of the Declaration that match, and that are kept.

    A list holds the words of the language's Declaration, 0 to 99, and what is common on every Wikipedia: the
    thousand commonest Latin entries of the study's Chinese list. `anywhere` is the share of file names that would
    match if no entry needed a border.
    """
    latin = [entry for entry in load_metadata(root, "zh")["entry"].to_pylist() if entry.isascii()][:1000]
    draw = np.random.default_rng(seed)
    rows = []
    for language in languages:
        clauses = split_clauses(read_udhr(root / "data" / "sources" / "udhr" / f"{udhr_code(language)}.html"), language)
        words = [word for clause in clauses for word in clause]
        entries = list(dict.fromkeys([*count_words(clauses), *map(str, range(100)), *latin]))
        glue = "" if language in UNSPACED else " "
        starts = draw.integers(0, max(1, len(words) - 8), WINDOWS)
        texts = [glue.join(words[start : start + 8]) for start in starts]
        picks = draw.random((FILE_NAMES, 4))
        texts += [NAME_PATTERNS[int(u * len(NAME_PATTERNS))].format(int(v * 10_000)) for u, v, _, _ in picks]
        found = match(pa.array(texts), build_index(entries))
        kept = expected_keep(found, len(entries))
        matched = np.array([len(row) > 0 for row in found.to_pylist()])
        clean = np.arange(len(texts)) < WINDOWS
        rows.append(
            {
                "language": language,
                "spaced": language not in UNSPACED,
                "anywhere": np.mean([any(entry in text for entry in entries) for text in texts[WINDOWS:]]),
                "file_names_matched": matched[~clean].mean(),
                "file_names_kept": kept[~clean].mean(),
                "clean_matched": matched[clean].mean(),
                "clean_kept": kept[clean].mean(),
            }
        )
    return pd.DataFrame(rows)


def expected_keep(found: pa.ListArray, entries: int) -> np.ndarray:
    """Each pair's keep probability when its list is balanced so that the tail has `SHARE` of the matches."""
    counts = count_entries(found.flatten().to_numpy(), entries)
    keep = keep_probability(counts, threshold_for_share(counts, SHARE))
    starts = np.zeros(len(found), np.int64)
    return pair_keep_probability(found.offsets.to_numpy().astype(np.int64), found.flatten().to_numpy(), starts, keep)


def grade_pool(root: Path) -> pd.DataFrame:
    """The same of the packaged pool as the study curated it by the recipe, over its seeds."""
    params = load_params(root)
    grades = [grade_languages(root, "base", seed, "isolated") for seed in params.seeds]
    summed = pd.concat(grades).groupby(["language", "noise"])[["pairs", "matched", "kept"]].sum().reset_index()
    rows = []
    for language, kinds in summed.groupby("language"):
        known = kinds.set_index("noise")
        row: dict[str, object] = {"language": language, "spaced": language not in UNSPACED}
        for noise, name in (("file_name", "file_names"), ("none", "clean")):
            for step in ("matched", "kept"):
                row[f"{name}_{step}"] = known.loc[noise, step] / known.loc[noise, "pairs"]
            row[f"{name}_pairs"] = known.loc[noise, "pairs"]
        rows.append(row)
    return pd.DataFrame(rows)


def kept_share(grades: pd.DataFrame, spaced: bool) -> float:
    """The share of all file names kept in spaced or in unspaced languages."""
    rows = grades[grades["spaced"] == spaced]
    return float((rows["file_names_kept"] * rows["file_names_pairs"]).sum() / rows["file_names_pairs"].sum())


def main() -> Mapping[str, object]:
    """Print all parts and, last, the line that sums them up."""
    root = find_root()
    unspaced = [language for language in WIKIPEDIAS if language in UNSPACED]
    texts, scripts, equal = compare_with_oracle(TEXTS)
    declaration = grade_declaration(root, [*unspaced, *SPACED_SAMPLE])
    print("\nThe Declaration with a tenth of file names, shares matched and kept:")
    print(declaration.round(4).to_string(index=False))
    pool = grade_pool(root)
    shown = pool[~pool["spaced"] | pool["language"].isin(SPACED_SAMPLE)]
    print("\nThe packaged pool, the recipe's arm, shares matched and kept over all seeds:")
    print(shown.round(4).to_string(index=False), flush=True)
    return {
        "what": "fidelity",
        "texts": texts,
        "scripts": scripts,
        "equal": equal,
        "file_names_kept_unspaced": round(kept_share(pool, False), 4),
        "file_names_kept_spaced": round(kept_share(pool, True), 4),
        "declaration_kept_unspaced": round(float(declaration.query("not spaced")["file_names_kept"].max()), 4),
        "declaration_kept_spaced": round(float(declaration.query("spaced")["file_names_kept"].max()), 4),
        "english_entries": english_entries(),
        "users_files_lost": users_files_lost(),
    }


if __name__ == "__main__":
    line = main()
    print(json.dumps(line))
    sys.exit(0 if line["equal"] and not line["users_files_lost"] else 1)

"""What each choice of borders and of Unicode forms brings and costs on real texts.

    make bench WHAT=borders

Texts are the clauses of the Universal Declaration of Human Rights and the names and keywords of CLDR, lists are the
study's. Words are those of ICU's segmenter in unspaced scripts, and runs between spaces in others: an entry is right
where its both ends are ends of words, and a word is found where it, standing in the list, is matched.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from mc2lib.io.config import find_root, load_params
from mc2lib.io.files import read_json
from mc2lib.io.udhr import read_udhr
from mc2lib.languages import cldr_locale, udhr_code
from mc2lib.params import MatchRules
from mc2lib.recipe.curation.borders import SET_OFF, prepare_texts
from mc2lib.recipe.curation.index import build_index
from mc2lib.recipe.curation.match import match
from mc2lib.recipe.metadata.words import split_clauses
from mc2lib.study.metadata_stage import load_metadata

#: Choices beside the paper's own, each with the languages that it is about.
CHOICES: dict[str, tuple[MatchRules, tuple[str, ...]]] = {
    "paper": (MatchRules("paper"), ("ja", "ko", "zh", "th", "my", "km")),
    "kana": (MatchRules("kana"), ("ja", "ko", "zh", "th", "my", "km")),
    "kana_hangul": (MatchRules("kana_hangul"), ("ja", "ko")),
    "kana, script borders": (MatchRules("kana", script_borders=True), ("ja", "ko", "zh", "th", "my", "km")),
}


def read_texts(root: Path, language: str) -> list[str]:
    """The language's clauses of the Declaration, and CLDR's names and keywords of emoji."""
    path = root / "data" / "sources" / "udhr" / f"{udhr_code(language)}.html"
    clauses = [clause for paragraph in read_udhr(path) for clause in paragraph.replace("\n", " ").split(". ")]
    about = read_json(root / "data" / "sources" / "annotations" / f"{cldr_locale(language)}.json")
    names = [text for row in _annotations(about) for text in [*row.get("tts", []), *row.get("default", [])]]
    return list(dict.fromkeys(text.strip() for text in [*clauses, *names] if text.strip()))


def _annotations(content: dict) -> list[dict]:
    if "annotations" in content and all(isinstance(value, dict) for value in content["annotations"].values()):
        inner = content["annotations"]
        return list(inner["annotations"].values()) if "annotations" in inner else list(inner.values())
    return list(content.values())


def word_ends(text: str, language: str) -> set[int]:
    """Where words of a text begin and end."""
    ends, place = set(), 0
    for clause in split_clauses([text], language):
        for word in clause:
            start = text.find(word, place)
            if start >= 0:
                ends |= {start, start + len(word)}
                place = start + len(word)
    return ends


def grade(texts: Sequence[str], entries: list[str], language: str, rules: MatchRules) -> dict[str, float]:
    """Texts matched, entries a matched text, entries that are right, and words of the list that are found."""
    found = match(pa.array(texts), build_index(entries, rules)).to_pylist()
    known = set(entries)
    right = total = listed = reached = 0
    for text, row in zip(texts, found, strict=True):
        ends = word_ends(text, language)
        names = {entries[i] for i in row}
        total += len(names)
        right += sum(_at_ends(text, name, ends) for name in names)
        words = {word for clause in split_clauses([text], language) for word in clause} & known
        listed += len(words)
        reached += len(words & names)
    matched = sum(1 for row in found if row)
    return {
        "matched": matched / len(texts),
        "entries_a_text": total / max(matched, 1),
        "right": right / max(total, 1),
        "words_found": reached / max(listed, 1),
    }


def _at_ends(text: str, name: str, ends: set[int]) -> bool:
    """Whether an entry stands somewhere in the text from one end of a word to another."""
    start = text.find(name)
    while start >= 0:
        if start in ends and start + len(name) in ends:
            return True
        start = text.find(name, start + 1)
    return False


def compare_forms(root: Path, languages: Sequence[str]) -> pd.DataFrame:
    """Per normal form, over all languages: matches of real texts as they are, gained and lost; texts that change."""
    rows = []
    for form in ("nfc", "nfkc"):
        before = gained = lost = changed = total = 0
        most: tuple[int, str] = (0, "")
        for language in languages:
            texts = pa.array(read_texts(root, language), pa.large_string())
            entries = load_metadata(root, language)["entry"].to_pylist()
            plain = match(texts, build_index(entries)).to_pylist()
            rules = MatchRules(normalise=form)
            spelled = match(texts, build_index(entries, rules)).to_pylist()
            now = [len(set(b) - set(a)) for a, b in zip(plain, spelled, strict=True)]
            before += sum(map(len, plain))
            gained += sum(now)
            lost += sum(len(set(a) - set(b)) for a, b in zip(plain, spelled, strict=True))
            same = np.array(prepare_texts(texts, rules).to_pylist(), object) == np.array(texts.to_pylist(), object)
            changed += int((~same).sum())
            total += len(texts)
            most = max(most, (sum(now), language))
        rows.append({"form": form, "texts": total, "texts_changed": changed, "matches": before, "gained": gained})
        rows[-1] |= {"lost": lost, "most_gained_in": most[1]}
    return pd.DataFrame(rows)


def count_marked_entries(root: Path) -> tuple[int, int]:
    """Entries of all the study's lists that hold punctuation which is set off, beside other characters; all entries."""
    names = [path.stem for path in (root / "data" / "metadata").glob("*.parquet")]
    lists = [load_metadata(root, name)["entry"].to_pylist() for name in names]
    marked = sum(1 for entries in lists for entry in entries if len(entry) > 1 and set(entry) & set(SET_OFF))
    return marked, sum(map(len, lists))


def main() -> dict[str, object]:
    """Print both tables and return the line that sums them up."""
    root = find_root()
    rows = []
    for choice, (rules, languages) in CHOICES.items():
        for language in languages:
            entries = load_metadata(root, language)["entry"].to_pylist()
            rows.append({"choice": choice, "language": language})
            rows[-1] |= grade(read_texts(root, language), entries, language, rules)
    borders = pd.DataFrame(rows)
    print(borders.round(3).to_string(index=False), flush=True)
    forms = compare_forms(root, load_params(root).languages)
    print(forms.to_string(index=False), flush=True)
    marked, entries = count_marked_entries(root)
    print(f"{marked:,} of {entries:,} entries hold punctuation that is set off")
    japanese = borders[borders["language"] == "ja"].set_index("choice")
    return {
        "what": "borders",
        "ja_words_found": japanese["words_found"].round(3).to_dict(),
        "ja_right": japanese["right"].round(3).to_dict(),
        "entries_with_marks": marked,
        "forms": forms.set_index("form")[["gained", "lost"]].to_dict("index"),
    }


if __name__ == "__main__":
    print(json.dumps(main()))

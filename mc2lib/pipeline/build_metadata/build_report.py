"""What a build of the lists gave: the card, what was missing, what failed, printed and written to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mc2lib.io.files import atomic, read_json, write_json
from mc2lib.languages import WORDNET_CODES
from mc2lib.pipeline.build_metadata.pageviews import FILE_NAME
from mc2lib.pipeline.build_metadata.stamped_tasks import stamp_path
from mc2lib.recipe.metadata.card import (
    CARD,
    compare_english,
    summarise_card,
    summarise_coverage,
    summarise_cuts,
)


@dataclass(frozen=True)
class Outcome:
    """What a build gave.

    Args:
        card: one row per language and source, see `mc2lib.recipe.metadata.card.make_card`.
        missing: by language the sources that it lacks, and why.
        failed: languages whose lists could not be built, and why; an older list stays.
    """

    card: pd.DataFrame
    missing: dict[str, dict[str, str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def tell_outcome(outcome: Outcome, coverage: pd.DataFrame) -> None:
    """Print the card, and what was missing or failed.

    Args:
        outcome: of the build.
        coverage: see `mc2lib.io.metadata.label_coverage.label_coverage`.
    """
    print(summarise_card(outcome.card).to_string(float_format="{:.2f}".format), end="\n\n")
    print(summarise_cuts(outcome.card).to_string(), end="\n\n")
    if "en" in set(outcome.card["language"]):
        print(compare_english(outcome.card).to_string(), end="\n\n")
    for part, row in summarise_coverage(coverage).iterrows():
        print(f"language id | {part}: {row['languages']} languages, {row['labels']} labels")
    for language, sources in outcome.missing.items():
        print(f"missing | {language}: " + "; ".join(f"{source} ({why})" for source, why in sources.items()))
    for language, why in outcome.failed.items():
        print(f"failed | {language}: {why}")


def find_missing(
    wikis: Mapping[str, Sequence[str]],
    dumps: Mapping[str, Any],
    views: Mapping[str, Any],
    lemmas: Mapping[str, Any],
    reasons: Mapping[str, str],
) -> dict[str, dict[str, str]]:
    """Find the sources that each language lacks.

    Args:
        wikis: by metadata language, the codes of its Wikipedias.
        dumps: by language, if it has any.
        views: by language, if it has any.
        lemmas: by language, if it has any.
        reasons: by Wikipedia code or file of page views, why it could not be fetched.

    Returns:
        By language, each source that it lacks and why; under `page views`, the hourly files that are missing.
    """
    hours = {name: reason for name, reason in reasons.items() if FILE_NAME.fullmatch(name)}
    found: dict[str, dict[str, str]] = {"page views": hours} if hours else {}
    for language, codes in wikis.items():
        lacks = {}
        if language not in dumps:
            lacks["dump"] = "; ".join(reasons[code] for code in codes if code in reasons) or "not in the folder"
        if language not in views:
            lacks["titles"] = "no page views"
        if language not in lemmas:
            lacks["wordnet"] = "none in wordnets/" if language in WORDNET_CODES.values() else "none for this language"
        if lacks:
            found[language] = lacks
    return found


def write_build_report(folder: Path, outcome: Outcome, counted: Sequence[Path]) -> None:
    """Write metadata/card.csv, of all lists in the folder, and report.json: what became of pages, lines and titles.

    Args:
        folder: of the build.
        outcome: of this build, which may have been of a few languages only.
        counted: folders of counts whose tallies are reported.
    """
    target = folder / "metadata"
    target.mkdir(parents=True, exist_ok=True)
    stamps = {path.stem: folder / "work" / "lists" / f"{path.stem}.json" for path in sorted(target.glob("*.parquet"))}
    lists = {language: read_json(stamp) for language, stamp in stamps.items() if stamp.exists()}
    tallies = {str(path.relative_to(folder / "work")): read_json(stamp_path(path))["tally"] for path in sorted(counted)}
    titles = {language: known.get("titles") for language, known in lists.items()}
    report = {"missing": outcome.missing, "failed": outcome.failed, "titles": titles, "tallies": tallies}
    write_json(report, target / "report.json")
    rows = [row for known in lists.values() for row in known["card"]]
    with atomic(target / "card.csv") as temporary:
        pd.DataFrame(rows, columns=list(CARD)).to_csv(temporary, index=False)

"""What a person reads when a curation has ended: its languages, what was lost and why, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import pandas as pd

from mc2lib.errors import InputError
from mc2lib.io.curated_pool import CuratedPool, PoolFiles, read_report
from mc2lib.io.pools.shards import PoolSource
from mc2lib.io.pools.text_fields import find_fields, tell_fields
from mc2lib.languages import OTHER
from mc2lib.params import CuratePool
from mc2lib.pipeline.curate.datacard import Outcome
from mc2lib.pipeline.curate.funnel import NO_ENTRY, NO_LIST, compare, comparison_text, step_text, summarise

#: Languages and causes that are named.
NAMED_LANGUAGES, NAMED_CAUSES = 8, 3
#: Of the pool's pairs, the share in languages without a list that is pointed out.
MANY_WITHOUT_LIST = 1 / 3
#: Of the pairs in languages with a list, the share without a match that is.
MANY_UNMATCHED = 0.4
#: Characters of an example that are shown.
SHOWN = 60


def settings_text(params: CuratePool, place: str) -> str:
    """Which parameters a curation runs with, and where they are from.

    Args:
        params: of the run, with what the command line sets.
        place: where the others were read.
    """
    told = ", ".join(f"{name} {value}" for name, value in asdict(params).items() if value is not None)
    return f"settings: {place}, then options of the command: {told}"


def outcome_text(outcomes: Sequence[Outcome], source: PoolSource, pool: str, by_make: bool = True) -> str:
    """What a curation prints at its end: the step table and a summary, or the strategies compared.

    Args:
        outcomes: by strategy.
        source: the pool that was curated.
        pool: as the person named it.
        by_make: whether the next commands are make's, or of the installed package.

    Raises:
        InputError: there is one strategy and it kept no pair; the message names the step that took most.
    """
    if len(outcomes) == 1:
        if not outcomes[0].steps["left"].iloc[-1]:
            raise nothing_kept(source, outcomes[0])
        lost = read_report(outcomes[0].pool)["lost"]
        return f"{step_text(outcomes[0].steps)}\n\n{summary_text(outcomes[0], lost, pool, by_make)}"
    table = compare([summarise(outcome.pool.strategy, outcome.languages) for outcome in outcomes])
    told = [f"  {outcome.pool.strategy.name}: {outcome.pool.strategy.summary}" for outcome in outcomes]
    notes = ["English is its share of the pairs kept; t and p are English's where each language has its own.", *told]
    return "\n".join([comparison_text(table), "", *notes, f"written to {PoolFiles(outcomes[0].pool.out).comparison}"])


def quarantine_text(outcome: Outcome) -> str:
    """Which shards are missing from the result."""
    names = ", ".join(str(row["shard"]) for row in outcome.quarantined[:5])
    more = f" and {len(outcome.quarantined) - 5} more" if len(outcome.quarantined) > 5 else ""
    return f"Without {names}{more}, which could not be read: see {PoolFiles(outcome.pool.out).quarantine}"


def summary_text(outcome: Outcome, examples: Mapping[str, Mapping[str, str]], pool: str, by_make: bool = True) -> str:
    """The lines that end a curation.

    Args:
        outcome: of `curate_pool`.
        examples: by step a text that was lost there and its language.
        pool, by_make: as of `outcome_text`.
    """
    languages = outcome.languages[outcome.languages["epoch"] == 0]
    steps = outcome.steps[outcome.steps["epoch"] == 0]
    notes = [note for note in (_note_lists(languages), _note_matches(languages), _note_size(languages)) if note]
    lines = [_tell_languages(languages), _tell_losses(steps, examples), *(f"note: {note}" for note in notes)]
    return "\n".join([*lines, *_tell_commands(outcome.pool, pool, by_make)])


def _tell_languages(languages: pd.DataFrame) -> str:
    most = languages.sort_values(["pairs", "language"], ascending=[False, True])
    told = [f"{row.language} {row.share_before:.1%} (kept {row.kept:,})" for row in most[:NAMED_LANGUAGES].itertuples()]
    more = len(most) - len(told)
    return f"languages: {', '.join(told)}" + (f" and {more} more, in languages.parquet" if more > 0 else "")


def _tell_losses(steps: pd.DataFrame, examples: Mapping[str, Mapping[str, str]]) -> str:
    rows = max(int(steps["left"].iloc[0]), 1)
    lost = steps[steps["change"] < 0].sort_values("change", kind="stable")[:NAMED_CAUSES]
    told = []
    for row in lost.itertuples():
        example = examples.get(str(row.step))
        such = f", such as {_shorten(example['text'])!r} ({example['language']})" if example else ""
        told.append(f"{row.step} {-row.change / rows:.1%}{such}")
    return f"lost most: {'; '.join(told) or 'nothing'}"


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _note_lists(languages: pd.DataFrame) -> str:
    without = languages[languages["eligible"] < languages["pairs"]]
    pairs = int(languages["pairs"].sum())
    if not pairs or without["pairs"].sum() < MANY_WITHOUT_LIST * pairs:
        return ""
    names = [str(name) for name in without.sort_values("pairs", ascending=False)["language"]]
    named = [name for name in names if name != OTHER][:NAMED_LANGUAGES]
    remedy = f'build them with `make metadata LANGUAGES="{" ".join(named)}"`' if named else "build more lists"
    share = without["pairs"].sum() / pairs
    return f"{share:.0%} of the texts are in languages without a list: {remedy} and name them with --metadata"


def _note_matches(languages: pd.DataFrame) -> str:
    eligible, matched = int(languages["eligible"].sum()), int(languages["matched"].sum())
    if not eligible or 1 - matched / eligible <= MANY_UNMATCHED:
        return ""
    return (
        f"{1 - matched / eligible:.0%} of the texts match no entry: these may be file names or codes, --text may name "
        "the wrong column, or the lists are short (`make metadata` builds those of Wikipedia)"
    )


def _note_size(languages: pd.DataFrame) -> str:
    """Where thresholds are at their least: from how many matched pairs on this pool's are higher."""
    used = languages[languages["matched"] > 0]
    least, above = used[used["t"] == 1], used[used["t"] > 1]
    if not len(used) or len(least) < len(used) / 2:
        return ""
    size = f"; from {int(above['matched'].min()):,} matched pairs on some have more" if len(above) else ""
    return (
        f"t is 1 in {len(least)} of {len(used)} languages, whose pool is small: no entry of theirs is rarer than t, so "
        f"each is kept about once and the tail cannot have English's share{size}"
    )


def _tell_commands(curated: CuratedPool, pool: str, by_make: bool) -> list[str]:
    out, name = shlex.quote(str(curated.out)), curated.strategy.name
    option = "" if name == "isolated" else f" --strategy {name}"
    if not by_make:
        place = f"{shlex.quote(pool)} --out {out}{option}"
        return [
            "next:",
            f'  mc2lib explain {out} "a text of yours"{option}   # its entries, and what keeps it',
            f"  mc2lib export {place} --as webdataset --to /path/to/tars   # or parquet, datasets, uids",
            f"  mc2lib train {place}   # CLIP on it, a new draw each epoch",
        ]
    place = f"POOL={shlex.quote(pool)} OUT={out}" + (f' ARGS="{option.strip()}"' if option else "")
    return [
        "next:",
        f'  python -m mc2lib explain {out} "a text of yours"{option}   # its entries, and what keeps it',
        f"  make export {place} AS=webdataset TO=/path/to/tars   # or parquet, datasets, uids",
        f"  make train {place}   # CLIP on it, a new draw each epoch",
    ]


#: What to do where a step took all pairs.
REMEDIES = {
    NO_LIST: "Name lists of these languages with --metadata, see `make metadata`.",
    "no image": "Name an image key.jpg (png, webp …), its text key.txt: what follows a name's first dot is its kind.",
    NO_ENTRY: "Look at some texts: `python -m mc2lib explain OUT TEXT`; file names and codes match nothing.",
    "sampled out": "Let more pairs of the head stay: raise --t-en or --tail-share.",
}


def nothing_kept(source: PoolSource, outcome: Outcome) -> InputError:
    """Why a curated pool is empty: the step that took most pairs, and for texts where they may be."""
    steps = outcome.steps[outcome.steps["epoch"] == 0]
    rows = int(steps["left"].iloc[0])
    if not rows:
        return InputError(str(source.root), "holds no row", "Check that the download has ended.")
    worst = steps.loc[steps["change"].idxmin()]
    fault = f"of {rows:,} rows none was kept; {-int(worst['change']):,} went as '{worst['step']}'"
    if worst["step"] != "no text":
        return InputError(str(source.root), fault, REMEDIES.get(str(worst["step"]), "See report.json."))
    fields = find_fields(source.shards[0].paths[0]) if source.format == "webdataset" else []
    names = [field.name for field in fields if field.like_text] or [field.name for field in fields] or ["NAME"]
    told = f". {tell_fields(fields)}" if fields else ""
    return InputError(str(source.root), fault + told, f"Say where the texts are: --text {names[0]}.")

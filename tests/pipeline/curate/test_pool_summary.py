"""The lines that end a curation: languages, losses with an example, what is pointed out, and the next commands."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.commands.command_line import main
from mc2lib.io.curated_pool import CuratedPool, read_report
from mc2lib.pipeline.curate.datacard import Outcome
from mc2lib.pipeline.curate.funnel import NO_ENTRY, NO_LIST, count_steps, first_examples
from mc2lib.pipeline.curate.pool_summary import summary_text
from mc2lib.recipe.curation.strategies import STRATEGIES
from mc2lib.schemas import METADATA
from tests.io.pools.test_text_fields import tar_of


def outcome(rows: list[tuple[str, int, int, int, int, int]]) -> Outcome:
    """Of (language, pairs, eligible, matched, kept, t)."""
    columns = ["language", "pairs", "eligible", "matched", "kept", "t"]
    languages = pd.DataFrame(rows, columns=columns).assign(epoch=0)
    languages["unique"] = languages["drawn"] = languages["matched"]
    languages["share_before"] = languages["pairs"] / languages["pairs"].sum()
    pool = CuratedPool(Path("out"), STRATEGIES["isolated"])
    steps = count_steps(pool.strategy, {"rows": int(languages["pairs"].sum())}, languages)
    return Outcome(pool, steps, languages, [])


def test_a_healthy_pool_is_told_in_three_lines_and_the_commands():
    text = summary_text(outcome([("en", 800, 800, 700, 300, 20), ("de", 200, 200, 190, 100, 9)]), {}, "a pool")
    lines = text.splitlines()
    assert lines[0] == "languages: en 80.0% (kept 300), de 20.0% (kept 100)"
    assert lines[1] == "lost most: sampled out 49.0%; no entry matched 11.0%"
    assert lines[2] == "next:" and "note:" not in text
    assert "make export POOL='a pool' OUT=out AS=webdataset" in text and "make train POOL='a pool' OUT=out" in text
    assert 'mc2lib explain out "a text of yours"' in text
    told = summary_text(outcome([("en", 800, 800, 700, 300, 20)]), {}, "a pool", by_make=False)
    assert "  mc2lib export 'a pool' --out out --as webdataset --to /path/to/tars" in told and "make" not in told


def test_the_largest_losses_have_an_example():
    lost = {NO_ENTRY: {"text": "IMG_1.jpg " * 20, "language": "en"}, NO_LIST: {"text": "paka", "language": "sw"}}
    text = summary_text(outcome([("en", 800, 800, 790, 790, 20), ("sw", 90, 0, 0, 0, 0)]), lost, "p")
    shown = "IMG_1.jpg " * 6
    assert (
        f"language without metadata 10.1%, such as 'paka' (sw); no entry matched 1.1%, such as '{shown}…' (en)" in text
    )


def test_a_third_without_lists_is_pointed_out():
    rows = [("en", 600, 600, 600, 600, 20), ("sw", 250, 0, 0, 0, 0), ("so", 100, 0, 0, 0, 0)]
    text = summary_text(outcome(rows), {}, "p")
    assert (
        'note: 37% of the texts are in languages without a list: build them with `make metadata LANGUAGES="sw so"`'
        in text
    )
    assert "note:" not in summary_text(outcome([("en", 700, 700, 700, 700, 20), ("sw", 250, 0, 0, 0, 0)]), {}, "p")
    assert "build more lists" in summary_text(outcome([("en", 1, 1, 1, 1, 9), ("other", 9, 0, 0, 0, 0)]), {}, "p")


def test_many_texts_without_a_match_are_pointed_out():
    assert "note: 60% of the texts match no entry" in summary_text(outcome([("en", 100, 100, 40, 30, 9)]), {}, "p")


def test_small_pools_are_told_that_their_thresholds_stand_at_the_least():
    rows = [("en", 900, 900, 900, 300, 5), ("de", 40, 40, 40, 20, 1), ("fr", 30, 30, 30, 20, 1)]
    text = summary_text(outcome(rows), {}, "p")
    assert "note: t is 1 in 2 of 3 languages" in text and "from 900 matched pairs on some have more" in text
    assert "t is 1 in 1 of 1 languages" in summary_text(outcome(rows[1:2]), {}, "p")


def test_the_first_example_of_each_step_counts():
    one, two = {"text": "a", "language": "en"}, {"text": "b", "language": "de"}
    parts = [{}, {NO_ENTRY: two}, {NO_ENTRY: one, NO_LIST: two}]
    assert first_examples(parts, STRATEGIES["isolated"]) == {NO_ENTRY: two, NO_LIST: two}
    assert first_examples(parts, STRATEGIES["english"]) == {NO_ENTRY: one}


def test_a_curation_ends_with_its_summary(tmp_path: Path, capsys):
    lists, out = tmp_path / "lists", tmp_path / "out"
    lists.mkdir()
    entries = pa.table([["cat", "red"], ["wordnet"] * 2, pa.array([0, 1], pa.int32())], schema=METADATA)
    pq.write_table(entries, lists / "en.parquet")
    pool = tar_of(tmp_path / "pool", ("txt", b"the red cat is sleeping in the garden"), rows=4)
    tar_of(tmp_path / "more", ("txt", "Die Bäume stehen im Wald und sind sehr hoch.".encode()), rows=3)
    (tmp_path / "more" / "0.tar").rename(pool / "1.tar")
    tar_of(tmp_path / "last", ("txt", b"there is nothing of interest here for anyone"), rows=2)
    (tmp_path / "last" / "0.tar").rename(pool / "2.tar")
    arguments = ["--metadata", str(lists), "--processes", "1", "--t-en", "1000"]
    assert main(["curate", str(pool), "--out", str(out), *arguments]) == 0
    said = capsys.readouterr().out
    assert "languages: en 66.7% (kept 4), de 33.3% (kept 0)" in said
    assert "such as 'Die Bäume stehen im Wald und sind sehr hoch.' (de)" in said
    assert "such as 'there is nothing of interest here for anyone' (en)" in said
    assert 'make metadata LANGUAGES="de"' in said
    pool_of = CuratedPool(out, STRATEGIES["isolated"])
    report = pool_of.report.read_bytes()
    assert read_report(pool_of)["lost"][NO_LIST]["language"] == "de"
    assert main(["curate", str(pool), "--out", str(out), *arguments]) == 0  # taken up, and told again
    assert "such as 'Die Bäume" in capsys.readouterr().out and pool_of.report.read_bytes() == report

"""Draws and their probabilities against the recipe written out slowly, on random pools."""

from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mc2lib.errors import InputError
from mc2lib.io.curated_pool import read_report
from mc2lib.io.epoch_draws import draw_shards
from mc2lib.io.pools.open_pool import open_pool
from mc2lib.params import CuratePool
from mc2lib.pipeline.curate.curate_pool import curate_pool
from mc2lib.pipeline.curate.explanation import explain
from mc2lib.schemas import METADATA, POOL
from tests.engine.in_turn import run_in_turn
from tests.pipeline.curate.test_curate_pool import HERE, recipe

ENTRIES = {"en": ["cat", "dog", "red cat", "bird", "fish", "0", "the"], "de": ["Katze", "Hund", "rot", "Fisch"]}
WORDS = {
    "en": ["cat", "dog", "red", "bird", "fish", "x", "the", "the", "cat"],
    "de": ["Katze", "Hund", "rot", "Fisch", "y", "Hund"],
    "sw": ["paka"],
}
EPOCHS = 60

Row = tuple[int, int, str, str]  # pair, image, text, language


def make_pool(folder: Path, rng: random.Random) -> list[Row]:
    """A pool of a few shards; images have texts in several of them, and some pairs stand in two."""
    rows: list[Row] = []
    for number in range(rng.randint(40, 90)):
        language = rng.choice(["en", "en", "de", "sw"])
        text = " ".join(rng.choice(WORDS[language]) for _ in range(rng.randint(1, 4))) + rng.choice(["", "!", ","])
        rows.append((1000 + number, 50 + rng.randrange(30), text, language))
    shards: list[list[Row]] = [[] for _ in range(3)]
    for row in rows:
        shards[rng.randrange(3)].append(row)
    for row in rng.sample(rows, 6):
        other = next(shard for shard in shards if row not in shard)
        other.append(row)
    folder.mkdir()
    for number, shard in enumerate(shards):
        pairs, images, texts, languages = map(list, zip(*shard, strict=True))
        columns = [pairs, images, [f"i{image}" for image in images], texts, languages]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, POOL, strict=True)]
        pq.write_table(pa.table(arrays, schema=POOL), folder / f"pairs-{number}.parquet")
    return [row for shard in shards for row in shard]


def slow_match(row: Row) -> list[int]:
    text = f" {row[2]} "
    for mark in ",.;:?!`":
        text = text.replace(mark, f" {mark} ")
    return [number for number, entry in enumerate(ENTRIES.get(row[3], [])) if f" {entry} " in text]


def slow_threshold(counts: list[int], p: float) -> int:
    ordered, total = sorted(count for count in counts if count), sum(counts)
    return min(ordered, key=lambda t: (abs(sum(c for c in ordered if c <= t) / total - p), t)) if total else 0


def slow_keep(matched: list[tuple[Row, list[int]]], t_en: int) -> tuple[dict[str, int], dict[int, float]]:
    """Thresholds by language, keep probabilities by pair: the recipe, entry by entry."""
    counts = {
        name: [sum(number in found for row, found in matched if row[3] == name) for number in range(len(entries))]
        for name, entries in ENTRIES.items()
    }
    p = sum(count for count in counts["en"] if count < t_en) / sum(counts["en"])
    t = {"en": t_en, "de": slow_threshold(counts["de"], p)}
    keep = {name: [min(1.0, t[name] / count) if count else 1.0 for count in counts[name]] for name in counts}
    return t, {row[0]: 1 - math.prod(1 - keep[row[3]][number] for number in found) for row, found in matched}


@pytest.mark.parametrize("seed", range(4))
def test_a_pool_is_drawn_as_the_recipe_says(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mc2lib.engine.shard_runs.run_tasks", run_in_turn)
    rows = make_pool(tmp_path / "pool", random.Random(seed))
    (tmp_path / "metadata").mkdir()
    for name, entries in ENTRIES.items():
        columns = [entries, ["wordnet"] * len(entries), pa.array(range(len(entries)), pa.int32())]
        pq.write_table(pa.table(columns, schema=METADATA), tmp_path / "metadata" / f"{name}.parquet")
    out, t_en = tmp_path / "out", 2 + 3 * seed
    params = CuratePool(t_en=t_en, seed=seed)
    steps = curate_pool(open_pool(tmp_path / "pool"), tmp_path / "metadata", out, params, HERE).steps

    matched = [(row, found) for row in rows if (found := slow_match(row))]
    t, keep = slow_keep(matched, t_en)
    assert read_report(recipe(out))["t"] == t
    texts: dict[int, set[int]] = {}
    for (pair, image, _, _), _ in matched:
        texts.setdefault(image, set()).add(pair)
    change = dict(zip(steps["step"], steps["change"], strict=True))
    swahili = sum(row[3] == "sw" for row in rows)
    assert change["rows of the pool"] == len(rows) and change["language without metadata"] == -swahili
    assert change["no entry matched"] == len(matched) + swahili - len(rows)
    assert change["image drew another text"] == len(texts) - len(matched)

    times: Counter[int] = Counter()
    for epoch in range(EPOCHS):
        drawn = [row for table in draw_shards(recipe(out), seed, epoch) for row in table.to_pylist()]
        assert all(row["keep_probability"] == pytest.approx(keep[row["pair_id"]], abs=1e-12) for row in drawn)
        assert len(drawn) == len({row["image"] for row in drawn})
        times.update(row["pair_id"] for row in drawn)
    for pairs in texts.values():
        for pair in pairs:
            chance = keep[pair] / len(pairs)
            spread = math.sqrt(EPOCHS * chance * (1 - chance))
            assert abs(times[pair] - EPOCHS * chance) <= 4 * spread + 1e-9
    for row, found in matched[:8]:
        said = explain(recipe(out), row[2], row[3])
        assert said["entry"].tolist()[:-1] == [ENTRIES[row[3]][number] for number in found]
        assert said["keep"].iloc[-1] == pytest.approx(keep[row[0]], abs=1e-12)


def test_a_folder_without_a_curated_pool_is_named_with_its_remedy(tmp_path: Path):
    with pytest.raises(InputError, match=r"no curated pool here\. Run `make curate"):
        next(draw_shards(recipe(tmp_path), 0, 0))

"""The widgets' callbacks, driven as a reader does: a value is set, and what is shown follows."""

from __future__ import annotations

import runpy
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from mc2lib.io.curated_pool import CuratedPool, open_curated
from mc2lib.pipeline.curate.explanation import explain
from mc2lib.pipeline.explore.curation_playground import (
    CurationPlayground,
    highlight,
    move_threshold,
    read_counts,
    summarise_balance,
)
from mc2lib.pipeline.explore.image_search import ImageSearchBox
from mc2lib.pipeline.explore.model_comparison import by_script, find_disagreements, join_models
from mc2lib.pipeline.explore.pool_explorer import (
    PoolExplorer,
    count_languages,
    count_noise,
    count_repeats,
    guess_noise,
    read_pairs,
)
from mc2lib.pipeline.search import ImageSearch, read_pictures
from mc2lib.schemas import EVALUATION_IMAGES, EVALUATION_TEXTS
from tests.conftest import ROOT
from tests.pipeline.test_search import COLOURS, ColourModel, png, write_folder


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> CuratedPool:
    """The pool of examples/curate_tiny_pool.py: `photo` is in 14 texts, cat, house and lighthouse in one each."""
    folder = tmp_path_factory.mktemp("explore")
    runpy.run_path(str(ROOT / "examples" / "curate_tiny_pool.py"))["curate_tiny_pool"](folder)
    return open_curated(folder / "out")


def test_another_threshold_moves_head_and_tail(curated: CuratedPool) -> None:
    own = explain(curated, "a photo of a cat by the sea")
    assert dict(zip(own["entry"], own["part"], strict=True)) == {"photo": "head", "cat": "tail", "(pair)": ""}
    common = explain(curated, "a photo of our journey along the coast")
    high = move_threshold(common, t=14)
    assert high["part"].tolist()[0] == "tail" and high["decision"].iloc[-1] == "kept: it holds a tail entry"
    low = move_threshold(common, t=7)
    assert low["keep"].iloc[0] == 0.5 and low["decision"].iloc[-1] == "kept in 50.0% of draws: all entries are common"


def test_the_balance_adds_up(curated: CuratedPool) -> None:
    counts = read_counts(curated, "en")
    assert sorted(counts.tolist()) == [1, 1, 1, 14]
    table = summarise_balance(counts, t=2)
    assert table["before"].tolist() == [14, 3] and table["after"].tolist() == [2, 3]
    assert table["share_after"].tolist() == [0.4, 0.6] and table["entries"].tolist() == [1, 3]


def test_entries_are_marked_as_words_the_longest_first_and_all_else_is_escaped() -> None:
    marked = highlight("<i> art in a red heart", {"art": "head", "red heart": "tail", "red": "head"})
    assert marked.startswith("&lt;i&gt; <mark") and marked.count("<mark") == 2
    assert 'title="tail">red heart</mark>' in marked and 'title="head">art</mark>' in marked
    assert highlight("no entry", {}) == "no entry"


def test_the_playground_follows_texts_slider_and_language(curated: CuratedPool) -> None:
    play = CurationPlayground(curated, ["a photo of a cat"])
    assert play.explained.value.count("<hr>") == 1 and "it holds a tail entry" in play.explained.value
    assert play.t is None and play.exponent.disabled and "<b>t = 2</b>" in play.balance.value
    play.texts.value = "IMG_0042.jpg\na photo of us two on a sunny day by the lake"
    assert play.explained.value.count("<hr>") == 2 and "<b>dropped: " in play.explained.value
    play.own.value = False
    play.exponent.value = 2.0
    assert play.t == 100 and not play.exponent.disabled
    assert "<b>t = 100</b>" in play.balance.value and "head 0.0%" in play.balance.value
    assert len(play.show().children) == 5


def test_the_search_box_follows_texts_count_and_image(tmp_path: Path) -> None:
    box = ImageSearchBox(
        ImageSearch(ColourModel(), read_pictures(write_folder(tmp_path / "x", "red", "blue"))), ["red"], 1
    )
    assert "1.00 red" in box.found.value and box.found.value.count("<img") == 1
    box.queries.value = "blue\nrot"
    assert box.found.value.count("<h3") == 2 and "1.00 blue" in box.found.value
    box.count.value = 2
    assert box.found.value.count("<img") == 4
    box.image.value = 1
    assert "1.00 red" in box.texts.value.split("</li>")[0]
    box.queries.value = " \n"
    assert box.found.value == ""


PAIRS = pd.DataFrame(
    {
        "pair_id": range(26),
        "image": ["a", "a", *(f"i{n}" for n in range(24))],
        "alt_text": ["a red heart", "ein Herz", "IMG_1.jpg", "www.a.example/x", "123", "  ", *["buy now"] * 20],
        "language": ["en", "de", *["not declared"] * 24],
    }
)


def test_a_pools_languages_repeats_and_noise_are_counted() -> None:
    languages = count_languages(PAIRS)
    assert languages["language"].tolist() == ["not declared", "de", "en"] and languages["pairs"].tolist() == [24, 1, 1]
    repeats = count_repeats(PAIRS).set_index("what")
    assert repeats.loc["text", ["distinct", "repeated", "most"]].tolist() == [7, 1, 20]
    assert repeats.loc["image", ["distinct", "repeated", "most"]].tolist() == [25, 1, 2]
    kinds = ["looks like a text", "looks like a text", "file name", "address", "no letters", "empty"]
    assert guess_noise(PAIRS)[:6].tolist() == kinds and set(guess_noise(PAIRS)[6:]) == {"repeated text"}
    assert count_noise(PAIRS)["pairs"].sum() == len(PAIRS)


def test_the_explorer_follows_language_and_word() -> None:
    explorer = PoolExplorer(PAIRS, "heart")
    assert "a red heart" in explorer.found.value and "buy now" not in explorer.found.value
    explorer.word.value = "H"
    assert "ein Herz" in explorer.found.value and "a red heart" not in explorer.found.value
    explorer.language.value = "en"
    assert explorer.found.value == "no text of the pool contains it"


def test_a_pool_of_any_layout_is_explored(tmp_path: Path, curated: CuratedPool) -> None:
    pairs = read_pairs(curated.out.parent / "pool", limit=5)
    assert len(pairs) == 5 and set(pairs["language"]) == {"not declared"} and "noise" not in pairs


def test_models_are_compared_by_script_and_by_example() -> None:
    def table(values: dict[str, float]) -> pd.DataFrame:
        rows = [("set", language, "top1", "", value) for language, value in values.items()]
        return pd.DataFrame(rows, columns=["benchmark", "language", "metric", "group", "value"])

    joined = join_models(table({"en": 0.5, "de": 0.7, "ru": 0.1}), table({"en": 0.4, "de": 0.6, "ru": 0.9, "th": 1.0}))
    found = by_script(joined)
    assert found["script"].tolist() == ["Cyrillic", "Latin"] and found["languages"].tolist() == [1, 2]
    assert found["difference"].tolist() == pytest.approx([-0.8, 0.1])

    class Swapped(ColourModel):
        """Takes red for blue."""

        def encode_texts(self, texts):
            return ColourModel().encode_texts([{"red": "blue", "blue": "red"}.get(text, text) for text in texts])

    names = ["red", "green", "blue"]
    images = [{"image": n, "concept": n, "style": "s", "seen": True, "png": png(COLOURS[n])} for n in names]
    texts = [{"concept": n, "language": "en", "name": n, "caption": n, "seen": True, "pool_pairs": 1} for n in names]
    found = find_disagreements(
        ColourModel(),
        Swapped(),
        pa.Table.from_pylist(images, schema=EVALUATION_IMAGES),
        pa.Table.from_pylist(texts, schema=EVALUATION_TEXTS),
        "en",
    )
    assert found["right"].tolist() == ["first", "first"] and found["concept"].tolist() == ["red", "blue"]
    assert found["said"].tolist() == ["blue", "red"]

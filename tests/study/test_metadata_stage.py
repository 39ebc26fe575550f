"""Building the lists, from hand-made sources."""

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest

from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.recipe.metadata.card import compare_english, summarise_card
from mc2lib.study.metadata_stage import build_metadata, describe_metadata, load_metadata, metadata_languages, read_names
from tests.tiny import write_json, write_study

WORDNET = {
    "noun": "08930215 15 n 02 Paris 0 City_of_Light 0 001 @i 08691669 n 0000 | the capital\n",
    "verb": "00001740 29 v 01 breathe 0 000 | draw air into the lungs\n",
    "adj": "00013887 00 a 01 galore(ip) 0 000 | present in great quantity\n",
    "adv": "00001837 02 r 01 hardly 0 000 | barely\n",
}


def write_wordnet(root: Path) -> None:
    folder = root / "data" / "sources" / "wordnet"
    folder.mkdir(parents=True, exist_ok=True)
    for part, line in WORDNET.items():
        (folder / f"data.{part}").write_text("  1 A licence stands here.\n" + line, encoding="utf-8")


def make_study(root: Path, processes: int = 1) -> Path:
    write_study(root, machine={"processes": processes})
    write_wordnet(root)
    annotations = root / "data" / "sources" / "annotations" / "en.json"
    names = json.loads(annotations.read_text(encoding="utf-8"))
    write_json({**names, "🔮": {"tts": ["crystal ball"], "default": ["magic"]}}, annotations)
    return root


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    root = make_study(tmp_path_factory.mktemp("study"))
    return root, build_metadata(root, load_params(root))


@pytest.fixture
def study(built: tuple[Path, pd.DataFrame]) -> Path:
    return built[0]


def test_sources_stand_in_the_order_of_the_recipe(study: Path):
    table = load_metadata(study, "en").to_pandas()
    sources = list(dict.fromkeys(table["source"]))
    assert sources == ["wordnet", "unigram", "bigram", "title", "number"]
    assert table["entry"].tolist()[:5] == ["Paris", "City of Light", "breathe", "galore", "hardly"]
    assert table["entry"].is_unique
    first = table.groupby("source")["entry"].first()
    assert first["unigram"] == "the"  # the commonest English word


def test_lists_of_each_language_are_its_own(study: Path):
    german = load_metadata(study, "de").to_pandas()
    assert "wordnet" not in set(german["source"])
    assert {"und", "Hund", "hund"} <= set(german["entry"])  # nouns as German writes them
    japanese = load_metadata(study, "ja").to_pandas()
    assert {"の", "日本", "42"} <= set(japanese["entry"])
    assert {"human beings"} <= set(load_metadata(study, "en")["entry"].to_pylist())  # a bigram of the UDHR text


def test_card_says_what_became_of_the_sources(built: tuple[Path, pd.DataFrame]):
    root, card = built
    params = load_params(root)
    card = card.set_index(["language", "source"])
    unigrams = card.loc[("de", "unigram")]
    assert unigrams["origin"] == "wordfreq" and unigrams["entries"] == -(-unigrams["candidates"] // 10)
    assert not unigrams["cut_by_cap"]
    # 12 names, 2 territories less what is repeated, 3 languages: 76 % of what is distinct, or what no other source has
    titles = card.loc[("en", "title")]
    assert titles["entries"] == min(-(-titles["candidates"] * 76 // 100), titles["candidates"] - titles["elsewhere"])
    parts = card[["below_share", "beyond_cap", "elsewhere", "entries"]].sum(axis=1)
    assert (parts == card["candidates"]).all() and parts.sum() > 0
    for language in params.languages:
        assert card.loc[language]["entries"].sum() == load_metadata(root, language).num_rows
    shown = describe_metadata(root, params.languages, rows=2)
    assert shown.loc["en", "wordnet"] == "Paris · City of Light"


def test_the_card_has_a_row_a_language(built: tuple[Path, pd.DataFrame]):
    root, card = built
    summary = summarise_card(card)
    assert list(summary.index) == [*load_params(root).languages, "other"]
    assert (
        summary.loc["en", "total"] == load_metadata(root, "en").num_rows and summary.loc["ja", "script"] == "Japanese"
    )
    assert summary.loc["en", "missing"] == "" and summary.loc["de", "missing"] == "wordnet"
    english = compare_english(card)
    assert english.loc["unigram", "paper"] == 251_465 and english.loc["wordnet", "here"] == 5


def test_other_unites_the_lists_that_no_label_of_lid_176_reaches(built: tuple[Path, pd.DataFrame], tmp_path: Path):
    assert load_metadata(built[0], "other").num_rows == 0
    assert summarise_card(built[1]).loc["other", "total"] == 0
    root = make_study(tmp_path)
    names = {"zu": "🍎 iapula", "ab": "🍎 аҵәа"}
    for language, name in names.items():
        write_json({"x": {"tts": [name, "42 🍐"]}}, root / "data" / "sources" / "annotations" / f"{language}.json")
        write_json({"territories": {}, "languages": {}}, root / "data" / "sources" / "localenames" / f"{language}.json")
        (root / "data" / "sources" / "udhr" / f"{'zul' if language == 'zu' else 'abk'}.html").write_text("<p>aa</p>")
    params = dataclasses.replace(load_params(root), languages=("zu", "de", "ab"))
    card = build_metadata(root, params).set_index(["language", "source"])
    table = load_metadata(root, "other").to_pandas()
    assert table["entry"].tolist() == ["aa", "🍎 аҵәа", "42 🍐", *map(str, range(100)), "🍎 iapula"]
    assert table["source"].tolist() == ["unigram", "title", "title", *["number"] * 100, "title"]
    titles = card.loc[("other", "title")]
    assert (titles["candidates"], titles["elsewhere"], titles["entries"]) == (4, 1, 3)
    assert titles["letters"] == titles["letters_in_script"] == 4 + 6  # Cyrillic in Abkhazian, Latin in Zulu


def test_packaged_languages_are_those_that_the_sources_cover(study: Path, tmp_path: Path):
    params = load_params(study)
    of_study = dataclasses.replace(params, languages=("en", "ja"))
    packaged = dataclasses.replace(of_study, metadata=dataclasses.replace(params.metadata, languages="packaged"))
    alone = dataclasses.replace(of_study, metadata=dataclasses.replace(params.metadata, languages="study"))
    assert metadata_languages(study, alone) == ("en", "ja")
    assert set(metadata_languages(study, packaged)) == set(params.languages)
    assert metadata_languages(study, packaged)[:2] == ("en", "ja")
    assert metadata_languages(tmp_path, packaged) == ("en", "ja")  # no sources, no others


def test_the_same_bytes_whatever_the_number_of_processes(study: Path, tmp_path: Path):
    root = make_study(tmp_path, processes=2)
    params = dataclasses.replace(load_params(root), languages=("en", "ja"))
    build_metadata(root, params)
    for language in params.languages:
        name = f"data/metadata/{language}.parquet"
        assert (root / name).read_bytes() == (study / name).read_bytes()


def test_names_that_are_only_their_code_are_left_out(tmp_path: Path):
    sources = tmp_path
    write_json(
        {"🍎": {"tts": ["red  apple"], "default": ["fruit"]}, "x": {"default": ["nameless"]}},
        sources / "annotations" / "en.json",
    )
    write_json(
        {"territories": {"AT": "Austria", "QO": "QO"}, "languages": {"de": "German"}},
        sources / "localenames" / "en.json",
    )
    assert read_names(sources, "en") == ["red apple", "Austria", "German"]


def test_missing_and_broken_sources_are_named(tmp_path: Path):
    root = make_study(tmp_path)
    params = dataclasses.replace(load_params(root), languages=("en",))
    noun = root / "data" / "sources" / "wordnet" / "data.noun"
    noun.write_text("00001740 03 n\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"data\.noun:1: not a synset"):
        build_metadata(root, params)
    noun.unlink()
    with pytest.raises(InputError, match=r"data\.noun: no such file"):
        build_metadata(root, params)
    with pytest.raises(InputError, match=r"de\.parquet: no such file"):
        load_metadata(tmp_path / "elsewhere", "de")

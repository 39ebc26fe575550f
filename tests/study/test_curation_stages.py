"""Matching, balancing and grading pools on disk."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mc2lib.errors import InputError
from mc2lib.hashing import mix
from mc2lib.io.config import load_params
from mc2lib.io.study_paths import Paths
from mc2lib.recipe.curation.algorithm import INDEX_OF, find_thresholds
from mc2lib.schemas import CURATED, MATCHES, METADATA, POOL, TRUTH
from mc2lib.study.curation_stages import (
    INDICES,
    balance_pools,
    compare_language_id,
    compare_lid_engines,
    explain_text,
    grade_curation,
    grade_languages,
    load_counts,
    load_pool,
    match_pools,
    merged_entries,
    read_pool,
    summarise_steps,
    used_mixes,
)
from mc2lib.study.metadata_stage import build_metadata, load_metadata
from tests.oracles.matching import find_entries
from tests.study.test_metadata_stage import make_study

REAL = json.loads((Path(__file__).parents[1] / "recipe" / "curation" / "texts.json").read_text(encoding="utf-8"))
PAIRS = 900


def write_pool(root: Path, mixture: str, seed: int = 0, shards: int = 1, shuffle: bool = False) -> None:
    """A pool of real names and keywords in three languages, each text many times, with some noise."""
    numbers = np.arange(PAIRS)
    languages = np.array(["en", "en", "de", "ja"])[numbers % 4]
    texts = [pick_text(language, number) for language, number in zip(languages, numbers, strict=True)]
    noisy = numbers % 10 == 3
    texts = [f"IMG_{n:04d}.JPG" if bad else text for n, (bad, text) in enumerate(zip(noisy, texts, strict=True))]
    pool = pa.table(
        {
            "pair_id": mix(numbers, 1),
            "image_id": mix(numbers // 2, 2),
            "image": [f"noto/{n}" for n in numbers],
            "alt_text": texts,
            "language": languages,
        },
        schema=POOL,
    )
    truth = pa.table(
        {
            "pair_id": pool["pair_id"],
            "concept": ["c"] * PAIRS,
            "style": ["noto"] * PAIRS,
            "form": ["name"] * PAIRS,
            "noise": np.where(noisy, "file_name", "none"),
        },
        schema=TRUTH,
    )
    if shuffle:
        pool = pool.take(pa.array(np.argsort(mix(numbers, 9))))
    folder = Paths(root).pool(mixture, seed)
    folder.mkdir(parents=True, exist_ok=True)
    bounds = np.linspace(0, PAIRS, shards + 1).astype(int)
    for shard in range(shards):
        part = pool.slice(bounds[shard], bounds[shard + 1] - bounds[shard])
        pq.write_table(part, folder / f"pairs-{shard:05d}.parquet")
    pq.write_table(truth, folder / "truth.parquet")


def pick_text(language: str, number: int) -> str:
    texts = REAL[language]["names"] + REAL[language]["keywords"]
    return texts[int(len(texts) * (number / PAIRS) ** 3)]  # a few texts are very common


def write_pools(root: Path, **options) -> None:
    for mixture in used_mixes(load_params(root)):
        write_pool(root, mixture, **options)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_study(tmp_path_factory.mktemp("study"))
    params = load_params(root)
    build_metadata(root, params)
    write_pools(root)
    match_pools(root, params)
    balance_pools(root, params).to_csv(root / "report.csv", index=False)
    return root


def test_matches_equal_the_oracle(study: Path):
    params = load_params(study)
    pool = read_pool(study, "base", 0)
    texts, languages = pool["alt_text"].to_pylist(), pool["language"].to_pylist()
    lists = {language: load_metadata(study, language)["entry"].to_pylist() for language in params.languages}
    isolated = {language: find_entries(texts, lists[language]) for language in params.languages}
    expected = {
        "english": isolated["en"],
        "merged": find_entries(texts, merged_entries(study, params.languages)),
        "isolated": [isolated[language][i] for i, language in enumerate(languages)],
    }
    assert set(expected) == set(INDICES)
    for index, entries in expected.items():
        table = pq.read_table(Paths(study).matches("base", 0, index), schema=MATCHES)
        assert table["entries"].to_pylist() == entries, index
        assert table["language"].to_pylist() == languages
        assert sum(map(len, entries)) > 100


def test_curated_pools_hold_what_the_report_says(study: Path):
    report = pd.read_csv(study / "report.csv")
    for (mixture, curation), rows in report.groupby(["mix", "curation"]):
        table = pq.read_table(Paths(study).curated(mixture, 0, curation), schema=CURATED)
        kept = {str(k): v for k, v in zip(*np.unique(table["language"].to_pylist(), return_counts=True), strict=True)}
        assert kept == {row["language"]: row["kept"] for _, row in rows.iterrows() if row["kept"]}
        assert (rows[["pairs", "eligible", "matched", "drawn", "kept"]].diff(axis=1).iloc[:, 1:] <= 0).all(axis=None)
        assert pc.min(table["keep_probability"]).as_py() > 0
    assert set(report["curation"]) == set(INDEX_OF)
    assert set(pq.read_table(Paths(study).curated("base", 0, "english"))["language"].to_pylist()) == {"en"}


def test_the_recipes_thresholds_are_in_the_results(study: Path):
    written = pd.read_csv(study / "results" / "thresholds.csv", keep_default_na=False)
    report = pd.read_csv(study / "report.csv", keep_default_na=False)
    assert written["language"].tolist() == report.loc[report["curation"] == "isolated", "language"].tolist()
    matches = pq.read_table(Paths(study).matches("base", 0, "isolated"))
    balance = find_thresholds(matches, "isolated", load_params(study).curation.t_en)
    found = written[(written["mix"] == "base") & (written["seed"] == 0)].set_index("language")["t"].to_dict()
    assert found == dict(zip(balance.groups, balance.t, strict=True))


def test_steps_add_up(study: Path):
    steps = summarise_steps(pd.read_csv(study / "report.csv"), "base", 0)
    assert (steps.drop(columns="kept").sum(axis=1) == steps["kept"]).all()
    assert (steps["pool"] == PAIRS).all()
    assert steps.loc["english", "other languages"] == -PAIRS // 2 and steps.loc["merged", "other languages"] == 0
    assert steps.loc["raw", "kept"] == PAIRS // 2  # two texts an image


def test_nothing_depends_on_processes_shards_or_row_order(study: Path, tmp_path: Path):
    root = make_study(tmp_path, processes=2)
    params = load_params(root)
    shutil.copytree(study / "data" / "metadata", root / "data" / "metadata")
    write_pools(root, shards=3, shuffle=True)
    match_pools(root, params)
    balance_pools(root, params)
    for mixture in used_mixes(params):
        for curation in INDEX_OF:
            path, other = (Paths(at).curated(mixture, 0, curation) for at in (root, study))
            assert path.read_bytes() == other.read_bytes(), (mixture, curation)


def test_grading_sees_the_file_names_go(study: Path):
    grades = grade_curation(study, load_params(study), "base", 0).set_index(["curation", "noise"])
    assert grades.loc[("raw", "file_name"), "before"] == pytest.approx(0.1)
    for curation in set(INDEX_OF) - {"raw"}:
        rows = grades.loc[curation]
        # no entry stands in IMG_0003.JPG: neither IMG_0003 nor JPG is a word
        assert rows.loc["file_name", "survived"] == rows.loc["file_name", "after"] == 0 < rows.loc["none", "survived"]
    assert grades.groupby("curation")[["before", "after"]].sum().to_numpy() == pytest.approx(1)
    pool, curated = read_pool(study, "base", 0), pq.read_table(Paths(study).curated("base", 0, "merged"))
    assert grades.loc["merged"]["survived"] @ grades.loc["merged"]["before"] == pytest.approx(len(curated) / len(pool))


def test_grades_by_language_add_up_to_those_of_all(study: Path):
    params = load_params(study)
    grades = grade_languages(study, params, "base", 0, "isolated")
    assert set(grades["language"]) == {"en", "de", "ja"} and grades["pairs"].sum() == PAIRS
    whole = grade_curation(study, params, "base", 0).set_index(["curation", "noise"]).loc["isolated"]
    summed = grades.groupby("noise")[["pairs", "kept"]].sum()
    assert (summed["kept"] / summed["pairs"]).to_dict() == pytest.approx(whole["survived"].to_dict())
    assert (grades["kept"] <= grades["matched"]).all() and (grades["matched"] <= grades["pairs"]).all()
    with pytest.raises(InputError, match="'english' does not match every pair"):
        grade_languages(study, params, "base", 0, "english")


def test_counts_by_rank(study: Path):
    counts = load_counts(study, load_params(study), "base", 0, "isolated")
    assert set(counts["group"]) == {"en", "de", "ja"}
    for _, rows in counts.groupby("group"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert rows["count"].is_monotonic_decreasing and rows["count"].min() >= 1
    matches = pq.read_table(Paths(study).matches("base", 0, "isolated"))
    assert counts["count"].sum() == pc.sum(pc.list_value_length(matches["entries"])).as_py()
    with pytest.raises(InputError, match="'raw' matches nothing"):
        load_counts(study, load_params(study), "base", 0, "raw")


def test_explain_gives_the_probability_that_the_pool_was_curated_with(study: Path):
    params = load_params(study)
    table = pq.read_table(Paths(study).curated("base", 0, "isolated"), schema=CURATED)
    for row in table.slice(0, 5).to_pylist():
        explained = explain_text(study, params, row["alt_text"], row["language"], "base", 0)
        assert explained["entry"].iloc[-1] == "(pair)"
        assert explained["keep"].iloc[-1] == pytest.approx(row["keep_probability"])
    nothing = explain_text(study, params, "zzzzqqq", "en", "base", 0)
    assert len(nothing) == 1 and nothing["keep"].iloc[0] == 0
    with pytest.raises(InputError, match="no metadata in 'xx'"):
        explain_text(study, params, "a", "xx", "base", 0)


def test_language_id_agrees_with_the_declared_language_where_texts_are_clean(study: Path):
    compared = compare_language_id(study, load_params(study), seed=0, sample=400).set_index("language")
    assert compared["pairs"].sum() == 400
    assert compared.loc["ja", "agree"] > 0.6 and compared.loc["en", "agree"] > 0.3
    assert ((compared["agree"] + compared["other"]) <= 1 + 1e-9).all()


def test_the_fasttext_package_labels_a_pools_texts_as_the_compiled_engine_does(study: Path):
    compared = compare_lid_engines(study, seed=0, sample=400).to_dict("records")
    assert compared == [{"texts": 400, "same_label": 400, "same_probability": 400}]


def test_either_engine_finds_the_languages_of_a_pool(study: Path):
    params, found = load_params(study), []
    for engine in ("compiled", "fasttext"):
        curation = dataclasses.replace(params.curation, language="lid", lid_engine=engine)
        found.append(load_pool(study, dataclasses.replace(params, curation=curation), "base", 0))
    assert found[0].equals(found[1]) and len(set(found[0]["language"].to_pylist())) > 1


def test_language_id_replaces_the_declared_language_where_asked(tmp_path: Path):
    root = make_study(tmp_path)
    write_pool(root, "base")
    text = (root / "params.yaml").read_text(encoding="utf-8").replace("language: declared", "language: lid")
    (root / "params.yaml").write_text(text, encoding="utf-8")
    params = load_params(root)
    assert params.curation.language == "lid"
    found = load_pool(root, params, "base", 0)
    declared = read_pool(root, "base", 0)
    assert set(found["language"].to_pylist()) <= {*params.languages, "other"}
    assert not found["language"].equals(declared["language"])
    assert found.drop_columns("language").equals(declared.drop_columns("language"))


def test_texts_of_other_languages_meet_the_list_of_other(tmp_path: Path):
    root = make_study(tmp_path)
    write_pools(root)
    text = (root / "params.yaml").read_text(encoding="utf-8").replace("language: declared", "language: lid")
    (root / "params.yaml").write_text(text, encoding="utf-8")
    params = load_params(root)
    build_metadata(root, params)
    names = [text for text in read_pool(root, "base", 0)["alt_text"].to_pylist() if text.isalpha() and text.isascii()]
    entries = pa.table([sorted(set(names)), ["title"] * len(set(names)), range(len(set(names)))], schema=METADATA)
    pq.write_table(entries, Paths(root).metadata("other"))
    match_pools(root, params)
    report = balance_pools(root, params)
    other = report[(report["language"] == "other") & (report["curation"] == "isolated") & (report["mix"] == "base")]
    assert len(other) == 1 and other["matched"].iloc[0] > 0 and other["t"].iloc[0] > 0
    steps = summarise_steps(report, "base", 0)
    assert (steps.drop(columns="kept").sum(axis=1) == steps["kept"]).all()


def test_pools_without_languages_ask_for_language_id(study: Path, tmp_path: Path):
    root = make_study(tmp_path)
    params = load_params(root)
    write_pool(root, "base")
    path = Paths(root).pool("base", 0) / "pairs-00000.parquet"
    table = pq.read_table(path)
    nameless = pa.array([None] * table.num_rows, pa.string())
    pq.write_table(table.set_column(4, POOL.field("language"), nameless), path)
    with pytest.raises(InputError, match="language: lid"):
        load_pool(root, params, "base", 0)


def test_missing_and_truncated_files_are_named(tmp_path: Path):
    root = make_study(tmp_path)
    params = load_params(root)
    with pytest.raises(InputError, match=r"no pairs-\*\.parquet"):
        match_pools(root, params)
    write_pools(root)
    with pytest.raises(InputError, match=r"parquet: no such file.*metadata|metadata.*no such file"):
        match_pools(root, params)
    with pytest.raises(InputError, match=r"matches.*no such file"):
        balance_pools(root, params)
    path = Paths(root).pool("base", 0) / "pairs-00000.parquet"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"pairs-00000\.parquet: not a whole Parquet file"):
        match_pools(root, params)


def test_matches_of_another_draw_are_refused(study: Path, tmp_path: Path):
    root = make_study(tmp_path)
    params = load_params(root)
    write_pools(root)
    write_pools(root, shuffle=True)
    for mixture in used_mixes(params):
        for index in INDICES:
            target = Paths(root).matches(mixture, 0, index)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Paths(study).matches(mixture, 0, index).read_bytes())
    with pytest.raises(InputError, match="not of this pool"):
        balance_pools(root, params)

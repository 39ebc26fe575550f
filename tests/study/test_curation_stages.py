"""Matching, balancing and grading pools on disk."""

import dataclasses
import json
import shutil
import statistics
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import ruamel.yaml

from mc2lib.engine import shard_runs
from mc2lib.engine.tasks import run_tasks
from mc2lib.errors import InputError
from mc2lib.hashing import mix
from mc2lib.io.config import load_params
from mc2lib.io.curated_pool import PoolFiles, read_report
from mc2lib.io.study_paths import Paths
from mc2lib.recipe.curation.strategies import STRATEGIES
from mc2lib.schemas import CURATED, METADATA, POOL, TRUTH
from mc2lib.study.curation_grades import grade_languages, load_grades, open_draw, rank_concepts
from mc2lib.study.curation_stages import (
    LISTS,
    balance_pools,
    compare_language_id,
    compare_lid_engines,
    count_matched,
    explain_text,
    load_counts,
    load_steps,
    match_pools,
    read_pool,
    refuse_scarce,
    used_mixes,
)
from mc2lib.study.metadata_stage import build_metadata, load_metadata
from tests.engine.in_turn import run_in_turn
from tests.oracles.curation import curate as curate_slowly
from tests.oracles.matching import find_entries
from tests.study.test_metadata_stage import make_study

YAML = ruamel.yaml.YAML(typ="safe", pure=True)
REAL = json.loads((Path(__file__).parents[1] / "recipe" / "curation" / "texts.json").read_text(encoding="utf-8"))
PAIRS = 900
CONCEPTS = tuple("cdefghijkl")


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
            "concept": np.array(CONCEPTS)[np.minimum(mix(numbers, 3) % 16, mix(numbers, 4) % 16) % len(CONCEPTS)],
            "style": np.array(["noto", "twemoji", "openmoji"])[mix(numbers, 5) % 3],
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


@pytest.fixture(scope="module", autouse=True)
def engine() -> Iterator[None]:
    """Tasks run here, as workers start slowly; one test below asks for the real engine."""
    cores = pa.cpu_count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_runs, "run_tasks", run_in_turn)
        yield
    pa.set_cpu_count(cores)


def ask_for_equal_shares(root: Path, *ways: str) -> None:
    """Add an arm per way to params.yaml that trains on it at the recipe's language shares."""
    study = YAML.load((root / "params.yaml").read_text(encoding="utf-8"))
    for arm in study["arms"].values():
        arm.pop("shares", None)  # of the study's own arms
    arm = {**study["arms"]["merged"], "seen": 1.0, "shares": "recipe"}
    study["arms"] |= {f"{way}-equal": {**arm, "curation": way} for way in ways}
    study["curation"]["equal_shares"] = list(ways)
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        YAML.dump(study, file)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_study(tmp_path_factory.mktemp("study"))
    ask_for_equal_shares(root, "merged", "raw")
    params = load_params(root)
    build_metadata(root, params)
    write_pools(root)
    match_pools(root, params)
    balance_pools(root, params).to_csv(root / "report.csv", index=False)
    return root


@cache
def slow_matches(study: Path) -> dict[str, list[list[int]]]:
    """By list the entries of each pair of the pool, by the slow oracle."""
    params, pool = load_params(study), read_pool(study, "base", 0)
    texts, languages = pool["alt_text"].to_pylist(), pool["language"].to_pylist()
    lists = {language: load_metadata(study, language)["entry"].to_pylist() for language in params.languages}
    own = {language: find_entries(texts, entries) for language, entries in lists.items()}
    merged = list(dict.fromkeys(entry for entries in lists.values() for entry in entries))
    return {
        "english": own["en"],
        "merged": find_entries(texts, merged),
        "own": [own[language][i] for i, language in enumerate(languages)],
        "none": [[] for _ in texts],
    }


def test_matches_equal_the_oracle(study: Path):
    pool, files = read_pool(study, "base", 0), PoolFiles(Paths(study).curation("base", 0))
    expected = slow_matches(study)
    assert set(expected) == {*LISTS, "none"}
    for choice, entries in expected.items():
        table = pq.read_table(files.matches(choice, "pairs-00000"))  # type: ignore[arg-type]
        wanted = pa.array([bool(found) or choice == "none" for found in entries])
        assert table["entries"].to_pylist() == [found for found in entries if found or choice == "none"], choice
        assert table["pair_id"].equals(pool["pair_id"].filter(wanted))
        assert table["language"].equals(pool["language"].filter(wanted))
        assert sum(map(len, entries)) > 100 or choice == "none"


@pytest.mark.parametrize("name", STRATEGIES)
def test_thresholds_and_keep_probabilities_equal_the_oracle(name: str, study: Path):
    pool, strategy = read_pool(study, "base", 0), STRATEGIES[name]
    matched, languages = slow_matches(study)[strategy.metadata], pool["language"].to_pylist()
    t, keep = curate_slowly(name, matched, languages, load_params(study).curation.t_en)
    assert read_report(open_draw(study, "base", 0, name))["t"] == t
    table = pq.read_table(Paths(study).curated("base", 0, name), schema=CURATED)
    by_pair = dict(zip(pool["pair_id"].to_pylist(), keep, strict=True))
    wanted = [by_pair[pair] for pair in table["pair_id"].to_pylist()]
    assert table["keep_probability"].to_pylist() == pytest.approx(wanted, abs=1e-12) and len(wanted) > 50


def test_match_rates_are_written_and_are_those_of_the_matches(study: Path):
    written = pd.read_csv(study / "results" / "matches.csv").set_index(["mix", "seed", "list"])
    rates = count_matched(study, load_params(study), "base", 0)
    for choice in LISTS:
        found = [entries for entries in slow_matches(study)[choice] if entries]
        row = written.loc[("base", 0, choice)]
        assert row[["pairs", "matched"]].tolist() == [PAIRS, len(found)]
        assert row["entries"] == pytest.approx(sum(map(len, found)) / len(found))
        of_list = rates[rates["list"] == choice]
        assert of_list["language"].tolist() == ["en", "de", "ja"] and of_list["matched_pairs"].sum() == len(found)
        assert (of_list["matched"] * of_list["pairs"]).sum() == pytest.approx(len(found))


def test_curated_pools_hold_what_the_report_says(study: Path):
    report = pd.read_csv(study / "report.csv")
    for (mixture, curation), rows in report.groupby(["mix", "curation"]):
        table = pq.read_table(Paths(study).curated(mixture, 0, curation), schema=CURATED)
        kept = {str(k): v for k, v in zip(*np.unique(table["language"].to_pylist(), return_counts=True), strict=True)}
        assert kept == {row["language"]: row["kept"] for _, row in rows.iterrows() if row["kept"]}
        assert (rows[["pairs", "eligible", "matched", "drawn", "kept"]].diff(axis=1).iloc[:, 1:] <= 0).all(axis=None)
        assert pc.min(table["keep_probability"]).as_py() > 0
    assert set(report["curation"]) == set(STRATEGIES)
    assert set(pq.read_table(Paths(study).curated("base", 0, "english"))["language"].to_pylist()) == {"en"}


def test_the_recipes_thresholds_are_in_the_results(study: Path):
    written = pd.read_csv(study / "results" / "thresholds.csv", keep_default_na=False)
    report = pd.read_csv(study / "report.csv", keep_default_na=False)
    assert written["language"].tolist() == report.loc[report["curation"] == "isolated", "language"].tolist()
    found = written[(written["mix"] == "base") & (written["seed"] == 0)].set_index("language")["t"].to_dict()
    assert found == read_report(open_draw(study, "base", 0, "isolated"))["t"]


def test_steps_add_up(study: Path):
    steps = load_steps(study, "base", 0)
    assert (steps.drop(columns="kept").sum(axis=1) == steps["kept"]).all()
    assert (steps["rows of the pool"] == PAIRS).all() and list(steps.index) == list(STRATEGIES)
    assert steps.loc["english", "not in English"] == -PAIRS // 2 and steps.loc["merged", "not in English"] == 0
    assert steps.loc["raw", "kept"] == PAIRS // 2  # two texts an image
    comparison = pd.read_csv(Paths(study).curation("base", 0) / "strategies.csv", index_col="strategy")
    assert comparison["kept"].to_dict() == steps["kept"].to_dict() and comparison.loc["english", "english_share"] == 1


def test_nothing_depends_on_processes_shards_or_row_order(study: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(shard_runs, "run_tasks", run_tasks)
    root = make_study(tmp_path, processes=2)
    ask_for_equal_shares(root, "merged", "raw")
    params = load_params(root)
    shutil.copytree(study / "data" / "metadata", root / "data" / "metadata")
    write_pools(root, shards=3, shuffle=True)
    match_pools(root, params)
    balance_pools(root, params)
    for mixture in used_mixes(params):
        for curation in STRATEGIES:
            path, other = (Paths(at).curated(mixture, 0, curation) for at in (root, study))
            assert path.read_bytes() == other.read_bytes(), (mixture, curation)
    for name in ("merged-shares", "raw-shares"):
        path, other = (Paths(at).curated("base", 0, "").parent / f"{name}.parquet" for at in (root, study))
        assert path.read_bytes() == other.read_bytes(), name
    assert (root / "results" / "curation.csv").read_bytes() == (study / "results" / "curation.csv").read_bytes()


def grade_slowly(study: Path, ids: set[int], eligible: set[int]) -> dict[str, float]:
    """Grades of some pairs of the pool, from their definitions, pair by pair."""
    truth = pq.read_table(Paths(study).pool("base", 0) / "truth.parquet").to_pylist()
    pool = {row["pair_id"]: row for row in read_pool(study, "base", 0).to_pylist()}
    kept = [row for row in truth if row["pair_id"] in ids]
    kept_names = [row for row in kept if row["noise"] == "file_name"]
    of = {concept: [row for row in kept if row["concept"] == concept] for concept in {row["concept"] for row in truth}}
    whole = Counter(row["concept"] for row in truth)
    ranked = sorted(of, key=lambda concept: (-whole[concept], concept))
    counts = [len(of[concept]) for concept in ranked]
    styles = [len({row["style"] for row in of[concept]}) for concept in ranked]
    differences = sum(abs(a - b) for a in counts for b in counts)
    looked_at = [row for row in truth if row["pair_id"] in eligible]
    return {
        "pairs": len(kept),
        "english_share": sum(pool[row["pair_id"]]["language"] == "en" for row in kept) / len(kept),
        "noise_share": len(kept_names) / len(kept),
        "file_name_share": len(kept_names) / len(kept),
        "file_name_kept": len(kept_names) / sum(row["noise"] == "file_name" for row in looked_at),
        "clean_kept": (len(kept) - len(kept_names)) / sum(row["noise"] == "none" for row in looked_at),
        "concepts": sum(count > 0 for count in counts),
        "median_pairs": statistics.median(counts),
        "top_tenth_share": counts[0] / len(kept),  # of ten concepts
        "tail_third_share": sum(counts[-3:]) / len(kept),
        "gini": differences / (2 * len(counts) * sum(counts)),
        "drawings": sum(styles),
        "median_drawings": statistics.median(styles),
    }


@pytest.mark.parametrize("name", ["pool", *STRATEGIES, "merged-shares", "raw-shares"])
def test_grades_are_those_of_the_definition(name: str, study: Path):
    pool = read_pool(study, "base", 0)
    english = set(pool.filter(pc.equal(pool["language"], "en"))["pair_id"].to_pylist())
    kept = pool if name == "pool" else pq.read_table(Paths(study).curated("base", 0, "").parent / f"{name}.parquet")
    everything = set(pool["pair_id"].to_pylist())
    expected = grade_slowly(study, set(kept["pair_id"].to_pylist()), english if name == "english" else everything)
    grades = load_grades(study, "base").set_index("curation").loc[name]
    assert grades[list(expected)].to_dict() == pytest.approx(expected)
    assert grades["concepts"] == len(CONCEPTS) and grades["seed"] == 0


def test_grades_say_what_the_thresholds_came_to(study: Path):
    grades = load_grades(study, "base").set_index("curation")
    assert grades.loc[["pool", "raw", "raw-shares"], ["languages_t1", "tail_share"]].isna().all(axis=None)
    report = pd.read_csv(study / "report.csv")
    for name in ("merged", "isolated_t_en", "isolated"):
        rows = report[(report["mix"] == "base") & (report["curation"] == name)]
        assert grades.loc[name, "languages_t1"] == (rows["t"] == 1).sum()
        assert grades.loc[name, "tail_share"] == pytest.approx(rows["p"].mean())


def test_no_way_but_raw_keeps_a_file_name(study: Path):
    grades = load_grades(study, "base").set_index("curation")
    assert grades.loc["pool", "file_name_share"] == pytest.approx(0.1)
    for curation in set(STRATEGIES) - {"raw"}:
        # no entry stands in IMG_0003.JPG: neither IMG_0003 nor JPG is a word
        assert grades.loc[curation, "file_name_kept"] == 0 < grades.loc[curation, "clean_kept"]


def test_concepts_are_ranked_by_pairs_within_each_way(study: Path):
    ranks = rank_concepts(study, "base", 0, ["isolated"])
    assert list(dict.fromkeys(ranks["curation"])) == ["pool", "isolated"]
    truth = pq.read_table(Paths(study).pool("base", 0) / "truth.parquet").to_pandas().set_index("pair_id")
    kept = pq.read_table(Paths(study).curated("base", 0, "isolated"))["pair_id"].to_pylist()
    for name, ids in (("pool", truth.index), ("isolated", kept)):
        rows = ranks[ranks["curation"] == name]
        assert rows["pairs"].tolist() == sorted(Counter(truth.loc[ids, "concept"]).values(), reverse=True)
        assert rows["rank"].tolist() == list(range(1, 11)) and rows["share"].sum() == pytest.approx(1)


# ---------------------------------------------------------------------- equal shares


@pytest.mark.parametrize("way", ["merged", "raw"])
def test_equal_shares_are_the_recipes_and_pairs_are_the_ways(way: str, study: Path):
    recipe, own, equal = (
        pq.read_table(path, schema=CURATED)
        for path in (
            Paths(study).curated("base", 0, "isolated"),
            Paths(study).curated("base", 0, way),
            Paths(study).curated("base", 0, way, shares="recipe"),
        )
    )
    wanted, there, found = (Counter(table["language"].to_pylist()) for table in (recipe, own, equal))
    size = min(there[language] / number for language, number in wanted.items()) * len(recipe)
    assert 50 < len(equal) < len(own) and abs(len(equal) - size) <= len(wanted) / 2
    for language, number in wanted.items():
        assert abs(found[language] - size * number / len(recipe)) <= 0.5
    rows = own.to_pylist()
    assert all(row in rows for row in equal.to_pylist())
    assert equal["pair_id"].to_pylist() == sorted(equal["pair_id"].to_pylist())


def test_equal_shares_are_made_where_an_arm_asks_for_them(study: Path):
    for mixture in used_mixes(load_params(study)):
        made = {path.stem for path in Paths(study).curated(mixture, 0, "").parent.glob("*-shares.parquet")}
        assert made == ({"merged-shares", "raw-shares"} if mixture == "base" else set())


def test_an_arm_whose_language_is_scarce_is_refused_with_its_name(study: Path):
    params = load_params(study)
    wanted = {"en": 100, "de": 50, "ja": 50}
    refuse_scarce(params, "base", 0, "merged", {"en": 50, "de": 25, "ja": 12}, wanted)  # 48 pairs, 192 seen: 4 times
    message = (
        r"arms\.merged-equal: 'merged' keeps 5 pairs in ja \(seed 3\), which leaves 20 .* the arm sees 192, each more "
        r"than 8 times.*leave ja out"
    )
    with pytest.raises(InputError, match=message):
        refuse_scarce(params, "base", 3, "merged", {"en": 50, "de": 25, "ja": 5}, wanted)
    with pytest.raises(InputError, match="keeps 0 pairs in ja"):
        refuse_scarce(params, "base", 0, "merged", {"en": 50, "de": 25}, wanted)
    refuse_scarce(params, "base", 0, "english_metadata", {}, wanted)  # of which no arm asks for equal shares
    refuse_scarce(params, "clean", 0, "merged", {}, wanted)


def test_the_balance_stage_refuses_before_anything_is_trained(study: Path, tmp_path: Path):
    root = make_study(tmp_path)
    ask_for_equal_shares(root, "merged")
    params = load_params(root)
    for name in ("metadata", "pool"):
        shutil.copytree(study / "data" / name, root / "data" / name)
    long = dataclasses.replace(params, training=dataclasses.replace(params.training, steps=10_000))
    with pytest.raises(InputError, match=r"arms\.merged-equal: 'merged' keeps \d+ pairs in .*the arm sees 320,000"):
        balance_pools(root, long)
    assert not (root / "results" / "curation.csv").exists()


def test_grades_by_language_add_up_to_those_of_all(study: Path):
    grades = grade_languages(study, "base", 0, "isolated")
    assert set(grades["language"]) == {"en", "de", "ja"} and grades["pairs"].sum() == PAIRS
    whole = load_grades(study, "base").set_index("curation").loc["isolated"]
    summed = grades.groupby("noise")[["pairs", "kept"]].sum()
    survived = (summed["kept"] / summed["pairs"]).to_dict()
    assert survived == pytest.approx({"none": whole["clean_kept"], "file_name": whole["file_name_kept"]})
    assert (grades["kept"] <= grades["matched"]).all() and (grades["matched"] <= grades["pairs"]).all()
    with pytest.raises(InputError, match="'english' does not match every pair"):
        grade_languages(study, "base", 0, "english")


def test_counts_by_rank(study: Path):
    counts = load_counts(study, "base", 0, "isolated")
    assert set(counts["group"]) == {"en", "de", "ja"}
    for _, rows in counts.groupby("group"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert rows["count"].is_monotonic_decreasing and rows["count"].min() >= 1
    assert counts["count"].sum() == sum(map(len, slow_matches(study)["own"]))
    with pytest.raises(InputError, match="'raw' matches nothing"):
        load_counts(study, "base", 0, "raw")


def test_explain_gives_the_probability_that_the_pool_was_curated_with(study: Path):
    table = pq.read_table(Paths(study).curated("base", 0, "isolated"), schema=CURATED)
    for row in table.slice(0, 5).to_pylist():
        explained = explain_text(study, row["alt_text"], row["language"], "base", 0)
        assert explained["entry"].iloc[-1] == "(pair)"
        assert explained["keep"].iloc[-1] == pytest.approx(row["keep_probability"])
    nothing = explain_text(study, "zzzzqqq", "en", "base", 0)
    assert len(nothing) == 1 and nothing["keep"].iloc[0] == 0
    assert explain_text(study, "a", "xx", "base", 0)["decision"].iloc[-1] == "dropped: no metadata in this language"
    with pytest.raises(InputError, match=r"no strategy 'isolatd'\. Did you mean 'isolated'"):
        explain_text(study, "a", "en", "base", 0, "isolatd")


def test_language_id_agrees_with_the_declared_language_where_texts_are_clean(study: Path):
    compared = compare_language_id(study, load_params(study), seed=0, sample=400).set_index("language")
    assert compared["pairs"].sum() == 400
    assert compared.loc["ja", "agree"] > 0.6 and compared.loc["en", "agree"] > 0.3
    assert ((compared["agree"] + compared["other"]) <= 1 + 1e-9).all()


def test_the_fasttext_package_labels_a_pools_texts_as_the_compiled_engine_does(study: Path):
    compared = compare_lid_engines(study, seed=0, sample=400).to_dict("records")
    assert compared == [{"texts": 400, "same_label": 400, "same_probability": 400}]


def test_language_id_replaces_the_declared_language_where_asked(study: Path, tmp_path: Path):
    found = []
    for engine in ("compiled", "fasttext"):
        root = make_study(tmp_path / engine)
        shutil.copytree(study / "data" / "metadata", root / "data" / "metadata")
        write_pool(root, "base")
        params = load_params(root)
        curation = dataclasses.replace(params.curation, language="lid", lid_engine=engine)
        arms = {name: arm for name, arm in params.arms.items() if arm.mix == "base"}
        match_pools(root, dataclasses.replace(params, curation=curation, arms=arms))
        files = PoolFiles(Paths(root).curation("base", 0))
        found.append(pq.read_table(files.matches("none", "pairs-00000"), columns=["pair_id", "language"]))
    assert found[0].equals(found[1]) and len(set(found[0]["language"].to_pylist())) > 1
    assert not found[0]["language"].equals(read_pool(study, "base", 0)["language"])


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
    steps = load_steps(root, "base", 0)
    assert (steps.drop(columns="kept").sum(axis=1) == steps["kept"]).all()


def test_pools_without_languages_ask_for_language_id(study: Path, tmp_path: Path):
    root = make_study(tmp_path)
    write_pools(root)
    path = Paths(root).pool("base", 0) / "pairs-00000.parquet"
    table = pq.read_table(path)
    nameless = pa.array([None] * table.num_rows, pa.string())
    pq.write_table(table.set_column(4, POOL.field("language"), nameless), path)
    with pytest.raises(InputError, match=r"pairs-00000\.parquet: 900 pairs declare no language.*language: lid"):
        match_pools(root, load_params(root))


def test_missing_and_truncated_files_are_named(study: Path, tmp_path: Path):
    root = make_study(tmp_path)
    params = load_params(root)
    with pytest.raises(InputError, match=r"no pairs-\*\.parquet"):
        match_pools(root, params)
    write_pools(root)
    with pytest.raises(InputError, match=r"parquet: no such metadata|metadata.*no such"):
        match_pools(root, params)
    with pytest.raises(InputError, match=r"isolated: not curated here.*dvc repro"):
        open_draw(root, "base", 0, "isolated")
    shutil.copytree(study / "data" / "metadata", root / "data" / "metadata")
    path = Paths(root).pool(used_mixes(params)[0], 0) / "pairs-00000.parquet"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"no pool is known here.*Delete it and run `dvc repro pool`"):
        match_pools(root, params)


def test_balancing_takes_up_what_matching_left_and_makes_what_is_gone(study: Path, tmp_path: Path):
    """A killed stage resumes; one whose matches are gone makes them again, to the same pools."""
    root = make_study(tmp_path)
    for name in ("metadata", "pool"):
        shutil.copytree(study / "data" / name, root / "data" / name)
    params = load_params(root)
    match_pools(root, params)
    matched = {path: path.stat().st_mtime_ns for path in Paths(root).curations.rglob("matches/*/*.parquet")}
    gone = min(matched)
    gone.unlink()
    balance_pools(root, params)
    after = {path: path.stat().st_mtime_ns for path in matched}
    assert {path: stamp for path, stamp in after.items() if path != gone} == {
        path: stamp for path, stamp in matched.items() if path != gone
    }
    for path in (Paths(study).curated("base", 0, name) for name in STRATEGIES):
        assert (Paths(root).curated("base", 0, path.stem)).read_bytes() == path.read_bytes()

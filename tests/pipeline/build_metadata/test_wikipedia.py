"""Lists from dumps, page views and WordNets in the official layout, written by hand."""

import bz2
import dataclasses
import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from mc2lib.engine import tasks as engine
from mc2lib.errors import InputError
from mc2lib.io.code_digest import code_digest
from mc2lib.io.config import load_params
from mc2lib.io.fetching.download import Manners
from mc2lib.io.files import read_json, read_table
from mc2lib.pipeline.build_metadata import count_tasks, list_tasks
from mc2lib.pipeline.build_metadata.source_files import find_dumps, group_wikis
from mc2lib.pipeline.build_metadata.wikipedia import build_wikipedia
from mc2lib.schemas import METADATA
from tests.test_architecture import PLUMBING, reached
from tests.tiny import REPOSITORY

HEAD = "<mediawiki><siteinfo><namespaces><namespace key='0' /></namespaces></siteinfo>\n"
RULES = {"unigram_share": 1.0, "bigram_share": 1.0, "title_share": 1.0}

#: Twelve words: the 3, apple 2, red 2, A, a, fox, green, is; a full stop separates two clauses.
ENGLISH = {"Apple": "the '''red''' apple. the [[green]] apple", "Fox": "A red fox is the a", "Empty": ""}
BELARUSIAN = {"be": {"Яблык": "чырвоны яблык"}, "be_x_old": {"Ліс": "чырвоны ліс"}}
THAI = {"แมว": "แมวสีดำ"}

LMF = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE LexicalResource SYSTEM "http://globalwordnet.github.io/schemas/WN-LMF-1.0.dtd">
<LexicalResource xmlns:dc="http://purl.org/dc/elements/1.1/">
  <Lexicon id="th" label="Thai" language="th" email="a@b.c" license="x" version="1">
    <LexicalEntry id="e1"><Lemma writtenForm="สุนัข" partOfSpeech="n"/></LexicalEntry>
  </Lexicon>
</LexicalResource>
"""


def page(number, title, text):
    return (
        f"<page><title>{title}</title><ns>0</ns><id>{number}</id><revision><id>1</id><model>wikitext</model>"
        f"<format>text/x-wiki</format><text>{text}</text></revision></page>\n"
    )


def write_dump(folder, wiki, pages, day="20240501", head=HEAD):
    """A multistream dump, one page a stream, and its index."""
    folder.mkdir(parents=True, exist_ok=True)
    streams, lines = [bz2.compress(head.encode())], []
    for number, (title, text) in enumerate(pages.items(), 1):
        lines.append(f"{sum(map(len, streams))}:{number}:{title}")
        streams.append(bz2.compress(page(number, title, text).encode()))
    streams.append(bz2.compress(b"</mediawiki>"))
    stem = f"{wiki}wiki-{day}-pages-articles-multistream"
    (folder / f"{stem}.xml.bz2").write_bytes(b"".join(streams))
    (folder / f"{stem}-index.txt.bz2").write_bytes(bz2.compress("\n".join(lines).encode()))
    return folder / f"{stem}.xml.bz2"


def write_views(folder, name, lines):
    folder.mkdir(parents=True, exist_ok=True)
    content = "".join(f"{line}\n" for line in lines).encode()
    (folder / f"pageviews-{name}.gz").write_bytes(gzip.compress(content, mtime=0))


def write_sources(folder):
    """Dumps, page views and WordNets of three languages."""
    write_dump(folder / "dumps", "en", ENGLISH)
    write_dump(folder / "dumps", "th", THAI)
    for wiki, pages in BELARUSIAN.items():
        write_dump(folder / "dumps", wiki, pages)
    views = folder / "pageviews"
    write_views(views, "20240101-000000", ["en Red_apple 5 0", "en.m Fox 3 0", "th %E0%B9%81%E0%B8%A1%E0%B8%A7 1 0"])
    write_views(views, "20240102-130000", ["en Fox 4 0", "en Special:Search 99 0", "de Apfel 1 0"])
    (folder / "wordnets" / "wndb").mkdir(parents=True)
    (folder / "wordnets" / "wndb" / "data.noun").write_text(
        "08930215 15 n 02 Paris 0 City_of_Light 0 001 @i 08691669 n 0000 | the capital\n", encoding="utf-8"
    )
    (folder / "wordnets" / "th.xml").write_text(LMF, encoding="utf-8")


@pytest.fixture(scope="module")
def build_once(tmp_path_factory):
    """A folder whose lists two workers have built, and what the build reported: to be read or copied only."""
    root = tmp_path_factory.mktemp("built")
    write_sources(root / "wikipedia")
    return root, build_wikipedia(root, make_params())


@pytest.fixture
def study(build_once, tmp_path):
    """A folder with sources, and the parameters to build them."""
    return elsewhere(build_once[0], tmp_path / "study"), make_params()


@pytest.fixture
def built(build_once, tmp_path):
    """A folder of one's own whose lists are built, and the parameters that they were built with."""
    root = tmp_path / "built"
    shutil.copytree(build_once[0], root)  # times too
    return root, make_params()


@pytest.fixture
def here(monkeypatch):
    """Run tasks one after the other in this process: for what does not depend on how they are run."""

    def run_here(function, tasks, machine, *, describe):
        return ((number, engine._attempt(function, task, describe(task))) for number, task in enumerate(tasks))

    monkeypatch.setattr("mc2lib.pipeline.build_metadata.stamped_tasks.run_tasks", run_here)


def make_params(**machine):
    params = load_params(REPOSITORY)
    return dataclasses.replace(
        params,
        metadata=dataclasses.replace(params.metadata, **RULES),
        machine=dataclasses.replace(params.machine, processes=2, **machine),
        wikipedia=dataclasses.replace(
            params.wikipedia, languages=("en", "be", "th"), fetch=False, budget_mb=16, bigram_minimum_count=1
        ),
    )


def elsewhere(root, folder):
    """Another folder with the same sources."""
    for name in ("dumps", "pageviews", "wordnets"):
        shutil.copytree(root / "wikipedia" / name, folder / "wikipedia" / name)
    return folder


def entries(root, language, source=None):
    table = read_table(root / "wikipedia" / "metadata" / f"{language}.parquet", METADATA).to_pandas()
    return table.loc[table["source"] == source, "entry"].tolist() if source else table["entry"].tolist()


def lists(root):
    return {path.name: path.read_bytes() for path in sorted((root / "wikipedia" / "metadata").glob("*.parquet"))}


def modified(root):
    return {path.name: path.stat().st_mtime_ns for path in (root / "wikipedia" / "metadata").glob("*.parquet")}


def test_a_list_from_every_source(build_once):
    root, outcome = build_once
    assert entries(root, "en", "wordnet") == ["Paris", "City of Light"]
    assert entries(root, "en", "unigram") == ["the", "apple", "red", "A", "a", "fox", "green", "is"]
    bigrams = ["A red", "red apple", "red fox", "fox is", "is the", "the a", "the red", "the green", "green apple"]
    # 12 words; log2 of 12 / (1 x 1): fox is; of 12 / (1 x 2): A red, green apple, red fox; then 12 / (1 x 3), ...
    assert entries(root, "en", "bigram")[:4] == ["fox is", "A red", "green apple", "red fox"]
    assert set(entries(root, "en", "bigram")) <= set(bigrams) and len(entries(root, "en", "bigram")) == 8
    assert entries(root, "en", "title") == ["Fox", "Red apple"]  # 7 views on two days and two sites, 5 views
    assert entries(root, "be", "unigram") == ["чырвоны", "ліс", "яблык"]  # of two Wikipedias
    assert entries(root, "th", "wordnet") == ["สุนัข"] and "แมว" in entries(root, "th")
    assert entries(root, "th")[-1] == "99" and outcome.failed == {}
    assert outcome.missing == {"be": {"titles": "no page views", "wordnet": "none for this language"}}
    card = outcome.card.set_index(["language", "source"])
    assert card.loc[("en", "unigram"), "candidates"] == 8 and card.loc[("en", "bigram"), "origin"] == "Wikipedia"
    report = read_json(root / "wikipedia" / "metadata" / "report.json")
    assert sum(tally.get("articles", 0) for tally in report["tallies"].values()) == 6


def test_a_second_build_does_nothing_and_a_newer_dump_rebuilds_its_language(built, here):
    root, params = built
    first, times = lists(root), modified(root)
    build_wikipedia(root, params)
    assert lists(root) == first and modified(root) == times
    write_dump(root / "wikipedia" / "dumps", "be", {"Яблык": "зялёны яблык"}, day="20240601")
    build_wikipedia(root, params)
    assert "зялёны" in entries(root, "be")
    assert {name for name, at in modified(root).items() if at != times[name]} == {"be.parquet"}


@pytest.mark.parametrize(
    ("group", "made"),
    [
        ("COUNTING", {"parts": 4, "lists": 3}),  # one part per dump, and the lists made from them
        ("VIEWING", {"views": 3}),  # two days, and their sum, which comes out as it was
        ("LISTING", {"lists": 4}),  # and other's
    ],
)
def test_an_edit_of_the_code_makes_again_what_depends_on_it(group, made, built, here, monkeypatch):
    root, params = built
    edited = getattr(list_tasks if group == "LISTING" else count_tasks, group)
    for module in (count_tasks, list_tasks):
        monkeypatch.setattr(module, "code_digest", lambda *parts: "edited" if parts == edited else code_digest(*parts))
    work = root / "wikipedia" / "work"
    before = {path: read_json(path)["made"] for path in work.rglob("*.json") if path.name != "counts.json"}
    first = lists(root)
    build_wikipedia(root, params)
    again = Counter(
        path.relative_to(work).parts[0] for path, stamp in before.items() if read_json(path)["made"] != stamp
    )
    assert again == made and lists(root) == first


#: What starts tasks, stamps their results and digests code.
RUNNING = {"engine.progress", "engine.tasks", "io.code_digest", "pipeline.build_metadata.stamped_tasks"}
#: What lists follow from by content: the namespaces that dumps name, and which lists no label reaches.
BY_CONTENT = ("pipeline.build_metadata.dumps", "io.metadata.label_coverage", "io.lid_models", "recipe.curation")


@pytest.mark.parametrize(
    ("group", "module", "by_content"),
    [
        (count_tasks.COUNTING, "pipeline.build_metadata.dump_counts", ()),
        (count_tasks.VIEWING, "pipeline.build_metadata.pageviews", ()),
        (list_tasks.LISTING, "pipeline.build_metadata.list_tasks", BY_CONTENT),
    ],
)
def test_all_code_that_results_depend_on_is_in_their_digest(group, module, by_content):
    rests = {name for name in reached(module) if not name.startswith(by_content or "-")} - PLUMBING - RUNNING
    assert module in rests
    assert not [
        name for name in sorted(rests) if not any(name == part or name.startswith(f"{part}.") for part in group)
    ]
    assert all(code_digest(part) for part in group)


def test_the_same_bytes_from_one_worker_and_another_division(build_once, study, monkeypatch):
    root, (other, params) = build_once[0], study
    # a part a stream: for so small a dump the share is set by hand
    monkeypatch.setattr("mc2lib.pipeline.build_metadata.count_tasks.MEBIBYTE", 40)
    small = dataclasses.replace(params.wikipedia, part_mb=1)
    alone = dataclasses.replace(params.machine, processes=1)
    build_wikipedia(other, dataclasses.replace(params, machine=alone, wikipedia=small))
    assert len(list((other / "wikipedia" / "work" / "parts").glob("enwiki*/*.json"))) > 1
    assert lists(other) == lists(root)


def test_a_truncated_dump_costs_its_language_only_and_its_old_list_stays(built, here):
    root, params = built
    first = lists(root)
    path = root / "wikipedia" / "dumps" / "enwiki-20240501-pages-articles-multistream.xml.bz2"
    path.write_bytes(path.read_bytes()[:-20])
    write_dump(root / "wikipedia" / "dumps", "th", {"หมา": "หมาสีดำ"}, day="20240601")
    outcome = build_wikipedia(root, params)
    assert "truncated" in outcome.failed["en"] and path.name in outcome.failed["en"]
    assert lists(root)["en.parquet"] == first["en.parquet"] and lists(root)["th.parquet"] != first["th.parquet"]


def test_what_is_missing_is_said(study, here):
    root, params = study
    for path in (root / "wikipedia" / "dumps").glob("thwiki*"):
        path.unlink()
    outcome = build_wikipedia(root, params)
    assert outcome.missing["th"] == {"dump": "not in the folder"}
    assert entries(root, "th", "unigram") == [] and "A:B" not in entries(root, "th")


def test_a_list_does_not_shrink_because_its_dump_is_gone(built, here):
    root, params = built
    first = lists(root)
    for path in (root / "wikipedia" / "dumps").glob("thwiki*"):
        path.unlink()
    outcome = build_wikipedia(root, params)
    assert "its dump is gone" in outcome.failed["th"] and lists(root) == first


def test_titles_in_the_namespaces_that_the_dumps_name_are_skipped(study, here):
    root, params = study
    folder = root / "wikipedia"
    named = "<namespace key='0' /><namespace key='6'>Файл</namespace></namespaces></siteinfo>\n"
    heads = {"be": named, "be_x_old": named.replace("Файл", "Удзельнік")}
    lines = ["be Файл:A 50 0", "be Удзельнік:B 40 0", "be-x-old файл:_C 30 0", "be Re:Zero 20 0", "be Кот 10 0"]
    write_views(folder / "pageviews", "20240103-000000", [*lines, "th A:B 9 0"])
    build_wikipedia(root, params)
    assert entries(root, "be", "title") == [
        "файл: C",
        "Кот",
    ]  # its dumps name no namespace: a space makes the difference
    times = modified(root)
    for wiki, pages in BELARUSIAN.items():
        write_dump(folder / "dumps", wiki, pages, head="<mediawiki><siteinfo><namespaces>" + heads[wiki])
    build_wikipedia(root, params)
    assert entries(root, "be", "title") == ["Re:Zero", "Кот"] and "A:B" not in entries(root, "th")
    assert {name for name, at in modified(root).items() if at != times[name]} == {"be.parquet"}
    titles = read_json(folder / "metadata" / "report.json")["titles"]
    assert (titles["be"]["titles_in_namespaces"], titles["be"]["views_in_namespaces"]) == (3, 120)
    assert {"файл", "удзельнік"} <= set(titles["be"]["namespaces"]) and titles["th"]["namespaces"].startswith("none")


def test_other_unites_the_lists_that_no_label_reaches(built, here):
    root, params = built
    assert entries(root, "other") == []  # labels mean English, Belarusian and Thai
    for wiki, text in {"zu": "inja 'apple'", "ab": "ала 42 inja"}.items():
        write_dump(root / "wikipedia" / "dumps", wiki, {"A": text})
    for languages in (("zu", "th"), ("ab",)):  # one after the other
        wikipedia = dataclasses.replace(params.wikipedia, languages=languages)
        outcome = build_wikipedia(root, dataclasses.replace(params, wikipedia=wikipedia))
    assert entries(root, "other", "unigram") == ["42", "inja", "ала", "apple"]  # Abkhazian's, then Zulu's
    assert entries(root, "other", "number") == [str(number) for number in range(100) if number != 42]
    assert list(dict.fromkeys(outcome.card["language"])) == ["ab", "other"]
    card = outcome.card.set_index(["language", "source"])
    assert card.loc[("other", "unigram"), "candidates"] == 5 and card.loc[("other", "unigram"), "elsewhere"] == 1
    before = modified(root)
    build_wikipedia(root, params)
    assert modified(root) == before
    report = (root / "wikipedia" / "metadata" / "card.csv").read_text(encoding="utf-8")
    assert report.count("\nother,") == 5


def test_the_card_keeps_the_languages_that_were_built_before(built, here):
    root, params = built
    alone = dataclasses.replace(params, wikipedia=dataclasses.replace(params.wikipedia, languages=("th",)))
    before = (root / "wikipedia" / "metadata" / "card.csv").read_bytes()
    outcome = build_wikipedia(root, alone)
    assert set(outcome.card["language"]) == {"th", "other"}
    assert (root / "wikipedia" / "metadata" / "card.csv").read_bytes() == before and before.count(
        b"\nen,"
    ) == before.count(b"\nbe,") == 5


def test_page_views_of_other_days_are_left_out_when_fetching(study, monkeypatch, here):
    root, params = study
    monkeypatch.setattr("mc2lib.pipeline.build_metadata.wikipedia.fetch_all", lambda *arguments: {})
    wikipedia = dataclasses.replace(params.wikipedia, fetch=True, days=("2024-01-01",), hours=(0,))
    build_wikipedia(root, dataclasses.replace(params, wikipedia=wikipedia))
    assert entries(root, "en", "title") == ["Red apple", "Fox"]  # 5 views and 3: the second day's 4 are not asked for


def test_a_dump_that_could_not_be_fetched_is_not_passed_over(study, monkeypatch, here):
    root, params = study
    missing = {"be_tarask": "http://mirror: the connection broke", "th": "http://mirror: the server has no such dump"}
    monkeypatch.setattr("mc2lib.pipeline.build_metadata.wikipedia.fetch_all", lambda *arguments: missing)
    days = {"days": ("2024-01-01", "2024-01-02"), "hours": (0, 13)}
    wikipedia = dataclasses.replace(params.wikipedia, fetch=True, **days)
    outcome = build_wikipedia(root, dataclasses.replace(params, wikipedia=wikipedia))
    assert list(outcome.failed) == ["be"] and "connection broke" in outcome.failed["be"]
    monkeypatch.setattr(
        "mc2lib.pipeline.build_metadata.wikipedia.fetch_all",
        lambda *arguments: {"pageviews-20240101-000000.gz": "a full disk"},
    )
    with pytest.raises(InputError, match="1 hourly files could not be fetched"):
        build_wikipedia(root, dataclasses.replace(params, wikipedia=wikipedia))


def test_a_missing_model_is_reported_before_anything_is_counted(study):
    root, params = study
    absent = dataclasses.replace(params.curate_pool, lid_model=str(root / "absent.bin"))
    with pytest.raises(InputError, match=r"absent\.bin: cannot be read"):
        build_wikipedia(root, dataclasses.replace(params, curate_pool=absent))
    assert not (root / "wikipedia" / "work").exists()


def test_no_source_at_all(study, tmp_path):
    with pytest.raises(InputError, match="no dump, page view or WordNet"):
        build_wikipedia(tmp_path / "empty", study[1])


def test_a_killed_build_resumes_and_writes_identical_bytes(built):
    root, params = built
    first = lists(root)
    for name in ("metadata", "work"):
        shutil.rmtree(root / "wikipedia" / name)
    code = "import sys, pathlib; from tests.pipeline.build_metadata import test_wikipedia as t\n"
    code += "if __name__ == '__main__': t.build_wikipedia(pathlib.Path(sys.argv[1]), t.make_params())"
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(root)],
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(1500):
        if list((root / "wikipedia" / "work").glob("parts/*/*.json")) or run.poll() is not None:
            break
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert not (root / "wikipedia" / "metadata" / "report.json").exists(), "killed too late to show anything"
    build_wikipedia(root, params)
    assert lists(root) == first


def test_wikipedias_that_merge():
    assert group_wikis(["zh"]) == {"zh": ("zh", "gan", "wuu", "zh_classical", "zh_yue")}
    assert len(group_wikis("all")) == 330 - 6 and group_wikis("all")["en"] == ("en", "simple")
    with pytest.raises(InputError, match="'be_tarask' is part of the list of 'be'"):
        group_wikis(["be_tarask"])
    with pytest.raises(InputError, match="no language 'xx'"):
        group_wikis(["xx"])


def test_the_day_that_is_asked_for_comes_before_a_newer_one(tmp_path):
    for day in ("20240301", "20240501"):
        write_dump(tmp_path, "en", ENGLISH, day)
    wikis = group_wikis(["en"])
    assert "20240301" in find_dumps(tmp_path, wikis, "20240301")["en"][0].name
    assert "20240501" in find_dumps(tmp_path, wikis, "latest")["en"][0].name


def test_a_date_that_is_none_is_refused(study):
    root, params = study
    wikipedia = dataclasses.replace(params.wikipedia, fetch=True, date="2024-05-01")
    with pytest.raises(InputError, match="'2024-05-01' is not the date of a dump"):
        build_wikipedia(root, dataclasses.replace(params, wikipedia=wikipedia), Manners(attempts=1))


def test_a_day_that_is_none_is_refused(study):
    root, params = study
    wikipedia = dataclasses.replace(params.wikipedia, fetch=True, days=("2024-13-01",))
    with pytest.raises(InputError, match="'2024-13-01' is not a day"):
        build_wikipedia(root, dataclasses.replace(params, wikipedia=wikipedia), Manners(attempts=1))

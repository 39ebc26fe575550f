"""`make metadata` from end to end: a real excerpt of English Wikipedia, from a site in the official layout."""

import bz2
import gzip
import hashlib
import re
import shutil
import threading
from http.server import ThreadingHTTPServer
from urllib.parse import quote

import pandas as pd
import pytest

from benchmarks.metadata_text import excerpt
from mc2lib.commands.command_line import main
from mc2lib.io.files import read_json, read_table
from mc2lib.pipeline.build_metadata.stored_counts import open_counts
from mc2lib.recipe.metadata.card import summarise_card
from mc2lib.recipe.metadata.pmi import rank_pairs
from mc2lib.reporting.plots.metadata_plots import plot_entries, plot_scripts
from mc2lib.schemas import METADATA
from tests.io.fetching.conftest import Site, handler
from tests.pipeline.build_metadata.test_wikipedia import LMF
from tests.tiny import REPOSITORY

#: The titles of the excerpt that are viewed, and how often: on two days, on the desktop and the mobile site.
VIEWS = {"Anarchism": 900, "Albert Einstein": 800, "Re:Zero": 700, "Animal Farm": 600, "Asia": 500, "Café Müller": 400}
#: What is no article of English Wikipedia, by its own namespaces, MediaWiki's and other wikis' prefixes.
SKIPPED = {"Special:Search": 9999, "Wikipedia:About": 5000, "Draft: X": 4000, "WP:NPOV": 3000, "fr:Chat": 2000}
PAGES_A_STREAM = 20


def multistream(xml):
    """The excerpt as the dump site packs it: streams of some pages, and the index of where they begin."""
    head, *pages = re.split(rb"(?=  <page>\n)", xml)
    pages[-1], tail = pages[-1].removesuffix(b"</mediawiki>\n"), b"</mediawiki>\n"
    content, lines = bz2.compress(head), []
    for start in range(0, len(pages), PAGES_A_STREAM):
        titles = [re.search(rb"<title>(.*)</title>", page)[1] for page in pages[start : start + PAGES_A_STREAM]]
        lines += [b"%d:%d:%s\n" % (len(content), start, title) for title in titles]
        content += bz2.compress(b"".join(pages[start : start + PAGES_A_STREAM]))
    return content + bz2.compress(tail), bz2.compress(b"".join(lines))


def page_views(day):
    lines = [b"de Apfel 1 0", b"commons.m File:X 7 0", b"en.b Cat 5 0", b"broken"]
    for title, views in (VIEWS | SKIPPED).items():
        written = quote(title.replace(" ", "_"), safe=":")
        lines += [f"{domain} {written} {views // 4} 0".encode() for domain in ("en", "en.m")]
    return gzip.compress(b"\n".join(sorted(lines)) + b"\n") if day else gzip.compress(b"")


@pytest.fixture(scope="module")
def site():
    """A mirror with English of 2024-05-01, two hours of page views, and nothing else."""
    pytest.importorskip("gensim")
    dump, index = multistream(bz2.decompress(excerpt().read_bytes()))
    stem = "/enwiki/20240501/enwiki-20240501"
    names = {f"{stem}-pages-articles-multistream.xml.bz2": dump}
    names[f"{stem}-pages-articles-multistream-index.txt.bz2"] = index
    sums = "".join(f"{hashlib.sha1(c).hexdigest()}  {name.rpartition('/')[2]}\n" for name, c in names.items())
    files = names | {f"{stem}-sha1sums.txt": sums.encode()}
    for day in ("20240101", "20240229"):
        files[f"/other/pageviews/2024/2024-{day[4:6]}/pageviews-{day}-120000.gz"] = page_views(day)
    site = Site(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(site))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    site.url = f"http://localhost:{server.server_port}"
    yield site
    server.shutdown()
    server.server_close()


def write_study(root, url):
    """A folder with the study's parameters, whose mirrors are the site, and two WordNets."""
    shutil.copytree(REPOSITORY / "scales", root / "scales")
    text = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("https://dumps.wikimedia.org", url)
    text = re.sub(r"  hours: \[.*\]", "  hours: [12]", text)
    text = text.replace("  unigram_cap: 251465", "  unigram_cap: 2000").replace("  title_cap: 61235", "  title_cap: 3")
    (root / "params.yaml").write_text(text, encoding="utf-8")
    (root / "dvc.yaml").touch()
    wordnets = root / "data" / "sources" / "wordnet"
    wordnets.mkdir(parents=True)
    line = "08930215 15 n 02 anarchism 0 City_of_Light 0 001 @i 08691669 n 0000 | no gods\n"
    (wordnets / "data.noun").write_text(f"  1 A licence\n{line}", encoding="utf-8")
    lmf = root / "wikipedia" / "wordnets" / "th.xml"
    lmf.parent.mkdir(parents=True)
    lmf.write_text(LMF, encoding="utf-8")
    return root


COMMAND = ["metadata", "--languages", "en", "th", "lo", "--date", "20240501", "--days", "2024-01-01", "2024-02-29"]


@pytest.fixture(scope="module")
def built(site, tmp_path_factory):
    """The folder in which the command has run, what it returned and what it printed."""
    root = write_study(tmp_path_factory.mktemp("site"), site.url)
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mc2lib.io.config.find_workplace", lambda: root)
        patch.setattr("builtins.print", lambda *words, **_: said.append(" ".join(map(str, words))))
        status = main(COMMAND)
    return root, status, "\n".join(said)


def entries(root, language):
    return read_table(root / "wikipedia" / "metadata" / f"{language}.parquet", METADATA).to_pandas()


def test_real_entries_of_every_source_in_their_order(built):
    root, status, _ = built
    assert status == 0
    table = entries(root, "en")
    assert list(dict.fromkeys(table["source"])) == ["wordnet", "unigram", "bigram", "title", "number"]
    of = {source: rows.reset_index(drop=True) for source, rows in table.groupby("source")}
    assert of["wordnet"]["entry"].tolist() == ["anarchism", "City of Light"]
    assert of["unigram"]["entry"][:4].tolist() == ["the", "of", "and", "in"]
    assert {"philosophy", "Einstein", "Orwell"} <= set(of["unigram"]["entry"])
    assert "anarchism" not in set(of["unigram"]["entry"])  # WordNet has it: the first source wins
    # five times at least each, as params.yaml has it
    assert of["bigram"]["entry"][:3].tolist() == ["Bhai Kanhaiya", "Sri Lanka", "spinal cord"]
    assert len(of["bigram"]) == 801  # 40 % of 2000 unigrams and "anarchism"
    assert table["entry"].is_unique and (of["unigram"]["rank"].diff().dropna() > 0).all()
    # the cap is three titles, new ones: "Albert Einstein" and "Animal Farm" are bigrams already, "Asia" is a word.
    # `Re:Zero` is an article, whatever its colon
    assert of["title"]["entry"].tolist() == ["Anarchism", "Re:Zero", "Café Müller"]
    assert of["title"]["rank"].tolist() == [0, 2, 5]
    assert table["entry"].tolist()[-1] == "99"


def test_what_a_minimum_count_does_to_pairs(built):
    """params.yaml and README name these pairs: without a minimum, those that occur once come first."""
    counts = open_counts(built[0] / "wikipedia" / "work" / "lists" / "en")
    for minimum, first in ((1, "1733 Molasses"), (2, "Adria Aero"), (5, "Bhai Kanhaiya"), (10, "Las Vegas")):
        assert rank_pairs(counts, " ", 3, minimum)[0][0] == first
    assert [pair for pair, _ in rank_pairs(counts, " ", 5, 5)][1:] == [
        "Sri Lanka", "spinal cord", "Founding Fathers", "Hong Kong",
    ]  # fmt: skip


def test_the_card_adds_up(built):
    root, _, said = built
    read = pd.read_csv(root / "wikipedia" / "metadata" / "card.csv")
    summary = summarise_card(read)  # what the notebook makes of it
    assert summary.loc["en", "total"] == len(entries(root, "en")) and summary.loc["en", "cut_by_cap"].count("−") == 1
    assert plot_entries(read).axes and plot_scripts(summary).axes
    card = read.set_index(["language", "source"])
    parts = card[["below_share", "beyond_cap", "elsewhere", "entries"]].sum(axis=1)
    assert (parts == card["candidates"]).all() and parts.sum() > 0
    unigrams, bigrams, titles = (card.loc[("en", source)] for source in ("unigram", "bigram", "title"))
    assert unigrams["candidates"] > 30_000 and unigrams["entries"] == 2000 and unigrams["cut_by_cap"]
    assert unigrams["elsewhere"] == 1  # "anarchism": WordNet has it
    assert bigrams["candidates"] == 8_997 and bigrams["entries"] == 801 and not bigrams["cut_by_cap"]
    assert titles["candidates"] == 6 and titles["entries"] == titles["elsewhere"] == 3 and titles["beyond_cap"] == 0
    assert 10_000 < unigrams["letters_in_script"] <= unigrams["letters"] and summary.loc["en", "in_script"] > 0.99
    assert card.loc[("en", slice(None)), "entries"].sum() == len(entries(root, "en"))
    assert re.search(r"wordnet +2 +86654 +WNDB", said) and re.search(r"unigram −\d", said)


def test_what_was_skipped_is_counted(built):
    root = built[0]
    report = read_json(root / "wikipedia" / "metadata" / "report.json")
    english = report["titles"]["en"]
    assert {"wikipedia", "draft", "portal talk", "special"} <= set(english["namespaces"])
    assert english["titles_in_namespaces"] == 4  # `Special:Search` was skipped while counting
    assert english["views_in_namespaces"] == 14_000
    days = [tally for name, tally in report["tallies"].items() if name.startswith("views/")]
    assert [(day["namespaces"], day["broken"], day["other_projects"]) for day in days] == [(2, 1, 2)] * 2
    dumps = [tally for name, tally in report["tallies"].items() if "enwiki" in name]
    assert sum(tally["articles"] for tally in dumps) == 106 and sum(tally["redirects"] for tally in dumps) == 99


def test_languages_with_less_are_built_from_what_there_is(built):
    root, _, said = built
    assert entries(root, "th")["entry"].tolist() == ["สุนัข", *map(str, range(100))]
    assert entries(root, "lo")["entry"].tolist() == [str(number) for number in range(100)]
    assert re.search(
        r"missing \| lo: dump \(.*the server has no such dump.*\); titles \(no page views\); wordnet", said
    )
    assert "missing | th: dump (" in said and "failed" not in said
    coverage = pd.read_csv(root / "wikipedia" / "metadata" / "coverage.csv", index_col="language")
    assert coverage.loc["th", "labels"] == "th" and bool(coverage.loc["lo", "list"]) and not coverage.loc["de", "list"]
    assert "language id | label without a list: " in said


def test_again_does_nothing_and_asks_for_nothing_that_is_there(built, site, monkeypatch):
    root = built[0]
    monkeypatch.setattr("mc2lib.io.config.find_workplace", lambda: root)
    lists = {path: path.stat().st_mtime_ns for path in (root / "wikipedia" / "metadata").glob("*.parquet")}
    site.asked.clear()
    assert main(COMMAND) == 0
    assert {path: path.stat().st_mtime_ns for path in lists} == lists and len(lists) == 4  # and other's
    assert not [path for path, _ in site.asked if "enwiki" in path or "pageviews" in path]


def test_a_disk_without_room_is_reported_before_anything_is_fetched(site, tmp_path, monkeypatch, capsys):
    root = write_study(tmp_path, site.url)
    monkeypatch.setattr("mc2lib.io.config.find_workplace", lambda: root)
    usage = shutil.disk_usage(root)._replace(free=1_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    assert main(COMMAND) == 2
    assert re.search(r"what is to be fetched takes \d\.\d MB, and 1\.0 MB are free", capsys.readouterr().err)
    assert not list((root / "wikipedia").rglob("*.bz2*")), "nothing was begun"

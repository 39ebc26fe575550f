import hashlib
from collections import Counter
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import pytest

from mc2lib.errors import InputError
from mc2lib.io.fetching.download import GIVE_UP, NoRoomError, UnreachableError
from mc2lib.io.fetching.wikimedia import dump_files, fetch_dump, fetch_dumps, fetch_pageviews, pageview_files
from tests.io.fetching.conftest import MD5


def add_dump(site, wiki, day, sums="md5sums", folder=None, content=b"dump"):
    place = f"/{wiki}/{folder or day}"
    lines = ""
    for name in ("articles-multistream.xml", "articles-multistream-index.txt", "articles.xml"):
        ending = f"pages-{name}.bz2"
        body = content + ending.encode()
        site.files[f"{place}/{wiki}-{folder or day}-{ending}"] = body
        algorithm = hashlib.sha1 if sums == "sha1sums" else hashlib.md5
        lines += f"{algorithm(body).hexdigest()}  {wiki}-{day}-{ending}\n"
    site.files[f"{place}/{wiki}-{folder or day}-{sums}.txt"] = lines.encode()


@pytest.mark.parametrize("sums", ["md5sums", "sha1sums"])
def test_a_dump_is_checked_against_its_sums(site, tmp_path, manners, sums):
    add_dump(site, "bat_smgwiki", "20240501", sums)
    found = fetch_dump(site.url, "bat_smg", "20240501", tmp_path, manners=manners)
    assert found.dump.name == "bat_smgwiki-20240501-pages-articles-multistream.xml.bz2"
    assert found.index is not None and found.index.read_bytes().startswith(b"dump")
    asked = len(site.asked)
    assert fetch_dump(site.url, "bat_smg", "20240501", tmp_path, manners=manners) == found
    assert len(site.asked) == asked
    site.files["/bat_smgwiki/20240501/bat_smgwiki-20240501-pages-articles.xml.bz2"] = b"damaged"
    with pytest.raises(InputError, match="not have the checksum"):
        fetch_dump(site.url, "bat_smg", "20240501", tmp_path, multistream=False, manners=manners)


def test_the_latest_dump_is_listed_under_its_date(site, tmp_path, manners):
    add_dump(site, "lawiki", "20240501", folder="latest")
    found = fetch_dump(site.url, "la", "latest", tmp_path, multistream=False, manners=manners)
    assert found.dump.name == "lawiki-latest-pages-articles.xml.bz2" and found.index is None


def test_taraskievica_has_its_old_name(site, tmp_path, manners):
    add_dump(site, "be_x_oldwiki", "20240501")
    assert fetch_dump(site.url, "be_tarask", "20240501", tmp_path, manners=manners).dump.is_file()


def test_a_sums_file_without_the_dump_is_reported(site, tmp_path, manners):
    site.files["/lawiki/20240501/lawiki-20240501-md5sums.txt"] = f"{MD5}  lawiki-20240501-pages-meta.xml\n".encode()
    with pytest.raises(InputError, match="la: its sums list no lawiki-20240501-pages-articles-multistream"):
        fetch_dump(site.url, "la", "20240501", tmp_path, manners=manners)


def test_a_missing_language_is_reported_and_the_others_are_fetched(site, tmp_path, manners):
    add_dump(site, "lawiki", "20240501")
    add_dump(site, "sowiki", "20240501")
    found = fetch_dumps(site.url, ["la", "tt", "simpel", "so"], "20240501", tmp_path, manners=manners)
    assert list(found.files) == ["la", "so"] and list(found.missing) == ["tt", "simpel"]
    assert "ttwiki/20240501: tt: the server has no such dump" in str(found.missing["tt"])
    assert "no Wikipedia 'simpel'. Did you mean 'simple'?" in str(found.missing["simpel"])


def test_hours_of_page_views(site, tmp_path, manners):
    site.files |= {
        "/2019/2019-01/pageviews-20190102-000000.gz": b"zero",
        "/2019/2019-01/pageviews-20190102-230000.gz": b"last",
    }
    found = fetch_pageviews(site.url, [date(2019, 1, 2)], tmp_path, hours=(0, 7, 23), manners=manners)
    assert {name: path.read_bytes() for name, path in found.files.items()} == {
        "pageviews-20190102-000000.gz": b"zero",
        "pageviews-20190102-230000.gz": b"last",
    }
    assert list(found.missing) == ["pageviews-20190102-070000.gz"]
    assert Counter(path for path, _ in site.asked).most_common(1)[0][1] == 1


def test_a_full_disk_ends_all_fetching(site, tmp_path, manners, monkeypatch):
    base = f"{site.url}/other/pageviews"
    names = [f"/other/pageviews/2024/2024-01/pageviews-20240101-{hour:02}0000.gz" for hour in range(24)]
    site.files |= dict.fromkeys(names, b"x")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    with pytest.raises(NoRoomError, match=r"takes 0\.0 MB"):
        fetch_pageviews(base, [date(2024, 1, 1)], tmp_path, manners=manners)
    assert len(site.asked) < 24


def test_addresses_of_the_official_layout(tmp_path):
    assert list(dump_files("http://m/", ["be_tarask"], "20240501", tmp_path)) == [
        "http://m/be_x_oldwiki/20240501/be_x_oldwiki-20240501-pages-articles-multistream.xml.bz2",
        "http://m/be_x_oldwiki/20240501/be_x_oldwiki-20240501-pages-articles-multistream-index.txt.bz2",
    ]
    found = pageview_files("http://m", [date(2024, 2, 9)], tmp_path, hours=[7])
    assert found == {
        "http://m/2024/2024-02/pageviews-20240209-070000.gz": tmp_path / "pageviews-20240209-070000.gz",
    }


def test_fetching_ends_where_nothing_can_be_reached(site, tmp_path, manners):
    base, days = f"{site.url}/other/pageviews", [date(2024, 1, 1)]
    names = [f"/other/pageviews/2024/2024-01/pageviews-20240101-{hour:02}0000.gz" for hour in range(24)]
    site.files = dict.fromkeys(names, b"x")
    alone = replace(manners, connections=1)
    lost = [(503, {})] * alone.attempts
    site.codes = [*lost * (GIVE_UP - 1), (404, {}), *lost]  # what is not there was reached
    fetched = fetch_pageviews(base, days, tmp_path / "a", manners=alone)
    assert len(fetched.missing) == GIVE_UP + 1 and len(fetched.files) == 24 - GIVE_UP - 1
    site.asked.clear()
    site.codes = lost * 24
    with pytest.raises(UnreachableError, match=r"pageviews-20240101-03.* could not be reached in a row"):
        fetch_pageviews(base, days, tmp_path / "b", manners=alone)
    assert len(site.asked) == GIVE_UP * alone.attempts

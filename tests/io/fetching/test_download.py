import hashlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from mc2lib.errors import InputError
from mc2lib.io.fetching.download import GIVE_UP, Manners, NoRoomError, UnreachableError, bytes_to_fetch, fetch
from mc2lib.io.fetching.wikimedia import dump_files, fetch_dump, fetch_dumps, fetch_pageviews, pageview_files

CONTENT = bytes(range(256)) * 4000  # 1,024,000 bytes
MD5 = hashlib.md5(CONTENT).hexdigest()


@dataclass
class Site:
    """What the server holds and how it misbehaves; what it was asked."""

    files: dict = field(default_factory=dict)
    etags: dict = field(default_factory=dict)
    cuts: list = field(default_factory=list)  # bytes after which each answer ends early
    codes: list = field(default_factory=list)  # (status, headers) of the next answers
    ranges: bool = True
    slow: float = 0.0
    asked: list = field(default_factory=list)
    open: int = 0
    most: int = 0
    on_request: object = None
    lock: threading.Lock = field(default_factory=threading.Lock)


def handler(site):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            with site.lock:
                site.open += 1
                site.most = max(site.most, site.open)
                site.asked.append((self.path, dict(self.headers)))
            try:
                time.sleep(site.slow)
                self.answer()
            finally:
                with site.lock:
                    site.open -= 1

        do_HEAD = do_GET  # noqa: N815

        def answer(self):
            if site.on_request:
                site.on_request(len(site.asked))
            if site.codes:
                code, headers = site.codes.pop(0)
                return self.head(code, headers | {"Content-Length": "0"})
            if self.path not in site.files:
                return self.head(404, {"Content-Length": "0"})
            content, etag = site.files[self.path], site.etags.get(self.path, '"one"')
            start = 0
            if site.ranges and "Range" in self.headers and self.headers.get("If-Range") == etag:
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                if start >= len(content):
                    return self.head(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
            headers = {"Content-Length": str(len(content) - start)} | ({"ETag": etag} if etag else {})
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.head(206 if start else 200, headers)
            stop = start + site.cuts.pop(0) if site.cuts else len(content)
            if self.command == "GET":
                self.wfile.write(content[start:stop])
            self.close_connection = True

        def head(self, code, headers):
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

    return Handler


@pytest.fixture
def site():
    site = Site({"/a.bz2": CONTENT})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(site))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    site.url = f"http://localhost:{server.server_port}"
    yield site
    server.shutdown()
    server.server_close()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def manners(waits):
    return Manners(attempts=3, wait=1.0, sleep=waits.append, timeout=10)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def starts(site):
    return [headers.get("Range") for _, headers in site.asked]


def test_a_file_comes_whole_under_its_name(site, tmp_path, manners):
    assert fetch(f"{site.url}/a.bz2", tmp_path / "new" / "a.bz2", digest=MD5, manners=manners).read_bytes() == CONTENT
    assert names(tmp_path / "new") == ["a.bz2"]
    fetch(f"{site.url}/a.bz2", tmp_path / "new" / "a.bz2", manners=manners)
    assert len(site.asked) == 1, "what is there is not asked for again"


def test_the_project_is_named(site, tmp_path):
    fetch(f"{site.url}/a.bz2", tmp_path / "a", manners=Manners(contact="ann@example.org"))
    headers = site.asked[0][1]
    assert headers["User-Agent"].startswith("mc2lib/") and "ann@example.org" in headers["User-Agent"]
    assert headers["Accept-Encoding"] == "identity"


def test_a_cut_connection_goes_on_where_it_ended(site, tmp_path, manners, waits):
    site.cuts = [300_000, 500_000]
    target = tmp_path / "a.bz2"
    assert fetch(f"{site.url}/a.bz2", target, digest=MD5, manners=manners).read_bytes() == CONTENT
    assert starts(site) == [None, "bytes=300000-", "bytes=800000-"]
    assert waits == [1.0, 1.0], "a try that brought something begins the waits anew"


def test_a_killed_fetch_goes_on_in_the_next(site, tmp_path, manners):
    site.cuts = [300_000, 0, 0, 0]
    target = tmp_path / "a.bz2"
    with pytest.raises(InputError, match=r"3 tries in a row failed .*broke after 300,000 bytes.*run again to resume"):
        fetch(f"{site.url}/a.bz2", target, manners=manners)
    assert (tmp_path / "a.bz2.mc2lib-part").stat().st_size == 300_000 and not target.exists()
    site.cuts.clear()
    site.asked.clear()
    assert fetch(f"{site.url}/a.bz2", target, digest=MD5, manners=manners).read_bytes() == CONTENT
    assert starts(site) == ["bytes=300000-"] and names(tmp_path) == ["a.bz2"]


def test_a_changed_file_is_begun_again(site, tmp_path, manners):
    site.cuts = [300_000]
    other = CONTENT[::-1] + b"longer"

    def change(number):
        if number == 2:
            site.files["/a.bz2"], site.etags["/a.bz2"] = other, '"two"'

    site.on_request = change
    assert fetch(f"{site.url}/a.bz2", tmp_path / "a.bz2", manners=manners).read_bytes() == other


def test_a_server_that_ignores_if_range_does_not_mix_files(site, tmp_path, manners):
    target = tmp_path / "a.bz2"
    site.cuts = [300_000, 0, 0, 0]
    with pytest.raises(InputError):
        fetch(f"{site.url}/a.bz2", target, manners=manners)
    site.cuts.clear()
    site.files["/a.bz2"] = b"x" * 900_000  # another length under the same ETag
    assert fetch(f"{site.url}/a.bz2", target, manners=manners).read_bytes() == b"x" * 900_000


def test_a_file_that_shrank_below_the_part_is_begun_again(site, tmp_path, manners):
    target = tmp_path / "a.bz2"
    site.cuts = [300_000, 0, 0, 0]
    with pytest.raises(InputError):
        fetch(f"{site.url}/a.bz2", target, manners=manners)
    site.cuts.clear()
    site.files["/a.bz2"] = b"short"
    assert fetch(f"{site.url}/a.bz2", target, manners=manners).read_bytes() == b"short"


def test_a_part_that_is_all_of_it_needs_no_more(site, tmp_path, manners):
    target = tmp_path / "a.bz2"
    site.cuts = [300_000, 0, 0, 0]
    with pytest.raises(InputError):
        fetch(f"{site.url}/a.bz2", target, manners=manners)
    (tmp_path / "a.bz2.mc2lib-part").write_bytes(CONTENT)
    site.cuts.clear()
    assert fetch(f"{site.url}/a.bz2", target, digest=MD5, manners=manners).read_bytes() == CONTENT


def test_without_ranges_it_starts_over(site, tmp_path, manners):
    site.ranges = False
    site.cuts = [300_000]
    assert fetch(f"{site.url}/a.bz2", tmp_path / "a", digest=MD5, manners=manners).read_bytes() == CONTENT


def test_without_a_validator_no_range_is_asked(site, tmp_path, manners):
    site.etags["/a.bz2"] = ""
    site.cuts = [300_000]
    assert fetch(f"{site.url}/a.bz2", tmp_path / "a", digest=MD5, manners=manners).read_bytes() == CONTENT
    assert starts(site) == [None, None]


def test_a_weak_etag_is_no_validator(site, tmp_path, manners):
    site.etags["/a.bz2"] = 'W/"one"'
    site.cuts = [300_000]
    fetch(f"{site.url}/a.bz2", tmp_path / "a", digest=MD5, manners=manners)
    assert starts(site) == [None, None]


def test_a_part_of_another_address_is_not_used(site, tmp_path, manners):
    site.cuts = [300_000, 0, 0, 0]
    with pytest.raises(InputError):
        fetch(f"{site.url}/a.bz2", tmp_path / "a", manners=manners)
    site.cuts.clear()
    site.files["/b.bz2"] = b"other" * 200_000
    assert fetch(f"{site.url}/b.bz2", tmp_path / "a", manners=manners).read_bytes() == b"other" * 200_000


def test_a_busy_server_is_given_the_time_it_asks_for(site, tmp_path, manners, waits):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100))
    site.codes = [(503, {"Retry-After": "7"}), (429, {"Retry-After": later})]
    assert fetch(f"{site.url}/a.bz2", tmp_path / "a", manners=manners).read_bytes() == CONTENT
    assert waits[0] == 7.0 and 90 < waits[1] <= 100


def test_waits_double_and_end(site, tmp_path, waits):
    site.codes = [(503, {})] * 4 + [(503, {"Retry-After": "999999"})]
    manners = Manners(attempts=6, wait=1.0, longest_wait=5.0, sleep=waits.append)
    fetch(f"{site.url}/a.bz2", tmp_path / "a", manners=manners)
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_what_is_not_there_is_asked_for_once(site, tmp_path, manners):
    with pytest.raises(InputError, match=r"/none\.bz2: the server has no such file"):
        fetch(f"{site.url}/none.bz2", tmp_path / "a", manners=manners)
    assert len(site.asked) == 1 and not names(tmp_path)


def test_a_refusal_is_told(site, tmp_path, manners):
    site.codes = [(403, {})]
    with pytest.raises(InputError, match="answers 403"):
        fetch(f"{site.url}/a.bz2", tmp_path / "a", manners=manners)


def test_nobody_listens(tmp_path, manners, waits):
    with pytest.raises(InputError, match="3 tries in a row failed"):
        fetch(f"http://localhost:{9}/a", tmp_path / "a", manners=manners)
    assert waits == [1.0, 2.0]


def test_a_wrong_checksum_is_fetched_once_more_and_never_kept(site, tmp_path, manners):
    with pytest.raises(InputError, match="not have the checksum"):
        fetch(f"{site.url}/a.bz2", tmp_path / "a.bz2", digest="0" * 40, manners=manners)
    assert starts(site) == [None, None]
    assert not names(tmp_path)


def test_a_wrong_part_is_replaced_by_the_right_file(site, tmp_path, manners):
    site.cuts = [300_000, 0, 0, 0]
    with pytest.raises(InputError):
        fetch(f"{site.url}/a.bz2", tmp_path / "a.bz2", manners=manners)
    part = tmp_path / "a.bz2.mc2lib-part"
    part.write_bytes(b"x" * 300_000)
    site.cuts.clear()
    assert fetch(f"{site.url}/a.bz2", tmp_path / "a.bz2", digest=MD5, manners=manners).read_bytes() == CONTENT


def test_a_digest_of_no_known_length_is_refused(site, tmp_path):
    with pytest.raises(InputError, match="not an MD5"):
        fetch(f"{site.url}/a.bz2", tmp_path / "a", digest="abc")


def test_no_more_connections_than_allowed(site, tmp_path):
    site.slow = 0.05
    manners = Manners(connections=2)
    threads = [
        threading.Thread(target=fetch, args=(f"{site.url}/a.bz2", tmp_path / str(i)), kwargs={"manners": manners})
        for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert site.most == 2 and all((tmp_path / str(i)).read_bytes() == CONTENT for i in range(6))


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
def test_a_dump_is_held_to_its_sums(site, tmp_path, manners, sums):
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


def test_tarask_lies_under_its_old_name(site, tmp_path, manners):
    add_dump(site, "be_x_oldwiki", "20240501")
    assert fetch_dump(site.url, "be_tarask", "20240501", tmp_path, manners=manners).dump.is_file()


def test_a_sums_file_without_the_dump_is_told(site, tmp_path, manners):
    site.files["/lawiki/20240501/lawiki-20240501-md5sums.txt"] = f"{MD5}  lawiki-20240501-pages-meta.xml\n".encode()
    with pytest.raises(InputError, match="la: its sums list no lawiki-20240501-pages-articles-multistream"):
        fetch_dump(site.url, "la", "20240501", tmp_path, manners=manners)


def test_a_missing_language_is_told_and_the_others_go_on(site, tmp_path, manners):
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


def test_a_full_disk_is_told(site, tmp_path, manners):
    (tmp_path / "a.mc2lib-part").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"cannot be written .*Free some space"):
        fetch(f"{site.url}/a.bz2", tmp_path / "a", manners=manners)


# ---------------------------------------------------------------------- room on disk


def test_what_finds_no_room_is_told_before_it_is_written(site, tmp_path, manners, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1_000_000))
    with pytest.raises(InputError, match=r"new: .*/a\.bz2 takes 1\.0 MB, and 1\.0 MB are free\. Free some space"):
        fetch(f"{site.url}/a.bz2", tmp_path / "new" / "a.bz2", manners=manners)
    assert not (tmp_path / "new" / "a.bz2.mc2lib-part").exists() and len(site.asked) == 1
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=len(CONTENT)))
    assert fetch(f"{site.url}/a.bz2", tmp_path / "new" / "a.bz2", manners=manners).read_bytes() == CONTENT


def test_a_file_that_goes_on_takes_only_its_rest(site, tmp_path, manners, monkeypatch):
    site.cuts = [900_000, 0, 0, 0]
    with pytest.raises(InputError):
        fetch(f"{site.url}/a.bz2", tmp_path / "a.bz2", manners=manners)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=len(CONTENT) - 900_000))
    assert fetch(f"{site.url}/a.bz2", tmp_path / "a.bz2", manners=manners).read_bytes() == CONTENT


def test_a_full_disk_ends_all_fetching(site, tmp_path, manners, monkeypatch):
    base = f"{site.url}/other/pageviews"
    names = [f"/other/pageviews/2024/2024-01/pageviews-20240101-{hour:02}0000.gz" for hour in range(24)]
    site.files |= dict.fromkeys(names, b"x")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    with pytest.raises(NoRoomError, match=r"takes 0\.0 MB"):
        fetch_pageviews(base, [date(2024, 1, 1)], tmp_path, manners=manners)
    assert len(site.asked) < 24


def test_what_is_to_come_is_asked_for_once(site, tmp_path, manners):
    site.files |= {"/b": b"x" * 50, "/c": b"x" * 70, "/d": b"x" * 90}
    files = {f"{site.url}/{name}": tmp_path / name for name in ("b", "c", "d", "none")}
    (tmp_path / "b").touch()  # is there
    (tmp_path / "c.mc2lib-part").write_bytes(b"x" * 60)  # in part
    assert bytes_to_fetch(files, manners) == 10 + 90
    assert sorted(path for path, _ in site.asked) == ["/c", "/d", "/none"]
    assert all("mc2lib" in headers["User-Agent"] for _, headers in site.asked)


def test_a_server_that_tells_no_sizes_holds_nothing_up(site, tmp_path, manners):
    site.codes = [(503, {}), (405, {})]
    files = {f"{site.url}/a.bz2": tmp_path / "a", f"http://localhost:{9}/b": tmp_path / "b"}
    assert bytes_to_fetch(files, manners) == 0
    assert bytes_to_fetch({}, manners) == 0


def test_addresses_of_the_official_layout(tmp_path):
    assert list(dump_files("http://m/", ["be_tarask"], "20240501", tmp_path)) == [
        "http://m/be_x_oldwiki/20240501/be_x_oldwiki-20240501-pages-articles-multistream.xml.bz2",
        "http://m/be_x_oldwiki/20240501/be_x_oldwiki-20240501-pages-articles-multistream-index.txt.bz2",
    ]
    found = pageview_files("http://m", [date(2024, 2, 9)], tmp_path, hours=[7])
    assert found == {
        "http://m/2024/2024-02/pageviews-20240209-070000.gz": tmp_path / "pageviews-20240209-070000.gz",
    }


# ---------------------------------------------------------------------- a network that is gone


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


def test_asking_for_sizes_ends_where_nobody_answers(tmp_path, manners):
    files = {f"http://localhost:{9}/{number}": tmp_path / str(number) for number in range(100)}
    with pytest.raises(InputError, match=r"requests failed \(ConnectionError\)\. Check the network"):
        bytes_to_fetch(files, manners)

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest

from mc2lib.errors import InputError
from mc2lib.io.fetching.download import Manners, bytes_to_fetch, fetch
from tests.io.fetching.conftest import CONTENT, MD5


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def starts(site):
    return [headers.get("Range") for _, headers in site.asked]


def test_a_file_appears_complete_under_its_name(site, tmp_path, manners):
    assert fetch(f"{site.url}/a.bz2", tmp_path / "new" / "a.bz2", digest=MD5, manners=manners).read_bytes() == CONTENT
    assert names(tmp_path / "new") == ["a.bz2"]
    fetch(f"{site.url}/a.bz2", tmp_path / "new" / "a.bz2", manners=manners)
    assert len(site.asked) == 1, "what is there is not asked for again"


def test_the_project_is_named(site, tmp_path):
    fetch(f"{site.url}/a.bz2", tmp_path / "a", manners=Manners(contact="ann@example.org"))
    headers = site.asked[0][1]
    assert headers["User-Agent"].startswith("mc2lib/") and "ann@example.org" in headers["User-Agent"]
    assert headers["Accept-Encoding"] == "identity"


def test_a_cut_connection_resumes_where_it_ended(site, tmp_path, manners, waits):
    site.cuts = [300_000, 500_000]
    target = tmp_path / "a.bz2"
    assert fetch(f"{site.url}/a.bz2", target, digest=MD5, manners=manners).read_bytes() == CONTENT
    assert starts(site) == [None, "bytes=300000-", "bytes=800000-"]
    assert waits == [1.0, 1.0], "a try that brought something begins the waits anew"


def test_a_killed_fetch_is_resumed_by_the_next(site, tmp_path, manners):
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


def test_a_weak_etag_is_not_a_validator(site, tmp_path, manners):
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


def test_a_missing_file_is_asked_for_once(site, tmp_path, manners):
    with pytest.raises(InputError, match=r"/none\.bz2: the server has no such file"):
        fetch(f"{site.url}/none.bz2", tmp_path / "a", manners=manners)
    assert len(site.asked) == 1 and not names(tmp_path)


def test_a_refusal_is_reported(site, tmp_path, manners):
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


def test_a_full_disk_is_reported(site, tmp_path, manners):
    (tmp_path / "a.mc2lib-part").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"cannot be written .*Free some space"):
        fetch(f"{site.url}/a.bz2", tmp_path / "a", manners=manners)


# ---------------------------------------------------------------------- room on disk


def test_a_file_without_room_is_reported_before_it_is_written(site, tmp_path, manners, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1_000_000))
    with pytest.raises(InputError, match=r"new: .*/a\.bz2 takes 1\.0 MB, and 1\.0 MB are free\. Free some space"):
        fetch(f"{site.url}/a.bz2", tmp_path / "new" / "a.bz2", manners=manners)
    assert not (tmp_path / "new" / "a.bz2.mc2lib-part").exists() and len(site.asked) == 1
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=len(CONTENT)))
    assert fetch(f"{site.url}/a.bz2", tmp_path / "new" / "a.bz2", manners=manners).read_bytes() == CONTENT


def test_a_resumed_file_needs_room_for_its_rest_only(site, tmp_path, manners, monkeypatch):
    site.cuts = [900_000, 0, 0, 0]
    with pytest.raises(InputError):
        fetch(f"{site.url}/a.bz2", tmp_path / "a.bz2", manners=manners)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=len(CONTENT) - 900_000))
    assert fetch(f"{site.url}/a.bz2", tmp_path / "a.bz2", manners=manners).read_bytes() == CONTENT


def test_missing_sizes_are_asked_for_once(site, tmp_path, manners):
    site.files |= {"/b": b"x" * 50, "/c": b"x" * 70, "/d": b"x" * 90}
    files = {f"{site.url}/{name}": tmp_path / name for name in ("b", "c", "d", "none")}
    (tmp_path / "b").touch()  # is there
    (tmp_path / "c.mc2lib-part").write_bytes(b"x" * 60)  # in part
    assert bytes_to_fetch(files, manners) == 10 + 90
    assert sorted(path for path, _ in site.asked) == ["/c", "/d", "/none"]
    assert all("mc2lib" in headers["User-Agent"] for _, headers in site.asked)


def test_a_server_that_tells_no_sizes_stops_nothing(site, tmp_path, manners):
    site.codes = [(503, {}), (405, {})]
    files = {f"{site.url}/a.bz2": tmp_path / "a", f"http://localhost:{9}/b": tmp_path / "b"}
    assert bytes_to_fetch(files, manners) == 0
    assert bytes_to_fetch({}, manners) == 0


# ---------------------------------------------------------------------- a network that is gone


def test_asking_for_sizes_ends_where_nobody_answers(tmp_path, manners):
    files = {f"http://localhost:{9}/{number}": tmp_path / str(number) for number in range(100)}
    with pytest.raises(InputError, match=r"requests failed \(ConnectionError\)\. Check the network"):
        bytes_to_fetch(files, manners)

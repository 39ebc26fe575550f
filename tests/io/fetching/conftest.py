"""A site to fetch from that misbehaves on demand."""

import hashlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mc2lib.io.fetching.download import Manners

CONTENT = bytes(range(256)) * 4000  # 1,024,000 bytes
MD5 = hashlib.md5(CONTENT).hexdigest()


@dataclass
class Site:
    """What the server has, how it misbehaves, and what it was asked."""

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

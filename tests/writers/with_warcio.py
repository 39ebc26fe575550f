"""Writes WAT and WARC files with warcio, in the environment of `make writers`: a JSON list of files on standard input.

Each has `to` and `records`: type, target and body, and `headers` where it is a page.
"""

import io
import json
import sys
from pathlib import Path

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

KINDS = {"metadata": "application/json", "response": "application/http; msgtype=response"}

for file in json.load(sys.stdin):
    path = Path(file["to"])
    path.parent.mkdir(parents=True)
    with path.open("wb") as stream:
        writer = WARCWriter(stream, gzip=path.suffix == ".gz")
        writer.write_record(writer.create_warcinfo_record(path.name, {"software": "warcio"}))
        for record in file["records"]:
            page = [("Content-Type", "text/html")] if record["type"] == "response" else None
            writer.write_record(
                writer.create_warc_record(
                    record["target"],
                    record["type"],
                    payload=io.BytesIO(record["body"].encode()),
                    warc_content_type=KINDS[record["type"]],
                    http_headers=StatusAndHeaders("200 OK", page, protocol="HTTP/1.1") if page else None,
                )
            )

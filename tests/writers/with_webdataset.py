"""Writes tars with webdataset, in the environment of `make writers`: a JSON list of tars on standard input.

Each has `to`, a path or a pattern such as a/%05d.tar, `rows` a shard, and `samples`: by a member's extension a file
to read (`{"file": path}`), a text, or what becomes JSON.
"""

import json
import sys
from pathlib import Path

import webdataset


def members(sample):
    """A sample as the library takes it: bytes of files, all else as it is."""
    return {name: Path(held["file"]).read_bytes() if is_file(held) else held for name, held in sample.items()}


def is_file(held):
    """Whether a member is the content of a file, rather than JSON."""
    return isinstance(held, dict) and set(held) == {"file"}


for tar in json.load(sys.stdin):
    Path(tar["to"]).parent.mkdir(parents=True)
    many = "%" in tar["to"]
    writer = (
        webdataset.ShardWriter(tar["to"], maxcount=tar["rows"], verbose=0) if many else webdataset.TarWriter(tar["to"])
    )
    with writer:
        for sample in tar["samples"]:
            writer.write(members(sample))

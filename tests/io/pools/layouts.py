"""The layouts of docs/pools.md, each written by the library that writes it for everyone else."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import datasets
import pandas as pd

from tests.conftest import ROOT
from tests.io.pools.written import ALL, Row, row_a_text, row_an_image

datasets.disable_progress_bars()  # they are no part of what the command says

PYTHON = ROOT / ".venv-writers" / "bin" / "python"
#: Libraries of the environment of `make writers`.
APART = ("img2dataset", "webdataset", "warcio")
WITHOUT = "the libraries that write pools are not installed: `make writers`"

#: Addresses that img2dataset is given and that hold no image: nothing, and a page.
GONE, PAGE = "gone.jpg", "page.jpg"


@dataclass(frozen=True)
class Layout:
    """One line of the table.

    Args:
        name: what is written.
        writer: the library.
        write: writes it into a folder.
        rows: what was written, and can be read, at once or after the refusal's remedy.
        lost: why further rows, which are in the files, are no pairs.
        images: whether the pool holds its images, so that they can be exported.
        status: how `curate` has to end.
        says: what its message has to say, or where images cannot be exported that message.
        remedy: what the message asks for: `run` its command, or choose the `text` that it names; or nothing.
    """

    name: str
    writer: str
    write: Callable[[Path, Workshop], None]
    rows: tuple[Row, ...] = ()
    lost: tuple[str, ...] = ()
    images: bool = False
    status: int = 0
    says: tuple[str, ...] = ()
    remedy: str = ""

    @property
    def title(self) -> str:
        """What tells it from the others."""
        return f"{self.writer}: {self.name}"

    def refused(self, *says: str, remedy: str = "") -> Layout:
        """This layout as one that `curate` ends for with status 2 and a message that says this."""
        return replace(self, status=2, says=says, remedy=remedy)


class Workshop:
    """Where pools are written: a folder with the drawings, and a server that gives them away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for drawing in ALL:
            path = self.file(drawing.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(drawing.content)

    def file(self, name: str) -> Path:
        """A drawing's own file."""
        return self.folder / "drawings" / f"{name}.jpg"

    def ask(self, script: str, jobs: Sequence[dict[str, Any]]) -> None:
        """Let a script of tests/writers do something with its library."""
        command = [str(PYTHON), str(ROOT / "tests" / "writers" / script)]
        done = subprocess.run(command, input=json.dumps(jobs), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]

    @cached_property
    def downloads(self) -> Path:
        """All that img2dataset writes, by one process: starting it takes longer than downloading."""
        made = self.folder / "img2dataset"
        made.mkdir()
        with serve({f"{d.name}.jpg": d.content for d in ALL} | {PAGE: b"<html>no image</html>"}) as address:
            urls = self._urls(address)
            urls.to_parquet(made / "urls.parquet")
            urls.to_csv(made / "urls.csv", index=False)
            urls.to_csv(made / "urls.tsv", index=False, sep="\t")
            urls["url"].to_csv(made / "urls.txt", index=False, header=False)
            self.ask("with_img2dataset.py", [_download(made, **call) for call in DOWNLOADS])
        return made

    @staticmethod
    def _urls(address: str) -> pd.DataFrame:
        """The list that img2dataset gets: a row a text, and two rows whose download fails."""
        rows = [(row.drawing.name + ".jpg", row.text, row.drawing.name) for row in row_a_text()]
        rows += [(GONE, "a cat that is gone", "gone"), (PAGE, "a cat on a page", "page")]
        table = pd.DataFrame(rows, columns=["url", "caption", "origin"])
        return table.assign(url=address + table["url"])


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[str]:
    """A web server on this machine; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path.removeprefix("/"))
            self.send_response(200 if content is not None else 404)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.server_address[:2]
        yield f"http://{host}:{port}/"
        server.shutdown()


# ---------------------------------------------------------------------- img2dataset

DOWNLOADS: list[dict[str, Any]] = [
    {"output_folder": "webdataset", "output_format": "webdataset", "input": "parquet", "skip_reencode": True}
    | {"resize_mode": "no", "save_additional_columns": ["origin"], "number_sample_per_shard": 25},
    {"output_folder": "parquet", "output_format": "parquet", "input": "csv", "compute_hash": "md5"}
    | {"skip_reencode": True, "resize_mode": "no"},
    {"output_folder": "files", "output_format": "files", "input": "tsv", "skip_reencode": True, "resize_mode": "no"},
    {"output_folder": "captionless", "output_format": "webdataset", "input": "txt", "caption_col": None},
]


def _download(made: Path, output_folder: str, input: str, **options: Any) -> dict[str, Any]:
    """What img2dataset is called with."""
    place = {"url_list": str(made / f"urls.{input}"), "output_folder": str(made / output_folder)}
    usual = {"input_format": input, "caption_col": "caption", "thread_count": 4, "timeout": 20}
    return place | usual | options


def downloaded(name: str, *left_out: str) -> Callable[[Path, Workshop], None]:
    """What img2dataset wrote to a folder, without files of some endings."""

    def write(pool: Path, shop: Workshop) -> None:
        shutil.copytree(shop.downloads / name, pool, ignore=shutil.ignore_patterns(*left_out))

    return write


# ---------------------------------------------------------------------- webdataset


def tars(
    sample: Callable[[Row, Workshop], dict[str, Any]], rows: tuple[Row, ...], to: str
) -> Callable[[Path, Workshop], None]:
    """Tars of webdataset with these samples."""

    def write(pool: Path, shop: Workshop) -> None:
        samples = [{"__key__": f"{number:05d}", **sample(row, shop)} for number, row in enumerate(rows)]
        shop.ask("with_webdataset.py", [{"to": str(pool / to), "rows": 20, "samples": samples}])

    return write


def image_of(row: Row, shop: Workshop) -> dict[str, str]:
    """An image as the script of webdataset reads it."""
    return {"file": str(shop.file(row.drawing.name))}


def _with_hash(row: Row, shop: Workshop) -> dict[str, Any]:
    fields = {"url": f"http://a.example/{row.drawing.name}.jpg", "sha256": row.drawing.sha256, "width": 48}
    return {"jpg": image_of(row, shop), "json": fields} | ({} if row.text is None else {"txt": row.text})


def _with_list(row: Row, shop: Workshop) -> dict[str, Any]:
    return {"jpg": image_of(row, shop), "json": {"texts": list(row.texts), "seed": 3}}


def _with_member(extension: str) -> Callable[[Row, Workshop], dict[str, Any]]:
    def sample(row: Row, shop: Workshop) -> dict[str, Any]:
        return {"jpg": image_of(row, shop), "cls": "7"} | ({} if row.text is None else {extension: row.text})

    return sample


def _with_key(row: Row, shop: Workshop) -> dict[str, Any]:
    return {"jpg": image_of(row, shop), "json": {"prompt": row.text, "seed": "3"}}


def _with_several(row: Row, shop: Workshop) -> dict[str, Any]:
    written = {"jpg": image_of(row, shop), "json": {"prompt": "photo of something, 4k", "seed": "3"}}
    return written | ({} if row.text is None else {"caption": row.text})


def _with_long_names(row: Row, shop: Workshop) -> dict[str, Any]:
    return {"image.jpg": image_of(row, shop)} | ({} if row.text is None else {"caption.txt": row.text})


# ---------------------------------------------------------------------- datasets


def data_set(rows: Sequence[Row], shop: Workshop, *columns: str) -> datasets.Dataset:
    """A data set with these of the columns image, file (an image by its path), text, captions, url."""
    held = {
        "image": [{"bytes": row.drawing.content, "path": None} for row in rows],
        "file": [str(shop.file(row.drawing.name)) for row in rows],
        "text": [row.texts[0] if row.texts else None for row in rows],
        "captions": [list(row.texts) for row in rows],
        "url": [f"http://a.example/{row.drawing.name}.jpg" for row in rows],
    }
    types = {"image": datasets.Image(), "file": datasets.Image(), "captions": datasets.List(datasets.Value("string"))}
    features = datasets.Features({name: types.get(name, datasets.Value("string")) for name in columns})
    made = datasets.Dataset.from_dict({name: held[name] for name in columns}, features=features)
    return made.rename_column("file", "image") if "file" in columns else made


def _save(pool: Path, shop: Workshop) -> None:
    data_set(row_an_image(), shop, "image", "captions").save_to_disk(str(pool), num_shards=2)


def _save_splits(pool: Path, shop: Workshop) -> None:
    parts = {"train": data_set(row_a_text(), shop, "image", "text"), "test": data_set(row_a_text()[:3], shop, "text")}
    datasets.DatasetDict(parts).save_to_disk(str(pool))


def _to_parquet(*columns: str) -> Callable[[Path, Workshop], None]:
    def write(pool: Path, shop: Workshop) -> None:
        pool.mkdir()
        whole = data_set(row_a_text(), shop, *columns)
        for part in range(2):
            whole.shard(2, part, contiguous=True).to_parquet(str(pool / f"train-{part:05d}-of-00002.parquet"))

    return write


def _to_json(pool: Path, shop: Workshop) -> None:
    pool.mkdir()
    data_set(row_a_text(), shop, "url", "text").to_json(str(pool / "train.jsonl"), force_ascii=False)


def _to_csv(pool: Path, shop: Workshop) -> None:
    pool.mkdir()
    data_set(row_a_text(), shop, "url", "text").to_csv(str(pool / "train.csv"), index=False)


def _image_folder(metadata: str) -> Callable[[Path, Workshop], None]:
    """What `datasets` loads as an imagefolder, with its metadata in CSV or JSON lines."""

    def write(pool: Path, shop: Workshop) -> None:
        pool.mkdir()
        table = pd.DataFrame([(f"{d.name}.jpg", d.texts[0]) for d in NAMED], columns=["file_name", "text"])
        for drawing in NAMED:  # the library refuses a folder with images that its metadata do not name
            shutil.copy(shop.file(drawing.name), pool)
        if metadata == "csv":
            table.to_csv(pool / "metadata.csv", index=False)
        else:
            table.to_json(pool / "metadata.jsonl", orient="records", lines=True, force_ascii=False)

    return write


# ---------------------------------------------------------------------- tables and crawls


def _commonpool(pool: Path, shop: Workshop) -> None:
    pool.mkdir()
    table = pd.DataFrame(
        {
            "uid": [f"{number:032x}" for number in range(len(row_a_text()))],
            "url": [f"http://a.example/{row.drawing.name}.jpg" for row in row_a_text()],
            "text": [row.text for row in row_a_text()],
            "original_width": 48,
            "original_height": 40,
            "clip_l14_similarity_score": 0.25,
            "face_bboxes": [[[0.1, 0.1, 0.2, 0.2]]] * len(row_a_text()),
            "sha256": [row.drawing.sha256 for row in row_a_text()],
        }
    )
    for part in range(2):
        table[part::2].to_parquet(pool / f"{part:032x}.parquet", index=False)


def _laion(pool: Path, shop: Workshop) -> None:
    pool.mkdir()
    table = pd.DataFrame(
        {
            "SAMPLE_ID": range(len(row_a_text())),
            "URL": [f"http://a.example/{row.drawing.name}.jpg" for row in row_a_text()],
            "TEXT": [row.text for row in row_a_text()],
            "HEIGHT": 40,
            "WIDTH": 48,
            "LICENSE": "?",
            "LANGUAGE": "en",
            "NSFW": "UNLIKELY",
            "similarity": 0.3,
        }
    )
    table.to_parquet(pool / "part-00000.snappy.parquet", index=False)


def _link(row: Row, place: int) -> dict[str, Any]:
    """An image of a page, as Common Crawl's extractor notes it; its texts in turn in `alt` and in `title`."""
    link = {"path": "IMG@/src", "url": f"../images/{row.drawing.name}.jpg"}
    return link if row.text is None else link | {("alt", "title")[place % 2]: row.text}


def _wat_body(rows: Sequence[Row]) -> str:
    links = [{"path": "A@/href", "url": "/", "text": "home"}, *(_link(row, place) for place, row in enumerate(rows))]
    html = {"Head": {"Title": "Drawings"}, "Links": links}
    return json.dumps({"Envelope": {"Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": html}}}})


def _wat(pool: Path, shop: Workshop) -> None:
    """Two files, one packed and one plain, with some pages each."""
    rows = row_a_text()
    jobs = []
    for part, name in enumerate(["CC-MAIN-00000.warc.wat.gz", "CC-MAIN-00001.warc.wat"]):
        pages = [rows[part::2][start : start + 9] for start in range(0, len(rows[part::2]), 9)]
        records = [
            {"type": "metadata", "target": f"http://a.example/pages/{n}.html", "body": _wat_body(page)}
            for n, page in enumerate(pages)
        ]
        jobs.append({"to": str(pool / name / name), "records": records})
    shop.ask("with_warcio.py", jobs)


def _warc(pool: Path, shop: Workshop) -> None:
    body = '<img src="../images/a.jpg" alt="a cat">'
    page = {"type": "response", "target": "http://a.example/pages/0.html", "body": body}
    shop.ask("with_warcio.py", [{"to": str(pool / "CC-MAIN-00000.warc.gz"), "records": [page]}])


def _tsv(parts: int) -> Callable[[Path, Workshop], None]:
    def write(pool: Path, shop: Workshop) -> None:
        pool.mkdir()
        rows = [(f"http://a.example/{row.drawing.name}.jpg", row.text) for row in row_a_text()]
        for part in range(parts):
            table = pd.DataFrame(rows[part::parts], columns=["url", "text"])
            table.to_csv(pool / f"pairs {part}.tsv", sep="\t", index=False)

    return write


def _beside(pool: Path, shop: Workshop) -> None:
    """Images with a text beside each, as people keep them."""
    (pool / "my images").mkdir(parents=True)
    for drawing in ALL:
        shutil.copy(shop.file(drawing.name), pool / "my images")
        if drawing.texts[0] is not None:
            (pool / "my images" / f"{drawing.name}.txt").write_text(drawing.texts[0], encoding="utf-8")


def _empty(pool: Path, shop: Workshop) -> None:
    pool.mkdir()


# ---------------------------------------------------------------------- all


def _cut(pool: Path, shop: Workshop) -> None:
    """Tars of which the last is cut, as by a download that was stopped."""
    tars(_with_hash, row_a_text(), "%05d.tar")(pool, shop)
    last = sorted(pool.iterdir())[-1]
    last.write_bytes(last.read_bytes()[:-3000])


def blanked(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows as a writer has them that knows no missing text, only an empty one."""
    return tuple(Row(row.drawing, tuple(text or "" for text in row.texts), row.whose) for row in rows)


NAMED = tuple(drawing for drawing in ALL if drawing.texts[0] is not None)
#: A row for each image, with the first of its texts.
FIRST = tuple(Row(drawing, drawing.texts[:1], drawing.name) for drawing in NAMED)
SILENT = tuple(Row(drawing, (), drawing.name) for drawing in ALL if drawing not in NAMED)
#: A row for each text, of which the pool cannot tell which are of one image.
UNSHARED = row_a_text(shared=False)
SHARED = row_a_text()
LISTED = row_an_image()
NO_DOWNLOAD = ("not downloaded",) * 2

IMG2DATASET = (
    Layout("webdataset", "img2dataset", downloaded("webdataset"), SHARED, NO_DOWNLOAD, True),
    Layout("webdataset, tars only", "img2dataset", downloaded("webdataset", "*.parquet"), blanked(SHARED), (), True),
    Layout("parquet", "img2dataset", downloaded("parquet"), blanked(SHARED), NO_DOWNLOAD, True),
    Layout("files", "img2dataset", downloaded("files"), blanked(SHARED), NO_DOWNLOAD),
)
WEBDATASET = tuple(
    Layout(name, "webdataset", tars(sample, rows, to), rows, (), True)
    for name, sample, rows, to in (
        ("jpg, txt and json with sha256", _with_hash, SHARED, "%05d.tar"),
        ("jpg and json with lists of texts, .tar.gz", _with_list, LISTED, "0.tar.gz"),
        ("jpg and caption", _with_member("caption"), UNSHARED, "0.tar"),
        ("jpg and json with prompt", _with_key, UNSHARED, "0.tar"),
    )
)
DATASETS = (
    Layout("save_to_disk, images and lists of texts", "datasets", _save, LISTED, (), True),
    Layout("save_to_disk of a DatasetDict", "datasets", _save_splits, UNSHARED, (), True),
    Layout("to_parquet, images", "datasets", _to_parquet("image", "text"), UNSHARED, (), True),
    Layout("to_parquet, images and urls", "datasets", _to_parquet("image", "url", "text"), SHARED, (), True),
    Layout("to_json, JSON lines", "datasets", _to_json, SHARED),
    Layout("to_csv", "datasets", _to_csv, SHARED),
    Layout("imagefolder, metadata.csv", "pandas", _image_folder("csv"), FIRST, (), True),
    Layout("imagefolder, metadata.jsonl", "pandas", _image_folder("jsonl"), FIRST, (), True),
)
OTHERS = (
    Layout("CommonPool's (DataComp's) Parquet", "pandas", _commonpool, SHARED),
    Layout("LAION's Parquet", "pandas", _laion, SHARED),
    Layout("Common Crawl's WAT, .wat.gz and .wat", "warcio", _wat, SHARED),
)
READ = IMG2DATASET + WEBDATASET + DATASETS + OTHERS

COMMAND = "mkdir pool && python -"
REFUSED = (
    Layout("webdataset without caption_col", "img2dataset", downloaded("captionless")).refused(
        "no column 'caption'", "--text NAME", "url"
    ),
    Layout("files without their table", "img2dataset", downloaded("files/00000"), blanked(SHARED), (), True).refused(
        "become a webdataset", f"{COMMAND}m tarfile", remedy="run"
    ),
    Layout(
        "jpg, caption, and json with prompt", "webdataset", tars(_with_several, UNSHARED, "0.tar"), UNSHARED, (), True
    ).refused(".caption (member, such as", "prompt (JSON key, such as", "--text caption", remedy="text"),
    Layout("jpg and blip", "webdataset", tars(_with_member("blip"), UNSHARED, "0.tar"), UNSHARED, (), True).refused(
        "of 63 rows none was kept; 63 went as 'no text'", ".blip (member", "--text blip", remedy="text"
    ),
    Layout("image.jpg and caption.txt", "webdataset", tars(_with_long_names, UNSHARED, "0.tar")).refused(
        "63 went as 'no image'", "what follows a name's first dot"
    ),
    Layout(".tar.bz2", "webdataset", tars(_with_hash, SHARED, "0.tar.bz2")).refused("unpack these first", "bunzip2"),
    Layout(
        "jpg, txt and json, the last tar cut",
        "webdataset",
        _cut,
        SHARED[:60],
        (),
        True,
        status=3,
        says=("Without 00003, which could not be read", "quarantine.json"),
    ),
    Layout(
        "to_parquet, images by their paths",
        "datasets",
        _to_parquet("file", "text"),
        UNSHARED,
        says=("only a path", "no file of the pool", "save_to_disk"),
    ),
    Layout("images with .txt beside", "a person", _beside, FIRST + SILENT, (), True).refused(
        "become a webdataset", f"{COMMAND}m tarfile", remedy="run"
    ),
    Layout("a TSV", "pandas", _tsv(1), SHARED).refused("becomes Parquet", f"{COMMAND}c", remedy="run"),
    Layout("several TSV", "pandas", _tsv(3), SHARED).refused("becomes Parquet", f"{COMMAND}c", remedy="run"),
    Layout("a crawl's WARC", "warcio", _warc).refused("WAT files are read"),
    Layout("an empty folder", "a person", _empty).refused("no pool is known here among 0 files", "webdataset: *.tar"),
)
LAYOUTS = READ + REFUSED

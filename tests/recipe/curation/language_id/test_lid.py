"""Language id: every answer is the `fasttext` package's own, to the last bit; broken models are refused."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.errors import InputError
from mc2lib.io.lid_models import load_language_model, packaged_model
from mc2lib.languages import OTHER, metadata_language
from mc2lib.recipe.curation.language_id.fasttext_file import parse_model
from mc2lib.recipe.curation.language_id.fasttext_model import HIERARCHICAL, NEGATIVE, ONE_VS_ALL, SOFTMAX, FastText
from mc2lib.recipe.curation.language_id.lid import identify, identify_labels

TEXTS = [
    "A red bicycle leaning against a wall",
    "Ein rotes Fahrrad lehnt an der Wand, fotografiert am 3.5.2019",
    "Une bicyclette rouge contre un mur",
    "壁に立てかけた赤い自転車",
    "靠在墙上的红色自行车",
    "Красный велосипед у стены",
    "จักรยานสีแดงพิงกำแพง",
    "دراجة حمراء على الحائط",
    "दीवार के सहारे लाल साइकिल",
    "빨간 자전거",
    "sykkel",
    "IMG_0042.JPG",
]
LANGUAGES = ("en", "de", "fr", "ja", "zh", "ru", "th", "ar", "hi", "ko")
ODD = [
    "",
    " \n\t ",
    "\u3000\u2009\u0085",
    "\x00",
    "\x00 \n",
    "\x00hello\x00world",
    "...!!!",
    "</s>",
    "hello </s> bonjour le monde",
    "__label__en",
    "__label__nobody hello __label__en",
    "a\u0085b\u00a0c\u1680d\u2028e\u205ff\x1cg\x1dh",
    "one\ntwo\r\nthree\vfour\ffive",
    "\u200b",
    "\u202etxet\u202c",
    "<>",
    "é" * 70,
    "🎉🎊",
    "mot " * 30_000,
    "漢字かな" * 8_000,
    "x" * 300_000,
]


# ---------------------------------------------------------------------- the oracle and model files


def ask_fasttext(path: Path, texts: list[str]) -> list[tuple[str, float]]:
    """What fastText says of each text, one by one and in one line, as `identify` defines it."""
    model = _load(path)
    answers = []
    for text in texts:
        line = " ".join(text.split())
        labels, probabilities = model.predict(line) if line else ((), [])
        answers.append((labels[0], float(np.float32(probabilities[0]))) if labels else ("", 0.0))
    return answers


@cache
def _load(path: Path) -> Any:
    return fasttext.load_model(str(path))


def ask_ours(model: FastText, texts: pa.Array) -> list[tuple[str, float]]:
    labels, probabilities = identify_labels(texts, model)
    named = zip(labels.tolist(), probabilities.tolist(), strict=True)
    return [(model.labels[label] if label >= 0 else "", probability) for label, probability in named]


def write_quantised(matrix: np.ndarray, normed: bool, generator: np.random.Generator, width: int = 2) -> bytes:
    """A product-quantised matrix of that shape, with random codes and centroids."""
    rows, columns = matrix.shape
    parts = -(-columns // width)
    last = columns - (parts - 1) * width
    content = struct.pack("<?qqi", normed, rows, columns, rows * parts)
    content += generator.integers(0, 256, rows * parts, dtype=np.uint8).tobytes()
    content += struct.pack("<4i", columns, parts, width, last)
    content += generator.normal(size=columns * 256).astype("<f4").tobytes()
    if normed:
        content += generator.integers(0, 256, rows, dtype=np.uint8).tobytes()
        content += struct.pack("<4i", 1, 1, 1, 1) + generator.uniform(0.5, 2, 256).astype("<f4").tobytes()
    return content


def write_model(
    loss: int = SOFTMAX,
    dim: int = 10,
    labels: int = 23,
    word_ngrams: int = 1,
    minn: int = 2,
    maxn: int = 4,
    bucket: int = 5_000,
    eos: bool = True,
    pruned: bool = False,
    quantised: bool = False,
    quantised_output: bool = False,
    seed: int = 0,
) -> bytes:
    """A random fastText classifier in the format's version 12."""
    generator = np.random.default_rng(seed)
    words = ["</s>"] * eos + [word for text in TEXTS[:6:2] for word in text.split()] + ["__label", "é"]
    words = list(dict.fromkeys(words))
    counts = np.sort(generator.integers(1, 10_000, labels))[::-1]
    content = struct.pack("<2i", 793_712_314, 12)
    content += struct.pack("<12id", dim, 5, 5, 1, 5, word_ngrams, loss, 3, bucket, minn, maxn, 100, 1e-4)
    kept = generator.permutation(bucket)[: bucket // 2] if pruned else []
    content += struct.pack("<3iqq", len(words) + labels, len(words), labels, 10**6, len(kept) if pruned else -1)
    for word in words:
        content += word.encode() + b"\0" + struct.pack("<qb", 7, 0)
    for number, count in enumerate(counts.tolist()):
        content += f"__label__l{number}".encode() + b"\0" + struct.pack("<qb", count, 1)
    for row, number in enumerate(kept):
        content += struct.pack("<2i", number, row)
    rows = generator.normal(size=(len(words) + (len(kept) if pruned else bucket), dim)).astype("<f4")
    output = generator.normal(size=(labels, dim)).astype("<f4")
    for matrix, small in ((rows, quantised), (output, quantised_output)):
        content += struct.pack("<?", small)
        if small:
            content += write_quantised(matrix, normed=matrix is rows, generator=generator, width=3)
        else:
            content += struct.pack("<qq", *matrix.shape) + matrix.tobytes()
    return content


MODELS = {
    "hierarchical": {"loss": HIERARCHICAL},
    "hierarchical, one label": {"loss": HIERARCHICAL, "labels": 1},
    "softmax": {"loss": SOFTMAX},
    "softmax, 256 numbers, 300 labels": {"loss": SOFTMAX, "dim": 256, "labels": 300, "bucket": 1_000},
    "softmax, pairs and triples of words": {"loss": SOFTMAX, "word_ngrams": 3},
    "words only": {"loss": SOFTMAX, "maxn": 0, "minn": 0, "bucket": 0},
    "words only, no end of line": {"loss": SOFTMAX, "maxn": 0, "minn": 0, "bucket": 0, "eos": False},
    "single characters": {"loss": HIERARCHICAL, "minn": 1, "maxn": 2},
    "long n-grams": {"loss": SOFTMAX, "minn": 3, "maxn": 9},
    "negative sampling": {"loss": NEGATIVE},
    "one against all": {"loss": ONE_VS_ALL, "labels": 7},
    "pruned": {"loss": HIERARCHICAL, "pruned": True, "quantised": True},
    "pruned, pairs of words": {"loss": SOFTMAX, "pruned": True, "quantised": True, "word_ngrams": 2},
    "all quantised": {"loss": SOFTMAX, "quantised": True, "quantised_output": True, "labels": 40},
}


@pytest.fixture(scope="module")
def lid176() -> FastText:
    return parse_model(packaged_model().read_bytes(), "lid.176.ftz")


# ---------------------------------------------------------------------- label for label


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model_answers_as_fasttext_does(name: str, tmp_path: Path):
    content = write_model(**MODELS[name])
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    texts = TEXTS + ODD
    expected = ask_fasttext(path, texts)
    assert ask_ours(parse_model(content), pa.array(texts)) == expected
    assert len(set(expected)) > 3 or "one label" in name or "words only" in name


def test_a_written_model_tells_its_texts_apart():
    answers = ask_ours(parse_model(write_model(**MODELS["softmax"])), pa.array(TEXTS))
    assert len({label for label, _ in answers}) >= 5


def test_lid176_answers_as_fasttext_does(lid176: FastText):
    texts = TEXTS + ODD
    expected = ask_fasttext(packaged_model(), texts)
    assert ask_ours(lid176, pa.array(texts)) == expected
    assert [label for label, _ in expected[:10]] == [f"__label__{c}" for c in LANGUAGES]


@settings(max_examples=60)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=12))
def test_any_texts_are_answered_as_fasttext_does(texts: list[str]):
    model = load_language_model()
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    assert ask_ours(model, pa.array(texts, pa.string())) == ask_fasttext(packaged_model(), texts)


def test_ties_are_broken_as_fasttext_does(tmp_path: Path):
    for loss in (HIERARCHICAL, SOFTMAX, ONE_VS_ALL):
        for value in (0.0, 1e-9, 30.0):
            content = write_model(loss=loss, dim=2, labels=9, minn=0, maxn=0, bucket=0)
            content = content[: -9 * 2 * 4] + np.full(18, value, "<f4").tobytes()
            path = tmp_path / f"{loss}-{value}.bin"
            path.write_bytes(content)
            assert ask_ours(parse_model(content), pa.array(TEXTS)) == ask_fasttext(path, TEXTS), (loss, value)


# ---------------------------------------------------------------------- identify


def test_identify(lid176: FastText):
    texts = pa.array(["A red bicycle leaning against a wall", "", None, " \n", "壁に立てかけた\n赤い自転車"])
    assert identify(texts, lid176).to_pylist() == ["en", "other", None, "other", "ja"]


def test_what_is_not_sure_enough_is_other(lid176: FastText):
    text = pa.array([TEXTS[0]])
    [(_, probability)] = ask_fasttext(packaged_model(), [TEXTS[0]])
    assert 0.5 < probability < 1
    assert identify(text, lid176, probability).to_pylist() == ["en"]
    assert identify(text, lid176, np.nextafter(probability, 1)).to_pylist() == ["other"]


def test_labels_become_metadata_languages(lid176: FastText):
    texts = TEXTS + ODD
    expected = [metadata_language(label) if label else OTHER for label, _ in ask_fasttext(packaged_model(), texts)]
    assert identify(pa.array(texts), lid176).to_pylist() == expected
    assert identify(pa.array(texts), lid176).type == pa.string()


def test_slices_offsets_and_types_of_arrays(lid176: FastText):
    whole = pa.array([*TEXTS, None, *TEXTS])
    expected = identify(whole, lid176).to_pylist()
    assert identify(whole.slice(5, 12), lid176).to_pylist() == expected[5:17]
    assert identify(whole.cast(pa.large_string()).slice(11, 4), lid176).to_pylist() == expected[11:15]
    assert identify(pa.array([], pa.string()), lid176).to_pylist() == []
    assert identify(pa.array([None, None], pa.string()), lid176).to_pylist() == [None, None]
    assert identify(pa.nulls(2, pa.string()), lid176).to_pylist() == [None, None]


def test_bytes_that_are_not_utf8_are_answered(lid176: FastText):
    raw = [b"\xff\xfe hello", b"\xe3\x80", b"\xc2", b"\x80\x80", b"\xed\xa0\x80 world", b"hello \xe2\x80"]
    stored = pa.array(raw, pa.binary())
    texts = pa.Array.from_buffers(pa.string(), len(stored), stored.buffers())
    model = fasttext.load_model(str(packaged_model()))
    expected = [model.f.predict(line + b"\n", 1, 0.0, "strict")[0] for line in raw]
    assert ask_ours(lid176, texts) == [(label, pytest.approx(chance, abs=0)) for chance, label in expected]


def test_threads_answer_alike(lid176: FastText):
    texts = pa.array(TEXTS * 50)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: ask_ours(lid176, texts), range(8)))
    assert all(answer == answers[0] for answer in answers)


# ---------------------------------------------------------------------- broken models


SMALL = write_model(loss=HIERARCHICAL, dim=4, labels=5, bucket=50)
SMALL_QUANTISED = write_model(dim=4, labels=5, bucket=600, pruned=True, quantised=True, quantised_output=True)


@pytest.mark.parametrize("content", [SMALL, SMALL_QUANTISED], ids=["dense", "quantised"])
def test_a_truncated_model_is_refused_wherever_it_ends(content: bytes):
    parse_model(content)
    for end in [*range(0, 400, 7), *range(400, len(content) - 1, 509), len(content) - 1]:
        with pytest.raises(InputError, match=r"half\.bin: .*at byte .*whole fastText"):
            parse_model(content[:end], "half.bin")


def test_a_spoilt_model_is_refused_or_answers():
    texts = pa.array(TEXTS[:4])
    for content in (SMALL, SMALL_QUANTISED):
        for at in range(min(len(content), 700)):
            spoilt = content[:at] + bytes([content[at] ^ 0xA5]) + content[at + 1 :]
            try:
                model = parse_model(spoilt)
            except InputError:
                continue
            labels, _ = identify_labels(texts, model)
            assert ((labels >= -1) & (labels < len(model.labels))).all()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "needs 8 bytes"),
        (b"PK\x03\x04" + bytes(100), "not a fastText model"),
        (struct.pack("<2i", 793_712_314, 13) + bytes(100), "format 13"),
        (SMALL[:36] + struct.pack("<i", 1) + SMALL[40:], "word vectors, not a classifier"),
        (SMALL[:32] + struct.pack("<i", 9) + SMALL[36:], "no loss has number 9"),
        (SMALL[:-4] + struct.pack("<f", float("nan")), "not finite"),
    ],
)
def test_foreign_files_are_named(content: bytes, fault: str):
    with pytest.raises(InputError, match=fault):
        parse_model(content, "foreign")

"""WN-LMF files into lemmas by metadata language."""

import gzip
import tarfile
from pathlib import Path

import pytest

from mc2lib.errors import InputError
from mc2lib.languages import WIKIPEDIAS, WORDNET_CODES
from mc2lib.pipeline.build_metadata.wordnets import read_lexicons, read_wordnets, wordnet_language

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE LexicalResource SYSTEM "http://globalwordnet.github.io/schemas/WN-LMF-1.1.dtd">
<LexicalResource xmlns:dc="http://purl.org/dc/elements/1.1/">
"""


def lexicon(code: str, *lemmas: str) -> str:
    entries = "".join(
        f'<LexicalEntry id="{code}-{i}"><Lemma writtenForm="{lemma}" partOfSpeech="n"/>'
        f'<Form writtenForm="{lemma}s"/><Sense id="{code}-s{i}" synset="{code}-1"/></LexicalEntry>'
        for i, lemma in enumerate(lemmas)
    )
    return (
        f'<Lexicon id="test-{code}" label="Test" language="{code}" email="a@b.c" license="free" version="1">'
        f'{entries}<Synset id="{code}-1" ili="i1" partOfSpeech="n"/></Lexicon>'
    )


def write(path: Path, *lexicons: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + "".join(lexicons) + "</LexicalResource>", encoding="utf-8")
    return path


def test_lemmas_by_hand(tmp_path: Path):
    albanian = write(tmp_path / "a.xml", lexicon("als", "qen", "mace_e_egër", "qen"))
    others = write(
        tmp_path / "b.xml", lexicon("cmn-Hans", "猫"), lexicon("xx", "?"), lexicon("nb", "katt", "A &amp; B")
    )
    more = write(tmp_path / "c.xml", lexicon("zho", "狗", "猫"))
    assert read_wordnets([albanian, others, more]) == {
        "no": ["katt", "A & B"],
        "sq": ["qen", "mace e egër"],
        "zh": ["猫", "狗"],
    }
    assert read_wordnets([]) == {}


def test_collections_and_archives(tmp_path: Path):
    folder = tmp_path / "omw-1.4"
    for code in ("fra", "als", "dan"):
        write(folder / f"omw-{code}" / f"omw-{code}.xml", lexicon(code, f"word_{code}"))
        (folder / f"omw-{code}" / "LICENSE").write_text("free")
    expected = {"da": ["word dan"], "fr": ["word fra"], "sq": ["word als"]}
    assert read_wordnets([folder]) == expected
    archive = tmp_path / "omw-1.4.tar.xz"
    with tarfile.open(archive, "w:xz") as file:
        file.add(folder, "omw-1.4")
    assert read_wordnets([archive]) == expected
    packed = tmp_path / "dan.xml.gz"
    packed.write_bytes(gzip.compress((folder / "omw-dan" / "omw-dan.xml").read_bytes()))
    assert read_wordnets([packed]) == {"da": ["word dan"]}
    assert [code for code, _ in read_lexicons(folder)] == ["als", "dan", "fra"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no xml",
        "<a/>",
        HEAD,
        HEAD + lexicon("fra", "chat") + "</Lexi",
        HEAD + "<Lexicon/></LexicalResource>",
        HEAD + lexicon("fra", "chat").replace(' language="fra"', "") + "</LexicalResource>",
    ],
)
def test_a_file_that_is_not_a_wordnet_is_named(content: str, tmp_path: Path):
    path = tmp_path / "broken.xml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"broken\.xml"):
        read_wordnets([path])


def test_incomplete_archives_are_named(tmp_path: Path):
    write(tmp_path / "omw" / "omw-fr" / "fr.xml", lexicon("fra", *(f"mot{i}" for i in range(500))))
    archive = tmp_path / "omw.tar.xz"
    with tarfile.open(archive, "w:xz") as file:
        file.add(tmp_path / "omw", "omw")
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"omw\.tar\.xz"):
        read_wordnets([archive])
    with pytest.raises(InputError, match="no such file"):
        read_wordnets([tmp_path / "none.xml"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty"):
        read_wordnets([tmp_path / "empty"])


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("als", "sq"), ("sq", "sq"), ("arb", "ar"), ("bg", "bg"), ("cmn-Hans", "zh"), ("zh", "zh"), ("nb", "no"),
        ("nob", "no"), ("nn", "nn"), ("zsm", "ms"), ("iw", "he"), ("pes", "fa"), ("tur", "tr"), ("ckb", "ckb"),
        ("en", "en"), ("simple", "en"), ("gsw", None), ("xx", None), ("zzz", None), ("", None),
    ],
)  # fmt: skip
def test_codes(code: str, language: str | None):
    assert wordnet_language(code) == language


#: The 31 languages of the Open Multilingual Wordnet without versions of English: ISO 639-3 (older releases) and the
#: tags of releases 1.4 and 2.0.
OMW = {
    "als": "sq", "arb": "arb", "bul": "bg", "cat": "ca", "cmn": "cmn-Hans", "dan": "da", "ell": "el", "eng": "en",
    "eus": "eu", "fin": "fi", "fra": "fr", "glg": "gl", "heb": "he", "hrv": "hr", "ind": "id", "isl": "is",
    "ita": "it", "jpn": "ja", "lit": "lt", "nld": "nl", "nno": "nn", "nob": "nb", "pol": "pl", "por": "pt",
    "ron": "ro", "slk": "sk", "slv": "sl", "spa": "es", "swe": "sv", "tha": "th", "zsm": "zsm",
}  # fmt: skip


def test_all_of_the_open_multilingual_wordnet_by_both_codes():
    assert set(OMW) == set(WORDNET_CODES) and len(OMW) == 31
    found = {code: wordnet_language(code) for code in OMW}
    assert found == {code: wordnet_language(tag) for code, tag in OMW.items()}
    assert len(set(found.values())) == 31 and set(found.values()) <= set(WIKIPEDIAS)
    assert found["als"] == "sq" and "als" not in found.values()

"""Finding and mapping the language-id model."""

import importlib.util
from pathlib import Path

import pyarrow as pa
import pytest

from mc2lib.errors import InputError
from mc2lib.io.lid_models import load_classifier, load_language_model, load_package_model, packaged_model
from mc2lib.recipe.curation.language_id.lid import identify, identify_labels
from tests.recipe.curation.language_id.test_lid import MODELS, TEXTS, ask_fasttext, ask_ours, write_model


def test_the_packaged_model_is_lid176():
    model = load_language_model()
    assert len(model.labels) == 176 and model.name == str(packaged_model())
    assert load_language_model() is model  # read once a process
    assert ask_ours(model, pa.array(TEXTS)) == ask_fasttext(packaged_model(), TEXTS)


@pytest.mark.parametrize("name", ["softmax", "all quantised"])
def test_any_model_by_path(name: str, tmp_path: Path):
    path = tmp_path / "own.bin"
    path.write_bytes(write_model(**MODELS[name]))
    assert ask_ours(load_language_model(path), pa.array(TEXTS)) == ask_fasttext(path, TEXTS)


def test_a_mapped_model_is_not_written_to(tmp_path: Path):
    path = tmp_path / "own.bin"
    path.write_bytes(content := write_model())
    identify_labels(pa.array(TEXTS), load_language_model(path))
    assert path.read_bytes() == content


def test_bad_files_are_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"nowhere\.bin: cannot be read \(No such file"):
        load_language_model(tmp_path / "nowhere.bin")
    with pytest.raises(InputError, match="cannot be read"):
        load_language_model(tmp_path)
    (tmp_path / "empty.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"empty\.bin: is empty"):
        load_language_model(tmp_path / "empty.bin")
    (tmp_path / "text.bin").write_text("this is no model at all, and longer than its head")
    with pytest.raises(InputError, match=r"text\.bin: not a fastText model .*Give a whole fastText"):
        load_language_model(tmp_path / "text.bin")


def test_without_the_package_the_cure_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="make env"):
        packaged_model()


@pytest.mark.parametrize("confidence", [0.0, 0.5])
def test_the_package_and_the_compiled_engine_give_the_same_languages(confidence: float):
    texts = pa.array([*TEXTS, None, "", " \u3000\n"])
    labels, probabilities = load_package_model().ask(texts)
    ours = identify_labels(texts, load_language_model())
    assert labels.tolist() == ours[0].tolist() and probabilities.tolist() == ours[1].tolist()
    assert (labels >= 0).sum() > len(TEXTS) / 2
    package, compiled = (identify(texts, load_classifier(engine), confidence) for engine in ("fasttext", "compiled"))
    assert package.equals(compiled) and len(set(compiled.to_pylist())) > 3

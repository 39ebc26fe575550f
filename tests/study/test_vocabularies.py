"""The study's vocabularies: one for each draw and tokenizer, and never another tokenizer's."""

import pytest

from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.io.files import read_table
from mc2lib.io.study_paths import Paths
from mc2lib.recipe.training.tokenizers import TextEncoder
from mc2lib.schemas import POOL
from mc2lib.study.pool_stage import draw_pools, render_drawings
from mc2lib.study.vocabularies import make_vocabularies, read_vocabulary
from mc2lib.trainer.vocabulary import parse_tokenizer
from tests.tiny import write_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    write_study(root)
    params = load_params(root)
    render_drawings(root, params)
    draw_pools(root, params)
    return make_vocabularies(root, params), Paths(root)


@pytest.mark.parametrize("kind", ["gemma", "pool", "bytes"])
def test_a_vocabulary_knows_the_texts_of_its_draw(study, kind):
    table, paths = study
    content, kept = read_vocabulary(paths, "base", 0, kind)
    encoder = TextEncoder(None if content is None else parse_tokenizer(content, "here"), kept)
    texts = read_table(paths.pool("base", 0) / "pairs-00000.parquet", POOL)["alt_text"].to_pylist()[:100]
    ids = encoder(texts, 64)
    assert ids.max() < encoder.vocabulary and not (ids == 1).any()  # 1 is unknown
    rows = table[(table["mix"] == "base") & (table["tokenizer"] == kind)]
    assert rows["vocabulary"].tolist() == [encoder.vocabulary]
    assert (kept is not None) == (kind == "gemma")


def test_a_missing_vocabulary_and_a_changed_tokenizer_are_refused(study):
    _, paths = study
    source = paths.sources / "tokenizers" / "gemma.json"
    source.write_text(source.read_text() + "\n")
    with pytest.raises(InputError, match=r"gemma\.json: not the tokenizer that .* was cut from"):
        read_vocabulary(paths, "base", 0, "gemma")
    with pytest.raises(InputError, match=r"no such vocabulary\. Run `dvc repro pool`"):
        read_vocabulary(paths, "base", 1, "pool")

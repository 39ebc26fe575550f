import numpy as np
import pytest

from mc2lib.recipe.pool.concepts import Caption
from mc2lib.recipe.pool.texts import (
    FORMS,
    WORDLESS,
    Draws,
    Phrasebook,
    cut,
    write_texts,
)

CAPTION = Caption("red apple", ("fruit", "food", "sweet"))
BOOK = Phrasebook(
    "en",
    ("all human beings are born free",),
    ("Austria", "Japan"),
    "{0} ({1})",
    spaced=True,
    interface=("Close", "image {current} of {total}"),
    generic=("bullet", "arrow"),
)
THAI = Phrasebook("th", ("สมาชิกทั้งหลายแห่งครอบครัว",), ("ตุรกี",), "{0} ({1})", False, ("ปิด",), ("ลูกศร",))
SHAPES = FORMS | WORDLESS


def write(shape, a=0.0, b=0.0, c=0.0, d=0.0, caption=CAPTION, book=BOOK):
    """One text of one shape, from four draws."""
    draws = Draws(*(np.array([u], dtype=float) for u in (a, b, c, d)))
    zero = np.zeros(1, dtype=np.int64)
    return write_texts([SHAPES[shape]], zero, zero, zero, draws, [[caption]], [book]).to_pylist()[0]


@pytest.mark.parametrize(
    ("draws", "text"),
    [
        ((0.0, 0.0), "fruit, food"),
        ((0.9, 0.4), "food, sweet, fruit"),
        ((0.5, 0.99), "sweet, fruit, food"),
    ],
)
def test_keywords(draws, text):
    assert write("keywords", *draws) == text


def test_keywords_fall_back_on_the_name():
    assert write("keywords", 0.5, 0.5, 0.5, 0.5, caption=Caption("bell", ())) == "bell"


def test_both_joins_name_and_keywords():
    assert write("both", d=0.5) == "red apple | fruit, food"


@pytest.mark.parametrize(
    ("draws", "text"),
    [
        ((0.1, 0.9, 0, 0), "red apple (Japan)"),
        ((0.9, 0, 0, 0), "all human red apple"),
        ((0.9, 0, 0.99, 0.99), "all human beings are born red apple"),
    ],
)
def test_frames(draws, text):
    assert write("frame", *draws) == text


def test_frames_without_spaces_never_split_a_letter_from_its_vowel():
    for step in range(40):
        text = write("frame", 0.9, 0.0, 0.3, step / 40, Caption("แอปเปิล", ()), THAI)
        assert text.endswith("แอปเปิล") and not text.startswith(("ั", "ิ", "้"))


def test_cut_moves_on_past_marks():
    assert cut("กิน", 1, 3) == "น"
    assert cut("กิน", 0, 1) == "กิ"


def test_noise_is_of_known_kinds():
    assert write("file_name", 0.0, 0.5) == "IMG_5000.jpg"
    assert write("boilerplate", 0.0) == "Close"
    assert write("boilerplate", 0.5, 0.0, 0.9) == "image 2 of 2"
    assert write("boilerplate", 0.5, 0.999, 0.0) == "image 1 of 24"


def test_generic_phrases_follow_a_zipf_law():
    """The first of two has twice the share of the second: 2/3."""
    assert [write("uninformative", u) for u in (0.0, 0.66, 0.67, 0.999)] == ["bullet", "bullet", "arrow", "arrow"]


def test_many_texts_are_those_written_one_by_one():
    """Languages with different numbers of everything do not borrow from each other."""
    generator = np.random.default_rng(0)
    count = 600
    captions = [[CAPTION, Caption("แอปเปิล", ())], [Caption("bell", ("sound",)), Caption("ระฆัง", ("เสียง", "โลหะ"))]]
    books = [BOOK, THAI]
    shape, language, concept = (generator.integers(0, top, count) for top in (len(SHAPES), 2, 2))
    draws = Draws(*generator.random((4, count)))
    texts = write_texts(list(SHAPES.values()), shape, language, concept, draws, captions, books).to_pylist()
    for i, text in enumerate(texts):
        spoken, thing = captions[concept[i]][language[i]], books[language[i]]
        u = (draws.a[i], draws.b[i], draws.c[i], draws.d[i])
        assert text == write(list(SHAPES)[shape[i]], *u, spoken, thing)

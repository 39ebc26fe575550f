import pytest

from mc2lib.recipe.pool.concepts import Caption
from mc2lib.recipe.pool.texts import (
    Draws,
    Phrasebook,
    cut,
    write_boilerplate,
    write_both,
    write_file_name,
    write_frame,
    write_keywords,
)

CAPTION = Caption("red apple", ("fruit", "food", "sweet"))
BOOK = Phrasebook("en", ("all human beings are born free",), ("Austria", "Japan"), "{0} ({1})", spaced=True)
THAI = Phrasebook("th", ("สมาชิกทั้งหลายแห่งครอบครัว",), ("ตุรกี",), "{0} ({1})", spaced=False)


@pytest.mark.parametrize(
    ("u", "text"),
    [
        (Draws(0.0, 0.0, 0.0, 0.0), "fruit, food"),
        (Draws(0.9, 0.4, 0.0, 0.0), "food, sweet, fruit"),
        (Draws(0.5, 0.99, 0.0, 0.0), "sweet, fruit, food"),
    ],
)
def test_keywords(u, text):
    assert write_keywords(CAPTION, BOOK, u) == text


def test_keywords_fall_back_on_the_name():
    assert write_keywords(Caption("bell", ()), BOOK, Draws(0.5, 0.5, 0.5, 0.5)) == "bell"


def test_both_joins_name_and_keywords():
    assert write_both(CAPTION, BOOK, Draws(0.0, 0.0, 0.0, 0.5)) == "red apple | fruit, food"


@pytest.mark.parametrize(
    ("u", "text"),
    [
        (Draws(0.1, 0.9, 0, 0), "red apple (Japan)"),
        (Draws(0.9, 0, 0, 0), "all human red apple"),
        (Draws(0.9, 0, 0.99, 0.99), "all human beings are born red apple"),
    ],
)
def test_frames(u, text):
    assert write_frame(CAPTION, BOOK, u) == text


def test_frames_without_spaces_never_split_a_letter_from_its_vowel():
    for step in range(40):
        text = write_frame(Caption("แอปเปิล", ()), THAI, Draws(0.9, 0.0, 0.3, step / 40))
        assert text.endswith("แอปเปิล") and not text.startswith(("ั", "ิ", "้"))


def test_cut_moves_on_past_marks():
    assert cut("กิน", 1, 3) == "น"
    assert cut("กิน", 0, 1) == "กิ"


def test_noise_is_of_known_kinds():
    assert write_file_name(Draws(0.0, 0.5, 0, 0)) == "IMG_5000.jpg"
    assert (
        write_boilerplate(BOOK, ["English", "Deutsch", "Français"], Draws(0.0, 0.0, 0.4, 0.0))
        == "Deutsch | Français | English"
    )
    assert write_boilerplate(BOOK, ["English"], Draws(0.5, 0.0, 0, 0)) == "logo"
    assert write_boilerplate(BOOK, ["English"], Draws(0.9, 0.0, 0, 0)) == BOOK.clauses[0]

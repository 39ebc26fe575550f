"""WNDB data files."""

import pytest

from mc2lib.errors import InputError
from mc2lib.recipe.metadata.wordnet import parse_lemmas

LINES = """  1 This software and database is being provided to you, the LICENSEE, by
00001740 03 n 01 entity 0 003 ~ 00001930 n 0000 ~ 00002137 n 0000 ~ 04431553 n 0000 | that which is perceived
08930215 15 n 03 Paris 0 City_of_Light 0 French_capital 0 001 @i 08691669 n 0000 | the capital of France
00013887 00 a 02 abundant 0 galore(ip) 0 001 & 00014358 a 0000 | present in great quantity
00001741 03 n 01 entity 1 000 | another sense
"""


def test_parse_lemmas():
    assert parse_lemmas(LINES.splitlines(), "data.noun") == [
        "entity",
        "Paris",
        "City of Light",
        "French capital",
        "abundant",
        "galore",
    ]


def test_words_are_counted_in_hexadecimal():
    words = " ".join(f"word{i} 0" for i in range(16))
    assert len(parse_lemmas([f"00000001 03 n 10 {words} 000 | sixteen"], "data.noun")) == 16


@pytest.mark.parametrize(
    "line", ["00001740 03 n", "00001740 03 n zz entity 0", "00001740 03 n 02 entity 0", "00001740 03 n 00 000 |"]
)
def test_broken_line_is_named(line: str):
    with pytest.raises(InputError, match=r"data\.noun:2"):
        parse_lemmas(["  licence", line], "data.noun")

"""Language id: what is asked of the model, and what is made of its answer."""

import pyarrow as pa
import pytest

from mc2lib.curation.lid import identify, identify_text


class Model:
    """Answers by the first word, and counts the questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def predict(self, text: str):
        assert "\n" not in text  # fastText refuses it
        self.asked.append(text)
        return {"hi": (("__label__en",), (0.9,)), "jie": (("__label__yue",), (0.6,))}.get(text.split()[0], ((), ()))


@pytest.mark.parametrize(
    ("text", "confidence", "expected"),
    [
        ("hi there", 0.0, "en"),
        ("hi\nthere\r\n", 0.0, "en"),
        ("hi", 0.9, "en"),
        ("hi", 0.95, "other"),
        ("jie", 0.5, "zh"),
        ("unknown", 0.0, "other"),
        (" \n\t ", 0.0, "other"),
        ("", 0.0, "other"),
    ],
)
def test_identify_text(text: str, confidence: float, expected: str):
    assert identify_text(text, Model(), confidence) == expected


def test_repeated_texts_are_asked_about_once():
    model = Model()
    assert identify(pa.array(["hi", "jie", "hi", "x"]), model).to_pylist() == ["en", "zh", "en", "other"]
    assert sorted(model.asked) == ["hi", "jie", "x"]
    assert identify(pa.array([], pa.string()), model).to_pylist() == []

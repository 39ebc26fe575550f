"""What the real libraries are given to write, and what a curation of it has to say: counted here, never by a reader."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

from mc2lib.schemas import METADATA

#: By language a sentence that language id cannot take for another's, and the words for what is drawn.
LANGUAGES = {
    "en": ("This is a picture of {} in our garden, number {}", ["a cat", "a dog", "a house", "a tree", "a fish"]),
    "de": ("Auf diesem Bild sieht man {} im Garten, Nummer {}", ["Katze", "Hund", "Haus", "Baum", "Fisch"]),
    "fr": ("Sur cette photo, on voit {} dans le jardin, numéro {}", ["chat", "chien", "maison", "arbre", "poisson"]),
    "es": ("En esta fotografía se ve {} en el jardín, número {}", ["gato", "perro", "casa", "árbol", "pez"]),
    "ru": ("На этой картинке нарисована {} в нашем саду, номер {}", ["кошка", "собака", "изба", "берёза", "рыба"]),
    "ar": ("هذه صورة {} في حديقة بيتنا الجميلة رقم {}", ["قطة", "كلب", "منزل", "شجرة", "سمكة"]),
    "hi": ("यह हमारे बगीचे में {} की एक तस्वीर है, संख्या {}", ["बिल्ली", "कुत्ता", "मकान", "पेड़", "मछली"]),
    "th": ("นี่คือรูปภาพของ{}ในสวนของเรา หมายเลข {}", ["แมว", "สุนัข", "บ้าน", "ต้นไม้", "ปลา"]),
    "ja": ("これは庭にいる{}の写真です、番号{}", ["ネコ", "イヌ", "家", "木", "魚"]),
    "ko": ("이것은 우리 정원에 있는 {} 그림입니다, 번호 {}", ["고양이", "강아지", "집", "나무", "물고기"]),
}
DRAWN = 24

Texts = tuple[str | None, ...]


@dataclass(frozen=True)
class Drawing:
    """An image of the pool: its name, its JPEG and its texts, each of which stands nowhere else."""

    name: str
    content: bytes
    texts: Texts

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Row:
    """A row as it is written: which image, and which texts; `whose` says what the pool can tell the image by."""

    drawing: Drawing
    texts: Texts
    whose: str

    @property
    def text(self) -> str | None:
        """Of a row with one text."""
        (only,) = self.texts
        return only


def _draw(number: int) -> bytes:
    shade = (10 * number % 256, 70 * number % 256, 130 * number % 256)
    image = Image.new("RGB", (48, 40), shade)
    corner = 4 + number % 16
    ImageDraw.Draw(image).ellipse((corner, corner, corner + 18, corner + 14), fill=(255 - shade[0], shade[2], shade[1]))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def _texts(number: int) -> Texts:
    """One to four sentences on a drawing, each in another language."""
    names = list(LANGUAGES)
    chosen = [names[(number + 3 * place) % len(names)] for place in range(1 + number % 4)]
    return tuple(LANGUAGES[name][0].format(LANGUAGES[name][1][number % 5], number) for name in chosen)


DRAWINGS = tuple(Drawing(f"drawing-{number:02d}", _draw(number), _texts(number)) for number in range(DRAWN))
#: An image whose texts are blanks, one without any, and one whose text is a file's name.
ODD = tuple(
    Drawing(name, _draw(DRAWN + place), texts)
    for place, (name, texts) in enumerate([("blank", ("   ",)), ("silent", (None,)), ("coded", ("DSC_00417.JPG",))])
)
ALL = DRAWINGS + ODD

#: The language of each text, as it was written.
LANGUAGE_OF = {
    text: name
    for name, (sentence, nouns) in LANGUAGES.items()
    for number in range(DRAWN)
    for text in [sentence.format(nouns[number % 5], number)]
}
DRAWING_OF = {text: drawing for drawing in ALL for text in drawing.texts if text is not None}


def row_a_text(drawings: Sequence[Drawing] = ALL, shared: bool = True) -> tuple[Row, ...]:
    """A row for each text; rows of one image are told to be that by what they share, or by nothing."""
    pairs = ((drawing, text) for drawing in drawings for text in drawing.texts)
    return tuple(
        Row(drawing, (text,), drawing.name if shared else str(place)) for place, (drawing, text) in enumerate(pairs)
    )


def row_an_image(drawings: Sequence[Drawing] = ALL) -> tuple[Row, ...]:
    """A row for each image, with all its texts."""
    return tuple(Row(d, tuple(text for text in d.texts if text is not None), d.name) for d in drawings)


def expect_steps(rows: Sequence[Row], lost: Sequence[str] = ()) -> dict[str, int]:
    """What each step of the table has to add or take, zeros left out.

    Args:
        rows: as they were written.
        lost: why further rows, which are in the files, are no pairs.
    """
    texts = [text for row in rows for text in row.texts]
    real = {text for text in texts if text in LANGUAGE_OF}
    images = {row.whose for row in rows if set(row.texts) & real}
    steps = Counter(dict.fromkeys(lost, 0))
    for reason in lost:
        steps[reason] -= 1
    steps["rows of the pool"] = len(rows) + len(lost)
    steps["further texts of a row"] = sum(max(len(row.texts) - 1, 0) for row in rows)
    steps["no text"] = -sum(not row.texts for row in rows) - texts.count(None)
    steps["empty text"] = -sum(text is not None and not text.strip() for text in texts)
    steps["matches nothing"] = -sum(text is not None and bool(text.strip()) and text not in real for text in texts)
    steps["image drew another text"] = len(images) - len(real)
    steps["kept"] = len(images)
    return {step: change for step, change in steps.items() if change}


def write_lists(folder: Path) -> Path:
    """Metadata in which each sentence of a language has an entry, and nothing else has one."""
    folder.mkdir(parents=True)
    for name, (_, nouns) in LANGUAGES.items():
        words = [noun.removeprefix("a ") for noun in nouns]
        ranks = pa.array(range(len(words)), pa.int32())
        pq.write_table(pa.table([words, ["wordnet"] * len(words), ranks], schema=METADATA), folder / f"{name}.parquet")
    return folder

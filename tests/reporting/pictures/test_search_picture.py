"""The picture of a search: SVG that any browser draws alone."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET

from PIL import Image

from mc2lib.reporting.pictures.search_picture import RIGHT, Column, Found, Search, draw_search_picture, shorten

SVG = "{http://www.w3.org/2000/svg}"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
CAT, DOG = Found("one/cat", "cat", True), Found("two/dog", "dog & <co>", False)
COLUMNS = (
    Column("90th: cat", (Search("en", "cat", (CAT, DOG)), Search("zh_yue", "貓", (DOG,)))),
    Column("50th: dog", (Search("en", "dog", (DOG,)), Search("zh_yue", "狗", (CAT,)))),
)
NAMES = {"en": "English", "zh_yue": "Cantonese"}


def png(colour):
    written = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(written, "PNG")
    return written.getvalue()


PNGS = {"one/cat": png("red"), "two/dog": png("blue"), "three/unused": png("green")}


def draw():
    return draw_search_picture("Cats: 50 %", COLUMNS, NAMES, PNGS, "A caption. " * 30)


def test_it_is_wellformed_and_says_everything_as_text():
    root = ET.fromstring(draw())
    texts = {text.text: text for text in root.iter(f"{SVG}text")}
    assert {"English", "Cantonese", "cat", "dog", "貓", "狗", "Cats: 50 %", "90th: cat"} <= set(texts)
    assert texts["貓"].get(XML_LANG) == "zh-yue"  # the glyphs of Han characters depend on it


def test_each_drawing_is_embedded_once_and_used_where_it_was_found():
    root = ET.fromstring(draw())
    images = {image.get("id"): image.get("href") for image in root.iter(f"{SVG}image")}
    assert len(images) == 2  # what nothing found is not embedded
    bodies = [base64.b64decode(href.removeprefix("data:image/png;base64,")) for href in images.values()]
    assert bodies == [PNGS["one/cat"], PNGS["two/dog"]]
    used = [use.get("href").removeprefix("#") for use in root.iter(f"{SVG}use")]
    assert len(used) == 5 and set(used) == set(images)


def test_right_ones_have_a_frame_and_a_tick_and_all_have_a_tooltip():
    groups = [group for group in ET.fromstring(draw()).iter(f"{SVG}g") if group.find(f"{SVG}use") is not None]
    for group in groups:
        title = group.find(f"{SVG}title").text
        framed = any(rect.get("stroke") == RIGHT for rect in group.iter(f"{SVG}rect"))
        assert framed == (group.find(f"{SVG}path") is not None) == (title == "cat (right)")
        assert title in ("cat (right)", "dog & <co> (wrong)")
    assert len(groups) == 5


def test_it_loads_and_runs_nothing_and_is_white_on_any_page():
    svg = draw()
    assert not re.search(r"<script|<style|@font-face|@import|foreignObject|on\w+=", svg)
    links = re.findall(r'href="([^"#][^"]*)', svg)
    assert links and all(link.startswith("data:image/png;base64,") for link in links)
    card = next(ET.fromstring(svg).iter(f"{SVG}rect"))
    assert card.get("fill") == "#ffffff" and float(card.get("width")) >= 840


def test_everything_lies_on_the_card():
    root = ET.fromstring(draw())
    width, height = float(root.get("width")), float(root.get("height"))
    for text in root.iter(f"{SVG}text"):
        assert 0 < float(text.get("x")) < width and 0 < float(text.get("y")) < height
    assert all(float(use.get("x")) + 44 < width for use in root.iter(f"{SVG}use"))


def test_the_same_arguments_give_the_same_text():
    assert draw() == draw()


def test_long_queries_are_cut_by_their_width_on_screen():
    assert shorten("a" * 40, 30) == "a" * 29 + "…"
    assert shorten("猫" * 16, 30) == "猫" * 14 + "…"
    assert shorten("ก็" * 20, 30) == "ก็" * 20  # marks take no room

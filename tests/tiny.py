"""A study of a dozen concepts with hand-made sources: every stage runs on it, with no network."""

from __future__ import annotations

import json
from pathlib import Path

from ruamel.yaml import YAML

from mc2lib.recipe.training.tokenizers import train_bpe
from mc2lib.study.pool_stage import MARKS
from mc2lib.study.sources import STYLES

REPOSITORY = Path(__file__).resolve().parents[1]

CONCEPTS = {
    "apple": ("🍎", ["fruit", "food"]),
    "banana": ("🍌", ["fruit", "food"]),
    "cherries": ("🍒", ["fruit", "food"]),
    "grapes": ("🍇", ["fruit", "food"]),
    "cat": ("🐈", ["pet", "animal"]),
    "dog": ("🐕", ["pet", "animal"]),
    "horse": ("🐎", ["racing", "animal"]),
    "car": ("🚗", ["vehicle", "road"]),
    "bus": ("🚌", ["vehicle", "road"]),
    "taxi": ("🚕", ["vehicle", "road"]),
    "bell": ("🔔", ["sound"]),
    "key": ("🔑", ["lock", "metal"]),
}
LANGUAGES = ("en", "de", "ja")


def name_of(concept: str, language: str) -> str:
    """A made-up name that is different in each language."""
    return {
        "en": concept,
        "de": concept.title() + "ding",
        "ja": "絵" + chr(0x30A2 + 2 * sorted(CONCEPTS).index(concept)),
    }[language]


def write_json(content: object, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def draw(style: int, concept: int) -> str:
    """An SVG body: a shape by concept, shades by style."""
    hue = (concept * 31 + style * 3) % 360
    return (
        f'<circle cx="{6 + concept % 5 * 5}" cy="{6 + concept // 5 * 9}" r="{5 + style % 3}" '
        f'fill="hsl({hue},80%,50%)"/>'
        f'<rect x="{concept % 3 * 8}" y="{20 - concept}" width="{6 + style}" height="7" '
        f'fill="hsl({(hue + 120) % 360},60%,40%)"/>'
    )


def write_sources(root: Path) -> None:
    """The files that `fetch_sources` would leave in data/sources."""
    sources = root / "data" / "sources"
    for number, style in enumerate(STYLES):
        icons = {name: {"body": draw(number, i)} for i, name in enumerate(CONCEPTS)}
        write_json({"prefix": style, "icons": icons, "width": 32, "height": 32}, sources / "iconify" / f"{style}.json")
    chars = {
        "chars": {name: char for name, (char, _) in CONCEPTS.items()},
        "families": dict.fromkeys(CONCEPTS, "Things"),
    }
    write_json(chars, sources / "iconify" / "chars.json")
    for language in LANGUAGES:
        annotations = {
            char: {"tts": [name_of(name, language)], "default": words} for name, (char, words) in CONCEPTS.items()
        }
        annotations |= {mark: {"tts": [f"{language} mark {number}"]} for number, mark in enumerate(MARKS)}
        write_json(annotations, sources / "annotations" / f"{language}.json")
        names = {
            "languages": dict(zip(LANGUAGES, ("English", "Deutsch", "日本語"), strict=True)),
            "territories": {"AT": "Austria", "JP": "Japan", "001": "world"},
            "localeDisplayNames": {"localePattern": "{0} ({1})"},
        }
        write_json(names, sources / "localenames" / f"{language}.json")
    interface = {"en": {"close": "Close", "next": "Next"}, "de": {"close": "Schließen"}}
    write_json(interface, sources / "interface.json")
    for code in ("eng", "deu_1996", "jpn"):
        text = (
            "<p>All human beings are born free, and equal in dignity.</p><p>人間は、生まれながらにして自由である。</p>"
        )
        (sources / "udhr").mkdir(parents=True, exist_ok=True)
        (sources / "udhr" / f"{code}.html").write_text(text, encoding="utf-8")
    (sources / "tokenizers").mkdir(parents=True)
    train_bpe([name_of(c, language) for c in CONCEPTS for language in LANGUAGES], 400).save(
        str(sources / "tokenizers" / "gemma.json")
    )


def write_study(root: Path, **overrides: dict[str, object]) -> None:
    """params.yaml, scales/ and sources of a tiny study in `root`; `overrides` change sections of params.yaml."""
    yaml = YAML(typ="safe", pure=True)
    study = yaml.load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    study |= {"scale": "smoke", "seeds": [0], "languages": list(LANGUAGES)}
    for section, change in overrides.items():
        study[section] = {**study[section], **change}
    scale = yaml.load((REPOSITORY / "scales" / "smoke.yaml").read_text(encoding="utf-8"))
    for section in ("arms", "tables", "seeds"):
        scale.pop(section, None)
    scale["pool"] = {"concepts": 12, "pairs": 600, "image_size": 32}
    scale["curation"] = {"t_en": 20}
    scale["training"] |= {"batch_size": 32, "steps": 6, "warmup": 2}
    (root / "scales").mkdir(parents=True, exist_ok=True)
    (root / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(study, file)
    with (root / "scales" / "smoke.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(scale, file)
    write_sources(root)

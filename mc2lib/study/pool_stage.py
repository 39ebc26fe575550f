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
from mc2lib.recipe.pool.icons import render_icon
from mc2lib.recipe.pool.texts import Phrasebook
from mc2lib.schemas import DRAWINGS, EVALUATION_IMAGES, EVALUATION_TEXTS, POOL, TRUTH
from mc2lib.study.sources import STYLES

PAIRS_A_SHARD = 125_000  # few enough that a draw of a million keeps eight workers busy
BYTES_PER_PAIR = 200  # of a pool draw on disk, measured, with a margin
FALLBACK = "en"  # of an interface text that is not translated
#: Marks that pages use as decoration and no style draws as a concept; their CLDR names fit any image. The order is that
#: of their frequency in a pool.
MARKS = "•→←▼▲↑↓●■○…|*+/?!€$%"
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
    jobs = [(mix, seed) for mix in mixes for seed in params.seeds]
    draw = partial(_draw_one, root, params, captions, drawings, books)
    return pd.DataFrame(map_tasks(draw, jobs, params.machine))


def _draw_one(
    root: Path,
    params: Params,
    captions: Mapping[str, Mapping[str, Caption]],
    drawings: pd.DataFrame,
    books: Mapping[str, Phrasebook],
    job: tuple[str, int],
) -> dict[str, Any]:
    mix, seed = job
    paths = Paths(root)
    split = split_concepts(captions, params.pool.concepts, params.pool.held_out_share, seed)
    train, test = _split_drawings(drawings, split, params)
    images = {concept: rows["image"].tolist() for concept, rows in train.groupby("concept", sort=True)}
    pairs, truth = draw_pairs(split, captions, images, books, params.pool, mix, seed)
    folder = paths.pool(mix, seed)
    write_shards(pairs, folder)
    write_table(truth, folder / "truth.parquet", TRUTH)
    write_images(zip(train["image"], train["png"], strict=True), folder / "images-00000.tar")
    if mix == "base":
        _write_evaluation(paths.evaluation(seed), split, test, captions, params, _count_pairs(pairs, truth))
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


def _count_pairs(pairs: pa.Table, truth: pa.Table) -> dict[tuple[str, str], int]:
    """How many pairs of a pool draw show each concept in each language, by (language, concept)."""
    both = pa.table({"language": pairs["language"], "concept": truth["concept"]})
    counted = both.group_by(["language", "concept"]).aggregate([([], "count_all")])
    keys = zip(counted["language"].to_pylist(), counted["concept"].to_pylist(), strict=True)
    return dict(zip(keys, counted["count_all"].to_pylist(), strict=True))


def _write_evaluation(
    folder: Path,
    split: Split,
    test: pd.DataFrame,
    captions: Mapping[str, Mapping[str, Caption]],
    params: Params,
    pool_pairs: Mapping[tuple[str, str], int],
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
            "pool_pairs": pool_pairs.get((language, concept), 0),
        }
        for language in params.languages
        for concept in split.concepts
        for caption in [captions[concept][language]]
    ]
    write_table(pa.Table.from_pylist(texts, EVALUATION_TEXTS), folder / "texts.parquet", EVALUATION_TEXTS)


def load_phrasebook(root: Path, language: str) -> Phrasebook:
    """Load the clauses (UDHR), names and pattern (CLDR) and interface texts of one language.

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
    annotations = read_json(sources / "annotations" / f"{language}.json")
    return Phrasebook(
        language,
        clauses,
        territories,
        names["localeDisplayNames"]["localePattern"],
        spaced(language),
        _interface_texts(sources, language),
        tuple(annotations[mark]["tts"][0] for mark in MARKS if mark in annotations),
    )


def _interface_texts(sources: Path, language: str) -> tuple[str, ...]:
    """The interface texts on a language's pages, each once: where one is not translated, pages show it in English."""
    texts = read_json(sources / "interface.json")
    shown = texts[FALLBACK] | {name: text for name, text in texts.get(language, {}).items() if name in texts[FALLBACK]}
    return tuple(dict.fromkeys(shown.values()))


def _clauses(text: str) -> Iterator[str]:
    for found in CLAUSE.findall(text):
        clause = " ".join(found.split())
        if len(clause) >= 8:
            yield clause


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


def table_captions(root: Path, params: Params, concepts: Sequence[str], languages: Sequence[str]) -> pd.DataFrame:
    """Show what native speakers call some concepts.

    Args:
        root: the study's folder.
        params: of the study.
        concepts: the rows.
        languages: the columns; those that the study lacks are left out.
    """
    captions = load_captions(root, params)
    shown = [language for language in languages if language in params.languages]
    rows = {concept: {language: captions[concept][language].name for language in shown} for concept in concepts}
    return pd.DataFrame.from_dict(rows, orient="index", columns=shown)


def load_pairs(root: Path, mix: str, seed: int, columns: Sequence[str] = ()) -> pa.Table:
    """Load the pairs of one pool draw next to what the truth table says about them.

    Args:
        root: the study's folder.
        mix: noise level.
        seed: of the draw.
        columns: of POOL and TRUTH; all if left out.

    Returns:
        One row per pair; strings come as dictionaries.
    """
    folder = Paths(root).pool(mix, seed)
    wanted = list(columns) or list(dict.fromkeys((*POOL.names, *TRUTH.names)))
    files = [*sorted(folder.glob("pairs-*.parquet")), folder / "truth.parquet"]
    sides = []
    for schema, paths in ((POOL, files[:-1]), (TRUTH, files[-1:])):
        names = [field.name for field in schema if field.name in wanted]
        strings = [name for name in names if schema.field(name).type == pa.string()]
        sides.append(pa.concat_tables([read_table(path, columns=names, dictionaries=strings) for path in paths]))
    pairs, truth = sides
    for name in truth.column_names:
        if name not in pairs.column_names:
            pairs = pairs.append_column(name, truth[name])
    return pairs.select(wanted).unify_dictionaries()


def count_pairs(root: Path, mix: str, seed: int) -> pd.DataFrame:
    """Count the pairs of one pool draw by language and concept.

    Args:
        root: the study's folder.
        mix: noise level.
        seed: of the draw.

    Returns:
        Columns language, concept, pairs and rank (1 for the most common concept of the language), by rank.
    """
    pairs = load_pairs(root, mix, seed, ["language", "concept"])
    counts = pairs.group_by(["language", "concept"]).aggregate([([], "count_all")]).to_pandas()
    counts = counts.rename(columns={"count_all": "pairs"}).astype({"language": str, "concept": str})
    counts = counts.sort_values(["language", "pairs", "concept"], ascending=[True, False, True], ignore_index=True)
    counts["rank"] = counts.groupby("language").cumcount() + 1
    return counts


def table_head_and_tail(counts: pd.DataFrame, languages: Sequence[str], rows: int = 5) -> pd.DataFrame:
    """Show the most and the least common concepts of some languages.

    Args:
        counts: see `count_pairs`.
        languages: the columns, twice: concept and pairs.
        rows: how many of either end.
    """
    ends = []
    for language in languages:
        own = counts[counts["language"] == language].set_index("rank")[["concept", "pairs"]]
        ends.append(pd.concat([own.head(rows), own.tail(rows)]).reset_index())
    return pd.concat(ends, axis=1, keys=languages)


def sample_texts(root: Path, mix: str, seed: int, languages: Sequence[str], rows: int = 4) -> pd.DataFrame:
    """Show a few alt-texts per language, with what the truth table says about them.

    Args:
        root: the study's folder.
        mix: noise level.
        seed: of the draw.
        languages: metadata languages.
        rows: how many texts per language.
    """
    shown = ["language", "alt_text", "concept", "form", "noise"]
    pairs = load_pairs(root, mix, seed, shown).slice(0, 100_000).to_pandas()
    some = pairs[pairs["language"].isin(languages)].groupby("language", sort=False, observed=True).head(rows)
    return some.reset_index(drop=True)


def sample_noise(root: Path, mixes: Sequence[str], seed: int, languages: Sequence[str]) -> pd.DataFrame:
    """Show the share of each kind of noise, by noise level, and an example per language.

    Args:
        root: the study's folder.
        mixes: noise levels; the examples are of the last.
        seed: of the draw.
        languages: metadata languages that the examples' pages declare.

    Returns:
        One row per kind: its share in each mix, then one text per language.
    """
    pairs = {mix: load_pairs(root, mix, seed, ["noise", "language", "alt_text"]).to_pandas() for mix in mixes}
    shares = pd.DataFrame({mix: table["noise"].value_counts(normalize=True) for mix, table in pairs.items()})
    last = pairs[mixes[-1]]
    first = last[last["language"].isin(languages)].drop_duplicates(["noise", "language"]).astype(str)
    examples = first.pivot(index="noise", columns="language", values="alt_text")
    return shares.join(examples[[language for language in languages if language in examples]]).fillna("")

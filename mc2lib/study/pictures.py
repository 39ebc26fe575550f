"""What the study looks like: a search in many languages, the learning curves, and the tables that `dvc plots` draws."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from mc2lib.errors import InputError
from mc2lib.io.files import atomic, read_json, read_table
from mc2lib.io.image_decoder import decode
from mc2lib.io.study_paths import Paths
from mc2lib.languages import language_name, script
from mc2lib.params import Params
from mc2lib.recipe.pool.icons import render_icon
from mc2lib.reporting.figure_titles import format_share
from mc2lib.reporting.pictures.search_picture import DRAWING, Column, Found, Search, draw_search_picture
from mc2lib.reporting.plots.pool_plots import plot_gallery
from mc2lib.reporting.plots.training_plots import plot_learning
from mc2lib.reporting.tables import order_arms
from mc2lib.schemas import EVALUATION_IMAGES
from mc2lib.study.evaluate_stage import Encoder, EvaluationSet, read_evaluation_set, write_csv
from mc2lib.study.pool_stage import load_gallery
from mc2lib.study.report import write_figure
from mc2lib.trainer.encoder import load_encoder

#: Drawings that a search shows.
NEAREST = 5
#: Rows of the picture: the first language of each script, as far as there is room.
ROWS = 8
#: Columns of the picture: the concepts at these percentiles of retrieval.
PERCENTILES = (90, 50, 25)
#: Families of drawings that show signs, faces and gestures, not things: a reader cannot tell which of them is right.
SIGNS = ("Symbols", "Flags", "Smileys & Emotion", "People & Body")
#: Pixels of an embedded drawing: two for each of the picture, for sharp screens; and its colours.
PIXELS, COLOURS = 2 * DRAWING, 64
#: What each style is called, and the licence under which its drawings may be passed on; docs/notices.md says more.
CREDITS = {
    "noto": "Noto Emoji (Apache-2.0)",
    "noto-v1": "Noto Emoji (Apache-2.0)",
    "twemoji": "Twemoji (CC BY 4.0)",
    "openmoji": "OpenMoji (CC BY-SA 4.0)",
    "fluent-emoji": "Fluent Emoji (MIT)",
    "fluent-emoji-flat": "Fluent Emoji (MIT)",
    "emojione": "Emoji One (CC BY 4.0)",
    "emojione-v1": "Emoji One (CC BY-SA 4.0)",
}
#: What `dvc plots` draws of each arm, a column each.
PLOTTED = ("en_top1", "world_top1")


@dataclass(frozen=True)
class Picture:
    """An SVG that a notebook shows."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg


def draw_search(root: Path, params: Params) -> Picture:
    """Ask the recipe's model for three concepts in several languages, and write results/figures/search.svg.

    The concepts are chosen by a rule, which the picture states: see `choose_concepts`.

    Args:
        root: the study's folder.
        params: the study's parameters.

    Returns:
        the picture.

    Raises:
        InputError: no arm was trained yet, or its evaluation data or the drawings' sources are missing.
    """
    paths = Paths(Path(root))
    seed = params.seeds[0]
    arm = choose_arm(paths, params, seed)
    data = read_evaluation_set(paths, params, seed)
    images = read_table(paths.evaluation(seed) / "images.parquet", EVALUATION_IMAGES)
    nearest, first = search(load_encoder(paths.run(arm, seed)), data)
    families = read_json(paths.sources / "iconify" / "chars.json")["families"]
    chosen = choose_concepts(data, first, families)
    languages = choose_languages(data.languages)
    columns = [
        list_column(data, nearest, images["image"].to_pylist(), concept, languages, f"{percentile}th percentile")
        for percentile, concept in chosen.items()
    ]
    shown = {found.image for column in columns for one in column.searches for found in one.found}
    caption = _describe(f"{arm}, seed {seed}", data, chosen, params.pool.held_out_styles)
    svg = draw_search_picture(
        _title(data, first),
        columns,
        {language: language_name(language) for language in languages},
        _render(paths, sorted(shown)),
        caption,
    )
    with atomic(paths.results / "figures" / "search.svg") as temporary:
        temporary.write_text(svg, encoding="utf-8")
    return Picture(svg)


def choose_arm(paths: Paths, params: Params, seed: int) -> str:
    """The trained arm that comes nearest to the recipe: all languages, isolated, scaled, the largest tower, longest.

    Args:
        paths: of the study.
        params: the study's parameters.
        seed: whose run is needed.

    Raises:
        InputError: no arm has a finished run.
    """
    trained = [arm for arm in params.arms if (paths.run(arm, seed) / "model.json").exists()]
    if not trained:
        raise InputError(str(paths.root / "runs"), "no finished run", "Run `dvc repro train`.")
    towers = list(params.towers)

    def rank(name: str) -> tuple[bool, bool, int, float]:
        arm = params.arms[name]
        is_recipe = (arm.languages, arm.curation, arm.tokenizer, arm.mix) == ("all", "isolated", "gemma", "base")
        longer = arm.steps if isinstance(arm.steps, float) else 1.0  # or the scaled pairs in more steps: no longer
        return is_recipe, arm.seen == "1/english_share", towers.index(arm.tower), longer

    return max(trained, key=rank)


def search(encoder: Encoder, data: EvaluationSet) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ask for every concept in every language among all test drawings.

    Args:
        encoder: the model.
        data: the test set of n drawings, c concepts and l languages.

    Returns:
        int64 [l, c, k], the drawings nearest to each query, the nearest first; and int64 [l, c], the place of the
        first right one, from 0, or n for a concept without drawings. Of equally near ones the earlier is nearer.
    """
    texts = encoder.encode_texts(data.names)
    images = encoder.encode_images(data.images)
    shape = (len(data.languages), len(data.concepts))
    nearest = np.empty((*shape, min(NEAREST, len(images))), np.int64)
    first = np.empty(shape, np.int64)
    for number in range(len(data.languages)):
        queries = texts[number * shape[1] : (number + 1) * shape[1]]
        order = np.argsort(-(queries @ images.T), axis=1, kind="stable")
        right = data.labels[order] == np.arange(shape[1])[:, None]
        nearest[number] = order[:, : nearest.shape[2]]
        first[number] = np.where(right.any(axis=1), right.argmax(axis=1), len(images))
    return nearest, first


def choose_concepts(data: EvaluationSet, first: npt.NDArray[np.int64], families: Mapping[str, str]) -> dict[int, int]:
    """The concepts at the percentiles of retrieval: seen in training, of things, sorted by mean reciprocal rank.

    Args:
        data: the test set.
        first: int [l, c], the place of the first right drawing, from 0.
        families: concept to family of drawings.

    Returns:
        percentile to concept, an index into `data.concepts`. The mean is over all languages, each with the same
        weight; equal ones are in the order of their names. All seen concepts if none of them is of things.
    """
    seen = [i for i in range(len(data.concepts)) if data.seen[i]]
    things = [i for i in seen if families.get(data.concepts[i]) not in SIGNS] or seen
    reciprocal = (1 / (1 + first)).mean(axis=0)
    ordered = sorted(things, key=lambda i: (reciprocal[i], data.concepts[i]))
    return {percentile: ordered[round(percentile / 100 * (len(ordered) - 1))] for percentile in PERCENTILES}


def choose_languages(languages: Sequence[str]) -> list[str]:
    """The first language of each script, at most ROWS of them.

    >>> choose_languages(["en", "ru", "de", "uk", "th"])
    ['en', 'ru', 'th']
    """
    firsts: dict[str, str] = {}
    for language in languages:
        firsts.setdefault(script(language), language)
    return list(firsts.values())[:ROWS]


def list_column(
    data: EvaluationSet,
    nearest: npt.NDArray[np.int64],
    images: Sequence[str],
    concept: int,
    languages: Sequence[str],
    heading: str,
) -> Column:
    """What one concept's queries found.

    Args:
        data: the test set.
        nearest: int [l, c, k], as `search` gives it.
        images: the drawings' names, "<style>/<concept>".
        concept: an index into `data.concepts`.
        languages: to show.
        heading: of the column, above the concept's name.
    """
    searches = []
    for language in languages:
        number = data.languages.index(language)
        found = tuple(
            Found(images[i], _english(data, int(data.labels[i])), bool(data.labels[i] == concept))
            for i in nearest[number, concept]
        )
        searches.append(Search(language, data.names[number * len(data.concepts) + concept], found))
    return Column(f"{heading}: {_english(data, concept)}", tuple(searches))


def _english(data: EvaluationSet, concept: int) -> str:
    return data.names[data.languages.index("en") * len(data.concepts) + concept]


def _title(data: EvaluationSet, first: npt.NDArray[np.int64]) -> str:
    found = (first[:, data.seen] < NEAREST).mean(axis=1)
    english = data.languages.index("en")
    others = np.delete(found, english)
    said = f"A right drawing is among the first {NEAREST}: {format_share(found[english])} in English"
    return f"{said}, {format_share(others.mean())} in {len(others)} other languages" if len(others) else said


def _describe(model: str, data: EvaluationSet, chosen: Mapping[int, int], styles: Sequence[str]) -> str:
    """The picture's caption: what it is, how it was chosen, and whose drawings it shows."""
    drawings = np.bincount(data.labels, minlength=len(data.concepts))
    each = sorted({int(drawings[i]) for i in chosen.values()})
    percentiles = ", ".join(f"{percentile}th" for percentile in chosen)
    credits = ", ".join(dict.fromkeys(CREDITS[style] for style in styles))
    return (
        f"Each row: the {NEAREST} drawings nearest to the query, of {len(data.images):,} in styles that were never "
        f"trained on; the nearest is on the left. A frame and a tick mark the right ones; each of these concepts has "
        f"{' or '.join(map(str, each))}. Model: {model}, which sees {data.images.shape[1]} × {data.images.shape[2]} "
        "pixels. A rule chose the concepts: sorted by mean reciprocal rank over all languages, they are at the "
        f"{percentiles} percentiles of the trained concepts, without signs, faces and gestures. The languages are the "
        f"first of each script in the study's order. Drawings: {credits}."
    )


def _render(paths: Paths, images: Sequence[str]) -> dict[str, bytes]:
    """Each image, "<style>/<concept>", as PNG on white in few colours."""
    styles = sorted({image.partition("/")[0] for image in images})
    icons = {style: read_json(paths.sources / "iconify" / f"{style}.json") for style in styles}
    rendered = {}
    for image in images:
        style, _, concept = image.partition("/")
        rendered[image] = reduce_colours(render_icon(icons[style], concept, PIXELS))
    return rendered


def reduce_colours(png: bytes) -> bytes:
    """A PNG with transparency as a smaller one on white, of at most COLOURS colours."""
    written = io.BytesIO()
    decode(png).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
    return written.getvalue()


def draw_pool(root: Path, params: Params) -> Figure:
    """Drawings of the pool in all styles, written as results/figures/pool.png.

    Args:
        root: the study's folder.
        params: the study's parameters.

    Raises:
        InputError: the drawings are missing or broken.
    """
    figure = plot_gallery(*load_gallery(root), params.pool.held_out_styles)
    write_figure(figure, Paths(Path(root)).results / "figures" / "pool.png")
    return figure


def draw_learning(root: Path, params: Params, arms: Sequence[str]) -> Figure:
    """The learning curves of arms by seen pairs, written as results/figures/learning.png.

    Args:
        root: the study's folder.
        params: the study's parameters.
        arms: to draw; those without finished runs are left out.

    Raises:
        InputError: none of them has a finished run.
    """
    paths = Paths(Path(root))
    runs = {(arm, seed): paths.run(arm, seed) for arm in arms for seed in params.seeds}
    finished = {key: run for key, run in runs.items() if (run / "model.json").exists()}
    if not finished:
        raise InputError(str(paths.root / "runs"), "no finished run", "Run `dvc repro train`.")
    logs = [
        pd.read_csv(run / "log.csv").assign(arm=arm, seed=seed, batch_size=read_json(run / "model.json")["batch_size"])
        for (arm, seed), run in finished.items()
    ]
    figure = plot_learning(pd.concat(logs, ignore_index=True))
    write_figure(figure, paths.results / "figures" / "learning.png")
    return figure


def write_arm_points(root: Path, params: Params, measures: pd.DataFrame) -> pd.DataFrame:
    """Write results/plots/arms.csv for `dvc plots`: top-1 of each arm and seed.

    Args:
        root: the study's folder.
        params: the study's parameters.
        measures: tidy, columns arm, seed, measure, language, value.

    Returns:
        columns arm, seed, en_top1, world_top1; arms in the order of the study.
    """
    rows = measures[measures["measure"].isin(PLOTTED)]
    table = rows.pivot_table(index=["arm", "seed"], columns="measure", values="value").reindex(columns=list(PLOTTED))
    table = table.loc[order_arms(measures, list(params.arms))].reset_index().rename_axis(columns=None)
    write_csv(table, Paths(Path(root)).results / "plots" / "arms.csv")
    return table

"""Two models or two arms against each other: by language, by script, and the images that one of them gets right."""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import torch

from mc2lib.errors import InputError
from mc2lib.io.files import read_table
from mc2lib.io.study_paths import Paths
from mc2lib.pipeline.evaluate.models.model import Model
from mc2lib.pipeline.search import THUMBNAIL, picture_card, thumbnail
from mc2lib.reporting.plots.benchmark_plots import script_of
from mc2lib.schemas import EVALUATION_IMAGES, EVALUATION_TEXTS


def join_models(first: pd.DataFrame, second: pd.DataFrame, metric: str = "top1") -> pd.DataFrame:
    """One measure of two models, language by language.

    Args:
        first, second: tidy tables of `mc2lib evaluate`.
        metric: such as top1, i2t_r1 or t2i_r1.

    Returns:
        benchmark, language, first, second, for what both measured.

    Raises:
        InputError: both measured it in no language.
    """
    tables = []
    for name, table in (("first", first), ("second", second)):
        rows = table[(table["metric"] == metric) & (table["group"] == "") & ~table["language"].isin(["", "macro"])]
        tables.append(rows[["benchmark", "language", "value"]].rename(columns={"value": name}))
    joined = tables[0].merge(tables[1], on=["benchmark", "language"])
    if joined.empty:
        raise InputError("metric", f"both models have '{metric}' in no language", "Name another measure.")
    return joined


def join_arms(root: Path, first: str, second: str, measure: str = "top1") -> pd.DataFrame:
    """One measure of two arms of the study, language by language, mean over seeds.

    Args:
        root: the study's folder.
        first, second: names of arms that were evaluated.
        measure: with a value per language.

    Returns:
        language, first, second.

    Raises:
        InputError: an arm was not evaluated, or has no such measure.
    """
    tables = []
    for name, arm in (("first", first), ("second", second)):
        path = Paths(root).evaluation_result(arm).with_suffix(".csv")
        if not path.exists():
            raise InputError(str(path), f"arm '{arm}' is not evaluated", f"Run `make arm ARM={arm}`.")
        table = pd.read_csv(path, keep_default_na=False)
        rows = table[(table["measure"] == measure) & (table["language"] != "")]
        if rows.empty:
            raise InputError(str(path), f"no measure '{measure}' by language", "Name one that it has.")
        tables.append(rows.groupby("language", sort=False)["value"].mean().rename(name))
    return pd.concat(tables, axis=1, join="inner").reset_index()


def by_script(joined: pd.DataFrame) -> pd.DataFrame:
    """The languages of one script together, each with the same weight.

    Args:
        joined: of `join_models` or `join_arms`.

    Returns:
        script, languages (how many), first, second, difference; the largest difference first.
    """
    table = joined.assign(script=[script_of(language) for language in joined["language"]])
    found = table.groupby("script").agg(
        languages=("language", "nunique"), first=("first", "mean"), second=("second", "mean")
    )
    found["difference"] = found["first"] - found["second"]
    return found.sort_values("difference", key=lambda values: -values.abs()).reset_index()


def load_evaluation(root: Path, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """The study's test drawings and their texts (EVALUATION_IMAGES, EVALUATION_TEXTS) of one pool draw.

    Raises:
        InputError: the study has not drawn them.
    """
    folder = Paths(root).evaluation(seed)
    images, texts = folder / "images.parquet", folder / "texts.parquet"
    return read_table(images, EVALUATION_IMAGES), read_table(texts, EVALUATION_TEXTS)


def find_disagreements(
    first: Model, second: Model, images: pa.Table, texts: pa.Table, language: str, most: int = 24
) -> pd.DataFrame:
    """Drawings that one model names right and the other wrong, in one language.

    Args:
        first, second: of `open_model`.
        images, texts: of `load_evaluation`.
        language: whose class names the models choose from.
        most: rows of either kind.

    Returns:
        right, the model that is right (first or second); concept; name, of the right class; said, the name that the
        other model chose; row of `images`.

    Raises:
        InputError: there are no texts in this language.
    """
    names = texts.filter(pc.equal(texts["language"], language)).to_pandas()
    if names.empty:
        raise InputError("language", f"no test texts in '{language}'", "Name a language of the study.")
    names = names.drop_duplicates("concept").reset_index(drop=True)
    place = pd.Series(names.index, index=names["concept"])
    labels = place.reindex(images["concept"].to_pylist()).to_numpy()
    chosen = [_classify(model, images["png"].to_pylist(), names["name"].tolist()) for model in (first, second)]
    right = [choice == labels for choice in chosen]
    rows = []
    for name, mine, other in (("first", 0, 1), ("second", 1, 0)):
        for row in np.flatnonzero(right[mine] & ~right[other] & ~np.isnan(labels))[:most]:
            said = names["name"][int(chosen[other][row])]
            concept = names["concept"][int(labels[row])]
            rows.append((name, concept, names["name"][int(labels[row])], said, int(row)))
    return pd.DataFrame(rows, columns=["right", "concept", "name", "said", "row"])


def _classify(model: Model, contents: list[bytes], names: list[str]) -> np.ndarray:
    """The class that a model chooses for each image, int64 [n]."""
    classes = model.encode_texts(names)
    parts = []
    for begin in range(0, len(contents), 256):
        batch = torch.stack([model.prepare(content) for content in contents[begin : begin + 256]])
        parts.append((model.encode_images(batch) @ classes.T).argmax(axis=1))
    return np.concatenate(parts)


def disagreements_html(found: pd.DataFrame, images: pa.Table) -> str:
    """`find_disagreements` as two rows of pictures, each with the right name and the wrong one."""
    told = []
    for right, part in found.groupby("right", sort=True):
        cells = "".join(
            picture_card(
                thumbnail(images["png"][hit.row].as_py()),
                hit.name,
                f"{html.escape(hit.name)}<br>the other said: {html.escape(hit.said)}",
                THUMBNAIL + 8,
            )
            for hit in part.itertuples(index=False)
        )
        told.append(f"<h3>the {right} is right, the other is wrong</h3><div>{cells}</div>")
    return "".join(told) or "<p>the models agree on every drawing</p>"

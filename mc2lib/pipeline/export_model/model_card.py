"""The model card of an exported run: Markdown with front matter, as model hubs read it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mc2lib.errors import InputError
from mc2lib.io.files import atomic
from mc2lib.io.study_paths import Paths
from mc2lib.pipeline.export_model.finished_run import FinishedRun
from mc2lib.pipeline.export_model.run_data import RunData, read_run_data
from mc2lib.recipe.training.towers import count_parameters

CARD = "README.md"
#: Rows of the card's tables at most; what is left out is counted.
ROWS = 40
#: The tidy columns of `make evaluate`'s report.csv, and of the study's results, that a card reads.
REPORT = ["benchmark", "language", "metric", "group", "value", "low", "high"]
STUDY = ["seed", "measure", "language", "value"]

USES = {
    "open_clip": """import open_clip

model, _, preprocess = open_clip.create_model_and_transforms("{open_clip}")
tokenizer = open_clip.get_tokenizer("{open_clip}")  # needs the package transformers""",
    "transformers": """from transformers import AutoModel, AutoProcessor

model = AutoModel.from_pretrained("{name}")
processor = AutoProcessor.from_pretrained("{name}")""",
}


def write_card(
    run: FinishedRun, layout: str, folder: Path, hub_name: str | None = None, results: Path | None = None
) -> None:
    """Write README.md; what cannot be reached any more is left out, and the card says so.

    Args:
        run: that is exported.
        layout: open_clip or transformers.
        folder: gets the card.
        hub_name: `user/name`, if the folder will be pushed to a hub.
        results: a table of results; left out, the study's own if the run is the study's.

    Raises:
        InputError: `results` is no table of results, or a file of the run's data is broken.
    """
    data = read_run_data(run.folder)
    name = hub_name or folder.name
    sections = [
        _front_matter(layout, data),
        f"# {name}",
        "A CLIP model trained with mc2lib, which carries out the recipe of [MetaCLIP 2](https://arxiv.org/abs/2507.22062):"
        " metadata, curation and training in every language of a pool.",
        f"## Use\n\n{_use(layout, name, hub_name)}",
        f"## Model\n\n{_describe_model(run)}",
        f"## Training data\n\n{_describe_data(data)}",
        f"## Training\n\n{_describe_training(run, data)}",
        f"## Evaluation\n\n{_describe_results(run, results)}",
        f"## Fingerprint\n\n`{run.description['digest']}` is the digest of the recipe, the data, the tokenizer and the "
        "training code that made these weights. A run with another digest is another model.",
    ]
    with atomic(folder / CARD) as temporary:
        temporary.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def _front_matter(layout: str, data: RunData) -> str:
    lines = ["---", *(["language:", *(f'- "{code}"' for code in data.languages)] if data.languages else [])]
    lines += [f"library_name: {layout}", "pipeline_tag: zero-shot-image-classification"]
    lines += ["tags:", "- clip", "- metaclip-2", *(["- multilingual"] if len(data.languages) > 1 else [])]
    lines += ["# license: yours to choose; the pool's terms and those of NOTICE.txt, if there is one, bind you", "---"]
    return "\n".join(lines)


def _use(layout: str, name: str, hub_name: str | None) -> str:
    place = f"hf-hub:{name}" if hub_name else f"local-dir:{name}"
    return f"```python\n{USES[layout].format(open_clip=place, name=name)}\n```"


def _describe_model(run: FinishedRun) -> str:
    counts = count_parameters(run.model)
    added = (run.full_vocabulary - run.text_encoder.vocabulary) * run.tower.text_cfg["width"]
    vision = run.tower.vision_cfg
    rows: list[tuple[str, str]] = [
        ("image tower", f"{vision.get('timm_model_name', 'ViT')}, {counts['image'] / 1e6:,.2f}M parameters"),
        ("text tower", f"{run.tower.text_cfg['layers']} layers, {(counts['text'] + added) / 1e6:,.2f}M parameters"),
        ("features", f"{run.tower.embed_dim}"),
        ("images", f"{run.image_size} x {run.image_size} pixels, over white"),
        ("texts", f"at most {run.context_length} tokens, the end token included"),
        ("tokenizer", f"{run.description['tokenizer']}, {run.full_vocabulary:,} rows"),
    ]
    return _table(("", ""), rows) + _describe_cut(run)


def _describe_cut(run: FinishedRun) -> str:
    """What the card says of a vocabulary that training had cut."""
    if run.text_encoder.kept is None:
        return ""
    return (
        f"\n\nTraining saw {len(run.text_encoder.kept):,} of the tokenizer's {len(run.text_encoder.table):,} tokens. "
        "All others have a copy of the unknown token's embedding, which no text of the pool trained."
    )


def _describe_data(data: RunData) -> str:
    parts = []
    if data.steps:
        rows = [(step, f"{change:+,}" if change else "", f"{left:,}") for step, change, left in data.steps]
        parts.append("How the pool was curated:\n\n" + _table(("step", "change", "pairs left"), rows))
    if data.pairs:
        total = sum(data.pairs.values())
        rows = [(name, f"{count:,}", f"{count / total:.1%}") for name, count in data.pairs.items()]
        parts.append("Curated pairs by language:\n\n" + _table(("language", "pairs", "share"), rows))
    return "\n\n".join(parts) or "The data was out of reach when this card was written."


def _describe_training(run: FinishedRun, data: RunData) -> str:
    about = run.description
    rows = [("steps", f"{about['steps']:,}"), ("pairs per step", f"{about['batch_size']:,}")]
    rows += [("seen pairs", f"{about['seen_pairs']:,}"), ("seed", str(about["seed"]))]
    if data.recipe is not None:
        training = data.recipe.training
        rows += [
            ("optimiser", f"AdamW, beta1 {training.beta1:g}, beta2 {training.beta2:g}, eps {training.eps:g}"),
            ("learning rate", f"{training.learning_rate:g} at its peak, {training.warmup:,} steps of warm-up, cosine"),
            ("weight decay", f"{training.weight_decay:g}"),
            ("languages", data.recipe.languages),
        ]
    return _table(("", ""), rows)


def _describe_results(run: FinishedRun, results: Path | None) -> str:
    arm = run.description.get("arm")
    if results is None and arm:
        own = Paths(run.folder.resolve().parents[2]).evaluation_result(str(arm)).with_suffix(".csv")
        results = own if own.exists() else None
    if results is None:
        return "Nothing was measured when this card was written."
    try:
        table = pd.read_csv(results, keep_default_na=False, dtype=str)
    except (OSError, ValueError) as error:
        raise InputError(str(results), f"cannot be read ({error})", "Name a report.csv of make evaluate.") from error
    if {*REPORT} <= {*table.columns}:
        chosen = table[(table["group"] == "") & table["language"].isin(["", "macro"])]
        rows = [
            (
                row.benchmark,
                row.metric,
                _number(row.value),
                f"{_number(row.low)} to {_number(row.high)}" if row.low else "",
            )
            for row in chosen.itertuples()
        ]
        return _table(("benchmark", "measure", "value", "95 % interval"), rows)
    if {*STUDY} <= {*table.columns}:
        chosen = table[(table["seed"] == str(run.description["seed"])) & (table["language"] == "")]
        return _table(("measure", "value"), [(row.measure, _number(row.value)) for row in chosen.itertuples()])
    fault = f"has no columns {', '.join(REPORT)}"
    raise InputError(str(results), fault, "Name the report.csv that make evaluate wrote.")


def _number(text: Any) -> str:
    """A number of a table with four decimals at most."""
    return f"{float(text):.4f}".rstrip("0").rstrip(".") if text != "" else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table of at most ROWS rows."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows[:ROWS]]
    more = len(rows) - ROWS
    return "\n".join(lines) + (f"\n\n… and {more} more." if more > 0 else "")

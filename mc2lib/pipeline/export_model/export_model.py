"""Write a finished run for open_clip or transformers, with its tokenizer, preprocessing and model card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Literal, get_args

from mc2lib.errors import InputError, nearest
from mc2lib.io.files import scratch_folder, write_json
from mc2lib.pipeline.export_model.finished_run import FinishedRun, read_finished_run
from mc2lib.pipeline.export_model.model_card import write_card
from mc2lib.pipeline.export_model.open_clip_folder import write_open_clip
from mc2lib.pipeline.export_model.standard_tokenizer import describe_tokenizer, standardise
from mc2lib.pipeline.export_model.transformers_folder import write_transformers
from mc2lib.recipe.training.tokenizers import EOS

Layout = Literal["open_clip", "transformers"]

#: The notice that the terms of Gemma's tokenizer ask for; a run that has one passes it on.
NOTICE = "NOTICE.txt"


def export_model(
    run: Path, layout: Layout, target: Path, hub_name: str | None = None, results: Path | None = None
) -> list[Path]:
    """Write a finished run as a folder that another library opens, whole or not at all.

    Args:
        run: a finished run's folder.
        layout: open_clip or transformers.
        target: a folder that is not there yet.
        hub_name: `user/name` of a model hub, if the folder will be pushed there; open_clip's configuration then points
            to the hub and not to `target`.
        results: a report.csv of `make evaluate`, for the card; left out, the study's own of this run, if it is there.

    Returns:
        the files written, sorted.

    Raises:
        InputError: there is no such layout, the run is not finished, `target` is there already, or the layout cannot
            express the run's towers; the message says why, and which layout can.
    """
    if layout not in get_args(Layout):
        raise InputError("AS", f"no layout '{layout}'", nearest(layout, get_args(Layout)))
    if target.exists():
        raise InputError(str(target), "is there already", "Move it away, or name another folder.")
    found = read_finished_run(run)
    _require_end(found)
    with scratch_folder(target.resolve().parent) as scratch:
        folder = scratch / target.name
        folder.mkdir()
        if layout == "open_clip":
            write_open_clip(found, folder, f"hf-hub:{hub_name}" if hub_name else f"local-dir:{target.resolve()}")
        else:
            write_transformers(found, folder)
        _write_tokenizer(found, folder)
        write_card(found, layout, folder, hub_name, results)
        folder.replace(target)
    return sorted(target.iterdir())


def _require_end(run: FinishedRun) -> None:
    """Raise InputError unless the text tower pools at the token that the tokenizer ends a text with."""
    end = run.tower.text_cfg.get("eos_id", EOS)
    if run.tower.text_cfg.get("pool_type") != "eos" or end != EOS:
        fault = f"its text tower does not pool at the end token, id {EOS}, alone"
        raise InputError(str(run.folder), fault, "Train with `pool_type: eos, eos_id: 2` in the tower's text_cfg.")


def _write_tokenizer(run: FinishedRun, folder: Path) -> None:
    """Write the tokenizer and, where the run has it, the notice that belongs to it."""
    content = json.dumps(standardise(run.text_encoder), ensure_ascii=False)
    (folder / "tokenizer.json").write_text(content, encoding="utf-8")
    write_json(describe_tokenizer(run.context_length), folder / "tokenizer_config.json")
    if (run.folder / NOTICE).exists():
        shutil.copyfile(run.folder / NOTICE, folder / NOTICE)

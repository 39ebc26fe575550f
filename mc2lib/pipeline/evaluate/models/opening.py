"""Which kind of model a name or a folder is."""

from __future__ import annotations

from pathlib import Path

from mc2lib.errors import InputError
from mc2lib.pipeline.evaluate.models.model import Model, Precision
from mc2lib.pipeline.evaluate.models.open_clip_model import open_open_clip
from mc2lib.pipeline.evaluate.models.trained_run import TrainedRun
from mc2lib.pipeline.evaluate.models.transformers_model import open_transformers


def open_model(name: str, precision: Precision = "fp32") -> Model:
    """Open any model.

    Args:
        name: the folder of a run of this library (model.json), of an open_clip model (open_clip_config.json) or of a
            transformers model (config.json); or open_clip's `NAME:WEIGHTS`, `hf-hub:…` or `local-dir:…`; or
            `transformers:…` with a name on the hub.
        precision: to run it in.

    Raises:
        InputError: it is none of these, or cannot be opened.
    """
    folder = Path(name)
    if folder.is_dir():
        if (folder / "model.json").exists():
            return TrainedRun(folder, precision)
        if (folder / "open_clip_config.json").exists():
            return open_open_clip(f"local-dir:{name}", precision)
        if (folder / "config.json").exists():
            return open_transformers(name, precision)
        fault = "holds no model: no model.json, open_clip_config.json or config.json"
        raise InputError(name, fault, "Give the folder of a finished run, of open_clip or of transformers.")
    if name.startswith("transformers:"):
        return open_transformers(name.removeprefix("transformers:"), precision)
    return open_open_clip(name, precision)

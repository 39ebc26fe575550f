"""`mc2lib models`: the worldwide models that are known by name, and how large they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import open_clip
import torch

from mc2lib.params import Tower
from mc2lib.pipeline.named_models.model_names import OPEN_CLIPS, list_own_names, register_names
from mc2lib.recipe.training.towers import build_model, count_parameters

#: What a configuration says of the tokenizer and not of the text tower.
NOT_OF_THE_TOWER = {"vocab_size", "context_length", "hf_tokenizer_name", "tokenizer_kwargs"}


@dataclass(frozen=True)
class NamedModel:
    """A model's name, and how large it is."""

    name: str
    image_size: int  # pixels of a side
    vocabulary: int  # rows of the token embedding
    image_parameters: int
    text_parameters: int
    embedding_parameters: int  # of text_parameters


def measure_named(name: str) -> NamedModel:
    """Build a model on torch's meta device, which holds shapes and no numbers, and count its parameters.

    Args:
        name: of open_clip or of this package.
    """
    register_names()
    config: dict[str, Any] = open_clip.get_model_config(name)
    text = {key: value for key, value in config["text_cfg"].items() if key not in NOT_OF_THE_TOWER}
    tower = Tower(config["embed_dim"], config["vision_cfg"], text, config.get("quick_gelu", False))
    rows, context = config["text_cfg"]["vocab_size"], config["text_cfg"]["context_length"]
    with torch.device("meta"):
        counts = count_parameters(build_model(tower, rows, context))
    return NamedModel(
        name, config["vision_cfg"]["image_size"], rows, counts["image"], counts["text"], counts["embedding"]
    )


def describe_models() -> str:
    """A table of the worldwide models, one row each, parameters in millions."""
    head = f"{'name':<32}{'pixels':>8}{'image':>10}{'text':>10}{'of it tokens':>14}{'all':>10}"
    lines = ["parameters in millions, with XLM-V's 901,629 tokens", head]
    for name in (*list_own_names(), *OPEN_CLIPS):
        found = measure_named(name)
        image, text, tokens = (
            count / 1e6 for count in (found.image_parameters, found.text_parameters, found.embedding_parameters)
        )
        lines.append(
            f"{name:<32}{found.image_size:>8}{image:>10,.1f}{text:>10,.1f}{tokens:>14,.1f}{image + text:>10,.1f}"
        )
    return "\n".join(lines)

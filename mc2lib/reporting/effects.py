"""The effects that the study looks for, as data: what is compared, and who expects which direction.

An effect is the sum of some arms' values minus the sum of others', of one measure: for instance English top-1 of
`large-worldwide` minus that of `large-english`. It is declared before its arms are run. The paper gives the direction
where it compares these arms; elsewhere the direction is ours, or there is none. What becomes of an effect is decided
in `findings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Bar = Literal["paper", "ours", "none"]
Direction = Literal["above", "below", "none"]

SIGNS: Mapping[Direction, int] = {"above": 1, "below": -1, "none": 0}

#: A control that an effect may name as it names an arm.
PIXELS = "pixel neighbour"

#: The topics, in the order of the report, with their headings.
TOPICS = {
    "main": "English, worldwide, seen pairs and capacity",
    "training": "Against raw pixels, and with longer training",
    "curation": "Curation",
    "tokenizer": "Tokenizer",
    "embedding": "Embedding",
    "stress": "A pool whose head is uninformative text (ours, announced as such)",
}


@dataclass(frozen=True)
class Effect:
    """A difference between arms and the direction that is expected of it."""

    key: str
    topic: str  # of TOPICS
    title: str
    bar: Bar  # who expects the direction: the paper, this study, or no one
    direction: Direction  # of zero
    reason: str  # what the direction rests on; empty where there is none
    measure: str
    plus: tuple[str, ...]  # arms, or controls
    minus: tuple[str, ...]

    @property
    def sign(self) -> int:
        """+1 or -1 by the direction; 0 where there is none."""
        return SIGNS[self.direction]

    @property
    def weights(self) -> dict[str, int]:
        """Each arm's weight in the difference: +1 or -1."""
        return dict.fromkeys(self.plus, 1) | dict.fromkeys(self.minus, -1)


def _of_tower(tower: str) -> tuple[Effect, ...]:
    """The main table's comparisons of one tower."""
    english, worldwide, scaled = f"{tower}-english", f"{tower}-worldwide", f"{tower}-worldwide-scaled"
    return (
        Effect(
            f"curse_{tower}",
            "main",
            f"Curse of multilinguality at equal pairs, {tower} tower",
            "paper",
            "below",
            "worldwide at 1.0x is below English-only on English",
            "en_top1",
            (worldwide,),
            (english,),
        ),
        Effect(
            f"seen_pairs_{tower}",
            "main",
            f"More seen pairs, {tower} tower",
            "paper",
            "above",
            "seen pairs scaled by 1 / English share win English back",
            "en_top1",
            (scaled,),
            (worldwide,),
        ),
        Effect(
            f"other_languages_{tower}",
            "main",
            f"Worldwide against non-English only, {tower} tower",
            "paper",
            "above",
            "English and the other languages help each other",
            "world_top1",
            (scaled,),
            (f"{tower}-other",),
        ),
    )


EFFECTS: tuple[Effect, ...] = (
    *_of_tower("small"),
    *_of_tower("large"),
    Effect(
        "english_budget",
        "main",
        "Worldwide against English with the same seen pairs, small tower",
        "none",
        "none",
        "",
        "en_top1",
        ("small-worldwide-scaled",),
        ("small-english-scaled",),
    ),
    Effect(
        "seen_pairs_steps",
        "main",
        "More seen pairs in more steps of the same batch, small tower",
        "ours",
        "above",
        "more seen pairs win English back whether the batch grows, as in the paper, or the steps",
        "en_top1",
        ("small-worldwide-scaled-steps",),
        ("small-worldwide",),
    ),
    Effect(
        "batch_or_steps",
        "main",
        "The scaled pairs in a larger batch against in more steps, small tower",
        "none",
        "none",
        "",
        "en_top1",
        ("small-worldwide-scaled",),
        ("small-worldwide-scaled-steps",),
    ),
    Effect(
        "curse_stays_small",
        "main",
        "Scaled worldwide against English-only, small tower",
        "paper",
        "below",
        "the smaller tower (ViT-L/14) still shows the curse at 2.3x",
        "en_top1",
        ("small-worldwide-scaled",),
        ("small-english",),
    ),
    Effect(
        "curse_broken_large",
        "main",
        "Scaled worldwide against English-only, large tower",
        "paper",
        "above",
        "2.3x seen pairs with ViT-H/14 break the curse (81.3 against 80.5 on ImageNet)",
        "en_top1",
        ("large-worldwide-scaled",),
        ("large-english",),
    ),
    Effect(
        "capacity",
        "main",
        "Capacity: the gap to English-only, large tower minus small",
        "paper",
        "above",
        "ViT-L/14 still shows the curse at 2.3x, ViT-H/14 does not",
        "en_top1",
        ("large-worldwide-scaled", "small-english"),
        ("large-english", "small-worldwide-scaled"),
    ),
    Effect(
        "pixels",
        "training",
        "The recipe against the nearest neighbour in raw pixels",
        "ours",
        "above",
        "what was trained should know more than pixels",
        "en_top1",
        ("large-worldwide-scaled",),
        (PIXELS,),
    ),
    Effect(
        "pixels_long",
        "training",
        "The recipe, trained twice as long, against the nearest neighbour in raw pixels",
        "ours",
        "above",
        "what was trained should know more than pixels",
        "en_top1",
        ("large-worldwide-scaled-long",),
        (PIXELS,),
    ),
    Effect(
        "longer_english",
        "training",
        "Twice the steps, English",
        "ours",
        "above",
        "the arms are short of training",
        "en_top1",
        ("large-worldwide-scaled-long",),
        ("large-worldwide-scaled",),
    ),
    Effect(
        "longer_world",
        "training",
        "Twice the steps, other languages",
        "ours",
        "above",
        "the arms are short of training",
        "world_top1",
        ("large-worldwide-scaled-long",),
        ("large-worldwide-scaled",),
    ),
    Effect(
        "curse_broken_long",
        "training",
        "Scaled worldwide against English-only, large tower, both trained twice as long",
        "ours",
        "above",
        "training until the curse breaks, as ViT-H/14 at 2.3x breaks it in the paper",
        "en_top1",
        ("large-worldwide-scaled-long",),
        ("large-english-long",),
    ),
    Effect(
        "curation_english",
        "curation",
        "Curated against raw pool, English",
        "ours",
        "above",
        "curation is the recipe's premise; the paper has no raw arm",
        "en_top1",
        ("small-worldwide-scaled",),
        ("raw",),
    ),
    Effect(
        "curation_world",
        "curation",
        "Curated against raw pool, other languages",
        "ours",
        "above",
        "curation is the recipe's premise; the paper has no raw arm",
        "world_top1",
        ("small-worldwide-scaled",),
        ("raw",),
    ),
    Effect(
        "english_metadata",
        "curation",
        "English metadata on all texts against English texts only",
        "paper",
        "below",
        "dropping the language filter alone hurts English",
        "en_top1",
        ("english-metadata",),
        ("small-english-scaled",),
    ),
    Effect(
        "own_metadata_world",
        "curation",
        "The recipe against English metadata on all texts, other languages",
        "paper",
        "above",
        "each language is curated with its own metadata",
        "world_top1",
        ("small-worldwide-scaled",),
        ("english-metadata",),
    ),
    Effect(
        "isolation_english",
        "curation",
        "The recipe against merged metadata, English",
        "paper",
        "above",
        "languages are isolated, each with its own threshold",
        "en_top1",
        ("small-worldwide-scaled",),
        ("merged",),
    ),
    Effect(
        "isolation_world",
        "curation",
        "The recipe against merged metadata, other languages",
        "paper",
        "above",
        "languages are isolated, each with its own threshold",
        "world_top1",
        ("small-worldwide-scaled",),
        ("merged",),
    ),
    Effect(
        "isolation_alone",
        "curation",
        "Isolation alone, one threshold for all, other languages",
        "none",
        "none",
        "",
        "world_top1",
        ("isolated-t-en",),
        ("merged",),
    ),
    Effect(
        "thresholds",
        "curation",
        "A threshold per language against the English one for all, other languages",
        "paper",
        "above",
        "t_lang keeps each language's tail share as English's",
        "world_top1",
        ("small-worldwide-scaled",),
        ("isolated-t-en",),
    ),
    Effect(
        "thresholds_english",
        "curation",
        "A threshold per language against the English one for all, English",
        "paper",
        "above",
        "t_lang keeps each language's tail share as English's",
        "en_top1",
        ("small-worldwide-scaled",),
        ("isolated-t-en",),
    ),
    Effect(
        "thresholds_english_top5",
        "curation",
        "A threshold per language against the English one for all, English top-5",
        "paper",
        "above",
        "t_lang keeps each language's tail share as English's",
        "en_top5",
        ("small-worldwide-scaled",),
        ("isolated-t-en",),
    ),
    Effect(
        "thresholds_shares",
        "curation",
        "A threshold per language against the English one, at equal shares of languages, other languages",
        "ours",
        "above",
        "t_lang should help each language by itself, and not only by its share of the pairs",
        "world_top1",
        ("small-worldwide-scaled",),
        ("isolated-t-en-shares",),
    ),
    Effect(
        "thresholds_shares_english",
        "curation",
        "A threshold per language against the English one, at equal shares of languages, English",
        "none",
        "none",
        "",
        "en_top1",
        ("small-worldwide-scaled",),
        ("isolated-t-en-shares",),
    ),
    Effect(
        "tail_english",
        "curation",
        "Curated against raw pool, the rare third of the concepts, English",
        "ours",
        "above",
        "balancing keeps the tail whole and cuts the head",
        "en_tail_top1",
        ("small-worldwide-scaled",),
        ("raw",),
    ),
    Effect(
        "tail_world",
        "curation",
        "Curated against raw pool, the rare third of the concepts, other languages",
        "ours",
        "above",
        "balancing keeps the tail whole and cuts the head",
        "world_tail_top1",
        ("small-worldwide-scaled",),
        ("raw",),
    ),
    Effect(
        "tokenizer_gemma_over_pool",
        "tokenizer",
        "Gemma's vocabulary against one trained on the pool, other languages",
        "ours",
        "above",
        "the recipe takes the largest multilingual vocabulary it tried; the paper trains none on its pool",
        "world_top1",
        ("small-worldwide-scaled",),
        ("tokenizer-pool",),
    ),
    Effect(
        "alignment",
        "embedding",
        "Alignment of English test pairs, worldwide scaled minus English, large tower (lower is better)",
        "none",
        "none",
        "",
        "en_alignment",
        ("large-worldwide-scaled",),
        ("large-english",),
    ),
    Effect(
        "uniformity",
        "embedding",
        "Uniformity of test images, worldwide scaled minus English, large tower (lower is better)",
        "none",
        "none",
        "",
        "image_uniformity",
        ("large-worldwide-scaled",),
        ("large-english",),
    ),
    Effect(
        "stress_english",
        "stress",
        "Curated against raw pool where the head is uninformative, English",
        "ours",
        "above",
        "balancing thins out texts that repeat without saying anything",
        "en_top1",
        ("stress-recipe",),
        ("stress-raw",),
    ),
    Effect(
        "stress_world",
        "stress",
        "Curated against raw pool where the head is uninformative, other languages",
        "ours",
        "above",
        "balancing thins out texts that repeat without saying anything",
        "world_top1",
        ("stress-recipe",),
        ("stress-raw",),
    ),
    Effect(
        "stress_more",
        "stress",
        "What curation brings there minus what it brings in the study's own pool, English",
        "ours",
        "above",
        "an uninformative head is what balancing is for",
        "en_top1",
        ("stress-recipe", "raw"),
        ("stress-raw", "small-worldwide-scaled"),
    ),
)

"""params.yaml and scales/*.yaml as one frozen, strict, documented type.

`parse` takes the two files as plain mappings, which `mc2lib.io.config` reads, and refuses unknown, missing and
mistyped keys by name, with the nearest known one; each section checks its own values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mc2lib.errors import InputError, nearest
from mc2lib.sections import build, require_positive, require_share

Curation = Literal["raw", "english", "english_metadata", "merged", "isolated_t_en", "isolated"]
Languages = Literal["english", "other", "all"]
Shares = Literal["own", "recipe"]
Tokenizer = Literal["gemma", "pool", "bytes"]

#: Ways to curate that cannot be subsampled to the recipe's language shares, and why.
HAS_NO_EQUAL_SHARES: dict[str, str] = {
    "english": "'english' keeps English pairs only",
    "isolated": "'isolated' is the recipe, and has its shares already",
}


@dataclass(frozen=True)
class Forms:
    """Shares of the alt-text shapes: the name, its keywords, both, or the name in a frame from data."""

    name: float
    keywords: float
    both: float
    frame: float

    def check(self, place: str) -> None:
        """Raise InputError unless the shares sum to 1."""
        if abs(sum(dataclasses.astuple(self)) - 1) > 1e-6:
            raise InputError(place, "shares do not sum to 1", "Correct them.")


@dataclass(frozen=True)
class Noise:
    """Shares of all pairs whose text is wrong, by kind; the rest is clean."""

    file_name: float
    boilerplate: float
    wrong_concept: float
    wrong_language: float
    uninformative: float = 0.0  # a generic phrase that fits any image, as in the head of web pools

    def check(self, place: str) -> None:
        """Raise InputError unless the shares leave room for clean pairs."""
        shares = dataclasses.astuple(self)
        if min(shares) < 0 or sum(shares) >= 1:
            raise InputError(place, f"shares sum to {sum(shares):g}", "Keep them in 0..1, under 1 in all.")


@dataclass(frozen=True)
class Pool:
    """The packaged pool: what it imitates of a crawl, and how large it is drawn."""

    english_share: float
    language_exponent: float
    concept_exponent: float
    concept_jitter: float
    forms: Forms
    second_text: float
    held_out_styles: tuple[str, ...]
    held_out_share: float
    mixes: dict[str, Noise]
    concepts: int  # drawn per seed from those every style draws and every language names
    pairs: int  # (image, alt-text) pairs per draw
    image_size: int  # pixels, square
    unused_styles: tuple[str, ...] = ()  # neither trained nor tested on: tuning must not see the test styles

    def check(self, place: str) -> None:
        """Raise InputError unless sizes are above zero and shares are shares."""
        require_share(
            place, english_share=self.english_share, held_out_share=self.held_out_share, second_text=self.second_text
        )
        require_positive(place, concepts=self.concepts, pairs=self.pairs, image_size=self.image_size)


@dataclass(frozen=True)
class Metadata:
    """Caps and rules of the metadata lists (recipe §2; MetaCLIP 2, §3.1)."""

    unigram_share: float
    unigram_cap: int
    bigram_rule: Literal["share", "pmi"]
    bigram_share: float
    bigram_pmi: float
    bigram_cap: int
    title_share: float
    title_cap: int
    entry_characters: int
    languages: Literal["study", "packaged"] = "packaged"  # lists for the study's only, or all that the sources cover


@dataclass(frozen=True)
class MatchRules:
    """How entries and texts are spelled before they are matched, and which ends of an entry need a border."""

    borders: Literal["paper", "kana", "kana_hangul"] = "kana"  # scripts beside the paper's that need no border
    script_borders: bool = False  # whether a change of script is a border, as between iPhone and 用
    normalise: Literal["none", "nfc", "nfkc"] = "none"  # Unicode's normal form of entries and texts

    @property
    def rules(self) -> MatchRules:
        """The rules alone, without what a section adds to them."""
        return MatchRules(self.borders, self.script_borders, self.normalise)


#: The rules where none are named: the paper's, and kana without borders.
DEFAULT_RULES = MatchRules()


@dataclass(frozen=True, kw_only=True)
class CurationParams(MatchRules):
    """Matching, language source and English threshold of Algorithm 1."""

    language: Literal["declared", "lid"]
    lid_confidence: float
    t_en: int  # matches per entry above which an English entry is head
    lid_engine: Literal["compiled", "fasttext"] = "compiled"  # who answers: this library, or the fasttext package
    equal_shares: tuple[Curation, ...] = ()  # ways whose pairs are also subsampled to the recipe's language shares

    def check(self, place: str) -> None:
        """Raise InputError unless the threshold is above zero and equal shares can be taken from what is listed."""
        require_positive(place, t_en=self.t_en)
        for way in self.equal_shares:
            if way in HAS_NO_EQUAL_SHARES:
                raise InputError(f"{place}.equal_shares", HAS_NO_EQUAL_SHARES[way], f"Remove {way}.")


@dataclass(frozen=True)
class Affine:
    """Random affine map over white, and a gain of each colour."""

    rotation: float  # degrees, either way
    scale: float  # relative, either way
    translation: float  # of the image's side, either way
    flip: float  # probability of mirroring
    colour: float  # relative, per channel gain, either way


@dataclass(frozen=True)
class RandomResizedCrop:
    """A random part of the image, resized to the tower's square, as torchvision and open_clip cut it."""

    scale: tuple[float, ...]  # least and most of the image's area
    ratio: tuple[float, ...] = (3 / 4, 4 / 3)  # least and most width / height of the part

    def check(self, place: str) -> None:
        """Raise InputError unless both ranges have a least and a most."""
        for name, ends, most in (("scale", self.scale, 1.0), ("ratio", self.ratio, float("inf"))):
            if len(ends) != 2 or not 0 < ends[0] <= ends[1] <= most:
                fault = f"{list(ends)} is not the least and the most"
                raise InputError(f"{place}.{name}", fault, "Write as [0.9, 1.0].")


@dataclass(frozen=True)
class Augmentation:
    """What happens to a training image: one of these, or nothing where neither is named."""

    affine: Affine | None = None
    random_resized_crop: RandomResizedCrop | None = None

    def check(self, place: str) -> None:
        """Raise InputError if both are named."""
        if self.affine is not None and self.random_resized_crop is not None:
            raise InputError(place, "names affine and random_resized_crop", "Name one; {} is none.")


@dataclass(frozen=True)
class Training:
    """Optimisation of every arm; `batch_size` and `steps` are the English arm's."""

    precision: Literal["auto", "fp32", "bf16"]
    beta1: float
    beta2: float
    eps: float
    grad_clip: float | Literal["none"]  # largest norm of the whole gradient; none, the paper's, leaves it as it is
    batch_size: int
    steps: int
    learning_rate: float
    warmup: int  # steps
    weight_decay: float
    context_length: int  # tokens
    vocabulary: Literal["full", "cut"]
    augmentation: Augmentation
    scaled_batch_size: int | None = None  # of an arm that sees 1/english_share; None computes it

    def check(self, place: str) -> None:
        """Raise InputError unless numbers are above zero and a scaled batch is larger than the other."""
        require_positive(
            place,
            batch_size=self.batch_size,
            steps=self.steps,
            learning_rate=self.learning_rate,
            context_length=self.context_length,
        )
        if self.scaled_batch_size is not None and self.scaled_batch_size <= self.batch_size:
            fault = f"{self.scaled_batch_size} is not above training.batch_size"
            raise InputError(f"{place}.scaled_batch_size", fault, "Correct it, or leave it out: 1/english_share.")
        if self.grad_clip != "none":
            require_positive(place, grad_clip=self.grad_clip)


@dataclass(frozen=True)
class Tower:
    """An open_clip model config; vision_cfg and text_cfg are open_clip's own keys."""

    embed_dim: int
    vision_cfg: dict[str, Any]
    text_cfg: dict[str, Any]
    quick_gelu: bool = False


@dataclass(frozen=True)
class Arm:
    """One training run's difference from the others."""

    tower: str
    curation: Curation
    languages: Languages
    seen: float | Literal["1/english_share", "1/english_share - 1"]  # pairs a step, in units of batch_size
    tokenizer: Tokenizer = "gemma"
    mix: str = "base"
    steps: float | Literal["1/english_share"] = 1.0  # in units of training.steps
    context_length: int | None = None  # tokens; None is training.context_length
    shares: Shares = "own"  # of the languages: as its curation left them | the recipe's, by subsampling

    def check(self, place: str) -> None:
        """Raise InputError unless the arm sees something, and has shares of several languages if it equals them."""
        for name in ("seen", "steps"):
            value = getattr(self, name)
            if isinstance(value, float) and not 0 < value < float("inf"):
                raise InputError(place, f"{name} is {value}", "Write a number above zero.")
        if self.shares == "recipe" and (self.languages != "all" or self.curation in HAS_NO_EQUAL_SHARES):
            reason = HAS_NO_EQUAL_SHARES.get(self.curation, "it does not train on all languages")
            raise InputError(f"{place}.shares", f"cannot be recipe: {reason}", "Leave `shares` out.")


@dataclass(frozen=True)
class Wikipedia:
    """Metadata from Wikipedia's dumps (`make metadata`): sources, languages and memory. Caps stand in `metadata`."""

    folder: str  # of everything, relative to the study: dumps/, pageviews/, wordnets/, work/ and metadata/
    languages: tuple[str, ...] | Literal["all"]
    date: str  # of the dumps, YYYYMMDD or latest
    days: tuple[str, ...]  # of page views, YYYY-MM-DD
    hours: tuple[int, ...]  # of each day
    fetch: bool = True  # False: what lies in the folder, and nothing else
    mirror: str = "https://dumps.wikimedia.org"
    pageviews_mirror: str = "https://dumps.wikimedia.org/other/pageviews"
    part_mb: int = 256  # compressed MiB of a dump that one task counts
    budget_mb: int = 1024  # MiB of memory that counting takes in each worker; what does not fit goes through the disk
    minimum_count: int = 1  # rarer words are no candidates
    bigram_minimum_count: int = 5  # rarer pairs are no candidates; the paper names none, which is 1
    segmenters: dict[str, str] = dataclasses.field(default_factory=dict)  # language to segmenter, where not ICU's


@dataclass(frozen=True)
class Machine:
    """How this machine does it: changes no result, so no stage depends on it."""

    processes: int | Literal["auto"]
    checkpoint_seconds: float | Literal["auto"]  # between checkpoints of a run; auto: by the size of its state
    sharding: Literal["none", "full"] = "none"  # of training: every rank a copy (DDP), or its share (FSDP2)
    grad_checkpointing: bool = False  # compute activations twice instead of keeping them
    engine: Literal["local", "ray"] = "local"  # local: a process pool here; ray: a cluster, or one started here
    address: str | None = None  # of a Ray cluster, host:port or auto; None starts one here
    retries: int = 2  # how often a task whose worker died is tried again

    def check(self, place: str) -> None:
        """Raise InputError unless checkpoints come at some interval."""
        if self.checkpoint_seconds != "auto" and not self.checkpoint_seconds >= 0:
            fault = f"{self.checkpoint_seconds} is below zero"
            raise InputError(f"{place}.checkpoint_seconds", fault, "Write auto, or a number of seconds.")


@dataclass(frozen=True)
class CuratePool(MatchRules):
    """How `make curate POOL=…` curates a pool from the web; no stage of the study depends on it."""

    language: Literal["auto", "lid"] = "auto"  # auto: what the pool declares, language id where it declares none
    lid_model: str | None = None  # a fastText model's file; None is lid.176
    lid_engine: Literal["compiled", "fasttext"] = "compiled"  # who answers: this library, or the fasttext package
    lid_confidence: float = 0.0  # a label less probable than this counts as `other`
    t_en: int | Literal["auto"] = "auto"  # matches per English entry; auto: the count that gives tail_share
    tail_share: float = 0.06  # p, of English; read where t_en is auto
    seed: int = 0
    epochs: int = 1  # offline draws to write
    nsfw: float | None = None  # drop what the pool rates above this, 0..1; None keeps all (the paper does not)
    faces: int | None = None  # drop images in which the pool found more faces than this
    evaluation: str | None = None  # drop images of this evaluation: a folder of images, or a hash set (.npy)
    evaluation_bits: int = 4  # perceptual hashes that differ in at most so many of 64 bits are one image
    duplicates: Literal["exact", "near"] | None = None  # drop images that stand in the pool already; None keeps them
    duplicate_bits: int = 4  # near: as evaluation_bits
    strategy: Curation | Literal["all"] = "isolated"  # which of the six ways to curate; all compares them


@dataclass(frozen=True)
class Params:
    """The whole study."""

    scale: str
    seeds: tuple[int, ...]
    languages: tuple[str, ...]
    pool: Pool
    metadata: Metadata
    curation: CurationParams
    training: Training
    towers: dict[str, Tower]
    arms: dict[str, Arm]
    tables: dict[str, tuple[str, ...]]
    machine: Machine
    wikipedia: Wikipedia
    curate_pool: CuratePool = CuratePool()

    def arm(self, name: str) -> Arm:
        """The arm called `name`; InputError with the nearest name if there is none."""
        if name not in self.arms:
            raise InputError("params.yaml: arms", f"no arm '{name}'", nearest(name, self.arms))
        return self.arms[name]

    def table(self, name: str) -> tuple[str, ...]:
        """The arms of a table; none if the study has no such table."""
        return self.tables.get(name, ())

    def check(self, place: str) -> None:
        """Raise InputError unless names are defined where they are used, and once."""
        for name, arm in self.arms.items():
            if arm.tower not in self.towers:
                raise InputError(f"{place}.arms.{name}", f"no tower '{arm.tower}'", nearest(arm.tower, self.towers))
            if arm.mix not in self.pool.mixes:
                raise InputError(f"{place}.arms.{name}", f"no mix '{arm.mix}'", nearest(arm.mix, self.pool.mixes))
            if arm.shares == "recipe" and arm.curation not in self.curation.equal_shares:
                fault = f"shares: recipe, and curation.equal_shares does not list {arm.curation}"
                raise InputError(f"{place}.arms.{name}", fault, f"Add {arm.curation} to curation.equal_shares.")
        for table, rows in self.tables.items():
            for row in rows:
                if row not in self.arms:
                    raise InputError(f"{place}.tables.{table}", f"no arm '{row}'", nearest(row, self.arms))
        if self.languages[0] != "en" or len(set(self.languages)) != len(self.languages):
            raise InputError(f"{place}.languages", "must begin with en and hold no language twice", "Correct the list.")
        if len(set(self.seeds)) != len(self.seeds):
            raise InputError(f"{place}.seeds", "a seed is named twice", "Remove one.")


def parse(study: Mapping[str, Any], scale: Mapping[str, Any]) -> Params:
    """Join a study (params.yaml) and a scale (scales/*.yaml) into checked parameters.

    Args:
        study: params.yaml as a mapping.
        scale: the scale's file as a mapping; its keys override the study's, section by section.

    Raises:
        InputError: a key is unknown, missing, mistyped or names something undefined.
    """
    return build(Params, _merge(study, scale), "params")


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merge(merged[name], value) if both else value
    return merged

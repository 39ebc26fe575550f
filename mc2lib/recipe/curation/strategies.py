"""The six ways to curate a pool that the paper compares: values of the four choices that Algorithm 1 leaves open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from mc2lib.errors import InputError, nearest
from mc2lib.params import Curation

#: What texts are matched with: no list, English's, all lists as one, or each language's own list.
MetadataChoice = Literal["none", "english", "merged", "own"]


@dataclass(frozen=True)
class Strategy:
    """One way to curate.

    Args:
        name: as params.yaml and the command line call it.
        metadata: the list that an alt-text is matched with. Strategies that share it share its matches.
        groups: what is counted and balanced by itself: each language, or all pairs together.
        threshold: `t_en` for every group, or the count that gives a group English's share of tail matches.
        eligible: the pairs that are looked at: all, or English ones only.
        summary: what it does, in a few words.

    Source: MetaCLIP 2, §3.2 and the ablation of curation.
    """

    name: Curation
    metadata: MetadataChoice
    groups: Literal["language", "all"]
    threshold: Literal["t_en", "tail_share"]
    eligible: Literal["all", "english"]
    summary: str


#: The paper's six, from none of the recipe to all of it.
STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Strategy("raw", "none", "all", "t_en", "all", "no metadata: every pair, one text per image"),
        Strategy("english", "english", "all", "t_en", "english", "English pairs, English metadata (MetaCLIP 1)"),
        Strategy("english_metadata", "english", "all", "t_en", "all", "all pairs, English metadata"),
        Strategy("merged", "merged", "all", "t_en", "all", "all pairs, all lists as one"),
        Strategy("isolated_t_en", "own", "language", "t_en", "all", "each language's own list, English's threshold"),
        Strategy(
            "isolated", "own", "language", "tail_share", "all", "each language's own list and threshold: the recipe"
        ),
    )
}


def choose_strategies(name: str) -> tuple[Strategy, ...]:
    """The strategy of a name, or all six for `all`; InputError with the nearest name if there is none."""
    if name == "all":
        return tuple(STRATEGIES.values())
    if name not in STRATEGIES:
        raise InputError("strategy", f"no strategy '{name}'", nearest(name, [*STRATEGIES, "all"]))
    return (STRATEGIES[name],)


def list_metadata(strategies: tuple[Strategy, ...]) -> tuple[MetadataChoice, ...]:
    """The lists that some strategies match with, each once: a pool is matched once with each of them."""
    wanted = {strategy.metadata for strategy in strategies}
    return tuple(name for name in get_args(MetadataChoice) if name in wanted)

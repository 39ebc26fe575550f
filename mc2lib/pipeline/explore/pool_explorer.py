"""What a pool holds: languages, repeated texts and images, kinds of noise, and texts that contain a word."""

from __future__ import annotations

from pathlib import Path

import ipywidgets
import pandas as pd

from mc2lib.errors import InputError
from mc2lib.io.files import read_table
from mc2lib.io.pools.open_pool import open_pool, read_batches
from mc2lib.schemas import TRUTH

#: Rows of a pool that are looked at, unless more are asked for.
LIMIT = 200_000
#: A text that occurs this often is taken for boilerplate.
OFTEN = 20
#: What a text that is no description looks like; the first that fits.
KINDS = {
    "empty": r"^\s*$",
    "file name": r"^\S+\.(?:jpe?g|png|gif|webp|svg|bmp|tiff?)$",
    "address": r"^(?:https?://|www\.)\S+$",
    "no letters": r"^[\W\d_]+$",
}
UNKNOWN = "not declared"


def read_pairs(place: Path, limit: int = LIMIT) -> pd.DataFrame:
    """The first pairs of a pool of any layout.

    Args:
        place: the pool.
        limit: most rows that are read.

    Returns:
        pair_id, image, alt_text, language (`not declared` where the pool says none), and of the packaged pool `noise`,
        the kind that its makers gave it.

    Raises:
        InputError: there is no pool, or no row in it.
    """
    parts: list[pd.DataFrame] = []
    rows = 0
    for shard in open_pool(place).shards:
        for batch in read_batches(shard):
            parts.append(batch.select(["pair_id", "image", "alt_text", "language"]).to_pandas())
            rows += len(parts[-1])
            if rows >= limit:
                break
        if rows >= limit:
            break
    if not rows:
        raise InputError(str(place), "holds no row", "Check that the download has ended.")
    pairs = pd.concat(parts, ignore_index=True)[:limit]
    pairs["language"] = pairs["language"].fillna(UNKNOWN)
    truth = place / "truth.parquet"
    if truth.exists():
        known = read_table(truth, TRUTH).select(["pair_id", "noise"]).to_pandas()
        pairs = pairs.merge(known, on="pair_id", how="left")
    return pairs


def count_languages(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs of each language, most first, with its share and the median length of its texts in characters."""
    grouped = pairs.assign(characters=pairs["alt_text"].str.len()).groupby("language")
    table = grouped.agg(pairs=("alt_text", "size"), characters=("characters", "median"))
    table.insert(1, "share", table["pairs"] / len(pairs))
    return table.sort_values(["pairs", "language"], ascending=[False, True]).reset_index()


def count_repeats(pairs: pd.DataFrame) -> pd.DataFrame:
    """How many texts and images occur more than once, and the share of the pairs that would go without repeats."""
    rows = []
    for what, column in (("text", "alt_text"), ("image", "image")):
        counts = pairs[column].value_counts()
        rows.append((what, len(counts), int((counts > 1).sum()), 1 - len(counts) / len(pairs), int(counts.max())))
    return pd.DataFrame(rows, columns=["what", "distinct", "repeated", "share_beyond_first", "most"])


def guess_noise(pairs: pd.DataFrame) -> pd.Series:
    """A kind for each pair by the look of its text: of `KINDS`, `repeated text`, or `looks like a text`."""
    texts = pairs["alt_text"]
    often = texts.map(texts.value_counts()) >= OFTEN
    kinds = pd.Series("looks like a text", index=pairs.index).mask(often, "repeated text")
    for kind, pattern in reversed(KINDS.items()):
        kinds = kinds.mask(texts.str.contains(pattern, case=False, regex=True), kind)
    return kinds


def count_noise(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs of each kind of `guess_noise` with an example; of the packaged pool by `noise` too, which is the truth."""
    table = pairs.assign(kind=guess_noise(pairs))
    by = ["kind", "noise"] if "noise" in pairs else ["kind"]
    found = table.groupby(by, as_index=False).agg(pairs=("alt_text", "size"), example=("alt_text", "first"))
    return found.sort_values("pairs", ascending=False, ignore_index=True)


def find_samples(pairs: pd.DataFrame, word: str, language: str | None = None, rows: int = 12) -> pd.DataFrame:
    """Pairs whose text contains a word, case-sensitively as entries are matched.

    Args:
        pairs: of `read_pairs`.
        word: an entry, or any part of a text.
        language: of the pairs; None takes all.
        rows: most that are returned.
    """
    chosen = pairs if language is None else pairs[pairs["language"] == language]
    return chosen[chosen["alt_text"].str.contains(word, regex=False)][["language", "alt_text", "image"]].head(rows)


class PoolExplorer:
    """Widgets over a pool's pairs: pick a language and a word, and read texts.

    Args:
        pairs: of `read_pairs`.
        word: to begin with.
    """

    def __init__(self, pairs: pd.DataFrame, word: str = "a") -> None:
        self.pairs = pairs
        languages = count_languages(pairs)["language"].tolist()
        self.language = ipywidgets.Dropdown(options=[("all", None), *((name, name) for name in languages)])
        self.language.description = "language"
        self.word = ipywidgets.Text(word, description="entry", continuous_update=False)
        self.found = ipywidgets.HTML()
        for widget in (self.language, self.word):
            widget.observe(self._refresh, "value")
        self._refresh()

    def show(self) -> ipywidgets.VBox:
        """The widgets, to be the last line of a cell."""
        return ipywidgets.VBox([ipywidgets.HBox([self.language, self.word]), self.found])

    def _refresh(self, _: object = None) -> None:
        samples = find_samples(self.pairs, self.word.value, self.language.value)
        self.found.value = samples.to_html(index=False) if len(samples) else "no text of the pool contains it"

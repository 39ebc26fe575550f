"""Where each stage's files lie, relative to the study's root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The study's folders under `root`."""

    root: Path

    @property
    def sources(self) -> Path:
        """What the npm packages carry, as it was fetched."""
        return self.root / "data" / "sources"

    @property
    def drawings(self) -> Path:
        """All rendered drawings (DRAWINGS)."""
        return self.root / "data" / "drawings.parquet"

    def pool(self, mix: str, seed: int) -> Path:
        """One pool draw: pairs-*.parquet (POOL), images-*.tar, truth.parquet (TRUTH)."""
        return self.root / "data" / "pool" / mix / str(seed)

    def evaluation(self, seed: int) -> Path:
        """One draw's evaluation images.parquet and texts.parquet."""
        return self.root / "data" / "evaluation" / str(seed)

    def vocabulary(self, mix: str, seed: int, tokenizer: str) -> Path:
        """One tokenizer as cut to, or trained on, one pool draw."""
        return self.root / "data" / "vocabulary" / mix / str(seed) / f"{tokenizer}.json"

    def metadata(self, language: str) -> Path:
        """One language's entries (METADATA)."""
        return self.root / "data" / "metadata" / f"{language}.parquet"

    @property
    def curations(self) -> Path:
        """Where the pool draws are curated; no stage's output, so that a killed stage resumes."""
        return self.root / "data" / "curation"

    def curation(self, mix: str, seed: int) -> Path:
        """One pool draw, curated by all strategies: a folder as `make curate` writes it."""
        return self.curations / mix / str(seed)

    def curated(self, mix: str, seed: int, curation: str, shares: str = "own") -> Path:
        """One curated pool (CURATED); with `shares` "recipe" its subsample with the recipe's language shares."""
        name = curation if shares == "own" else f"{curation}-shares"
        return self.root / "data" / "curated" / mix / str(seed) / f"{name}.parquet"

    def run(self, arm: str, seed: int) -> Path:
        """One training run: weights.safetensors, model.json, log.csv, checkpoint.pt."""
        return self.root / "runs" / arm / str(seed)

    def evaluation_result(self, arm: str) -> Path:
        """One arm's measures, all seeds."""
        return self.results / "evaluation" / f"{arm}.json"

    @property
    def results(self) -> Path:
        """Tables, figures and summary.json."""
        return self.root / "results"

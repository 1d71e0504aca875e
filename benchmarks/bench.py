"""What the benchmarks share: the real data, the router's choices on held-out queries, tables.

The data is found through `--data`, else KNNROUTER_DATA, else in ../shared/data beside the checkout.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter import RecordSet, estimators, policies
from knnrouter.embedders import StaticEmbedder
from knnrouter.estimators import Estimates, Estimator, Evidence
from knnrouter.estimators.base import asked
from knnrouter.evaluation import Interval, Split, paired_bootstrap
from knnrouter.index import FaissIndex
from knnrouter.policies import Candidates
from knnrouter.text import read_query
from knnrouter.vectors import query_vectors

Floats = NDArray[np.float64]

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a benchmark was asked for."""

    data: Path
    seeds: tuple[int, ...]
    draws: int
    """How many times the queries are drawn again for an interval."""

    quick: bool = False

    def file(self, name: str) -> Path:
        """A file or folder of the real data."""
        found = self.data / name
        if not found.exists():
            raise SystemExit(f"{found} is absent; name the folder of the real data with --data")
        return found


def options(about: str | None, *, seeds: int = 5, draws: int = 1000) -> Options:
    """Read the command line; a benchmark states its own defaults."""
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    beside = Path(os.environ.get("KNNROUTER_DATA", BESIDE))
    parser.add_argument("--data", type=Path, default=beside, help="folder of the real data")
    parser.add_argument("--seeds", type=int, default=seeds, help="how many; 0, 1, 2, ...")
    parser.add_argument("--draws", type=int, default=draws, help="of the queries, for intervals")
    parser.add_argument("--quick", action="store_true", help="one seed, fifty draws")
    given = parser.parse_args()
    count, draws = (1, 50) if given.quick else (given.seeds, given.draws)
    return Options(data=given.data, seeds=tuple(range(count)), draws=draws, quick=given.quick)


@cache
def static_embedder() -> StaticEmbedder:
    """The bundled embedder, loaded once."""
    return StaticEmbedder()


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedded:
    """Records and the unit rows of their queries, embedded once for all folds."""

    records: RecordSet
    vectors: NDArray[np.float32]

    @classmethod
    def of(cls, records: RecordSet) -> Embedded:
        """Embed as `Router.fit` does."""
        return cls(records=records, vectors=query_vectors(records, static_embedder()))

    def select(self, rows: NDArray[np.int64]) -> Embedded:
        """These rows."""
        return Embedded(records=self.records.select(rows), vectors=self.vectors[rows])

    @property
    def with_vectors(self) -> RecordSet:
        """Records that are not embedded again."""
        fields = self.records.as_dict()
        fields |= {"vectors": self.vectors, "embedder": static_embedder().id}
        return RecordSet(**fields)

    @property
    def scores(self) -> Floats:
        """What was measured; shape (n, m)."""
        return self.records.scores.astype(np.float64)

    @property
    def texts(self) -> list[str]:
        """What of each query is routed on."""
        return [read_query(query).text for query in self.records.queries]

    @property
    def lengths(self) -> Floats:
        """Characters of each query; shape (n,)."""
        return np.array([len(query or "") for query in self.records.queries], dtype=np.float64)

    def evidence(self, rows: NDArray[np.int64]) -> Evidence:
        """What a router would know that was fitted on these rows."""
        vectors = self.vectors[rows]
        records = self.records.select(rows)
        return Evidence(records=records, vectors=vectors, index=FaissIndex(vectors))


def estimates(
    evidence: Evidence, tested: Embedded, *, seed: int, estimator: Estimator | None = None
) -> Estimates:
    """What a router that was fitted on the evidence expects on these queries."""
    fitted = (estimator or estimators.default()).fit(evidence, seed=seed)
    near = evidence.index.search(tested.vectors, fitted.neighbors)
    return asked(fitted, tested.texts, tested.vectors, near)


def held_out(
    known: Embedded, split: Split, *, seed: int, estimator: Estimator | None = None
) -> Estimates:
    """What a router, with default settings if nothing else is said, expects on the other side."""
    evidence, tested = known.evidence(split.train), known.select(split.test)
    return estimates(evidence, tested, seed=seed, estimator=estimator)


def best_scores(found: Estimates, train: Floats) -> NDArray[np.int64]:
    """The columns that the policy `BestScore` chooses; ties go to the higher mean in `train`."""
    means = np.nanmean(train, axis=0).tolist()
    unpriced = [float("nan")] * len(means)
    place = {model: column for column, model in enumerate(found.models)}
    choose = policies.BestScore()
    return np.array(
        [
            place[
                choose(
                    Candidates(models=found.models, scores=scores, costs=unpriced, means=means)
                ).ranking[0]
            ]
            for scores in found.scores.tolist()
        ]
    )


def interval(values: Floats, draws: int, groups: ArrayLike | None = None) -> Interval:
    """The interval of a mean over queries, or of the mean of the groups' means."""
    return paired_bootstrap(values, np.zeros_like(values), groups=groups, draws=draws)


def header(title: str, asked: Options, *, intervals: bool = True) -> None:
    """Say what is measured, on what, when, and by which command; and what `[, ]` stands for."""
    command = " ".join(["python", "benchmarks/" + Path(sys.argv[0]).name, *_flags()])
    seeds = ", ".join(map(str, asked.seeds))
    print(f"\n## {title}\n")
    print(f"{datetime.now(UTC):%Y-%m-%d} · `{command}` · seeds {seeds}")
    if intervals:
        print(f"Intervals hold 95 % of {asked.draws:,} draws of the queries.")
    print()


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table in Markdown: the first column is text, the others are figures."""
    print("| " + " | ".join(columns) + " |")
    print("|---" + "|--:" * (len(columns) - 1) + "|")
    for row in rows:
        print("| " + " | ".join(_cell(value) for value in row) + " |")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if value == value else "–"
    return str(value)


def _flags() -> list[str]:
    """The command line without the place of the data, which is another one everywhere."""
    flags = [flag for flag in sys.argv[1:] if not flag.startswith("--data=")]
    if "--data" in flags:
        place = flags.index("--data")
        del flags[place : place + 2]
    return flags

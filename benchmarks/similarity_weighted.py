"""Similarity-weighted ranking: requests per second, ours and the full refit of a query.

    python benchmarks/similarity_weighted.py

The battles are made up: rows at random around 200 topics in 256 dimensions, one battle a row
between two of ten players, whose strengths differ by topic; a fifth are ties.

The full refit is what the paper's public code does for a query: lay out all battles, each twice, so
that a tie can be a win for each, and fit scikit-learn's LogisticRegression to them, with their
weights, without intercept and penalty. The lean refit has its design ready-made, and only ties
twice. The cosines of the rows with their nearest others, which the paper's weights need, are given
to both. Both refits and ours take turns on the same queries, in one thread; rates are of processor
time, in the middle of the turns. Ours is all that a router asks for, neighbors and costs too.

RouteLLM's own figure, on another machine and with the paper's data, is 2.9 requests per second
(arXiv 2406.18665).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from bench import Floats, header, options, table
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types

from knnrouter import RecordSet
from knnrouter.estimators import Evidence, SimilarityWeighted
from knnrouter.estimators.similarity_weighted import FittedSimilarityWeighted
from knnrouter.estimators.win_rates.battles import Battles
from knnrouter.estimators.win_rates.bradley_terry import win_rate
from knnrouter.index import FaissIndex

BATTLES = 55_000
PLAYERS = 10
TOPICS = 200
DIM = 256
TURNS = 5
REFITS = 8
"""How many queries a turn of the full refit has."""
REQUESTS = 512
PAPERS = 2.9


def main() -> None:
    asked = options(__doc__, seeds=1)
    battles, turns, refits = (2_000, 1, 2) if asked.quick else (BATTLES, TURNS, REFITS)
    header(f"{battles:,} battles of {PLAYERS} players", asked, intervals=False)
    rows = []
    with threadpool_limits(1):
        for seed in asked.seeds:
            made = Made.of(np.random.default_rng(seed), battles)
            for weights in ("paper", "code"):
                rows += list(compared(made, weights, turns, refits))
    columns = ["weights, requests", "full refit / s", "lean refit / s", "ours / s"]
    table([*columns, "ours / full", "ours / lean", "largest difference"], rows)
    print(f"\nThe paper's router answers {PAPERS} requests per second, on its own machine.")
    print("The difference is of win rates, over all pairs of players and the queries refitted.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """Battles that were made up, and queries like them."""

    evidence: Evidence
    queries: NDArray[np.float32]

    @classmethod
    def of(cls, rng: np.random.Generator, battles: int) -> Made:
        """Make battles."""
        centers = rng.normal(size=(TOPICS, DIM))
        topics = rng.integers(0, TOPICS, battles + REQUESTS)
        rows = centers[topics] + rng.normal(size=(len(topics), DIM))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        strengths = rng.normal(size=(TOPICS, PLAYERS)) + np.linspace(1.5, -1.5, PLAYERS)
        one = rng.integers(0, PLAYERS, battles)
        other = (one + rng.integers(1, PLAYERS, battles)) % PLAYERS
        known, places = topics[:battles], np.arange(battles)
        won = rng.random(battles) < win_rate(strengths[known, one], strengths[known, other])
        tied = rng.random(battles) < 0.2
        scores = np.full((battles, PLAYERS), np.nan, dtype=np.float32)
        scores[places, one] = np.where(tied, 0.5, won)
        scores[places, other] = np.where(tied, 0.5, ~won)
        vectors = rows[:battles].astype(np.float32)
        records = RecordSet(
            ids=tuple(map(str, range(battles))),
            models=tuple(f"player-{number}" for number in range(PLAYERS)),
            scores=scores,
        )
        evidence = Evidence(records=records, vectors=vectors, index=FaissIndex(vectors))
        return cls(evidence=evidence, queries=rows[battles:].astype(np.float32))


def compared(made: Made, weights: str, turns: int, refits: int) -> Iterator[list[object]]:
    """All sides, on requests that come one by one and many at once."""
    fitted = SimilarityWeighted(weights=weights).fit(made.evidence)  # type: ignore[arg-type]
    full, lean = Refit.of(made, fitted, lean=False), Refit.of(made, fitted, lean=True)
    few, many = made.queries[:refits], made.queries
    sides: list[tuple[int, Callable[[], object]]] = [
        (len(few), lambda: [full(query) for query in few]),
        (len(few), lambda: [lean(query) for query in few]),
        (len(few), lambda: [ours(made, fitted, query[None]) for query in few]),
        (len(many), lambda: ours(made, fitted, many)),
    ]
    rates = np.array([[rate(run, count) for count, run in sides] for _ in range(turns)])
    found = ours(made, fitted, few)
    gap = max(
        largest_gap(found, np.array([refit(query) for query in few])) for refit in (full, lean)
    )
    for what, its in (("one by one", rates[:, 2]), (f"{len(many)} at once", rates[:, 3])):
        full_rate, lean_rate, own = (np.median(each) for each in (rates[:, 0], rates[:, 1], its))
        yield [
            f"{weights}, {what}",
            f"{full_rate:.1f}",
            f"{lean_rate:.1f}",
            f"{own:.0f}",
            f"{np.median(its / rates[:, 0]):.1f}",
            f"{np.median(its / rates[:, 1]):.1f}",
            f"{gap:.0e}",
        ]


def ours(made: Made, fitted: FittedSimilarityWeighted, queries: NDArray[np.float32]) -> Floats:
    """Strengths, with all that a router asks for: neighbors and their costs too."""
    near = made.evidence.index.search(queries, fitted.neighbors)
    found = fitted.estimate(queries, near).strengths
    assert found is not None
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Refit:
    """The refit of a query: the slow, obvious way."""

    vectors: NDArray[np.float32]
    nearest: NDArray[np.float32] | None
    battles: Battles
    ready: Design | None
    """The design, where it is ready-made."""

    @classmethod
    def of(cls, made: Made, fitted: FittedSimilarityWeighted, *, lean: bool) -> Refit:
        """Get ready what is ready-made."""
        battles = Battles.of(made.evidence.records)
        return cls(
            vectors=made.evidence.vectors,
            nearest=fitted.nearest,
            battles=battles,
            ready=laid_out(battles, np.flatnonzero(battles.outcomes == 0.5)) if lean else None,
        )

    def __call__(self, query: NDArray[np.float32]) -> Floats:
        """The strengths of the players."""
        near = (self.vectors @ query).astype(np.float64)
        near /= near.max() if self.nearest is None else self.nearest
        weights = 10 ** (1 + near)
        design = self.ready or laid_out(self.battles, np.arange(len(self.battles)))
        model = LogisticRegression(fit_intercept=False, C=np.inf, tol=1e-8, max_iter=10_000)
        model.fit(design.design, design.won, sample_weight=weights[design.rows] * design.shares)
        return np.asarray(model.coef_[0] * np.log(10), dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """What a logistic regression is fitted to: a row for each win, or half a win."""

    design: Floats
    won: NDArray[np.bool_]
    rows: NDArray[np.int64]
    shares: Floats


def laid_out(battles: Battles, twice: NDArray[np.int64]) -> Design:
    """All battles, and some of them once more, in which nobody who tied has won."""
    count = len(battles)
    places = np.concatenate([np.arange(count), twice])
    design, at = np.zeros((len(places), PLAYERS)), np.arange(len(places))
    design[at, battles.first[places]] = np.log(10)
    design[at, battles.second[places]] = -np.log(10)
    won = battles.outcomes[places] > np.where(at < count, 0.0, 0.5)
    shares = np.ones(len(places))
    shares[twice] = shares[count:] = 0.5
    return Design(design=design, won=won, rows=battles.rows[places], shares=shares)


def rate(run: Callable[[], object], count: int) -> float:
    """Requests per second."""
    start = time.process_time()
    run()
    return count / (time.process_time() - start)


def largest_gap(found: Floats, expected: Floats) -> float:
    """Between the win rates of all pairs."""
    one, other = (win_rate(each[:, :, None], each[:, None, :]) for each in (found, expected))
    return float(np.abs(one - other).max())


if __name__ == "__main__":
    main()

"""Similarity-weighted ranking: who wins, told by all battles, those on similar queries most.

For each query, Bradley and Terry's model is fitted to every battle of the evidence; a battle counts
as much as its row is like the query (Ong et al. 2024, RouteLLM, 2406.18665). See
`win_rates.similarity` for the weights and `win_rates.bradley_terry` for the fit, which has the
answer of a weighted logistic regression over all battles without fitting one: the battles' weights
are summed by pair of players first.

What a model scores is how often it beats another one, on average over the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError
from knnrouter.neighbors import Neighbors

from .base import Estimates, Evidence
from .surroundings import Surrounded, Surroundings
from .win_rates.battles import Battles
from .win_rates.bradley_terry import mean_win_rates, strengths
from .win_rates.similarity import WEIGHTINGS, Weighting, nearest_others, row_weights
from .win_rates.stored import stored
from .win_rates.summing import Listed, WinSums, win_sums
from .win_rates.tiers import tiers

__all__ = ["FittedSimilarityWeighted", "SimilarityWeighted"]

_AT_ONCE = 1 << 22
"""How many weights are held at a time: 16 MiB."""

_DECIMALS = 6
"""Strengths are rounded, so that a query has the same alone and in a batch."""


@dataclass(frozen=True, kw_only=True)
class SimilarityWeighted:
    """Settings of similarity-weighted ranking.

    Attributes:
        weights: "paper", the weights of the paper, or "code", those of its public code.
        gamma: The base of the weights, in [1, 1e12]; with 1 every battle counts alike.
        tiers: Into how many tiers of like strength the models are put, which then share their
            battles; 0 is each model for itself.
        tie_margin: Scores that differ by no more than this tie; in [0, 1].

    Raises:
        EstimatorError: A setting is out of its range; all that are wrong are named.

    Example:
        >>> SimilarityWeighted(weights="code", tiers=10).gamma
        10.0
        >>> SimilarityWeighted(gamma=0.5)
        Traceback (most recent call last):
        knnrouter.errors.EstimatorError: gamma is 0.5; give a number in [1, 1e12], such as 10
    """

    kind: ClassVar[str] = "similarity_weighted"

    weights: Weighting = "paper"
    gamma: float = 10.0
    tiers: int = 0
    tie_margin: float = 0.0

    def __post_init__(self) -> None:
        wrong = []
        if self.weights not in WEIGHTINGS:
            allowed = " or ".join(f'"{name}"' for name in WEIGHTINGS)
            wrong.append(f"weights is {self.weights!r}; give {allowed}")
        if not _within(self.gamma, 1.0, 1e12):
            wrong.append(f"gamma is {self.gamma!r}; give a number in [1, 1e12], such as 10")
        if isinstance(self.tiers, bool) or not isinstance(self.tiers, int) or self.tiers < 0:
            wrong.append(
                f"tiers is {self.tiers!r}; give a whole number of tiers, or 0 for each model by "
                "itself"
            )
        elif self.tiers == 1:
            wrong.append("tiers is 1, and one tier has nobody to fight; give 2 or more, or 0")
        if not _within(self.tie_margin, 0.0, 1.0):
            wrong.append(f"tie_margin is {self.tie_margin!r}; give a number in [0, 1], such as 0")
        if wrong:
            raise EstimatorError("; ".join(wrong))

    def fit(self, evidence: Evidence, *, seed: int = 0) -> FittedSimilarityWeighted:
        """Put the models into tiers, and lay out the battles.

        With the paper's weights this looks for the nearest other row of each row: the time grows
        with the square of the rows, and is a quarter of a minute for 55,000.

        Args:
            evidence: Records, their vectors and an index over these.
            seed: Not needed; nothing is random.

        Raises:
            EstimatorError: No two models, or no two tiers, were measured on one row.
        """
        if len(evidence.records) == 0:
            raise EstimatorError("the records have no row, so there is nothing to learn from")
        battles = Battles.of(evidence.records, tie_margin=self.tie_margin)
        if not len(battles):
            raise EstimatorError(
                f"no two of the {len(evidence.records.models)} models were measured on one row of "
                f"{len(evidence.records):,}, so nobody beat anybody; give records in which a query "
                "has scores of two models or more"
            )
        paper = self.weights == "paper"
        return _laid_out(
            self,
            evidence,
            battles=battles,
            player_of=_players(battles, len(evidence.records.models), self.tiers),
            nearest=nearest_others(evidence.vectors, evidence.index) if paper else None,
        )

    def restore(
        self, evidence: Evidence, arrays: Mapping[str, NDArray[np.generic]]
    ) -> FittedSimilarityWeighted:
        """What `fit` gave, from its settings and arrays.

        Raises:
            EstimatorError: An array is missing or does not fit the records.
        """
        models = len(evidence.records.models)
        player_of = stored(arrays, "player_of", (models,)).astype(np.int64)
        if player_of.min() < -1 or player_of.max() >= models:
            raise EstimatorError(
                f"the array `player_of` numbers the players of {models} models from 0, -1 for none,"
                f" and holds {player_of.min()} to {player_of.max()}; fit the router anew"
            )
        nearest = None
        if self.weights == "paper":
            nearest = stored(arrays, "nearest", (len(evidence.records),)).astype(np.float32)
        return _laid_out(
            self,
            evidence,
            battles=Battles.of(evidence.records, tie_margin=self.tie_margin),
            player_of=player_of,
            nearest=nearest,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedSimilarityWeighted(Surrounded):
    """Similarity-weighted ranking over certain evidence."""

    estimator: SimilarityWeighted
    player_of: NDArray[np.int64]
    """The player that each model is, or its tier; -1 for one that fought nobody; shape (m,)."""
    nearest: NDArray[np.float32] | None
    """The cosine of each row with the nearest other, shape (n,); None for the code's weights."""
    rows: NDArray[np.int64]
    """The rows with battles."""
    vectors: NDArray[np.float32]
    """Theirs."""
    wins: WinSums
    """Sums their battles."""
    battles: float
    """How many battles there are, by weight."""

    @property
    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """Saved beside the settings: each model's player and, where used, `nearest`."""
        saved: dict[str, NDArray[np.generic]] = {"player_of": self.player_of.astype(np.int32)}
        return saved if self.nearest is None else saved | {"nearest": self.nearest}

    def estimate(self, vectors: NDArray[np.float32], neighbors: Neighbors) -> Estimates:
        """Fit the battles to each query.

        For a query whose vector is zero, in which the embedder knows no word, every battle counts
        alike with the code's weights, and with the paper's too.
        """
        count = max(1, _AT_ONCE // len(self.rows))
        found = [
            self._strengths(vectors[start : start + count])
            for start in range(0, len(vectors), count)
        ]
        by_model = np.concatenate(found) if found else np.empty((0, len(self.player_of)))
        return self.surroundings.estimates(mean_win_rates(by_model), neighbors, strengths=by_model)

    def updated(self, evidence: Evidence) -> FittedSimilarityWeighted:
        """The same settings over other evidence; tiers follow from its battles."""
        return self.estimator.fit(evidence)

    def _strengths(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of the models, for some of the queries; shape (q, m)."""
        weights = row_weights(
            vectors,
            self.vectors,
            gamma=self.estimator.gamma,
            nearest=None if self.nearest is None else self.nearest[self.rows],
        )
        found = strengths(self.wins(weights), battles=self.battles)
        # One more column is what a model without battles is given.
        padded = np.pad(found.round(_DECIMALS), ((0, 0), (0, 1)), constant_values=np.nan)
        return np.asarray(padded[:, self.player_of])


def _players(battles: Battles, models: int, count: int) -> NDArray[np.int64]:
    """The player of each model: its tier, or itself; -1 for a model that fought nobody."""
    fought = np.unique(np.concatenate([battles.first, battles.second]))
    player_of = np.full(models, -1)
    player_of[fought] = np.arange(len(fought))
    if count:
        player_of[fought] = tiers(_overall(battles.between(player_of), len(fought)), count)
    return player_of


def _overall(battles: Battles, players: int) -> NDArray[np.float64]:
    """The strengths of players when every battle counts alike; shape (p,)."""
    sums = Listed.of(battles, rows=0, players=players)
    (wins,) = sums(np.ones((1, int(battles.rows.max()) + 1), dtype=np.float32))
    return np.asarray(strengths(wins[None], battles=float(battles.weights.sum()))[0])


def _laid_out(
    estimator: SimilarityWeighted,
    evidence: Evidence,
    *,
    battles: Battles,
    player_of: NDArray[np.int64],
    nearest: NDArray[np.float32] | None,
) -> FittedSimilarityWeighted:
    between = battles.between(player_of)
    if not len(between):
        raise EstimatorError(
            f"tiers is {estimator.tiers}, and no two models of different tiers were measured on "
            "one row; give more tiers, or 0 for each model by itself"
        )
    rows, places = np.unique(between.rows, return_inverse=True)
    players = int(player_of.max()) + 1
    every = len(rows) == len(evidence.records)
    return FittedSimilarityWeighted(
        estimator=estimator,
        surroundings=Surroundings(records=evidence.records),
        player_of=player_of,
        nearest=nearest,
        rows=rows,
        vectors=evidence.vectors if every else evidence.vectors[rows],
        wins=win_sums(replace(between, rows=places), rows=len(rows), players=players),
        battles=float(between.weights.sum()),
    )


def _within(value: object, least: float, most: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and least <= value <= most  # type: ignore[operator]  # it is a number here

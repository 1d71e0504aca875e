"""What every estimator owes beside scores: costs, tokens, latency, support and similarity.

They come from the nearest rows, whatever the scores come from: a mean over those that measured the
model. So a decision has its neighbors to show, and a cost, with any estimator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnrouter.neighbors import Neighbors
from knnrouter.records import RecordSet
from knnrouter.spec_text import stated_settings

from .base import Estimates, Setting

__all__ = ["NEIGHBORS", "Surrounded", "Surroundings"]

NEIGHBORS = 32
"""How many of the nearest rows tell what a query costs."""

_SIDES = ("costs", "input_tokens", "output_tokens", "latency_ms")


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Surroundings:
    """The rows around queries, `n` in all."""

    records: RecordSet

    @property
    def neighbors(self) -> int:
        """How many neighbors of a query are looked at; at least 1."""
        return max(1, min(NEIGHBORS, len(self.records)))

    def estimates(
        self,
        scores: NDArray[np.float64],
        near: Neighbors,
        *,
        stderr: NDArray[np.float64] | None = None,
        strengths: NDArray[np.float64] | None = None,
    ) -> Estimates:
        """Scores of `q` queries with all that their neighbors tell.

        A query at similarity 0 to all, in which the embedder knows no word, has no support and no
        costs.

        Args:
            scores: Expected quality in [0, 1]; shape (q, m); NaN for no evidence.
            near: Their neighbors; those after the first `NEIGHBORS` are left out.
            stderr: Standard error of the scores; shape (q, m); None is NaN: not known.
            strengths: See `Estimates.strengths`.

        Example:
            >>> records = RecordSet.from_rows([{"query": "a", "m": 1, "m|cost": 0.2},
            ...                                {"query": "b", "m": 0, "m|cost": 0.4}])
            >>> near = Neighbors(rows=np.array([[0, 1]]), similarities=np.array([[0.9, 0.8]]))
            >>> found = Surroundings(records=records).estimates(np.array([[0.7]]), near)
            >>> found.costs.round(3).tolist(), found.support.tolist(), found.similarity.tolist()
            ([[0.3]], [[2.0]], [0.9])
        """
        near = near.first(self.neighbors)
        weights = self.records.weights[near.rows] * (near.similarities[:, :1] != 0)
        votes = weights[:, :, None] * ~np.isnan(self.records.scores[near.rows])
        squares = np.maximum((votes**2).sum(axis=1), np.finfo(float).tiny)
        costs, *rest = [
            self._side(getattr(self.records, name), near.rows, weights) for name in _SIDES
        ]
        sides = dict(zip(_SIDES[1:], rest, strict=True))
        return Estimates(
            models=self.records.models,
            scores=scores,
            stderr=np.full_like(scores, np.nan) if stderr is None else stderr,
            support=votes.sum(axis=1) ** 2 / squares,
            similarity=near.similarities[:, 0] if near.k else np.full(len(scores), np.nan),
            strengths=strengths,
            costs=np.full_like(scores, np.nan) if costs is None else costs,
            **sides,
        )

    def _side(
        self,
        values: NDArray[np.float64] | None,
        rows: NDArray[np.int64],
        weights: NDArray[np.float64],
    ) -> NDArray[np.float64] | None:
        """The mean of what the rows measured; shape (q, m); None where no row at all did."""
        if values is None or np.isnan(values).all():
            return None
        near = values[rows]
        measured = weights[:, :, None] * ~np.isnan(near)
        total = measured.sum(axis=1)
        sums = (measured * np.nan_to_num(near)).sum(axis=1)
        means: NDArray[np.float64] = np.full_like(sums, np.nan)
        np.divide(sums, total, out=means, where=total > 0)
        return means


@dataclass(frozen=True, kw_only=True, eq=False)
class Surrounded:
    """What all fitted estimators have in common whose neighbors do not vote."""

    estimator: Any
    """What was fitted: a dataclass of settings, with its `kind`."""

    surroundings: Surroundings = field(repr=False)
    """The evidence, which tells what queries cost."""

    @property
    def neighbors(self) -> int:
        """How many neighbors tell what a query costs, and are shown; they do not vote."""
        return self.surroundings.neighbors

    @property
    def settings(self) -> Mapping[str, Setting]:
        """The settings as plain values."""
        return {"kind": self.estimator.kind} | stated_settings(self.estimator)

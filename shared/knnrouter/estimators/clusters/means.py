"""Each model's mean score in each cluster, shrunk toward what is expected without the cluster.

With n the measurements of a model in a cluster, `mean` their mean, and s the shrinkage,

    expected = (n * mean + s * prior) / (n + s),        prior = overall + difficulty.

`overall` is what the model scores in a cluster of no special difficulty, and `difficulty` how much
better or worse than that all models do in the cluster. Where every model is measured on every row,
`overall` is the model's mean, and the difficulty moves all models of a cluster alike, so that it
changes no choice. It is there for models that were measured on few rows: pulled toward their flat
mean, they would look best in every hard cluster.

With a shrinkage of 0 a model has its mean in the cluster, and its mean over all rows where it was
not measured: the rule of arXiv 2405.00467 and 2502.08773.

The standard error is that of a beta posterior, sqrt(p (1 - p) / (n + s + 1)) with p the expected
score: exact for scores of 0 and 1 where the prior holds, and too large for scores in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.estimators.ballots import exact_scores
from knnrouter.records import RecordSet

__all__ = ["ClusterMeans"]

_EASY = 20.0
"""For how many rows "of no special difficulty" counts when a cluster's difficulty is measured."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class ClusterMeans:
    """What `m` models scored in `c` clusters."""

    sums: NDArray[np.float64]
    """Weighted sums of the scores; shape (c, m)."""

    counts: NDArray[np.float64]
    """Sums of the weights of what was measured; shape (c, m)."""

    difficulty: NDArray[np.float64]
    """How much more than elsewhere the models score in each cluster; shape (c,)."""

    @classmethod
    def of(
        cls,
        records: RecordSet,
        cluster_of: NDArray[np.int64],
        clusters: int,
        difficulty: NDArray[np.float64] | None = None,
    ) -> ClusterMeans:
        """Sum up the records, whose rows are of these clusters.

        Args:
            records: The outcomes, `n` rows.
            cluster_of: Each row's cluster, in [0, clusters); shape (n,).
            clusters: How many there are.
            difficulty: Measured before; None measures it on these records.

        Example:
            >>> records = RecordSet.from_rows([{"query": "a", "m": 1}, {"query": "b", "m": 0}])
            >>> ClusterMeans.of(records, np.array([0, 1]), 3).expected(0.0).tolist()
            [[1.0], [0.0], [0.5]]
        """
        scores = exact_scores(records)
        measured = ~np.isnan(scores)
        weights = records.weights[:, None] * measured
        sums = np.zeros((clusters, len(records.models)))
        counts = np.zeros_like(sums)
        np.add.at(sums, cluster_of, weights * np.where(measured, scores, 0.0))
        np.add.at(counts, cluster_of, weights)
        if difficulty is None:
            apart = scores - _ratio(sums.sum(axis=0), counts.sum(axis=0))
            difficulty = _difficulty(apart, records.weights, cluster_of, clusters)
        return cls(sums=sums, counts=counts, difficulty=difficulty)

    @property
    def overall(self) -> NDArray[np.float64]:
        """Each model's mean over all rows; shape (m,); NaN where nothing was measured."""
        return _ratio(self.sums.sum(axis=0), self.counts.sum(axis=0))

    @property
    def prior(self) -> NDArray[np.float64]:
        """What is expected of each model in each cluster without its scores there; (c, m)."""
        usual = _ratio(
            (self.counts * self.difficulty[:, None]).sum(axis=0), self.counts.sum(axis=0)
        )
        prior: NDArray[np.float64] = self.overall - usual + self.difficulty[:, None]
        return prior

    def expected(self, shrinkage: float) -> NDArray[np.float64]:
        """Each model's expected score in each cluster, in [0, 1]; (c, m); NaN if never measured."""
        return shrunk(self.sums, self.counts, shrinkage, self.prior, self.overall)

    def stderr(self, shrinkage: float) -> NDArray[np.float64]:
        """The standard error of `expected`; shape (c, m)."""
        expected = self.expected(shrinkage)
        error: NDArray[np.float64] = np.sqrt(
            expected * (1.0 - expected) / (self.counts + shrinkage + 1.0)
        )
        return error


def shrunk(
    sums: NDArray[np.float64],
    counts: NDArray[np.float64],
    shrinkage: float,
    prior: NDArray[np.float64],
    overall: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Means of sums over counts, shrunk as the module says; all of one shape, or alike enough.

    Example:
        >>> three, two = np.array([3.0, 0.0]), np.array([4.0, 0.0])
        >>> shrunk(three, two, 4.0, np.array([0.25, 0.25]), np.array([0.5, 0.5])).tolist()
        [0.5, 0.25]
        >>> shrunk(three, two, 0.0, np.array([0.25, 0.25]), np.array([0.5, 0.5])).tolist()
        [0.75, 0.5]
    """
    if shrinkage == 0.0:
        return np.where(counts > 0, sums / np.where(counts > 0, counts, 1.0), overall)
    means: NDArray[np.float64] = (sums + shrinkage * prior) / (counts + shrinkage)
    return means.clip(0.0, 1.0)


def _difficulty(
    apart: NDArray[np.float64],
    weights: NDArray[np.float64],
    cluster_of: NDArray[np.int64],
    clusters: int,
) -> NDArray[np.float64]:
    """The mean over a cluster's rows of how far the models are from their means; shape (c,)."""
    some = ~np.isnan(apart)
    rows = _ratio(np.where(some, apart, 0.0).sum(axis=1), some.sum(axis=1).astype(np.float64))
    counted = weights * some.any(axis=1)
    sums = np.bincount(cluster_of, weights=counted * np.nan_to_num(rows), minlength=clusters)
    total = np.bincount(cluster_of, weights=counted, minlength=clusters)
    mean: NDArray[np.float64] = sums / (total + _EASY)
    return mean


def _ratio(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over counts; NaN where nothing was counted."""
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)

"""Avengers-Pro (Zhang et al. 2025, arXiv 2508.12631): the clusters nearest to a query, together.

Unit rows are clustered by k-means. A query is expected to go as its `top_p` nearest clusters went
on average; with d the cosine distance to a center, a cluster counts softmax(-beta * d). So it is
with quality and with cost. The trade between the two is the policy `performance_efficiency`.

The paper's own code trades within each cluster, ranks the models there, and adds up
weight / (rank + 1), ranks counted from 0: `FittedAvengersPro.rank_sums`. With `top_p=1` both choose
the same model. With more clusters a rank forgets how far two models are apart, and no expected
quality comes of it, which is why it is not what the estimator gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import UnpricedError
from knnrouter.estimators.base import Estimates, Evidence
from knnrouter.neighbors import Neighbors
from knnrouter.records.sets import group_means

from .checks import amount, check, whole
from .fitted import FittedClusters, check_rows, known_rows
from .partition import by_cosine

__all__ = ["AvengersPro", "FittedAvengersPro"]


@dataclass(frozen=True, kw_only=True)
class AvengersPro:
    """Settings of Avengers-Pro's clusters; the defaults are the paper's.

    Attributes:
        k: How many clusters, at least 1; never more than rows.
        top_p: How many of them a query looks at, at least 1; never more than there are.
        beta: How fast a cluster counts less with its distance, >= 0.
        shrinkage: For how many measurements the prior counts, >= 0; 0 is the paper's plain mean.

    Raises:
        EstimatorError: A setting is out of its range; all that are wrong are named.

    Example:
        >>> AvengersPro().k, AvengersPro().top_p, AvengersPro().beta
        (60, 3, 9.0)
    """

    k: int = 60
    top_p: int = 3
    beta: float = 9.0
    shrinkage: float = 0.0

    def __post_init__(self) -> None:
        check(
            whole("k", self.k),
            whole("top_p", self.top_p),
            amount("beta", self.beta),
            amount("shrinkage", self.shrinkage),
        )

    def fit(self, evidence: Evidence, *, seed: int = 0) -> FittedAvengersPro:
        """Find the clusters, and sum up the evidence by them.

        Args:
            evidence: Records, their vectors and an index over these.
            seed: Where k-means starts.

        Raises:
            EstimatorError: There is not a single row.
        """
        check_rows(evidence)
        weights = evidence.records.weights
        partition = by_cosine(evidence.vectors, self.k, weights=weights, seed=seed)
        cluster_of = partition.nearest(evidence.vectors)
        return FittedAvengersPro.over(self, evidence.records, partition, cluster_of)

    def restore(
        self, evidence: Evidence, arrays: Mapping[str, NDArray[np.generic]]
    ) -> FittedAvengersPro:
        """What `fit` gave, from its settings and arrays.

        Raises:
            EstimatorError: An array is missing or does not fit the records.
        """
        return FittedAvengersPro.restored(self, evidence.records, arrays)


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedAvengersPro(FittedClusters):
    """Avengers-Pro's clusters over certain evidence."""

    def estimate(self, vectors: NDArray[np.float32], neighbors: Neighbors) -> Estimates:
        """The weighted means over the nearest clusters, of quality and of cost."""
        known = known_rows(vectors)
        found = self._in_clusters(self.partition.nearest(vectors), known, neighbors)
        places, weights = self._nearest(vectors)
        scores, stderr = (table[places] for table in self.tables)
        mean = (weights[:, :, None] * scores).sum(axis=1)
        error = np.sqrt(((weights[:, :, None] * stderr) ** 2).sum(axis=1))
        costs = (weights[:, :, None] * self.cluster_costs[places]).sum(axis=1)
        return replace(
            found,
            scores=np.where(known[:, None], mean.clip(0.0, 1.0), found.scores),
            stderr=np.where(known[:, None], error, found.stderr),
            costs=np.where(known[:, None], costs, found.costs),
        )

    def rank_sums(self, vectors: NDArray[np.float32], *, alpha: float = 1.0) -> NDArray[np.float64]:
        """The paper's scores, of which its code takes the highest; shape (q, m).

        Args:
            vectors: Unit rows of the queries, shape (q, d).
            alpha: What quality counts for, in [0, 1]; the rest is cost.

        Raises:
            UnpricedError: `alpha` is below 1, and a model's costs were never measured.
        """
        points = 1.0 / (1.0 + self._ranks(alpha))
        places, weights = self._nearest(vectors)
        sums: NDArray[np.float64] = (weights[:, :, None] * points[places]).sum(axis=1)
        return sums

    @cached_property
    def cluster_costs(self) -> NDArray[np.float64]:
        """Each model's mean cost in each cluster, USD; shape (c, m); NaN where never measured.

        In a cluster that did not measure it, a model costs what it costs over all rows.
        """
        costs, weights = self.records.costs, self.records.weights
        means = group_means(costs, weights, self.cluster_of, len(self.partition))
        overall = group_means(costs, weights, np.zeros_like(self.cluster_of), 1)
        return np.where(np.isnan(means), overall, means)

    def _nearest(
        self, vectors: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The nearest clusters of each query, nearest first, and what they count; (q, top_p)."""
        nearness = self.partition.nearness(vectors)
        places = np.argsort(-nearness, axis=1, kind="stable")[:, : self.estimator.top_p]
        distance = 1.0 - np.take_along_axis(nearness, places, axis=1)
        weights = np.exp(-float(self.estimator.beta) * (distance - distance[:, :1]))
        weights /= weights.sum(axis=1, keepdims=True)
        return places, weights

    def _ranks(self, alpha: float) -> NDArray[np.float64]:
        """Each model's rank in each cluster, the best is 0; ties go to the higher mean; (c, m)."""
        trade = _trade(self.tables[0][:-1], self.cluster_costs, alpha, self.records.models)
        ranks = np.empty_like(trade)
        for row, utility in zip(ranks, np.nan_to_num(trade, nan=-1.0), strict=True):
            order = np.lexsort((-np.nan_to_num(self.means.overall), -utility.round(9)))
            row[order] = np.arange(len(order))
        return ranks


def _trade(
    scores: NDArray[np.float64], costs: NDArray[np.float64], alpha: float, models: tuple[str, ...]
) -> NDArray[np.float64]:
    """The paper's performance-efficiency score of each model in each cluster; (c, m)."""
    low = np.nanmin(scores, axis=1, keepdims=True)
    span = np.nanmax(scores, axis=1, keepdims=True) - low
    quality = np.where(span > 0, (scores - low) / np.where(span > 0, span, 1.0), 1.0)
    if alpha == 1.0:
        return np.where(np.isnan(scores), np.nan, quality)
    missing = np.isnan(costs).sum(axis=0)
    unpriced = [models[place] for place in np.flatnonzero(missing)]
    if unpriced:
        raise UnpricedError(unpriced, policy="rank_sums")
    most = costs.max(axis=1, keepdims=True)
    share = costs / np.where(most > 0, most, 1.0)
    trade: NDArray[np.float64] = alpha * quality + (1.0 - alpha) * (1.0 - share)
    return trade

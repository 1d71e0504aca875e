"""A query is expected to go as the queries of its k-means cluster went.

`Clusters` is the cluster router of Srivatsa, Maurya & Kochmar 2024 (arXiv 2405.00467), with
`k=50, features="tfidf", shrinkage=0`; `UniRoute` the k-means router of Jitkrittum et al. 2025
(arXiv 2502.08773), with `shrinkage=0`. Both choose the number of clusters and the shrinkage, unless
they are stated; see `choosing` and `means`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from knnrouter.estimators.base import Evidence
from knnrouter.estimators.texts import routing_texts

from .checks import amount, check, whole
from .choosing import choose
from .fitted import FittedClusters, FittedWordClusters, check_rows
from .partition import Partition, by_cosine, by_distance
from .words import Words, check_train_extra

__all__ = ["Clusters", "UniRoute"]

Features = Literal["embedding", "tfidf"]


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Settings of a cluster router. Whatever is `"auto"` is chosen by leave-one-out.

    Attributes:
        k: How many clusters, at least 1; never more than there are different rows.
        features: What queries are told apart by: the embedder's vectors, or TF-IDF of their words,
            which needs scikit-learn to be fitted and the texts to be routed.
        shrinkage: For how many measurements the prior counts, >= 0; 0 is the plain mean.

    Raises:
        EstimatorError: A setting is out of its range; all that are wrong are named.

    Example:
        >>> Clusters(k=50, features="tfidf", shrinkage=0).k
        50
        >>> Clusters(k=0)
        Traceback (most recent call last):
        knnrouter.errors.EstimatorError: k is 0; give a whole number of at least 1, or "auto"
    """

    k: int | Literal["auto"] = "auto"
    features: Features = "embedding"
    shrinkage: float | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        allowed = get_args(Features)
        known = self.features in allowed
        check(
            whole("k", self.k, auto=True),
            None if known else f'features is {self.features!r}; give "embedding" or "tfidf"',
            amount("shrinkage", self.shrinkage, auto=True),
        )

    def fit(self, evidence: Evidence, *, seed: int = 0) -> FittedClusters:
        """Choose what is "auto", and sum up the evidence by clusters.

        Args:
            evidence: Records, their vectors and an index over these.
            seed: Where k-means starts.

        Raises:
            EstimatorError: There is not a single row; or, for TF-IDF, a row keeps no text, or no
                word tells the texts apart.
            MissingExtraError: TF-IDF needs scikit-learn.
        """
        check_rows(evidence)
        if self.features == "embedding":
            return _of_vectors(self, evidence, seed)
        check_train_extra()
        texts = routing_texts(evidence, "clusters")
        words = Words.of(texts)
        rows, weights = words.rows(texts), evidence.records.weights

        def part(k: int, seed: int) -> Partition:
            return by_distance(rows, k, weights=weights, seed=seed)

        chosen = _chosen(self, evidence, rows, part, seed)
        partition = part(int(chosen.k), seed)
        return FittedWordClusters.over(
            chosen, evidence.records, partition, partition.nearest(rows), words=words
        )

    def restore(
        self, evidence: Evidence, arrays: Mapping[str, NDArray[np.generic]]
    ) -> FittedClusters:
        """What `fit` gave, from its settings and arrays; these settings have no "auto".

        Raises:
            EstimatorError: An array is missing or does not fit the records.
        """
        if self.features == "embedding":
            return FittedClusters.restored(self, evidence.records, arrays)
        words = Words.from_arrays(arrays)
        return FittedWordClusters.restored(self, evidence.records, arrays, words=words)


@dataclass(frozen=True, kw_only=True)
class UniRoute:
    """Settings of UniRoute's k-means router: models are told apart by their errors in clusters.

    The centers come from queries alone. A model is the vector of its mean errors in the clusters,
    so an unseen one joins with labels on a few queries and nothing is fitted again; see
    `FittedClusters.updated`.

    Attributes:
        k: How many clusters, at least 1; never more than rows.
        shrinkage: For how many measurements the prior counts, >= 0. 0 is the paper's mean, which
            wants some four hundred labels of a model.

    Raises:
        EstimatorError: A setting is out of its range; all that are wrong are named.

    Example:
        >>> UniRoute(k=20).shrinkage
        'auto'
    """

    k: int | Literal["auto"] = "auto"
    shrinkage: float | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        check(
            whole("k", self.k, auto=True),
            amount("shrinkage", self.shrinkage, auto=True),
        )

    def fit(self, evidence: Evidence, *, seed: int = 0) -> FittedClusters:
        """Choose what is "auto", and sum up the evidence by clusters.

        Args:
            evidence: Records, their vectors and an index over these. Rows on which nothing was
                measured help to find the centers.
            seed: Where k-means starts.

        Raises:
            EstimatorError: There is not a single row.
        """
        check_rows(evidence)
        return _of_vectors(self, evidence, seed)

    def restore(
        self, evidence: Evidence, arrays: Mapping[str, NDArray[np.generic]]
    ) -> FittedClusters:
        """What `fit` gave, from its settings and arrays; these settings have no "auto".

        Raises:
            EstimatorError: An array is missing or does not fit the records.
        """
        return FittedClusters.restored(self, evidence.records, arrays)


_Settings = TypeVar("_Settings", Clusters, UniRoute)


def _of_vectors(estimator: _Settings, evidence: Evidence, seed: int) -> FittedClusters:
    vectors, weights = evidence.vectors, evidence.records.weights

    def part(k: int, seed: int) -> Partition:
        return by_cosine(vectors, k, weights=weights, seed=seed)

    chosen = _chosen(estimator, evidence, vectors, part, seed)
    partition = part(int(chosen.k), seed)
    return FittedClusters.over(chosen, evidence.records, partition, partition.nearest(vectors))


def _chosen(
    estimator: _Settings,
    evidence: Evidence,
    rows: NDArray[np.floating],
    part: Callable[[int, int], Partition],
    seed: int,
) -> _Settings:
    """The same settings with nothing "auto"."""
    found = choose(
        evidence.records,
        lambda k, seed: part(k, seed).nearest(rows),
        k=estimator.k,
        shrinkage=estimator.shrinkage,
        seed=seed,
    )
    return replace(estimator, k=found.k, shrinkage=found.shrinkage)

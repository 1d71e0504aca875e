"""Clusters of some evidence, and what each model is expected to score in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError
from knnrouter.estimators.base import Estimates, Evidence, Setting
from knnrouter.estimators.surroundings import Surroundings
from knnrouter.estimators.texts import routing_texts
from knnrouter.neighbors import Neighbors
from knnrouter.records import RecordSet

from .checks import array
from .means import ClusterMeans
from .partition import Partition
from .words import Words

__all__ = ["FittedClusters", "FittedWordClusters", "check_rows", "known_rows"]


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedClusters:
    """Clusters of vectors over certain evidence; nothing in it is "auto" any more.

    A query is expected to go as its cluster went. One whose vector is zero, in which the embedder
    knows no word, is in no cluster: its scores are the models' overall means.
    """

    estimator: Any
    """The settings; they have a `shrinkage`."""

    records: RecordSet
    partition: Partition
    cluster_of: NDArray[np.int64]
    """The cluster of each row; shape (n,)."""

    means: ClusterMeans

    @classmethod
    def over(
        cls,
        estimator: object,
        records: RecordSet,
        partition: Partition,
        cluster_of: NDArray[np.int64],
        *,
        difficulty: NDArray[np.float64] | None = None,
        **more: object,
    ) -> Self:
        """Sum up the records by their clusters.

        Args:
            estimator: The settings, nothing "auto".
            records: The outcomes, `n` rows.
            partition: The centers.
            cluster_of: The cluster of each row; shape (n,).
            difficulty: Of each cluster, measured before; None measures it on these records.
            more: Further fields.
        """
        means = ClusterMeans.of(records, cluster_of, len(partition), difficulty)
        return cls(
            estimator=estimator,
            records=records,
            partition=partition,
            cluster_of=cluster_of,
            means=means,
            **more,
        )

    @classmethod
    def restored(
        cls,
        estimator: object,
        records: RecordSet,
        arrays: Mapping[str, NDArray[np.generic]],
        **more: object,
    ) -> Self:
        """The same again, from its settings and its arrays.

        Raises:
            EstimatorError: An array is missing or does not fit the records.
        """
        kind = type(estimator).__name__
        centers = array(arrays, "centers", (None, None), kind)
        cluster_of = array(arrays, "cluster_of", (len(records),), kind).astype(np.int64)
        if not ((cluster_of >= 0) & (cluster_of < len(centers))).all():
            raise EstimatorError(
                f"the array `cluster_of` of {kind} holds numbers outside [0, {len(centers)}), and "
                f"there are {len(centers)} centers; fit the router anew"
            )
        difficulty = array(arrays, "difficulty", (len(centers),), kind)
        partition = Partition(centers=centers, spherical=cls is not FittedWordClusters)
        return cls.over(estimator, records, partition, cluster_of, difficulty=difficulty, **more)

    @property
    def neighbors(self) -> int:
        """How many neighbors tell what a query costs."""
        return Surroundings(records=self.records).neighbors

    @property
    def settings(self) -> Mapping[str, Setting]:
        """The settings as plain values."""
        from knnrouter.estimators.specs import settings_of

        return settings_of(self.estimator)

    @property
    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """Saved beside the settings: the centers, each row's cluster, the clusters' difficulty."""
        return {
            "centers": self.partition.centers,
            "cluster_of": self.cluster_of.astype(np.int32),
            "difficulty": self.means.difficulty,
        }

    @property
    def shrinkage(self) -> float:
        """For how many measurements the prior counts."""
        return float(self.estimator.shrinkage)

    @cached_property
    def tables(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Expected scores by cluster and their standard errors, each of shape (c + 1, m).

        The last row is for queries in no cluster: the means over all rows.
        """
        means, overall = self.means, self.means.overall
        doubt = np.sqrt(overall * (1.0 - overall) / (1.0 + means.counts.sum(axis=0)))
        return (
            np.vstack((means.expected(self.shrinkage), overall)),
            np.vstack((means.stderr(self.shrinkage), doubt)),
        )

    def estimate(self, vectors: NDArray[np.float32], neighbors: Neighbors) -> Estimates:
        """What to expect on the queries with these unit rows (q, d) and neighbors (q, k)."""
        return self._in_clusters(self.partition.nearest(vectors), known_rows(vectors), neighbors)

    def updated(self, evidence: Evidence) -> Self:
        """The same centers, settings and difficulty of the clusters, over other evidence.

        What is expected of a model depends on its own scores only, so that a model that joins
        changes nothing for the others.

        Raises:
            EstimatorError: There is not a single row.
        """
        check_rows(evidence)
        means = ClusterMeans.of(
            evidence.records,
            cluster_of := self._clusters_of(evidence),
            len(self.partition),
            self.means.difficulty,
        )
        return replace(self, records=evidence.records, cluster_of=cluster_of, means=means)

    def _clusters_of(self, evidence: Evidence) -> NDArray[np.int64]:
        """The cluster of each row of the evidence."""
        if evidence.records.ids == self.records.ids:
            return self.cluster_of
        return self.partition.nearest(evidence.vectors)

    def _in_clusters(
        self, clusters: NDArray[np.int64], known: NDArray[np.bool_], neighbors: Neighbors
    ) -> Estimates:
        """What to expect of queries of these clusters, (q,), if they are `known`, (q,)."""
        place = np.where(known, clusters, -1)  # the last row of the tables: in no cluster
        scores, stderr = self.tables
        found = Surroundings(records=self.records).estimates(
            scores[place], neighbors, stderr=stderr[place]
        )
        return found if known.all() else _unsupported(found, known)


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedWordClusters(FittedClusters):
    """Clusters of TF-IDF rows over certain evidence."""

    words: Words

    @property
    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """Saved beside the settings: as of `FittedClusters`, and the words."""
        return {**super().arrays, **self.words.arrays}

    def estimate(self, vectors: NDArray[np.float32], neighbors: Neighbors) -> Estimates:
        """Cannot be: TF-IDF is of words.

        Raises:
            EstimatorError: Always.
        """
        raise EstimatorError(
            'Clusters(features="tfidf") was asked with vectors alone, and reads the words of a '
            "query; ask the router, or estimate_texts with the texts"
        )

    def estimate_texts(
        self, texts: Sequence[str], vectors: NDArray[np.float32], neighbors: Neighbors
    ) -> Estimates:
        """What to expect on the queries with these routing texts, `q` of them."""
        clusters = self.partition.nearest(self.words.rows(texts))
        return self._in_clusters(clusters, np.full(len(texts), fill_value=True), neighbors)

    def _clusters_of(self, evidence: Evidence) -> NDArray[np.int64]:
        if evidence.records.ids == self.records.ids:
            return self.cluster_of
        return self.partition.nearest(self.words.rows(routing_texts(evidence, "clusters")))


def check_rows(evidence: Evidence) -> None:
    """Refuse evidence without a row.

    Raises:
        EstimatorError: There is not a single one.
    """
    if len(evidence.records) == 0:
        raise EstimatorError(
            "the records have no row, so there is nothing to learn from; give at least one"
        )


def known_rows(vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which queries the embedder knows a word of: their rows are not zero; shape (q,).

    Example:
        >>> known_rows(np.array([[0.6, 0.8], [0.0, 0.0]], dtype=np.float32)).tolist()
        [True, False]
    """
    return np.asarray(vectors.any(axis=1), dtype=np.bool_)


def _unsupported(found: Estimates, known: NDArray[np.bool_]) -> Estimates:
    """No measurement is near a query of which nothing is known."""
    return replace(found, support=np.where(known[:, None], found.support, 0.0))

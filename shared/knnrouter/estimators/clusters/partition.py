"""Centers, and which of them a row is nearest to.

Two spaces are parted: unit rows of an embedder, by cosine; and TF-IDF rows, by Euclidean distance,
which is what scikit-learn's k-means minimizes. A row that is equally near to two centers belongs to
the first of them, alone and in a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.index import kmeans

__all__ = ["Partition", "by_cosine", "by_distance"]

_STARTS = 3
"""Of k-means; the one whose rows are nearest to their centers is kept."""

_MOST_ROWS = 20_000
"""On how many rows centers are found; of more, as many are drawn."""

_DECIMALS = 6
"""To which nearness is rounded, so that sums of another order tie alike."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Partition:
    """`c` centers in a space of `v` dimensions."""

    centers: NDArray[np.float64]
    """Shape (c, v)."""

    spherical: bool
    """Whether rows and centers are unit rows, compared by cosine."""

    def __len__(self) -> int:
        return len(self.centers)

    def nearness(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """How near each row is to each center: the more the nearer; shape (q, c).

        The cosine; else the inner product less half the center's squared length, which orders the
        centers as their distance does.

        Example:
            >>> two = Partition(centers=np.eye(2), spherical=True)
            >>> two.nearness(np.array([[0.6, 0.8]])).tolist()
            [[0.6, 0.8]]
        """
        products = rows.astype(np.float64) @ self.centers.T
        if not self.spherical:
            products = products - 0.5 * (self.centers**2).sum(axis=1)
        rounded: NDArray[np.float64] = products.round(_DECIMALS)
        return rounded

    def nearest(self, rows: NDArray[np.floating]) -> NDArray[np.int64]:
        """The center that each row belongs to; shape (q,).

        Example:
            >>> two = Partition(centers=np.eye(2), spherical=True)
            >>> two.nearest(np.array([[0.6, 0.8], [0.0, 0.0]])).tolist()
            [1, 0]
        """
        nearest: NDArray[np.int64] = self.nearness(rows).argmax(axis=1)
        return nearest


def by_cosine(
    vectors: NDArray[np.float32], k: int, *, weights: NDArray[np.float64], seed: int
) -> Partition:
    """Spherical k-means over unit rows: the best of `_STARTS` starts.

    Args:
        vectors: Unit rows, shape (n, d); at least one.
        k: How many centers; never more than rows.
        weights: How much each row counts, shape (n,).
        seed: Where the starts, and the rows that are drawn, come from.

    Example:
        >>> rows = np.eye(2, dtype=np.float32)[[0, 0, 1]]
        >>> two = by_cosine(rows, 2, weights=np.ones(3), seed=0)
        >>> first, second, third = two.nearest(rows).tolist()
        >>> first == second, first == third
        (True, False)
    """
    if len(vectors) > _MOST_ROWS:
        drawn = np.random.default_rng(seed).choice(len(vectors), _MOST_ROWS, replace=False)
        vectors, weights = vectors[drawn], weights[drawn]
    found, best = None, -np.inf
    for start in range(_STARTS):
        centers, of = kmeans(vectors, k, weights=weights, seed=_STARTS * seed + start)
        near = float(weights @ (vectors * centers[of]).sum(axis=1, dtype=np.float64))
        if near > best:
            found, best = centers, near
        if k >= len(vectors):  # every row has its own center, whatever the start
            break
    assert found is not None
    return Partition(centers=found.astype(np.float64), spherical=True)


def by_distance(
    rows: NDArray[np.float64], k: int, *, weights: NDArray[np.float64], seed: int
) -> Partition:
    """scikit-learn's k-means, with at most a thousand rounds, as arXiv 2405.00467 sets it.

    Args:
        rows: Shape (n, v); at least one.
        k: How many centers; never more than different rows.
        weights: How much each row counts, shape (n,).
        seed: Where the start comes from.
    """
    from sklearn.cluster import KMeans

    k = min(k, len(np.unique(rows, axis=0)))
    machine = KMeans(n_clusters=k, max_iter=1000, n_init=1, random_state=seed)
    machine.fit(rows, sample_weight=weights)
    return Partition(
        centers=np.asarray(machine.cluster_centers_, dtype=np.float64), spherical=False
    )

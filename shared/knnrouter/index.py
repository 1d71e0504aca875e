"""Unit rows in, the nearest of them out. The only module that imports FAISS.

Decided once, for every index:

* Similarity is the inner product of unit rows, the cosine, rounded to 1e-6 after clipping to
  [-1, 1].
* Equal similarities stand in ascending row order, at the k-th place too: of several rows that tie
  for the last place, the lowest ones are kept.
* `k` larger than the number of rows gives all rows; an empty index gives `k = 0`.
* A zero row has similarity 0 to everything, and everything to a zero query.
* A query gets the same neighbors alone and in a batch.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Protocol, runtime_checkable

import faiss
import numpy as np
from numpy.typing import NDArray

from .errors import DamagedStoreError, EmbedderError
from .neighbors import Neighbors

__all__ = ["ExactIndex", "FaissIndex", "NeighborIndex", "kmeans"]

_DECIMALS = 6
_STEPS = 10**_DECIMALS
_SPARE = 4
"""How many more rows than `k` are fetched, to settle ties at the k-th place in one search."""
_MARGIN = 1e-5
"""How far FAISS's float32 sums may be from the exact ones; ten times what was seen."""


@runtime_checkable
class NeighborIndex(Protocol):
    """Anything that finds the nearest of its rows; see the module for what must hold."""

    @property
    def dim(self) -> int:
        """The dimension `d` of its rows."""

    def __len__(self) -> int:
        """The number of rows."""

    def search(self, queries: NDArray[np.float32], k: int) -> Neighbors:
        """The `min(k, len(self))` nearest rows of each query; `queries` has shape (q, d).

        Raises:
            EmbedderError: The queries have another dimension, or hold NaN or infinity.
            ValueError: `k` is below 1.
        """


class ExactIndex:
    """All similarities in double precision, sorted: slow, obvious, the twin of `FaissIndex`.

    Args:
        vectors: Unit rows, shape (n, d).

    Example:
        >>> index = ExactIndex(np.eye(3, dtype=np.float32))
        >>> index.search(np.array([[0.6, 0.8, 0.0]], dtype=np.float32), k=2).rows.tolist()
        [[1, 0]]
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = _as_rows(vectors).astype(np.float64)

    @property
    def dim(self) -> int:
        """The dimension `d` of its rows."""
        return int(self._vectors.shape[1])

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._vectors)

    def search(self, queries: NDArray[np.float32], k: int) -> Neighbors:
        """The `min(k, len(self))` nearest rows of each query; `queries` has shape (q, d)."""
        queries = _checked_queries(queries, self.dim, k)
        similarities = _rounded(queries.astype(np.float64) @ self._vectors.T)
        rows = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
        return Neighbors(rows=rows, similarities=np.take_along_axis(similarities, rows, axis=1))


class FaissIndex:
    """A flat FAISS inner-product index.

    FAISS picks the candidates. Their similarities are then summed again in double precision, so
    that a pair has one similarity whatever else is in the batch, and ties are settled by the rule
    of this module.

    Args:
        vectors: Unit rows, shape (n, d).

    Example:
        >>> index = FaissIndex(np.eye(3, dtype=np.float32))
        >>> near = index.search(np.array([[0.6, 0.8, 0.0]], dtype=np.float32), k=2)
        >>> near.rows.tolist(), near.similarities.tolist()
        ([[1, 0]], [[0.8, 0.6]])
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        vectors = _as_rows(vectors)
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        self._take(index)

    @classmethod
    def read(cls, path: Path) -> FaissIndex:
        """Read what `to_bytes` gave and somebody wrote to `path`.

        Raises:
            DamagedStoreError: FAISS cannot read the file, or it holds another kind of index.
        """
        try:
            index = faiss.read_index(str(path))
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise DamagedStoreError(
                f"{path} is no index that FAISS can read ({reason}); rebuild it from the vectors "
                f"with: knnrouter inspect {path.parent} --repair"
            ) from error
        if (
            not isinstance(index, faiss.IndexFlat)
            or index.metric_type != faiss.METRIC_INNER_PRODUCT
        ):
            raise DamagedStoreError(
                f"{path} holds a {type(index).__name__}, not a flat inner-product index; "
                f"rebuild it from the vectors with: knnrouter inspect {path.parent} --repair"
            )
        self = cls.__new__(cls)
        self._take(index)
        return self

    def _take(self, index: faiss.IndexFlat) -> None:
        self._index = index
        size = index.ntotal * index.d
        rows = faiss.rev_swig_ptr(index.get_xb(), size) if size else np.empty(0, np.float32)
        self._rows: NDArray[np.float32] = rows.reshape(index.ntotal, index.d)
        self._rows.setflags(write=False)
        self._dim, self._size = int(index.d), int(index.ntotal)

    def to_bytes(self) -> bytes:
        """The index as FAISS writes it to a file."""
        return bytes(faiss.serialize_index(self._index))

    @property
    def dim(self) -> int:
        """The dimension `d` of its rows."""
        return self._dim

    def __len__(self) -> int:
        """The number of rows."""
        return self._size

    def search(self, queries: NDArray[np.float32], k: int) -> Neighbors:
        """The `min(k, len(self))` nearest rows of each query; `queries` has shape (q, d)."""
        queries = _checked_queries(queries, self._dim, k)
        k = min(k, self._size)
        if k == 0:
            empty = np.empty((len(queries), 0))
            return Neighbors(rows=empty.astype(np.int64), similarities=empty)
        return self._settled(queries, k, min(k + _SPARE, self._size))

    def _settled(self, queries: NDArray[np.float32], k: int, fetch: int) -> Neighbors:
        """Search for `fetch` candidates, and for more where the k-th place is still open."""
        coarse, rows = self._index.search(queries, fetch)
        similarities = np.rint(self._products(queries, rows) * _STEPS) / _STEPS + 0.0  # no -0.0
        mixed = _out_of_order(similarities)
        if mixed:
            rows[mixed], similarities[mixed] = _ordered(rows[mixed], similarities[mixed])
        rows, similarities = rows[:, :k], similarities[:, :k]
        if fetch < self._size:
            open_ = coarse[:, -1] + _MARGIN >= similarities[:, -1]
            if True in open_.tolist():
                wider = self._settled(queries[open_], k, min(2 * fetch, self._size))
                rows[open_], similarities[open_] = wider.rows, wider.similarities
        return Neighbors(rows=rows, similarities=similarities)

    def _products(
        self, queries: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The inner product of each pair in double precision; it does not depend on the others."""
        products = np.empty(rows.shape)
        for place, query in enumerate(queries.astype(np.float64)):
            near = self._rows.take(rows[place], axis=0)
            np.dot(near.astype(np.float64), query, out=products[place])
        return products


def kmeans(
    vectors: NDArray[np.float32],
    k: int,
    *,
    weights: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Spherical k-means: group unit rows around `k` unit centers.

    Args:
        vectors: Unit rows, shape (n, d).
        k: How many centers; `k >= n` gives every row a center of its own.
        weights: How much each row counts, shape (n,); all alike when omitted.
        seed: Where the random start comes from.

    Returns:
        Centers, unit rows of shape (min(k, n), d), a row of zeros where all its rows are zero; and
        the center that each row belongs to, shape (n,).

    Raises:
        ValueError: `k` is below 1.

    Example:
        >>> centers, assignment = kmeans(np.eye(2, dtype=np.float32), 2)
        >>> assignment.tolist()
        [0, 1]
    """
    vectors = _as_rows(vectors)
    if k < 1:
        raise ValueError(f"k is {k}; there must be at least 1 center")
    if k >= len(vectors):
        return vectors.copy(), np.arange(len(vectors))
    machine = faiss.Kmeans(
        vectors.shape[1],
        k,
        niter=20,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,  # else FAISS complains on standard error
        max_points_per_centroid=len(vectors),  # else it samples
    )
    machine.train(vectors, weights=None if weights is None else weights.astype(np.float32))
    _, assignment = machine.index.search(vectors, 1)
    return np.asarray(machine.centroids), assignment[:, 0]


def _as_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = np.ascontiguousarray(vectors, dtype=np.float32)
    if rows.ndim != 2:
        raise ValueError(f"vectors have shape {rows.shape}; they must be rows: (n, d)")
    return rows


def _checked_queries(queries: NDArray[np.float32], dim: int, k: int) -> NDArray[np.float32]:
    rows = _as_rows(queries)
    if rows.shape[1] != dim:
        raise EmbedderError(
            f"queries have dimension {rows.shape[1]}, the rows of the index have {dim}; embed "
            "both with the same embedder"
        )
    if not math.isfinite(np.vdot(rows, rows)):
        raise EmbedderError("a query's vector holds NaN or infinity; an embedder gives finite rows")
    if k < 1:
        raise ValueError(f"k is {k}; it must be at least 1")
    return rows


def _out_of_order(similarities: NDArray[np.float64]) -> list[int]:
    """The queries whose similarities are no cosines that fall without a tie."""
    falling = np.all(similarities[:, :-1] > similarities[:, 1:], axis=1).tolist()
    ends = zip(falling, similarities[:, 0].tolist(), similarities[:, -1].tolist(), strict=True)
    return [
        place
        for place, (falls, top, end) in enumerate(ends)
        if not (falls and top <= 1.0 and end >= -1.0)
    ]


def _ordered(
    rows: NDArray[np.int64], similarities: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Both by falling similarity, ties by rising row."""
    similarities = np.clip(similarities, -1.0, 1.0)
    order = np.lexsort((rows, -similarities))
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(similarities, order, axis=1)


def _rounded(similarities: NDArray[np.float64]) -> NDArray[np.float64]:
    # Adding 0.0 turns -0.0 into 0.0, so that equal similarities also print alike.
    return np.clip(similarities, -1.0, 1.0).round(_DECIMALS) + 0.0

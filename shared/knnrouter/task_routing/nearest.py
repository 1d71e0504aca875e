"""The nearest of some rows for many queries at once, by the rules of `knnrouter.index`.

A search through all of the evidence, for every row of it, is one large product of matrices; an
index that is built for queries one by one takes several times as long for it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from knnrouter.neighbors import Neighbors

__all__ = ["joined", "nearest"]

_STEPS = 1e6
"""Similarities are rounded to one part in so many."""
_SPARE = 4
"""How many more rows than `k` are looked at, to settle ties at the k-th place in one go."""
_MARGIN = 1e-5
"""How far sums in single precision may be from the exact ones."""
_CELLS = 4_000_000
"""How many similarities are held at a time: bounds the memory, not the speed."""


def nearest(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], rows: NDArray[np.int64], k: int
) -> Neighbors:
    """The nearest of the rows for each query.

    Args:
        queries: Unit rows, shape (q, d).
        vectors: Unit rows, shape (n, d).
        rows: Which of them may be found, ascending; shape (r,).
        k: How many are wanted; all where there are fewer.

    Returns:
        Rows of `vectors`, by falling similarity, ties by rising row; shape (q, min(k, r)).

    Example:
        >>> found = nearest(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32),
        ...                 np.array([1]), k=5)
        >>> found.rows.tolist(), found.similarities.tolist()
        ([[1], [1]], [[0.0], [1.0]])
    """
    k = min(k, len(rows))
    found = np.empty((len(queries), k), dtype=np.int64)
    values = np.empty((len(queries), k))
    candidates = vectors[rows]
    step = max(1, _CELLS // max(len(rows), 1))
    for start in range(0, len(queries), step):
        some = slice(start, start + step)
        found[some], values[some] = _settled(queries[some], candidates, k, k + _SPARE)
    return Neighbors(rows=rows[found], similarities=values)


def _settled(
    queries: NDArray[np.float32], candidates: NDArray[np.float32], k: int, fetch: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Look at `fetch` candidates, and at more where the k-th place is still open."""
    coarse = queries @ candidates.T
    if fetch >= len(candidates):
        places = np.broadcast_to(np.arange(len(candidates)), coarse.shape)
    else:
        places = np.argpartition(-coarse, fetch - 1, axis=1)[:, :fetch]
    lowest = np.take_along_axis(coarse, places, axis=1).min(axis=1, initial=np.inf)
    places, values = _first(places, _products(queries, candidates, places), k)
    if fetch < len(candidates):  # all that was not looked at lies at or below the lowest
        open_ = np.flatnonzero(lowest + _MARGIN >= values[:, -1])
        if len(open_):
            places[open_], values[open_] = _settled(queries[open_], candidates, k, 2 * fetch)
    return places, values


def _products(
    queries: NDArray[np.float32], candidates: NDArray[np.float32], places: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The similarity of each pair in double precision; it does not depend on the others."""
    values = np.empty(places.shape)
    for place, query in enumerate(queries.astype(np.float64)):
        near = candidates.take(places[place], axis=0)
        np.dot(near.astype(np.float64), query, out=values[place])
    return _rounded(values)


def joined(near: Neighbors, more: Neighbors, k: int) -> Neighbors:
    """The nearest `k` of two searches for the same queries, among rows that differ.

    Example:
        >>> near = Neighbors(rows=np.array([[4, 1]]), similarities=np.array([[0.9, 0.3]]))
        >>> more = Neighbors(rows=np.array([[7]]), similarities=np.array([[0.5]]))
        >>> joined(near, more, k=2).rows.tolist()
        [[4, 7]]
    """
    rows, values = _first(
        np.hstack([near.rows, more.rows]), np.hstack([near.similarities, more.similarities]), k
    )
    return Neighbors(rows=rows, similarities=values)


def _first(
    rows: NDArray[np.int64], values: NDArray[np.float64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The first `k` by falling value, ties by rising row."""
    order = np.lexsort((rows, -values))[:, :k]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(values, order, axis=1)


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.rint(np.clip(values, -1.0, 1.0) * _STEPS) / _STEPS + 0.0  # no -0.0

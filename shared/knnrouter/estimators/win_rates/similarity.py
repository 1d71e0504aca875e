"""How much each row of the evidence counts for a query: the weights of similarity-weighted ranking.

A row i counts gamma^(1 + S(q, i)) for a query q, and S comes from cosines in two ways:

* "paper" (Ong et al. 2024, 2406.18665): cos(q, i) / max over the other rows s of
  cos(i, s). A row in a sparse region counts more than one of a crowd.
* "code" (the paper's public code): cos(q, i) / max over all rows s of cos(q, s). The nearest row
  has S = 1, and every query sees the same range of weights.

Where the largest cosine is not above zero, nothing is near: "paper" then takes the cosine as it
is, and "code" lets all rows count alike. Only proportions matter, so the weights are given relative
to the largest of a query, which is 1.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from knnrouter.index import NeighborIndex

__all__ = ["WEIGHTINGS", "Weighting", "nearest_others", "row_weights"]

Weighting = Literal["paper", "code"]
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)


def nearest_others(vectors: NDArray[np.float32], index: NeighborIndex) -> NDArray[np.float32]:
    """The cosine of each row with the nearest other row; 1 where none is above zero.

    Args:
        vectors: Unit rows, shape (n, d).
        index: An index over them.

    Returns:
        Shape (n,).

    Example:
        >>> from knnrouter.index import ExactIndex
        >>> rows = np.array([[1, 0], [0.6, 0.8], [0.6, 0.8]], dtype=np.float32)
        >>> nearest_others(rows, ExactIndex(rows)).round(3).tolist()
        [0.6000000238418579, 1.0, 1.0]
    """
    near = index.search(vectors, 2)
    if near.k < 2:
        return np.ones(len(vectors), dtype=np.float32)
    own = near.rows == np.arange(len(vectors))[:, None]
    others = np.where(own, -np.inf, near.similarities).max(axis=1)
    return np.where(others > 0, others, 1.0).astype(np.float32)


def row_weights(
    queries: NDArray[np.float32],
    vectors: NDArray[np.float32],
    *,
    gamma: float,
    nearest: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """How much each row counts for each query, relative to the row that counts most.

    Args:
        queries: Unit rows, shape (q, d).
        vectors: The rows of the evidence, shape (n, d), at least one.
        gamma: The base of the weights, at least 1.
        nearest: What `nearest_others` gave, for the paper's weights; None for the code's.

    Returns:
        In [0, 1]; shape (q, n).

    Example:
        >>> rows = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
        >>> row_weights(rows[:1], rows, gamma=16).tolist()  # 16^2 and 16^1
        [[1.0, 0.0625]]
    """
    near: NDArray[np.float32] = queries.astype(np.float32) @ vectors.T
    if nearest is None:
        top = near.max(axis=1, keepdims=True)
        near *= np.divide(1.0, top, out=np.zeros_like(top), where=top > 0)
    else:
        near /= nearest
    near -= near.max(axis=1, keepdims=True)
    near *= np.float32(math.log(gamma))
    return np.exp(near, out=near)

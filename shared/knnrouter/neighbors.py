"""What a search gives: for each query, the nearest rows and how similar they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Neighbors"]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Neighbors:
    """The nearest rows of each of `q` queries, nearest first.

    Rows at the same similarity stand in ascending order, so that the same evidence gives the same
    neighbors. There are always `k` of them: a search over fewer rows gives fewer columns, never a
    filler.

    Raises:
        ValueError: The two arrays differ in shape, or a row is negative (FAISS writes -1 for
            "nothing found"; it must not leave the index).

    Example:
        >>> near = Neighbors(rows=np.array([[4, 1]]), similarities=np.array([[0.9, 0.3]]))
        >>> near.k
        2
    """

    rows: NDArray[np.int64]
    """Row numbers of the evidence; shape (q, k)."""

    similarities: NDArray[np.float64]
    """Cosine similarity in [-1, 1], rounded to 1e-6, larger is nearer; shape (q, k)."""

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or self.rows.shape != self.similarities.shape:
            raise ValueError(
                f"rows {self.rows.shape} and similarities {self.similarities.shape} "
                "must have one shape (q, k)"
            )
        if self.rows.size and self.rows.min() < 0:
            raise ValueError(f"row {self.rows.min()} is no row; rows count from 0")

    @property
    def k(self) -> int:
        """How many neighbors each query has."""
        return int(self.rows.shape[1])

    def first(self, k: int) -> Neighbors:
        """The nearest `k` of them, or all where there are fewer."""
        if k >= self.k:
            return self
        return Neighbors(rows=self.rows[:, :k], similarities=self.similarities[:, :k])

"""Which queries are nearly the same: those whose unit rows have a cosine of 0.95 and more.

The limit is the one that RouteLLM leaves out contaminated prompts by (2406.18665, appendix). A row
of zeros, a text of which the embedder knows nothing, is near nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.embedders import checked_rows
from knnrouter.errors import EvaluationError
from knnrouter.index import FaissIndex

__all__ = ["NEAR", "Nearest", "near_pairs", "nearest_in"]

NEAR = 0.95
"""From this cosine on, two queries are nearly the same."""

_BATCH = 1024
"""How many rows are searched for at a time."""

_FIRST = 16
"""How many neighbors are fetched at first; more for rows that have that many near ones."""


class Nearest(NamedTuple):
    """The nearest row of each of `q` queries."""

    similarities: NDArray[np.float64]
    """Its cosine, rounded to 1e-6; shape (q,); 0 for a query of zeros, which is near nothing."""

    rows: NDArray[np.int64]
    """Its number; shape (q,); the lowest of several at the same cosine."""


def nearest_in(vectors: ArrayLike, others: ArrayLike) -> Nearest:
    """The row of `others` that is nearest to each of `vectors`.

    Args:
        vectors: Unit rows, shape (q, d); rows of zeros for texts of which nothing is known.
        others: As `vectors`, shape (n, d), at least one.

    Raises:
        EvaluationError: `others` has no row.
        EmbedderError: The rows differ in length, or have another norm than 1 and 0.

    Example:
        >>> found = nearest_in([[0.6, 0.8]], [[1.0, 0.0], [0.0, 1.0]])
        >>> found.similarities.tolist(), found.rows.tolist()
        ([0.8], [1])
    """
    known = _unit_rows(others, "others")
    if not len(known):
        raise EvaluationError("others has 0 rows, so none is the nearest; give at least one")
    asked, index = _unit_rows(vectors, "vectors"), FaissIndex(known)
    similarities, rows = np.empty(len(asked)), np.empty(len(asked), dtype=np.int64)
    for start in range(0, len(asked), _BATCH):
        part = slice(start, start + _BATCH)
        found = index.search(asked[part], 1)
        similarities[part], rows[part] = found.similarities[:, 0], found.rows[:, 0]
    return Nearest(similarities, rows)


def near_pairs(vectors: ArrayLike, *, at_least: float = NEAR) -> NDArray[np.int64]:
    """All pairs of rows that are nearly the same.

    There can be as many as n (n - 1) / 2 of them: where many rows are alike, that takes long.

    Args:
        vectors: Unit rows, shape (n, d); rows of zeros for texts of which nothing is known.
        at_least: From which cosine on two rows are near, in (0, 1].

    Returns:
        Row numbers, the lower one first, in ascending order; shape (pairs, 2).

    Raises:
        EvaluationError: `at_least` is outside of (0, 1].
        EmbedderError: A row has another norm than 1 and 0.

    Example:
        >>> near_pairs([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]).tolist()
        [[0, 2]]
    """
    if not 0.0 < at_least <= 1.0:
        raise EvaluationError(
            f"at_least is {at_least!r}; give a cosine above 0 and up to 1, such as {NEAR}"
        )
    rows = _unit_rows(vectors, "vectors")
    found = [np.empty((0, 2), dtype=np.int64), *_pairs(rows, at_least)]
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _pairs(rows: NDArray[np.float32], at_least: float) -> Iterator[NDArray[np.int64]]:
    index = FaissIndex(rows)
    for start in range(0, len(rows), _BATCH):
        left = np.arange(start, min(start + _BATCH, len(rows)))
        fetch = _FIRST
        while left.size:
            near = index.search(rows[left], fetch)
            close = near.similarities >= at_least
            full = close[:, -1] if near.k < len(rows) else np.zeros(len(left), dtype=bool)
            place, rank = np.nonzero(close & ~full[:, None])
            one, other = left[place], near.rows[place, rank]
            yield np.stack([one, other], axis=1)[one < other]
            left, fetch = left[full], 4 * fetch


def _unit_rows(vectors: ArrayLike, source: str) -> NDArray[np.float32]:
    shape = np.shape(vectors)
    if len(shape) != 2:
        raise EvaluationError(f"{source} has shape {shape}; give unit rows: (n, d)")
    return checked_rows(vectors, count=shape[0], dim=shape[1], source=source)

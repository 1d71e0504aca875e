"""Do near queries agree on which model is better? If not, nearest neighbors have nothing to say.

Of each row's scores the row's mean is taken off (how hard it is says nothing on whom to choose),
then each model's mean. What is left, `z`, is compared between each row and its nearest rows of
another text: near = mean over these pairs of z_i · z_j, divided by the mean of z_i · z_i. This is
Moran's I: 1 if neighbors are the same, about 0 if they are any two rows. The control shuffles which
vector belongs to which scores, many times.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .finding import Finding
from .subject import NEIGHBORS, Subject

__all__ = ["SHUFFLES", "check_locality", "neighbor_pairs", "residuals"]

SHUFFLES = 200
"""Enough that the 2.5 % and 97.5 % points rest on five shuffles each."""

_TAILS = (0.025, 0.975)
_FEWEST_ROWS = 2 * NEIGHBORS
"""Among fewer rows, the nearest ten are half of all."""


def check_locality(subject: Subject) -> Iterator[Finding]:
    """Near rows against shuffled ones."""
    if len(subject.records.models) < 2 or len(subject.placed) < _FEWEST_ROWS:
        return
    scores = residuals(subject.scores[subject.placed])
    pairs = neighbor_pairs(subject)
    if not len(pairs) or not scores.any():
        return
    near = _agreement(scores, pairs)
    random = np.random.default_rng(subject.seed)
    shuffled = [_agreement(scores[random.permutation(len(scores))], pairs) for _ in range(SHUFFLES)]
    low, high = (float(each) for each in np.quantile(shuffled, _TAILS))
    if near <= high:
        yield Finding(
            code="no_locality",
            value={"near": near, "shuffled_low": low, "shuffled_high": high},
            why=(
                f"Near queries agree on which model is better by {near:.4f}; with shuffled vectors "
                f"it is {low:.4f} to {high:.4f} (0 is any two rows, 1 the same): neighbors tell no "
                "more than rows drawn at random, and the best a router can do is the best model."
            ),
            todo=(
                "Try an embedder that knows this kind of text, cut shared boilerplate, add queries "
                "or tasks on which models differ; else ask the best single model."
            ),
        )


def residuals(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores less the mean of their row, then less the mean of their column.

    Args:
        scores: Shape (n, m); NaN where not measured.

    Returns:
        Shape (n, m); 0, which is average, where not measured.

    Example:
        >>> residuals(np.array([[1.0, 0.0], [1.0, 1.0]])).tolist()
        [[0.25, -0.25], [-0.25, 0.25]]
    """
    rows = scores - _means(scores, axis=1)
    return np.nan_to_num(rows - _means(rows, axis=0))


def _means(values: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    """Means of what is measured; 0 where nothing is."""
    known = ~np.isnan(values)
    sums = np.where(known, values, 0.0).sum(axis=axis, keepdims=True)
    return np.asarray(sums / np.maximum(known.sum(axis=axis, keepdims=True), 1))


def neighbor_pairs(subject: Subject) -> NDArray[np.int64]:
    """Each row with its `NEIGHBORS` nearest of another text; numbers within `placed`; (pairs, 2).

    A text that the embedder knows nothing of is near nothing.
    """
    usable = subject.of_another_text & (subject.neighbors.similarities > 0)
    usable = usable & (np.cumsum(usable, axis=1) <= NEIGHBORS)
    row, place = np.nonzero(usable)
    return np.stack([row, subject.neighbors.rows[row, place]], axis=1)


def _agreement(scores: NDArray[np.float64], pairs: NDArray[np.int64]) -> float:
    """Moran's I over these pairs."""
    products = np.einsum("pm,pm->", scores[pairs[:, 0]], scores[pairs[:, 1]]) / len(pairs)
    return float(products / np.einsum("nm,nm->", scores, scores) * len(scores))

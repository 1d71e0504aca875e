"""From correctness predictors to a task's scores: the formulas of Shnitzer et al. 2023, section 3.

For a task of n queries x, a model whose predictor gives g(x) in [0, 1], and the prediction
h(x) = 1 where g(x) > t (strictly), else 0,

    S1 = mean of g(x),
    S2 = mean of h(x),
    S3 = S2 p + (1 - S2) (1 - p),

with p the chance that a prediction for this task is right. S3 is the expectation of the model's
accuracy if each answer is what is predicted with probability p, and the opposite otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.estimators.correctness import shares_right
from knnrouter.neighbors import Neighbors

from .settings import TaskSettings

__all__ = ["Predictions", "s3"]

Floats = NDArray[np.float64]

_NEAREST = 1e-7
"""The least distance that counts as one."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Predictions:
    """What the neighbors of a task's `n` queries tell of `m` models, before any label is seen."""

    g: Floats
    """The share of near rows that the model got right; shape (n, m); NaN where none tells."""

    positive: Floats
    """1 where it is predicted to be right, else 0; shape (n, m); NaN where `g` is."""

    weights: Floats
    """How many queries each row stands for; shape (n,)."""

    u: float
    """The distance of the task: the mean over its queries of the mean cosine distance to the
    `kappa` nearest rows."""

    @classmethod
    def of(
        cls,
        near: Neighbors,
        right: Floats,
        row_weights: Floats,
        settings: TaskSettings,
        *,
        blank: NDArray[np.bool_],
        weights: Floats | None = None,
    ) -> Predictions:
        """Ask the neighbors.

        Args:
            near: At least the `settings.near` nearest rows of each query, or all there are.
            right: Which model was right on which row: 1, 0 or NaN; shape (r, m).
            row_weights: Of these rows; shape (r,).
            settings: How many neighbors count.
            blank: Which queries hold no word that the embedder knows; they have neighbors at
                distance 1, and no prediction; shape (n,).
            weights: How much each query counts; None: all alike.
        """
        g, _ = shares_right(right, row_weights, near.first(settings.k).rows)
        g[blank] = np.nan
        apart = np.maximum(1.0 - near.first(settings.kappa).similarities, _NEAREST)
        counts = np.ones(len(g)) if weights is None else weights
        return cls(
            g=g,
            positive=np.where(np.isnan(g), np.nan, g > settings.above),
            weights=counts,
            u=float(np.average(apart.mean(axis=1), weights=counts)),
        )

    @property
    def s1(self) -> Floats:
        """Shape (m,); NaN where no query has a prediction."""
        return _mean(self.g, self.weights)

    @property
    def s2(self) -> Floats:
        """Shape (m,); NaN where no query has a prediction."""
        return _mean(self.positive, self.weights)

    @property
    def counted(self) -> NDArray[np.int64]:
        """On how many queries there is a prediction; shape (m,)."""
        return np.asarray((~np.isnan(self.g)).sum(axis=0))

    @property
    def positives(self) -> NDArray[np.int64]:
        """On how many queries the model is predicted to be right; shape (m,)."""
        return np.asarray((self.positive == 1.0).sum(axis=0))

    def accuracy(self, right: Floats) -> Floats:
        """How often the predictions came true: the p of this task, once its labels are known.

        Args:
            right: 1, 0 or NaN; shape (n, m).

        Returns:
            Shape (m,); NaN where no prediction can be checked.
        """
        told = np.isnan(right) | np.isnan(self.positive)
        return _mean(np.where(told, np.nan, self.positive == right), self.weights)


def s3(s2: Floats, p: Floats) -> Floats:
    """The expected accuracy, where a prediction is right with probability p.

    Example:
        >>> s3(np.array([1.0, 0.5, 0.0]), np.array([0.75, 0.75, 0.75])).tolist()
        [0.75, 0.5, 0.25]
    """
    expected: Floats = s2 * p + (1.0 - s2) * (1.0 - p)
    return expected


def _mean(values: Floats, weights: Floats) -> Floats:
    """Weighted column means of what is known."""
    known = weights[:, None] * ~np.isnan(values)
    total = known.sum(axis=0)
    means = np.full(values.shape[1], np.nan)
    sums = (known * np.where(np.isnan(values), 0.0, values)).sum(axis=0)
    np.divide(sums, total, out=means, where=total > 0)
    return means

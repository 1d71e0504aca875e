"""What a model scored, as the labels that a classifier learns from: right or wrong, weighted.

A score s between 0 and 1 is right with weight s and wrong with weight 1 - s, so that the weighted
log loss of the two labels is the cross-entropy with s. What was not measured is no label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Labels"]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Labels:
    """The labels of one model: `p` of them, on `r` rows."""

    rows: NDArray[np.int64]
    """The row of the evidence that each label is of; shape (p,)."""

    right: NDArray[np.bool_]
    """Whether the label is "right"; shape (p,)."""

    weights: NDArray[np.float64]
    """What each label counts for, above 0; shape (p,)."""

    @classmethod
    def of(cls, scores: NDArray[np.float64], weights: NDArray[np.float64]) -> Labels:
        """The labels of a model that scored so; both of shape (n,).

        Example:
            >>> one = Labels.of(np.array([1.0, 0.25, np.nan]), np.array([1.0, 4.0, 1.0]))
            >>> one.rows.tolist(), one.right.tolist(), one.weights.tolist()
            ([0, 1, 1], [True, True, False], [1.0, 1.0, 3.0])
        """
        right, wrong = np.flatnonzero(scores > 0), np.flatnonzero(scores < 1)
        return cls(
            rows=np.concatenate((right, wrong)),
            right=np.repeat((True, False), (len(right), len(wrong))),
            weights=np.concatenate(
                (weights[right] * scores[right], weights[wrong] * (1.0 - scores[wrong]))
            ),
        )

    @property
    def measured(self) -> int:
        """On how many rows the model was measured, r."""
        return len(np.unique(self.rows))

    @property
    def totals(self) -> tuple[float, float]:
        """The weights of all "wrong" labels and of all "right" ones.

        Example:
            >>> Labels.of(np.array([1.0, 0.25]), np.array([1.0, 4.0])).totals
            (3.0, 2.0)
        """
        return float(self.weights[~self.right].sum()), float(self.weights[self.right].sum())

    def balanced(self) -> Labels:
        """The same labels, of which "right" and "wrong" count for half of the weight each.

        With weights of 1 these are scikit-learn's `class_weight="balanced"`: of p labels, a label
        of a class with p_c of them counts for p / (2 p_c).

        Example:
            >>> Labels.of(np.array([1.0, 0.0, 0.0, 0.0]), np.ones(4)).balanced().weights.tolist()
            [2.0, 0.6666666666666666, 0.6666666666666666, 0.6666666666666666]
        """
        wrong, right = self.totals
        if not (wrong and right):
            return self
        half = (wrong + right) / 2
        factors = np.where(self.right, half / right, half / wrong)
        return Labels(rows=self.rows, right=self.right, weights=self.weights * factors)

    def on(self, kept: NDArray[np.bool_]) -> Labels:
        """Those of the rows that are kept; shape (n,)."""
        some = kept[self.rows]
        return Labels(rows=self.rows[some], right=self.right[some], weights=self.weights[some])

"""Logistic regression of one model's labels on vectors, and how strongly it is to be regularized.

The loss of a line (w, b) on labels with weights v_i is sum v_i log loss_i + |w|² / (2 c), without a
penalty on b: scikit-learn's. A larger `c` trusts the labels more.

`c` is chosen by cross-validation: every row is held out once, rows of one text together (those of
one group are not kept together here), and the log loss of the labels that are held out decides. The
values are tried from the strongest regularization on, until one is no better than the one before,
which is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import MissingExtraError
from knnrouter.estimators.ballots import PRIOR_WEIGHT

from .labels import Labels

__all__ = ["FEWEST", "FOLDS", "STRENGTHS", "HeldOut", "Line", "first_not_bettered", "fitted"]

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""The values of `c` that are tried, the strongest regularization first."""

FOLDS = 5
"""Into how many parts the rows are cut, each of which is held out once."""

FEWEST = 10
"""On fewer rows no line is fitted."""

_TOLERANCE = 1e-6
"""Of the gradient: vectors of length 1 have small entries, so scikit-learn's own is too coarse."""

_COARSE = 1e-4
"""The same, where values of `c` are only compared."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Line:
    """The chance to be right on a query x is sigmoid(`coefficients` · x + `intercept`)."""

    coefficients: NDArray[np.float64]
    """Shape (d,); zeros for a chance that depends on no query."""

    intercept: float
    """Log-odds to be right; NaN for a model that was never measured."""


def fitted(
    vectors: NDArray[np.float64], labels: Labels, *, c: float, prior: float, max_iter: int
) -> Line:
    """The line of some labels; a constant where they allow no more.

    Args:
        vectors: All rows of the evidence; shape (n, d).
        labels: Those to learn from.
        c: How much the labels are trusted, above 0.
        prior: The share of "right" that counts for `PRIOR_WEIGHT` labels where no line is fitted:
            on fewer than `FEWEST` rows, or where all labels are alike.
        max_iter: How many steps the solver may take.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    return _Machine(prior=prior, max_iter=max_iter, tolerance=_TOLERANCE).line(vectors, labels, c)


@dataclass(kw_only=True, eq=False, slots=True)
class _Machine:
    """Fits lines, each from where the one before ended."""

    prior: float
    max_iter: int
    tolerance: float
    solver: Any = None

    def line(self, vectors: NDArray[np.float64], labels: Labels, c: float) -> Line:
        wrong, right = labels.totals
        if not (wrong and right) or labels.measured < FEWEST:
            return _constant(vectors.shape[1], wrong, right, self.prior)
        if self.solver is None:
            self.solver = _logistic_regression(self.max_iter, self.tolerance)
        self.solver.set_params(C=c)
        self.solver.fit(vectors[labels.rows], labels.right, sample_weight=labels.weights)
        return Line(
            coefficients=self.solver.coef_[0].astype(np.float64),
            intercept=float(self.solver.intercept_[0]),
        )


def _logistic_regression(max_iter: int, tolerance: float) -> Any:  # noqa: ANN401  # untyped
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtraError("fitting a classifier", extra="train") from error
    return LogisticRegression(max_iter=max_iter, tol=tolerance, warm_start=True)


def _constant(dim: int, wrong: float, right: float, prior: float) -> Line:
    share = (right + PRIOR_WEIGHT * prior) / (wrong + right + PRIOR_WEIGHT)
    return Line(coefficients=np.zeros(dim), intercept=float(np.log(share / (1.0 - share))))


@dataclass(kw_only=True, eq=False, slots=True)
class HeldOut:
    """One model's labels, and the lines of each fold that have not seen them."""

    vectors: NDArray[np.float64]
    """All rows of the evidence; shape (n, d)."""

    labels: Labels
    """Those of the model."""

    fold_of: NDArray[np.int64]
    """The fold in which each row is held out; shape (n,)."""

    prior: float
    """As for `fitted`."""

    max_iter: int
    """As for `fitted`."""

    _machines: dict[int, _Machine] = field(default_factory=dict)

    def loss(self, c: float) -> float:
        """The sum of the weighted log losses of all labels, each when it is held out."""
        return sum(self._fold_loss(fold, c) for fold in range(int(self.fold_of.max()) + 1))

    def _fold_loss(self, fold: int, c: float) -> float:
        out = self.fold_of == fold
        held = self.labels.on(out)
        if fold not in self._machines:
            self._machines[fold] = _Machine(
                prior=self.prior, max_iter=self.max_iter, tolerance=_COARSE
            )
        line = self._machines[fold].line(self.vectors, self.labels.on(~out), c)
        odds = self.vectors[held.rows] @ line.coefficients + line.intercept
        losses = np.logaddexp(0.0, np.where(held.right, -odds, odds))
        return float(held.weights @ losses)


def first_not_bettered(loss: Callable[[float], float]) -> float:
    """The first value of `STRENGTHS` whose loss the next one does not bring down.

    Example:
        >>> first_not_bettered(lambda c: abs(c - 0.3))
        0.3
    """
    best, least = STRENGTHS[0], loss(STRENGTHS[0])
    for c in STRENGTHS[1:]:
        found = loss(c)
        if not found < least:
            break
        best, least = c, found
    return best

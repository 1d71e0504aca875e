"""How wrong estimates are for a choice among models, and which settings do as well as the best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["comparable", "row_losses", "within_one_error"]


def comparable(scores: NDArray[np.float64]) -> bool:
    """Whether any row measures two models, so that differences between models can be judged.

    Example:
        >>> comparable(np.array([[1.0, np.nan]])), comparable(np.array([[1.0, 0.0]]))
        (False, True)
    """
    return bool((np.count_nonzero(~np.isnan(scores), axis=1) > 1).any())


def row_losses(
    estimates: NDArray[np.float64], scores: NDArray[np.float64], *, comparing: bool
) -> NDArray[np.float64]:
    """The squared error of each row, the row's mean error taken out if `comparing`; shape (b,).

    The row's mean error moves all models alike and changes no choice. What was not measured is not
    counted; an estimate that is missing for what was measured counts as one half.

    Args:
        estimates: What was expected; shape (b, m).
        scores: What was measured; shape (b, m).
        comparing: Whether to judge the differences between models only; see `comparable`.

    Example:
        >>> row_losses(np.array([[0.5, 0.5]]), np.array([[1.0, 0.5]]), comparing=True).tolist()
        [0.0625]
    """
    measured = ~np.isnan(scores)
    errors = np.where(measured, np.nan_to_num(estimates, nan=0.5) - np.nan_to_num(scores), 0.0)
    count = np.maximum(measured.sum(axis=1), 1)
    if comparing:
        errors = np.where(measured, errors - (errors.sum(axis=1) / count)[:, None], 0.0)
    loss: NDArray[np.float64] = (errors**2).sum(axis=1) / count
    return loss


def within_one_error(
    losses: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which settings' mean loss is within one standard error of the least; shape (settings,).

    The error is that of the mean difference to the best setting over the same rows.

    Args:
        losses: Of each setting on each row; shape (settings, b).
        weights: How much each row counts; shape (b,).

    Example:
        >>> losses = np.array([[0.0, 0.0, 0.0], [0.2, -0.1, 0.1], [1.0, 1.0, 0.9]])
        >>> within_one_error(losses, np.ones(3)).tolist()
        [True, True, False]
    """
    means = np.average(losses, axis=1, weights=weights)
    worse = losses - losses[means.argmin()]
    excess = np.average(worse, axis=1, weights=weights)
    spread = np.average((worse - excess[:, None]) ** 2, axis=1, weights=weights)
    error = np.sqrt(spread * (weights**2).sum()) / weights.sum()
    near: NDArray[np.bool_] = excess <= error
    return near

"""Which of equally good models is taken: the rule of all policies, for whole tables at once.

The higher mean score over all records, then the cheaper, then the order of the columns. Values that
are alike in nine decimals tie; NaN ranks last. See `knnrouter.policies.base.ranked`, which does the
same for one query.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.errors import EvaluationError

__all__ = ["TIE_DIGITS", "first_choice", "highest"]

TIE_DIGITS = 9
"""Utilities alike in so many decimals tie."""


def first_choice(
    utility: ArrayLike, *, means: ArrayLike | None = None, costs: ArrayLike | None = None
) -> NDArray[np.int64]:
    """The column of the highest utility in each row; shape (n,).

    Args:
        utility: How good each model is for each query, NaN for unknown; shape (n, m).
        means: Mean score of each model over all records, for ties; shape (m,).
        costs: Cost of each model on each query, or on all, for ties; shape (n, m) or (m,).

    Raises:
        EvaluationError: Nothing is known of any model on a query, or a shape is another.

    Example:
        >>> first_choice([[0.5, 0.5], [0.1, 0.2], [float("nan"), 0.0]], costs=[2.0, 1.0]).tolist()
        [1, 1, 1]
    """
    wanted = np.asarray(utility, dtype=np.float64)
    if wanted.ndim != 2 or not wanted.shape[1]:
        raise EvaluationError(
            f"utility has shape {wanted.shape}, not (n, m); give one row a query and one column a "
            "model"
        )
    unknown = np.flatnonzero(np.isnan(wanted).all(axis=1))
    if len(unknown):
        raise EvaluationError(
            f"nothing is known of any model on {len(unknown)} of {len(wanted)} queries, the first "
            f"in row {unknown[0]}; one number a row is needed: leave those queries out"
        )
    criteria = [wanted.round(TIE_DIGITS)]
    if means is not None:
        criteria.append(_fitting("means", means, wanted.shape[1:]).round(TIE_DIGITS))
    if costs is not None:
        criteria.append(-_fitting("costs", costs, wanted.shape[1:], wanted.shape))
    still = np.ones(wanted.shape, dtype=np.bool_)
    for criterion in criteria:
        still = highest(still, np.broadcast_to(criterion, wanted.shape))
    return np.asarray(still.argmax(axis=1), dtype=np.int64)


def highest(places: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Of the places of each row, those with its highest value; NaN is the lowest; shape (n, m).

    Example:
        >>> highest(np.array([[True, True, False]]), np.array([[0.5, 0.5, 1.0]])).tolist()
        [[True, True, False]]
    """
    known = np.where(places & ~np.isnan(values), values, -np.inf)
    found: NDArray[np.bool_] = places & (known == known.max(axis=1, keepdims=True))
    return found


def _fitting(name: str, values: ArrayLike, *shapes: tuple[int, ...]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.shape not in shapes:
        raise EvaluationError(
            f"{name} has shape {array.shape}, not {' or '.join(map(str, shapes))}; give one number "
            "a model, in the order of the columns"
        )
    return array

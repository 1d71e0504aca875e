"""The least cost weight that keeps to a budget.

As the weight grows, each query moves to cheaper models, at the weights at which two models are
worth the same: the corners of the upper hull of its models over cost. So what all queries cost
falls in known steps, and the least weight that keeps to the budget is one of them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EvaluationError

from .asking import Asked

__all__ = ["least_cost_weight"]

_SLACK = 1e-9
"""How far above a budget, in proportion, a sum of many costs still keeps to it."""


def least_cost_weight(asked: Asked, usd_per_query: float) -> float:
    """The least `cost_weight` whose mean expected cost is within the budget, rounded up a little.

    Args:
        asked: The queries; every cost is known.
        usd_per_query: The budget.

    Raises:
        EvaluationError: Even the cheapest choices cost more.

    Example:
        >>> asked = Asked(
        ...     models=("small", "large"), means=np.array([0.5, 0.9]),
        ...     scores=np.array([[0.5, 0.75], [0.5, 1.0]]), costs=np.array([[1.0, 2.0]] * 2),
        ...     options=np.full((2, 2), True), fixed=np.array([-1, -1]),
        ... )
        >>> [round(least_cost_weight(asked, usd), 4) for usd in (2.0, 1.5, 1.0)]
        [0.0, 0.25, 0.5]
    """
    most = usd_per_query * (1 + _SLACK)
    start = asked.columns_at(0.0)
    if _mean_cost(asked, start) <= most:
        return 0.0
    weights, savings = _steps(asked, start)
    order = np.argsort(weights, kind="stable")
    left = _mean_cost(asked, start) - np.cumsum(savings[order]) / len(asked)
    enough = np.flatnonzero(left <= most)
    if not enough.size:
        least = left[-1] if left.size else _mean_cost(asked, start)
        raise EvaluationError(
            f"the budget is ${1000 * usd_per_query:.6g} per 1,000 queries, and the cheapest "
            f"choices are expected to cost ${1000 * least:.6g} on this traffic; give a budget of "
            "at least that, or add a cheaper model to the pool"
        )
    return _just_above(asked, float(weights[order[enough[0]]]), most)


def _mean_cost(asked: Asked, columns: NDArray[np.int64]) -> float:
    return float(asked.at(asked.costs, columns).mean())


def _steps(
    asked: Asked, columns: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weights at which some query moves to a cheaper model, and what that saves, USD."""
    weights, savings = [np.empty(0)], [np.empty(0)]
    known = asked.options & ~np.isnan(asked.scores) & (asked.fixed < 0)[:, None]
    while True:
        score = asked.at(asked.scores, columns)[:, None]
        cost = asked.at(asked.costs, columns)[:, None]
        cheaper = known & (asked.costs < cost)
        moving = np.flatnonzero(cheaper.any(axis=1))
        if not moving.size:
            return np.concatenate(weights), np.concatenate(savings)
        with np.errstate(divide="ignore", invalid="ignore"):
            tie = np.where(cheaper, (score - asked.scores) / (cost - asked.costs), np.inf)
        first = tie.min(axis=1, keepdims=True)
        nearest = np.where(tie == first, asked.costs, np.inf).argmin(axis=1)
        columns = np.where(cheaper.any(axis=1), nearest, columns)
        weights.append(np.maximum(first[moving, 0], 0.0))
        savings.append((cost[:, 0] - asked.at(asked.costs, columns))[moving])


def _just_above(asked: Asked, weight: float, most: float) -> float:
    """A short number above the weight, as near as ties allow, that keeps to the budget."""
    unit = weight or 1e-3 / float(np.nanmax(asked.costs))
    for digits in range(6, 0, -1):
        found = _rounded_up(weight + unit * 10.0**-digits, digits)
        if _mean_cost(asked, asked.columns_at(found)) <= most:
            return found
    while _mean_cost(asked, asked.columns_at(unit)) > most:  # differences of a billionth of a point
        unit *= 2
    return unit


def _rounded_up(value: float, digits: int) -> float:
    """The least number of so many digits that is no lower.

    Example:
        >>> _rounded_up(0.123412, 4), _rounded_up(1234.1, 2)
        (0.1235, 1300.0)
    """
    step = digits - 1 - math.floor(math.log10(value))
    return math.ceil(round(value * 10.0**step, 6)) / 10.0**step

"""What choices lost against the best ones, when a dollar is worth so many score points.

The utility of an answer is score - weight * USD, the weight in score points per dollar, as in
`policies.ScoreMinusCost`: a weight of 20 pays one cent for 0.2 of score. Weights are per dollar and
not relative to some largest cost, so that a curve of one pool can be laid over that of another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.errors import EvaluationError

from .arrays import Floats, table, vectors
from .ties import first_choice

__all__ = ["RegretCurve", "cost_weight_grid", "regret_curve", "utilities"]

_SLACK = 1e-9
"""Mean costs that differ by less, in parts of them, are equal: sums end a little beside it."""


def utilities(scores: ArrayLike, costs: ArrayLike, weight: float) -> Floats:
    """Score less weighted cost, cell by cell: s - weight * c.

    A weight of 0 asks for no cost: one that is not known does no harm.

    Example:
        >>> utilities([[0.75, 1.0]], [[0.0, 0.02]], 20).tolist()
        [[0.75, 0.6]]
        >>> utilities([[0.75]], [[float("nan")]], 0).tolist()
        [[0.75]]
    """
    known = np.asarray(scores, dtype=np.float64)
    return known - weight * np.asarray(costs, dtype=np.float64) if weight else known.copy()


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class RegretCurve:
    """How a router and the best single model fare at each of `w` cost weights.

    Regret is what the query oracle's utility is higher, on average over the queries; the oracle
    knows the scores and costs that were measured, and takes the best utility of each query.

    Attributes:
        weights: Score points per USD; shape (w,).
        quality: Mean score of the router's choices; shape (w,).
        cost: Their mean cost, USD; shape (w,).
        regret: The router's; shape (w,), 0 or more.
        single: Column of the best single model; shape (w,).
        single_regret: That model's; shape (w,), 0 or more.
        in_hindsight: Whether the best single model was chosen by these very queries.
    """

    weights: Floats
    quality: Floats
    cost: Floats
    regret: Floats
    single: NDArray[np.int64]
    single_regret: Floats
    in_hindsight: bool

    @property
    def area(self) -> float:
        """Mean of the regret over the weights, each counting alike.

        Example:
            >>> curve = regret_curve([[1, 0], [1, 0]], [[1, 1]] * 2, [[0, 1], [1, 0]], [[1, 1]] * 2,
            ...                      weights=[0.0, 1.0])
            >>> curve.area
            0.5
        """
        return float(self.regret.mean())


def regret_curve(
    estimated_scores: ArrayLike,
    estimated_costs: ArrayLike,
    scores: ArrayLike,
    costs: ArrayLike,
    weights: ArrayLike,
    *,
    train_means: ArrayLike | None = None,
    train_costs: ArrayLike | None = None,
) -> RegretCurve:
    """Let the router choose by expected score - weight * expected cost, for each weight.

    Ties go the way of every policy: the higher mean score in training, then the lower expected
    cost, then the order of the columns (see `ties.first_choice`). So each choice is the one of
    `policies.ScoreMinusCost` with that weight.

    Args:
        estimated_scores: Expected score of each model on each query, NaN for unknown; shape (n, m).
        estimated_costs: Expected cost, USD; shape (n, m). A model without one is chosen at weight 0
            only.
        scores: What was measured; shape (n, m).
        costs: What it cost, USD; shape (n, m).
        weights: Score points per USD, 0 or more, such as `cost_weight_grid` gives; shape (w,).
        train_means: Mean score of each model in training, for ties and for the best single model;
            shape (m,). None: the best single model is that of these queries, in hindsight.
        train_costs: Mean cost of each in training; shape (m,). None: that of these queries, which
            price lists tell without looking at any answer.

    Raises:
        EvaluationError: A shape is another, a score or cost was not measured, a weight is negative,
            or nothing is known of any model on a query.

    Example:
        >>> scores, costs = [[1.0, 1.0], [0.0, 1.0]], [[0.0, 0.01]] * 2
        >>> curve = regret_curve([[0.9, 0.9], [0.2, 0.8]], costs, scores, costs, [0.0, 20, 200])
        >>> curve.quality.tolist(), curve.cost.tolist(), curve.regret.tolist()
        ([1.0, 1.0, 0.5], [0.005, 0.005, 0.0], [0.0, 0.0, 0.0])
    """
    measured = table(scores)
    spent = table(costs, name="costs", like=measured)
    (grid,) = vectors(weights=weights)
    if (grid < 0).any():
        raise EvaluationError(
            f"weights hold {grid.min():g}; what a dollar is worth is 0 or more: give score points "
            "per USD, such as cost_weight_grid does"
        )
    expected = _like(measured, estimated_scores, "estimated_scores")
    prices = _like(measured, estimated_costs, "estimated_costs")
    means = None if train_means is None else np.asarray(train_means, dtype=np.float64)
    mean_costs = spent.mean(axis=0) if train_costs is None else np.asarray(train_costs, np.float64)
    single_means = measured.mean(axis=0) if means is None else means
    rows, found = np.arange(len(measured)), []
    for weight in grid.tolist():
        chosen = first_choice(utilities(expected, prices, weight), means=means, costs=prices)
        single = _single(single_means, mean_costs, weight)
        gained = utilities(measured, spent, weight)
        best = gained.max(axis=1)
        found.append(
            (
                measured[rows, chosen].mean(),
                spent[rows, chosen].mean(),
                (best - gained[rows, chosen]).mean(),
                single,
                (best - gained[:, single]).mean(),
            )
        )
    quality, cost, regret, singles, single_regret = np.array(found).T
    return RegretCurve(
        weights=grid,
        quality=quality,
        cost=cost,
        regret=regret,
        single=singles.astype(np.int64),
        single_regret=single_regret,
        in_hindsight=means is None,
    )


def cost_weight_grid(
    costs: ArrayLike, scores: ArrayLike | None = None, *, points: int = 30
) -> Floats:
    """Cost weights from 0 to where only the cost counts, in score points per USD; shape (w,).

    0, then evenly in logarithms from r / 1000 / span to r / gap, with r the range of the scores,
    span that of the models' mean costs, and gap the least difference of two of them. At the least,
    the dearest model must be r / 1000 better than the cheapest to be worth its price; at the
    greatest, the cheaper of any two wins, whatever is expected of them. The gap counts as a tenth
    of the span at most and as a millionth of it at least. The weights come in USD and not in parts
    of the largest cost: they can be given to `ScoreMinusCost` as they are.

    Args:
        costs: What each model cost, USD, shape (n, m), or the mean of each, shape (m,). NaN cells
            do not count.
        scores: What was measured, any shape; None for scores that fill [0, 1].
        points: How many weights, 0 among them; at least 2.

    Returns:
        Ascending; 0 alone where all models cost the same, for then no weight changes a choice.

    Raises:
        EvaluationError: No cost is known of a model, one is infinite, no score was measured, or
            `points` is below 2.

    Example:
        >>> cost_weight_grid([0.0, 0.01], points=3).tolist()
        [0.0, 0.1, 1000.0]
    """
    if points < 2:
        raise EvaluationError(f"points is {points}; give 2 or more: 0 is one of them")
    spent = np.atleast_2d(np.asarray(costs, dtype=np.float64))
    unknown = np.flatnonzero(np.isnan(spent).all(axis=0))
    if not spent.size or len(unknown):
        raise EvaluationError(
            f"no cost is known of {len(unknown)} of {spent.shape[1]} models"
            + (f", the first in column {unknown[0]}" if len(unknown) else "")
            + "; a cost weight needs the cost of every model: measure or price them"
        )
    means = np.unique(vectors(costs=np.nanmean(spent, axis=0))[0])
    if means[-1] - means[0] <= _SLACK * np.abs(means).max():
        return np.zeros(1)
    span, gap = float(means[-1] - means[0]), float(np.diff(means).min())
    spread = 1.0 if scores is None else _spread(scores)
    most = min(max(span / gap, 10.0), 1e6)
    return np.concatenate(([0.0], spread / span * np.geomspace(1e-3, most, points - 1)))


def _spread(scores: ArrayLike) -> float:
    """The range of what was measured; 1 where all of it is the same."""
    flat = np.ravel(np.asarray(scores, dtype=np.float64))
    (known,) = vectors(scores=flat[~np.isnan(flat)])
    return float(np.ptp(known)) or 1.0


def _like(measured: Floats, values: ArrayLike, name: str) -> Floats:
    """A table of the same queries and models, which may hold NaN."""
    found = np.asarray(values, dtype=np.float64)
    if found.shape != measured.shape:
        raise EvaluationError(
            f"{name} has shape {found.shape}, and scores {measured.shape}; give one row a query "
            "and one column a model, in the same order"
        )
    return found


def _single(means: Floats, costs: Floats, weight: float) -> int:
    utility = utilities(means, costs, weight)[None]
    return int(first_choice(utility, means=means, costs=costs)[0])

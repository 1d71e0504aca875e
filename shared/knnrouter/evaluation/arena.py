"""RouterArena's measures (arXiv 2510.00202): one score, and how near the choices are to the best.

The optimality figures carry the names of its leaderboard; where its code counts fewer queries than
are counted here, the docstring tells which.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.errors import EvaluationError

from .arrays import Floats, columns, table, undefined

__all__ = ["arena_score", "optimal_accuracy", "optimal_cost", "optimal_selection"]


def arena_score(
    quality: float,
    usd_per_1000: float,
    *,
    beta: float = 0.1,
    cheapest: float = 0.0044,
    dearest: float = 200.0,
) -> float:
    """RouterArena's score: S = (1 + b) A C / (b A + C), a weighted harmonic mean.

    C = (log2 dearest - log2 c) / (log2 dearest - log2 cheapest) is 1 at the cheapest and 0 at the
    dearest; a cost beyond either counts as that, as in RouterArena's code. The defaults are its.

    Args:
        quality: Mean score A, in [0, 1].
        usd_per_1000: Cost c of 1,000 queries.
        beta: How much the cost counts, > 0.
        cheapest: USD per 1,000 queries at which C is 1, > 0.
        dearest: USD per 1,000 queries at which C is 0.

    Raises:
        EvaluationError: A value is outside its range.

    Example:
        >>> round(arena_score(0.6688, 0.15), 4)  # the leaderboard has 66.89
        0.669
    """
    _check_arena(quality, usd_per_1000, beta, cheapest, dearest)
    cost = min(max(usd_per_1000, cheapest), dearest)
    thrift = math.log2(dearest / cost) / math.log2(dearest / cheapest)
    if quality == 0 or thrift == 0:
        return 0.0
    return (1 + beta) * quality * thrift / (beta * quality + thrift)


def optimal_selection(
    scores: ArrayLike, costs: ArrayLike, chosen: ArrayLike, *, right: float = 0.5
) -> float:
    """RouterArena's Opt.Sel: how often the choice is the cheapest model that is right.

    Of the queries that some model gets right; models that are right at the same least cost are all
    optimal. RouterArena's code counts only queries that the router got right: its figure is this
    one, divided by `optimal_accuracy`.

    Args:
        scores: What each model scored; shape (n, m).
        costs: What it cost; shape (n, m).
        chosen: The column of the choice on each query; shape (n,).
        right: A score above this is right.

    Returns:
        A share; NaN where no query is solved by any model.

    Example:
        >>> scores, costs = [[1, 1], [0, 1], [0, 0]], [[1.0, 2.0]] * 3
        >>> optimal_selection(scores, costs, [1, 1, 0])
        0.5
    """
    solved, spent, taken = _solved(scores, costs, chosen, right)
    if not solved.any():
        return undefined("the share of optimal selections", "no model gets any query right")
    least = np.where(solved, spent, np.inf).min(axis=1)
    rows = np.arange(len(taken))
    optimal = solved[rows, taken] & (spent[rows, taken] <= least)
    return float(optimal[solved.any(axis=1)].mean())


def optimal_cost(
    scores: ArrayLike, costs: ArrayLike, chosen: ArrayLike, *, right: float = 0.5
) -> float:
    """RouterArena's Opt.Cost: what the cheapest right models cost, in parts of what was spent.

    Over the queries that the choice gets right, as in RouterArena's code, so that cheap wrong
    answers save nothing: sum of the least cost of a right model / sum of the costs of the choices.

    Args:
        scores: What each model scored; shape (n, m).
        costs: What it cost; shape (n, m).
        chosen: The column of the choice on each query; shape (n,).
        right: A score above this is right.

    Returns:
        At most 1, which is no dollar wasted; NaN where the choices are never right or cost nothing.

    Example:
        >>> scores, costs = [[1, 1], [0, 1], [0, 0]], [[1.0, 2.0]] * 3
        >>> optimal_cost(scores, costs, [1, 1, 0])
        0.75
    """
    solved, spent, taken = _solved(scores, costs, chosen, right)
    rows = np.arange(len(taken))
    succeeded = solved[rows, taken]
    paid = float(spent[rows, taken][succeeded].sum())
    if paid == 0:
        return undefined("the optimal part of the cost", "the right choices cost nothing at all")
    least = np.where(solved, spent, np.inf).min(axis=1)
    return float(least[succeeded].sum() / paid)


def optimal_accuracy(scores: ArrayLike, chosen: ArrayLike, *, right: float = 0.5) -> float:
    """RouterArena's Opt.Acc: the queries answered right, in parts of those that some model solves.

    Args:
        scores: What each model scored; shape (n, m).
        chosen: The column of the choice on each query; shape (n,).
        right: A score above this is right.

    Returns:
        In [0, 1]; NaN where no query is solved by any model.

    Example:
        >>> optimal_accuracy([[1, 1], [0, 1], [0, 0]], [1, 0, 0])
        0.5
    """
    measured = table(scores)
    solved, _, taken = _solved(measured, np.zeros(measured.shape), chosen, right)
    possible = int(solved.any(axis=1).sum())
    if not possible:
        return undefined("the optimal part of the accuracy", "no model gets any query right")
    return float(solved[np.arange(len(taken)), taken].sum() / possible)


def _solved(
    scores: ArrayLike, costs: ArrayLike, chosen: ArrayLike, right: float
) -> tuple[NDArray[np.bool_], Floats, NDArray[np.int64]]:
    measured = table(scores)
    spent = table(costs, name="costs", like=measured)
    return measured > right, spent, columns(chosen, *measured.shape)


def _check_arena(quality: float, cost: float, beta: float, cheapest: float, dearest: float) -> None:
    problems = []
    if not 0 <= quality <= 1:
        problems.append(f"quality is {quality}; it is a mean score: give a number in [0, 1]")
    if not 0 <= cost < math.inf:
        problems.append(f"usd_per_1000 is {cost}; give USD per 1,000 queries, 0 or more")
    if not 0 < beta < math.inf:
        problems.append(f"beta is {beta}; give a weight above 0, such as RouterArena's 0.1")
    if not 0 < cheapest < dearest < math.inf:
        problems.append(
            f"cheapest is {cheapest} and dearest {dearest}; give two costs above 0, the lower first"
        )
    if problems:
        raise EvaluationError(problems)

"""Bradley and Terry's model: strengths of players, and from these who wins how often.

Player a beats b with the probability 1 / (1 + exp(theta_b - theta_a)). The strengths theta are
those under which the battles were likeliest (Bradley and Terry 1952; Ong et al. 2024,
2406.18665, print the sign the other way round). A tie is half a win for each.

They depend on the battles only through `wins[a, b]`, the summed weight of a's wins over b. So a
model fitted to any number of battles is a problem as small as the players are few, and is solved by
Newton's method. A step is cut short so that no difference of two strengths changes by more than
1.5. For logistic losses this cannot overshoot: with r the largest change, a step of t is a gain
wherever t (exp(r) - r - 1) / r² < 1 (Bach 2010, Electronic Journal of Statistics 4, proposition 1).

A player that never loses would be infinitely strong, and players that never met could stand
anywhere to one another. To keep all finite, every two players share one more tie that weighs
`PRIOR` of an average battle. So a player that won all of N average battles against another has a
win rate of 1 - PRIOR / (2 (N + PRIOR)), and two groups that never met are taken to be alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["PRIOR", "mean_win_rates", "strengths", "win_rate"]

PRIOR = 1e-4
"""The weight of the tie that every two players share, in average battles."""

_STEPS = 200
"""Far more than are needed; a player that never loses takes about twenty."""
_REACH = 1.5
"""How far a difference of strengths may move in a step."""
_STILL = 1e-6
"""A step this short ends the search: the next would be about its square."""


def win_rate(own: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often a player of one strength beats one of the other, a tie counting half.

    Example:
        >>> win_rate(np.array([0.0, np.log(3)]), np.array([0.0, 0.0])).round(3).tolist()
        [0.5, 0.75]
    """
    gap = own - other
    small = np.exp(-np.abs(gap))  # of either sign, without overflow and without loss of digits
    return np.asarray(np.where(gap >= 0, 1.0, small) / (1.0 + small))


def mean_win_rates(strengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often each model wins, on average over the other models.

    Args:
        strengths: Shape (q, m); NaN for a model of which nothing is known.

    Returns:
        Shape (q, m); NaN where nothing is known of the model, or of any other.

    Example:
        >>> mean_win_rates(np.log([[3.0, 1.0, np.nan]])).round(3).tolist()
        [[0.75, 0.25, nan]]
    """
    known = ~np.isnan(strengths)
    rates = np.zeros(strengths.shape)
    for model in range(strengths.shape[1]):  # a loop over models needs no (q, m, m) array
        rates += np.nan_to_num(win_rate(strengths, strengths[:, [model]]))
    rates -= 0.5 * known  # each model against itself
    others = known.sum(axis=1, keepdims=True) - 1
    means: NDArray[np.float64] = np.full(strengths.shape, np.nan)
    np.divide(rates, others, out=means, where=known & (others > 0))
    return means


def strengths(wins: NDArray[np.float64], *, battles: float) -> NDArray[np.float64]:
    """The strengths under which the battles of each query were likeliest.

    Args:
        wins: The summed weight of the wins of each player over each other; shape (q, p, p); only
            the proportions within a query matter.
        battles: How many battles these are, which says what an average one weighs.

    Returns:
        Shape (q, p); the mean of a query's strengths is 0.

    Example:
        >>> wins = np.array([[[0.0, 3.0], [1.0, 0.0]]])
        >>> found = strengths(wins, battles=4.0)
        >>> win_rate(found[:, 0], found[:, 1]).round(3).tolist()
        [0.75]
    """
    count, players, _ = wins.shape
    average = wins.sum(axis=(1, 2), keepdims=True) / battles
    won = wins / average + PRIOR / 2
    found = np.zeros((count, players))
    for _ in range(_STEPS):
        step = _newton(found, won)
        reach = step.max(axis=1, keepdims=True) - step.min(axis=1, keepdims=True)
        found += step * np.minimum(1.0, _REACH / np.maximum(reach, _STILL))
        if reach.max(initial=0.0) <= _STILL:
            break
    return np.asarray(found - found.mean(axis=1, keepdims=True))


def _newton(found: NDArray[np.float64], won: NDArray[np.float64]) -> NDArray[np.float64]:
    """The step to the top of the parabola that touches the log-likelihood."""
    rates = win_rate(found[:, :, None], found[:, None, :])
    surprises = won * rates.transpose(0, 2, 1)
    bends = surprises * rates
    bends = bends + bends.transpose(0, 2, 1)
    gradient = (surprises - surprises.transpose(0, 2, 1)).sum(axis=2)
    total = bends.sum(axis=2)
    players = found.shape[1]
    # Adding a constant to all strengths changes nothing; the mean term settles it.
    curvature = total.mean(axis=1)[:, None, None] / players - bends
    curvature[:, np.arange(players), np.arange(players)] += total
    return np.asarray(np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0])

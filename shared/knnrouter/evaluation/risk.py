"""What few measurements prove: bounds that hold at any number of rows, whatever is measured.

Nothing is assumed but that the rows are drawn alike and without regard to one another, and lie in a
known range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from knnrouter.errors import EvaluationError

from .resampling import Interval

__all__ = ["betting_p_value", "certified", "rows_needed", "wilson"]

_LARGEST_BET = 0.75
"""The part of the capital that a bet risks at most (the c of the paper)."""


def betting_p_value(
    values: ArrayLike, mean: float, *, low: float = 0.0, high: float = 1.0, level: float = 0.05
) -> float:
    """How little the values speak for a true mean of at most `mean`: a valid p-value at any n.

    A gambler bets on each value, by what was seen before it, that the mean is higher; if it is not,
    the capital reaches 1 / p with a probability of at most p (Waudby-Smith & Ramdas 2024,
    "Estimating means of bounded random variables by betting", JRSS B 86; Ville's inequality). With
    the values mapped onto [0, 1] as x and the mean as m,

        K_t = K_{t-1} · (1 + b_t (x_t - m)),  K_0 = 1,  p = 1 / max(K_0, ..., K_n)
        b_t = min(sqrt(2 ln(1 / level) / (n v_{t-1})), 0.75 / m),  v_0 = 1/4
        v_t = (1/4 + Σ (x_i - a_i)²) / (t + 1),  a_t = (1/2 + Σ x_i) / (t + 1)

    Args:
        values: What was measured, in an order drawn without regard to it; shape (n,).
        mean: The hypothesis: the true mean is at most this.
        low: The least possible value.
        high: The greatest possible value.
        level: The p-value that the bets aim at; another one is valid too, and reached later.

    Returns:
        In (0, 1]; 1 where there are no values.

    Raises:
        EvaluationError: A value is outside of [low, high] or NaN, the mean is not between them, or
            the level is not in (0, 1).

    Example:
        >>> round(betting_p_value([1, 1], 0.5), 4)  # 1 / (1 + 1.5 · 0.5)², both bets the largest
        0.3265
        >>> betting_p_value([1] * 20, 0.5) < 1e-4
        True
    """
    given = np.asarray(values, dtype=np.float64)
    if not low < mean < high:
        raise EvaluationError(f"mean is {mean:g}; give a number between {low:g} and {high:g}")
    if not 0 < level < 1:
        raise EvaluationError(f"level is {level}; give a p-value above 0 and below 1, such as 0.05")
    if given.ndim != 1 or not ((given >= low) & (given <= high)).all():
        raise EvaluationError(
            f"values of shape {given.shape} are to lie in [{low:g}, {high:g}], and some do not; "
            "give the range that they must have"
        )
    if not given.size:
        return 1.0
    x, m = (given - low) / (high - low), (mean - low) / (high - low)
    seen = np.arange(1, len(x) + 1)
    average = (0.5 + np.cumsum(x)) / (seen + 1)
    spread = (0.25 + np.cumsum((x - average) ** 2)) / (seen + 1)
    before = np.concatenate(([0.25], spread[:-1]))
    bets = np.minimum(np.sqrt(2 * math.log(1 / level) / (len(x) * before)), _LARGEST_BET / m)
    capital = np.cumsum(np.log1p(bets * (x - m)))
    return float(np.exp(-max(0.0, capital.max())))


def certified(p_values: Sequence[float], level: float) -> int:
    """How many of the hypotheses are rejected, tested in their order until one is not.

    The order must not depend on what the tests look at. Then no true hypothesis is rejected with a
    probability of at least 1 - level, however many there are (fixed sequence testing, as in Learn
    then Test: Angelopoulos, Bates, Candès, Jordan & Lei 2021, arXiv 2110.01052).

    Example:
        >>> certified([0.01, 0.04, 0.2, 0.01], 0.05)
        2
    """
    return next((at for at, p in enumerate(p_values) if p > level), len(p_values))


def rows_needed(lead: float, spread: float, *, width: float, level: float = 0.05) -> float:
    """About how many rows would let `betting_p_value` reject, four times in five.

    Args:
        lead: How far the true mean is above the hypothesis.
        spread: The standard deviation of a value.
        width: By how much values can differ.
        level: The p-value to be reached.

    Returns:
        A number of rows; infinity where the lead is not above zero.

    Example:
        >>> round(rows_needed(0.1, 0.5, width=1))  # (sqrt(2 ln 20) + 0.84)² · 25
        270
    """
    if not lead > 0:
        return math.inf
    usual = (math.sqrt(2 * math.log(1 / level)) + NormalDist().inv_cdf(0.8)) ** 2
    return max(usual * (spread / lead) ** 2, math.log(1 / level) * width / (_LARGEST_BET * lead))


def wilson(hits: float, n: float, *, confidence: float = 0.95) -> Interval:
    """A share of `n` queries with its interval (Wilson 1927), which is never empty.

    Where queries come in sets that are all alike, give fewer of both: as many as they are worth.

    Example:
        >>> print(wilson(0, 10), wilson(3, 10))
        0.0000 [0.0000, 0.2775] 0.3000 [0.1078, 0.6032]
    """
    z = -NormalDist().inv_cdf((1 - confidence) / 2)
    share, more = hits / n, z * z / n
    middle = (share + more / 2) / (1 + more)
    half = z * math.sqrt(share * (1 - share) / n + more / (4 * n)) / (1 + more)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))

"""Intervals by drawing the queries again, with replacement (Efron & Tibshirani 1993, chapter 13).

What two routers did on the same query belongs together: a draw takes both or neither, so what is
hard for both cancels out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Interval", "bootstrap", "paired_bootstrap"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the percentile interval of its draws.

    Example:
        >>> str(Interval(0.012, 0.004, 0.021))
        '0.0120 [0.0040, 0.0210]'
        >>> Interval(0.012, 0.004, 0.021).excludes(0.0)
        True
    """

    estimate: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether the value lies outside: at this confidence, the figure differs from it."""
        return not self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.estimate:.4f} [{self.low:.4f}, {self.high:.4f}]"


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float],
    rows: int,
    *,
    confidence: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """The interval of any figure of `rows` queries.

    Args:
        statistic: The figure of the queries with these row numbers, some of them repeated.
        rows: How many queries there are.
        confidence: How much of the draws the interval holds, in (0, 1).
        draws: How many times the queries are drawn.
        seed: Where the draws come from.

    Example:
        >>> wins = np.array([0.0, 1.0, 1.0, 1.0])
        >>> bootstrap(lambda rows: wins[rows].mean(), 4).estimate
        0.75
    """
    random = np.random.default_rng(seed)
    drawn = [statistic(random.integers(rows, size=rows)) for _ in range(draws)]
    return _interval(statistic(np.arange(rows)), np.array(drawn), confidence)


def paired_bootstrap(
    ours: ArrayLike,
    theirs: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """The interval of how much better our mean score is than theirs, on the same queries.

    Where several runs scored a query, give its mean over the runs: queries are what is drawn.

    Args:
        ours: What our choices scored; shape (n,).
        theirs: What theirs scored on the same queries; shape (n,).
        groups: The data set of each query, shape (n,): the figure is then the mean of the data
            sets' means, and each set is drawn within itself. None: all queries count alike.
        confidence: How much of the draws the interval holds, in (0, 1).
        draws: How many times the queries are drawn.
        seed: Where the draws come from.

    Raises:
        ValueError: The arrays differ in length, are empty, or hold a NaN.

    Example:
        >>> paired_bootstrap([1, 1, 0, 1], [0, 0, 0, 0]).estimate
        0.75
        >>> paired_bootstrap([1, 1, 0], [0, 0, 0], groups=["a", "a", "b"]).estimate
        0.5
    """
    difference, labels = _differences(ours, theirs, groups)
    parts = [difference[labels == label] for label in np.unique(labels)]
    random = np.random.default_rng(seed)
    drawn = np.mean([_drawn_means(part, draws, random) for part in parts], axis=0)
    return _interval(float(np.mean([part.mean() for part in parts])), drawn, confidence)


def _differences(
    ours: ArrayLike, theirs: ArrayLike, groups: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.generic]]:
    """By how much ours scored more on each query, and the query's data set; shape (n,) each."""
    one, other = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    labels = np.zeros(one.shape) if groups is None else np.asarray(groups)
    shapes = [one.shape, other.shape, labels.shape]
    if one.ndim != 1 or len(set(shapes)) > 1 or not one.size:
        raise ValueError(
            f"ours, theirs and groups have shapes {shapes}; give one value a query in each, for "
            "the same queries"
        )
    unknown = int(np.isnan(one - other).sum())
    if unknown:
        raise ValueError(
            f"{unknown} of the {len(one)} queries have a NaN; both must be measured on every "
            "query: leave out the queries where one is not"
        )
    return one - other, labels


def _drawn_means(
    values: NDArray[np.float64], draws: int, random: np.random.Generator
) -> NDArray[np.float64]:
    size = len(values)
    return np.array([values[random.integers(size, size=size)].mean() for _ in range(draws)])


def _interval(estimate: float, drawn: NDArray[np.float64], confidence: float) -> Interval:
    tail = (1.0 - confidence) / 2
    low, high = np.quantile(drawn, (tail, 1.0 - tail))
    return Interval(float(estimate), float(low), float(high))

"""Intervals by drawing the queries again, with replacement (Efron & Tibshirani 1993, chapter 13).

What two routers did on the same query belongs together: a draw takes both or neither, so what is
hard for both cancels out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.errors import EvaluationError

__all__ = ["Interval", "bootstrap", "interval", "paired_bootstrap", "resampled_means", "widening"]

_CELLS = 4_000_000
"""How many counts are held at a time."""

_NO_DRAW = "draws is {draws}; give how many times to draw, 1 or more, such as 2000"


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

    Raises:
        EvaluationError: There is no query or no draw, or `confidence` is out of range.

    Example:
        >>> wins = np.array([0.0, 1.0, 1.0, 1.0])
        >>> bootstrap(lambda rows: wins[rows].mean(), 4).estimate
        0.75
    """
    if rows < 1:
        raise EvaluationError(f"rows is {rows}; give how many queries there are, at least 1")
    random = np.random.default_rng(seed)
    drawn = [statistic(random.integers(rows, size=rows)) for _ in range(draws)]
    return _interval(statistic(np.arange(rows)), np.array(drawn), confidence)


def resampled_means(
    values: ArrayLike, *, clusters: ArrayLike | None = None, draws: int = 2000, seed: int = 0
) -> NDArray[np.float64]:
    """The means of several columns over queries that are drawn again, the same for all columns.

    Args:
        values: A row a query; shape (n, p). A NaN makes its column NaN.
        clusters: What is drawn as a whole, such as the task of each query; shape (n,). The mean is
            still over queries. None: the queries themselves.
        draws: How many times.
        seed: Where the draws come from.

    Returns:
        Means, shape (draws, p).

    Raises:
        EvaluationError: There is no row, not one cluster a row, or no draw.

    Example:
        >>> drawn = resampled_means([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]], draws=50)
        >>> drawn.shape, bool(np.allclose(drawn.sum(axis=1), 1))
        ((50, 2), True)
    """
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or not len(rows):
        raise EvaluationError(
            f"values has shape {rows.shape}; give (n, p), a row a query, at least one"
        )
    if draws < 1:
        raise EvaluationError(_NO_DRAW.format(draws=draws))
    sums, sizes = _cluster_sums(rows, clusters)
    random = np.random.default_rng(seed)
    step = max(1, _CELLS // len(sums))
    parts = []
    for start in range(0, draws, step):
        some = min(step, draws - start)
        drawn = random.integers(len(sums), size=(some, len(sums)))
        counts = np.empty(drawn.shape)  # of floats, which products of matrices want
        for place, each in enumerate(drawn):
            counts[place] = np.bincount(each, minlength=len(sums))
        parts.append((counts @ sums) / (counts @ sizes)[:, None])
    return np.concatenate(parts)


def _cluster_sums(
    rows: NDArray[np.float64], clusters: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if clusters is None:
        return rows, np.ones(len(rows))
    labels = np.asarray(clusters)
    if labels.shape != (len(rows),):
        raise EvaluationError(
            f"clusters has shape {labels.shape} for {len(rows)} queries; give one label a query"
        )
    _, number = np.unique(labels, return_inverse=True)
    sizes = np.bincount(number).astype(np.float64)
    sums = np.zeros((len(sizes), rows.shape[1]))
    np.add.at(sums, number, rows)
    return sums, sizes


def widening(clusters: int, confidence: float = 0.95) -> float:
    """By how much to widen an interval of a few clusters that were drawn as wholes.

    Draws of few clusters scatter too little: by the part (G - 1) / G in variance, and as if their
    scatter were known rather than seen. Student's t stands for both (Hesterberg 2015, section 3).

    Args:
        clusters: How many there are, G, at least 2.
        confidence: How much of the draws the interval holds, in (0, 1).

    Example:
        >>> round(widening(2), 3), round(widening(5), 3), round(widening(1000), 3)
        (9.168, 1.584, 1.002)
    """
    normal = NormalDist().inv_cdf(0.5 + confidence / 2)
    return _student(clusters - 1, confidence) / normal * math.sqrt(clusters / (clusters - 1))


def _student(freedom: int, confidence: float) -> float:
    """Between minus and plus which value Student's t lies so often; by halving.

    With `angle` = atan(t / sqrt(freedom)) its probability is a finite sum (Abramowitz & Stegun
    1964, 26.7.3 and 26.7.4).
    """
    odd = freedom % 2
    steps = np.arange(1 + odd, freedom - 2, 2)
    factors = np.cumprod(np.concatenate([[1.0], steps / (steps + 1)]))
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        powers = math.cos(angle) ** (2 * np.arange(len(factors)))
        inside = math.sin(angle) * float(factors @ powers)
        if odd:
            more = math.cos(angle) * inside if freedom > 1 else 0.0
            inside = 2 / math.pi * (angle + more)
        low, high = (angle, high) if inside < confidence else (low, angle)
    return math.tan((low + high) / 2) * math.sqrt(freedom)


def interval(estimate: float, drawn: ArrayLike, confidence: float = 0.95) -> Interval:
    """A figure with the percentile interval of its draws; NaN ends where a draw is NaN.

    Raises:
        EvaluationError: There is no draw, or `confidence` is out of range.

    Example:
        >>> interval(0.5, [0.1, 0.5, 0.9], confidence=0.5)
        Interval(estimate=0.5, low=0.3, high=0.7)
    """
    return _interval(estimate, np.asarray(drawn, dtype=np.float64), confidence)


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
        EvaluationError: The arrays differ in length, are empty, or hold a NaN; or there is no
            draw, or `confidence` is out of range.

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
        raise EvaluationError(
            f"ours, theirs and groups have shapes {shapes}; give one value a query in each, for "
            "the same queries"
        )
    unknown = int(np.isnan(one - other).sum())
    if unknown:
        raise EvaluationError(
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
    if not 0 < confidence < 1:
        raise EvaluationError(
            f"confidence is {confidence}; give a share above 0 and below 1, such as 0.95"
        )
    if not drawn.size:
        raise EvaluationError(_NO_DRAW.format(draws=0))
    tail = (1.0 - confidence) / 2
    low, high = np.quantile(drawn, (tail, 1.0 - tail))
    return Interval(float(estimate), float(low), float(high))

"""How well expected scores foretell measured ones: any arrays of one shape, cell by cell.

`expected` are estimates and `measured` what came of them, both in [0, 1]: those of the chosen model
on each query, shape (n,), or those of all models, shape (n, m). Cells where either is NaN tell
nothing and are left out. Measured scores may be fractions: Brier score, log loss and calibration
error hold for them as they stand; the ROC-AUC calls them right above a threshold.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.errors import EvaluationError

from .arrays import Floats, known_columns, numbers, table, undefined, vectors
from .ratios import task_means

__all__ = [
    "Reliability",
    "brier",
    "ece",
    "log_loss",
    "mae",
    "pearson",
    "r2",
    "reliability_bins",
    "roc_auc",
    "spearman",
    "task_correlations",
]

_BORDER = 1e-9
"""How far below the border of a bin, in bins, an expectation is on it: 0.29 * 100 is below 29."""

_EPS = 1e-15
"""How near 0 and 1 an expected score may come in a log loss; a certain error costs 34.5."""


def brier(expected: ArrayLike, measured: ArrayLike) -> float:
    """Brier score: mean (p - y)^2; 0 is perfect (Brier 1950).

    Example:
        >>> brier([0.5, 1.0], [1, 1])
        0.125
    """
    chances, truth = _pairs(expected, measured, within=True)
    return float(((chances - truth) ** 2).mean())


def log_loss(expected: ArrayLike, measured: ArrayLike, *, eps: float = _EPS) -> float:
    """Log loss in nats: mean of -(y log p + (1 - y) log(1 - p)), p clipped to [eps, 1 - eps].

    Args:
        expected: In [0, 1].
        measured: In [0, 1]; of a fraction, both terms count.
        eps: How near 0 and 1 p may come, in (0, 0.5).

    Example:
        >>> round(log_loss([0.5, 1.0], [1, 1]), 6)  # log(2) / 2
        0.346574
    """
    if not 0 < eps < 0.5:
        raise EvaluationError(f"eps is {eps}; it lies in (0, 0.5): give such as {_EPS:g}")
    chances, truth = _pairs(expected, measured, within=True)
    chances = np.clip(chances, eps, 1 - eps)
    return float(-(truth * np.log(chances) + (1 - truth) * np.log1p(-chances)).mean())


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Reliability:
    """Expected against measured scores, in bins of like expectation; empty bins are left out.

    Attributes:
        expected: Mean expected score of each bin, ascending; shape (b,).
        measured: Mean measured score of each; shape (b,).
        counts: How many cells are in each; shape (b,).
    """

    expected: Floats
    measured: Floats
    counts: NDArray[np.int64]


def reliability_bins(
    expected: ArrayLike,
    measured: ArrayLike,
    *,
    bins: int = 10,
    kind: Literal["width", "mass"] = "width",
) -> Reliability:
    """The points of a reliability diagram.

    Args:
        expected: In [0, 1].
        measured: In [0, 1].
        bins: How many bins.
        kind: `width`: [0, 1] is cut into equal parts; an expectation on a border belongs above, 1
            to the last. `mass`: as many cells in each as can be; equal expectations stay together.

    Example:
        >>> found = reliability_bins([0.05, 0.15, 0.15, 1.0], [0, 0, 1, 1])
        >>> found.expected.tolist(), found.measured.tolist(), found.counts.tolist()
        ([0.05, 0.15, 1.0], [0.0, 0.5, 1.0], [1, 2, 1])
    """
    if bins < 1 or kind not in ("width", "mass"):
        raise EvaluationError(
            f"bins is {bins} and kind {kind!r}; give 1 bin or more, of equal 'width' or 'mass'"
        )
    chances, truth = _pairs(expected, measured, within=True)
    if kind == "width":
        place = np.minimum((chances * bins + _BORDER).astype(np.int64), bins - 1)
    else:
        place = ((_ranks(chances) - 0.5) / len(chances) * bins).astype(np.int64)
    counts = np.bincount(place, minlength=bins)
    filled = counts > 0
    sums = [np.bincount(place, weights=values, minlength=bins) for values in (chances, truth)]
    means = [each[filled] / counts[filled] for each in sums]
    return Reliability(expected=means[0], measured=means[1], counts=counts[filled])


def ece(
    expected: ArrayLike,
    measured: ArrayLike,
    *,
    bins: int = 10,
    kind: Literal["width", "mass"] = "width",
) -> float:
    """Expected calibration error: sum over bins of n_b / n * |mean expected - mean measured|.

    In [0, 1]; 0 where each bin's expectation is right on average (Naeini et al. 2015). The bins are
    those of `reliability_bins`. It grows with the number of bins where cells are few.

    Example:
        >>> round(ece([0.75, 0.75, 0.25, 0.25], [1, 0, 0, 0]), 6)  # 0.25 in both bins
        0.25
    """
    found = reliability_bins(expected, measured, bins=bins, kind=kind)
    apart = np.abs(found.expected - found.measured)
    return float(found.counts @ apart / found.counts.sum())


def roc_auc(expected: ArrayLike, measured: ArrayLike, *, right: float = 0.5) -> float:
    """The chance that a right answer was expected to be better than a wrong one; ties count half.

    The area under the ROC curve (Hanley & McNeil 1982), from the rank sum.

    Args:
        expected: On any scale.
        measured: A score above `right` is right.
        right: Between wrong and right.

    Returns:
        In [0, 1], 0.5 for chance; NaN where all are right, or all wrong.

    Example:
        >>> roc_auc([0.1, 0.4, 0.4, 0.9], [0, 0, 1, 1])
        0.875
    """
    chances, truth = _pairs(expected, measured)
    positive = truth > right
    hits, misses = int(positive.sum()), int((~positive).sum())
    if not hits or not misses:
        every = "right" if hits else "wrong"
        return undefined("the ROC-AUC", f"all {hits + misses} answers are {every}")
    above = _ranks(chances)[positive].sum() - hits * (hits + 1) / 2
    return float(above / (hits * misses))


def r2(expected: ArrayLike, measured: ArrayLike) -> float:
    """The coefficient of determination: 1 - sum (y - p)^2 / sum (y - mean y)^2.

    At most 1; 0 for the mean of what was measured; below for worse. NaN where all measure alike.

    Example:
        >>> r2([0.25, 0.75], [0.0, 1.0])
        0.75
    """
    chances, truth = _pairs(expected, measured)
    spread = float(((truth - truth.mean()) ** 2).sum())
    if _constant(truth):
        return undefined("R squared", f"all measured scores are {truth[0]:g}")
    return float(1.0 - ((truth - chances) ** 2).sum() / spread)


def mae(expected: ArrayLike, measured: ArrayLike) -> float:
    """Mean absolute error: mean |p - y|.

    Example:
        >>> mae([0.5, 1.0], [1, 1])
        0.25
    """
    chances, truth = _pairs(expected, measured)
    return float(np.abs(chances - truth).mean())


def pearson(one: ArrayLike, other: ArrayLike) -> float:
    """The linear correlation of two arrays, in [-1, 1]; NaN where one of them is constant.

    Example:
        >>> round(pearson([1, 2, 3], [2, 4, 6]), 6)
        1.0
    """
    left, right = _pairs(one, other)
    left, right = vectors(one=left, other=right)
    return _correlation(left, right, "the Pearson correlation")


def spearman(one: ArrayLike, other: ArrayLike) -> float:
    """The correlation of ranks, in [-1, 1]; ties share their mean rank; NaN where one is constant.

    Example:
        >>> round(spearman([1, 2, 3], [1, 100, 50]), 6)
        0.5
    """
    left, right = _pairs(one, other)
    return _correlation(_ranks(left), _ranks(right), "the Spearman correlation")


def task_correlations(
    expected: ArrayLike, scores: ArrayLike, tasks: Sequence[Hashable]
) -> tuple[float, float]:
    """Shnitzer's: how well a task's mean estimates order the models, by Pearson and by Spearman.

    For each task, the correlation over the models of mean expected and mean measured score; then
    the mean over the tasks (arXiv 2309.15789, table 1). Tasks on which either is the same for all
    models have none and do not count.

    Args:
        expected: Expected score of each model on each query; shape (n, m). A model with a NaN is
            left out.
        scores: What was measured; shape (n, m).
        tasks: The task of each query.

    Returns:
        Pearson, Spearman; NaN where no task has one.

    Raises:
        EvaluationError: A shape is another, a score is not measured, or no model is expected.

    Example:
        >>> found = task_correlations([[0.1, 0.2, 0.6]], [[0.0, 0.5, 1.0]], ["law"])
        >>> round(found[0], 4), round(found[1], 4)
        (0.9449, 1.0)
    """
    measured, known = known_columns(expected, table(scores))
    _, guessed = task_means(known, tasks)
    _, truth = task_means(measured, tasks)
    usable = [
        pair
        for pair in zip(guessed, truth, strict=True)
        if not _constant(pair[0]) and not _constant(pair[1])
    ]
    if not usable:
        why = "on every task all models are expected to be, or are, equally good"
        return undefined("the correlation over the models", why), float("nan")
    found = [(pearson(*pair), spearman(*pair)) for pair in usable]
    linear, by_rank = np.mean(found, axis=0).tolist()
    return linear, by_rank


def _pairs(
    expected: ArrayLike, measured: ArrayLike, *, within: bool = False
) -> tuple[Floats, Floats]:
    """The cells where both are known, flat; shape (k,) each, k at least 1."""
    one, other = numbers(expected, "expected"), numbers(measured, "measured")
    if one.shape != other.shape:
        raise EvaluationError(
            f"the two arrays have shapes {one.shape} and {other.shape}; give both for the same "
            "queries and models"
        )
    known = ~np.isnan(one) & ~np.isnan(other)
    if not known.any():
        raise EvaluationError(
            f"of {one.size} cells, none has both an expected and a measured score; at least 1 is "
            "needed: measure the models that are estimated"
        )
    left, right = one[known], other[known]
    least, most = min(left.min(), right.min()), max(left.max(), right.max())
    if within and not (least >= 0 and most <= 1):
        raise EvaluationError(
            f"scores go from {least:g} to {most:g}; they lie in [0, 1]: map them onto it first"
        )
    return left, right


def _ranks(values: Floats) -> Floats:
    """Places from 1, ascending; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place.reshape(-1)], dtype=np.float64)


def _constant(values: Floats) -> bool:
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def _correlation(left: Floats, right: Floats, figure: str) -> float:
    for values in (left, right):
        if _constant(values):
            return undefined(figure, f"all {len(values)} values of one array are equal")
    one, other = (each - each.mean() for each in (left, right))
    one, other = (each / np.abs(each).max() for each in (one, other))  # squares must not vanish
    found = float(one @ other / np.sqrt((one @ one) * (other @ other)))
    return min(1.0, max(-1.0, found))

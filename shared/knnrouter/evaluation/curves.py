"""Two models, a weak and a strong one: quality against the share of queries the strong one gets.

A router ranks queries by how much it prefers the strong model; a threshold on that preference gives
one point of the curve. The measures are those of RouteLLM (arXiv 2406.18665), computed as its code
does it, by trapezoid over eleven quantile thresholds: a router that knows nothing has an APGR of
one half. (The mean over ten thresholds, the formula in the paper, would give it 0.55.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.errors import EvaluationError

from .arrays import alike, undefined, vectors

__all__ = ["Curve", "apgr", "cost_saving_ratio", "cpt", "pgr", "strong_fraction_curve"]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Curve:
    """Mean quality at growing shares of strong calls; between its `p` points it is straight.

    Attributes:
        shares: Shares of the queries that the strong model gets, rising from 0 to 1; shape (p,).
        quality: Mean score at each share; shape (p,). The first is the weak model's own mean, the
            last is the strong model's.
    """

    shares: NDArray[np.float64]
    quality: NDArray[np.float64]

    @property
    def weak(self) -> float:
        """Mean score of the weak model."""
        return float(self.quality[0])

    @property
    def strong(self) -> float:
        """Mean score of the strong model."""
        return float(self.quality[-1])


def strong_fraction_curve(
    preference: ArrayLike, weak: ArrayLike, strong: ArrayLike, *, points: int = 11
) -> Curve:
    """The curve of a router, at `points` quantiles of its preference for the strong model.

    Queries of equal preference stay together, whatever the threshold: the curve passes over them in
    a straight line, which is what choosing among them at random would give. A router that prefers
    nothing at all so gets the straight line from weak to strong.

    Args:
        preference: How much the router prefers the strong model on each query, on any scale; (n,).
        weak: What the weak model scored; shape (n,).
        strong: What the strong model scored; shape (n,).
        points: How many thresholds, the least and the greatest preference among them; at least 2.

    Raises:
        EvaluationError: The arrays differ in length, are empty, or hold a number that is not
            finite; or `points` is below 2.

    Example:
        >>> curve = strong_fraction_curve([0.1, 0.9], weak=[1, 0], strong=[1, 1], points=3)
        >>> curve.shares.tolist(), curve.quality.tolist()
        ([0.0, 0.5, 1.0], [0.5, 1.0, 1.0])
    """
    wanted, low, high = _checked(preference, weak, strong, points)
    edges = np.quantile(wanted, np.linspace(0.0, 1.0, points))
    # The bin of a query is how many edges it reaches; the last edge itself counts as below it.
    edges[-1] = np.inf
    bins = np.searchsorted(edges, wanted, side="right")
    counts = np.bincount(bins, minlength=points)[:0:-1]
    gains = np.bincount(bins, weights=high - low, minlength=points)[:0:-1]
    shares = np.concatenate(([0.0], np.cumsum(counts) / len(wanted)))
    quality = low.mean() + np.concatenate(([0.0], np.cumsum(gains) / len(wanted)))
    return Curve(shares=shares, quality=quality)


def pgr(quality: float, *, weak: float, strong: float) -> float:
    """Performance gap recovered: 0 is the weak model's quality, 1 the strong model's.

    NaN, with an `EvaluationWarning`, where the two are equally good: no gap is there to recover.

    Example:
        >>> pgr(0.75, weak=0.5, strong=1.0)
        0.5
    """
    if alike(strong, weak):
        return undefined("the performance gap recovered", f"both models score {weak:g}")
    return (quality - weak) / (strong - weak)


def apgr(curve: Curve) -> float:
    """Average performance gap recovered: the mean of `pgr` over all shares of strong calls.

    Example:
        >>> apgr(strong_fraction_curve([0.1, 0.9], weak=[1, 0], strong=[1, 1], points=3))
        0.75
        >>> apgr(strong_fraction_curve([0.5, 0.5], weak=[1, 0], strong=[1, 1]))
        0.5
    """
    widths = np.diff(curve.shares)
    heights = (curve.quality[1:] + curve.quality[:-1]) / 2
    return pgr(float(widths @ heights), weak=curve.weak, strong=curve.strong)


def cpt(curve: Curve, recovered: float) -> float:
    """Call-performance threshold: the least share of strong calls that recovers this much.

    Args:
        curve: It may dip; what counts is where it reaches the target first.
        recovered: Part of the gap to be recovered, in [0, 1].

    Returns:
        A share in [0, 1]; NaN, with an `EvaluationWarning`, where the two models are equally good.

    Raises:
        EvaluationError: `recovered` is outside [0, 1].

    Example:
        >>> cpt(strong_fraction_curve([0.1, 0.9], weak=[1, 0], strong=[1, 1], points=3), 0.5)
        0.25
    """
    if not 0 <= recovered <= 1:
        raise EvaluationError(
            f"recovered is {recovered}; give a part of the gap, such as 0.8 for 80 %"
        )
    gap = curve.strong - curve.weak
    if alike(curve.strong, curve.weak):
        return undefined("the call-performance threshold", f"both models score {curve.weak:g}")
    heights = (curve.quality - curve.weak) / gap
    last = int(np.argmax(heights >= recovered))
    if last == 0:
        return 0.0
    rise = heights[last] - heights[last - 1]
    part = (recovered - heights[last - 1]) / rise
    width = curve.shares[last] - curve.shares[last - 1]
    return float(curve.shares[last - 1] + part * width)


def cost_saving_ratio(needed: float, at_random: float) -> float:
    """RouteLLM's cost saving ratio: how many times fewer strong calls than a random router needs.

    CPT(random) / CPT(router). A random router's `cpt` is on average the part of the gap that is to
    be recovered; the paper takes what its own random runs needed.

    Args:
        needed: The router's `cpt`.
        at_random: A random router's `cpt` for the same part of the gap.

    Returns:
        Above 1 where the router saves; infinite where it needs no strong call; NaN of a NaN, and
        where neither needs one.

    Example:
        >>> cost_saving_ratio(0.25, 0.5)
        2.0
    """
    if needed == 0 and at_random > 0:
        return float("inf")
    if needed == 0:
        return undefined("the cost saving ratio", "neither router needs a strong call")
    return at_random / needed


def _checked(
    preference: ArrayLike, weak: ArrayLike, strong: ArrayLike, points: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    wanted, low, high = vectors(preference=preference, weak=weak, strong=strong)
    if points < 2:
        raise EvaluationError(f"points is {points}; a curve has at least 2: give 11 for RouteLLM's")
    return wanted, low, high

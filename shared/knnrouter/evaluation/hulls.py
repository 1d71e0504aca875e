"""Quality against cost: what mixing the given points at random reaches, and who lies above it.

The hull of the single models is RouterBench's Zero router (arXiv 2403.12031): it looks at no query,
and a router that does not lie above it has learned nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.errors import EvaluationError

from .arrays import Floats, vectors

__all__ = ["Hull", "Mixture", "aiq", "hull", "pareto", "pareto_distance"]

_SLACK = 1e-9
"""How far a target may lie beyond a vertex, in parts of it: sums end a little beside it."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """Each query goes to one of two points at random.

    Attributes:
        low: Column of the cheaper one.
        high: Column of the dearer one; the same as `low` where one alone is the mixture.
        share_high: Part of the queries that the dearer one gets, in [0, 1].
    """

    low: int
    high: int
    share_high: float

    def expected(self, table: ArrayLike) -> Floats:
        """What it gives on each query, on average over its draws: of scores, or of costs.

        Args:
            table: One row a query, one column a point; shape (n, m).

        Example:
            >>> Mixture(low=0, high=2, share_high=0.25).expected([[0.0, 1.0, 1.0]]).tolist()
            [0.25]
        """
        values = np.asarray(table, dtype=np.float64)
        if not 0 < self.share_high < 1:  # what is not drawn need not be measured
            return values[:, self.high if self.share_high else self.low]
        low, high = values[:, self.low], values[:, self.high]
        return low + self.share_high * (high - low)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Hull:
    """The best that points, and random mixtures of them, reach at each cost.

    Attributes:
        costs: Of its vertices, ascending; shape (v,).
        quality: Of its vertices, ascending; shape (v,).
        columns: Which of the points they are; shape (v,).
    """

    costs: Floats
    quality: Floats
    columns: NDArray[np.int64]

    def quality_at(self, cost: float) -> float:
        """The best quality at this cost; as at the dearest vertex beyond it.

        NaN below the cheapest vertex: nothing is so cheap.

        Example:
            >>> zero = hull([1.0, 3.0], [0.5, 0.75])
            >>> zero.quality_at(2.0), zero.quality_at(9.0), zero.quality_at(0.5)
            (0.625, 0.75, nan)
        """
        if cost < self.costs[0] - _SLACK * abs(self.costs[0]):
            return float("nan")
        return float(np.interp(cost, self.costs, self.quality))

    def cost_at(self, quality: float) -> float:
        """The least cost that reaches this quality; NaN where nothing does.

        Example:
            >>> zero = hull([1.0, 3.0], [0.5, 0.75])
            >>> zero.cost_at(0.625), zero.cost_at(0.1), zero.cost_at(0.8)
            (2.0, 1.0, nan)
        """
        if quality > self.quality[-1] + _SLACK * abs(self.quality[-1]):
            return float("nan")
        return float(np.interp(quality, self.quality, self.costs))

    def mixture_at(self, cost: float) -> Mixture | None:
        """The random mixture that costs so much and is the best of those; None where nothing does.

        Beyond the dearest vertex it is that vertex alone, which costs less.

        Example:
            >>> hull([1.0, 3.0], [0.5, 0.75]).mixture_at(1.5)
            Mixture(low=0, high=1, share_high=0.25)
        """
        if np.isnan(self.quality_at(cost)):
            return None
        right = int(np.searchsorted(self.costs, cost, side="right"))
        if right in (0, len(self.costs)):
            alone = int(self.columns[max(right - 1, 0)])
            return Mixture(alone, alone, 1.0)
        width = self.costs[right] - self.costs[right - 1]
        return Mixture(
            low=int(self.columns[right - 1]),
            high=int(self.columns[right]),
            share_high=float((cost - self.costs[right - 1]) / width),
        )


def hull(costs: ArrayLike, quality: ArrayLike) -> Hull:
    """The non-decreasing concave upper hull of points: RouterBench's NDCH.

    It starts at the cheapest point (the best of the cheapest) and ends at the best one (the
    cheapest of the best). Of equal points it names the first; points on a straight line between two
    vertices are no vertices.

    Args:
        costs: Mean cost of each point, such as each single model; shape (p,).
        quality: Mean score of each point; shape (p,).

    Raises:
        EvaluationError: The arrays differ in length, are empty, or a point has no cost or quality.

    Example:
        >>> zero = hull([1.0, 2.0, 3.0, 4.0], [0.5, 0.55, 0.75, 0.7])
        >>> zero.columns.tolist(), zero.costs.tolist(), zero.quality.tolist()
        ([0, 2], [1.0, 3.0], [0.5, 0.75])
    """
    spent, reached = vectors(costs=costs, quality=quality)
    kept: list[int] = []
    for point in np.lexsort((np.arange(len(spent)), -reached, spent)).tolist():
        if kept and reached[point] <= reached[kept[-1]]:
            continue
        while len(kept) > 1 and _below(kept[-2], kept[-1], point, spent, reached):
            kept.pop()
        kept.append(point)
    return Hull(costs=spent[kept], quality=reached[kept], columns=np.array(kept, dtype=np.int64))


def aiq(
    reached: Hull,
    *,
    low: float | None = None,
    high: float | None = None,
    normalization: Literal["range", "max"] = "range",
) -> float:
    """Average improvement in quality: the mean height of a hull over a range of costs.

    `range` is the formula of RouterBench's paper (arXiv 2403.12031),
    1 / (high - low) * integral of the hull's quality from `low` to `high`. `max` is what its code
    divides by: 1 / `high`, with nothing counted below the cheapest vertex; it is `range` with a
    `low` of 0. In both, the hull goes on flat beyond its dearest vertex, and counts as 0 below its
    cheapest: nothing is so cheap. Hulls compare only with the same `low`, `high` and normalization.

    Args:
        reached: The hull.
        low: The least cost; None for that of the cheapest vertex. Not with `max`.
        high: The greatest cost, such as the largest of all the routers compared; None for that of
            the dearest vertex.
        normalization: `range` or `max`.

    Returns:
        Where `low` and `high` are equal, the quality at that cost, which is the limit.

    Raises:
        EvaluationError: `low` is above `high`, or comes with `max`; or another normalization.

    Example:
        >>> zero = hull([1.0, 3.0], [0.5, 0.75])
        >>> aiq(zero), aiq(zero, high=5.0), aiq(zero, normalization="max")
        (0.625, 0.6875, 0.4166666666666667)
    """
    first, last = float(reached.costs[0]), float(reached.costs[-1])
    stop = last if high is None else float(high)
    start = _start(first, low, normalization)
    if not start <= stop:
        raise EvaluationError(
            f"low is {start:g} and high is {stop:g}; low must not be above high: give the least "
            "and the greatest cost of all that is compared"
        )
    if start == stop:
        height = reached.quality_at(stop)
        return 0.0 if np.isnan(height) else height
    within = reached.costs[(reached.costs > start) & (reached.costs < stop)]
    edges = np.concatenate(([max(start, first)], within[within > first], [stop]))
    if edges[0] >= stop:
        return 0.0
    heights = np.interp(edges, reached.costs, reached.quality)
    area = float(np.diff(edges) @ (heights[1:] + heights[:-1])) / 2
    return area / (stop - start)


def pareto(costs: ArrayLike, quality: ArrayLike) -> NDArray[np.bool_]:
    """Which points no other beats: none is better and no dearer, none cheaper and no worse; (p,).

    Equal points do not beat each other. The share of a router's settings that are among them is
    LLMRouterBench's ParetoRatio (arXiv 2601.07206).

    Raises:
        EvaluationError: The arrays differ in length, are empty, or a point has no cost or quality.

    Example:
        >>> pareto([1.0, 2.0, 2.0, 3.0], [0.5, 0.75, 0.5, 0.75]).tolist()
        [True, True, False, False]
    """
    spent, reached = vectors(costs=costs, quality=quality)
    order = np.lexsort((-reached, spent))
    best_so_far = np.concatenate(([-np.inf], np.maximum.accumulate(reached[order])))
    cheaper = np.searchsorted(spent[order], spent, side="left")
    no_dearer = np.searchsorted(spent[order], spent, side="right")
    better_than_cheaper = reached > best_so_far[cheaper]
    return np.asarray(better_than_cheaper & (reached >= best_so_far[no_dearer]))


def pareto_distance(costs: ArrayLike, quality: ArrayLike) -> Floats:
    """How far each point is from the Pareto set of them all; 0 for its members; shape (p,).

    For point i, min over members f of sqrt(dc^2 + dq^2), with dc = max(0, c_i - c_f) / (c_max -
    c_min) and dq = max(0, q_f - q_i) / (q_max - q_min): what the point costs too much and lacks in
    quality, in parts of the ranges of all the points (the GD+ of Ishibuchi et al. 2015). The mean
    over a router's settings stands for LLMRouterBench's ParetoDist (arXiv 2601.07206), whose own
    normalization is not published: compare with figures computed here only.

    Raises:
        EvaluationError: The arrays differ in length, are empty, or a point has no cost or quality.

    Example:
        >>> pareto_distance([0.0, 1.0, 2.0], [0.0, 1.0, 0.5]).tolist()
        [0.0, 0.0, 0.7071067811865476]
    """
    spent, reached = vectors(costs=costs, quality=quality)
    members = pareto(spent, reached)
    dearer = np.maximum(spent[:, None] - spent[members], 0.0) / (np.ptp(spent) or 1.0)
    worse = np.maximum(reached[members] - reached[:, None], 0.0) / (np.ptp(reached) or 1.0)
    return np.asarray(np.hypot(dearer, worse).min(axis=1))


def _below(left: int, middle: int, right: int, costs: Floats, quality: Floats) -> bool:
    """Whether the middle point lies on or below the straight line between the other two."""
    rise = (quality[middle] - quality[left]) * (costs[right] - costs[left])
    return bool(rise <= (quality[right] - quality[left]) * (costs[middle] - costs[left]))


def _start(first: float, low: float | None, normalization: str) -> float:
    if normalization not in ("range", "max"):
        raise EvaluationError(
            f"normalization is {normalization!r}; it is 'range' or 'max': give one of them"
        )
    if normalization == "max" and low is not None:
        raise EvaluationError(
            f"low is {low:g} with normalization='max', which starts at 0; leave it out, or give "
            "normalization='range'"
        )
    if normalization == "max":
        return 0.0
    return first if low is None else float(low)

"""Tiers: models of like strength as one player.

Where few battles of a pair are known, tiers share them: Ong et al. 2024 (2406.18665, appendix A)
put 64 models into 10 tiers, by dynamic programming over the sorted ratings, so that the squares of
the distances from the tiers' means add up to the least. No other split into as many tiers, of any
kind, has a smaller sum (Fisher 1958, Journal of the American Statistical Association 53).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["tiers"]


def tiers(strengths: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The tier of each model, the strongest in tier 0.

    Args:
        strengths: One for each of `m` models.
        count: How many tiers, at least 1; with `m` or more, each model is a tier of its own.

    Returns:
        Tiers in [0, min(count, m)); shape (m,).

    Example:
        >>> tiers(np.array([0.1, 2.0, 1.9, 0.0]), 2).tolist()
        [1, 0, 0, 1]
    """
    order = np.argsort(-strengths, kind="stable")
    starts = _starts(strengths[order], min(count, len(order)))
    found = np.empty(len(order), dtype=np.int64)
    found[order] = np.searchsorted(starts, np.arange(len(order)), side="right") - 1
    return found


def _starts(values: NDArray[np.float64], count: int) -> list[int]:
    """Where each tier begins in sorted values; the first begins at 0."""
    n = len(values)
    least = np.array([_spread(values[:end]) for end in range(n + 1)])  # of one tier up to `end`
    cuts: list[NDArray[np.int64]] = []
    for tier in range(1, count):
        best, cut = np.full(n + 1, np.inf), np.zeros(n + 1, dtype=np.int64)
        for end in range(tier + 1, n + 1):
            sums = [least[start] + _spread(values[start:end]) for start in range(tier, end)]
            cut[end] = tier + int(np.argmin(sums))
            best[end] = min(sums)
        least = best
        cuts.append(cut)
    starts, end = [0], n
    for cut in reversed(cuts):
        end = int(cut[end])
        starts.insert(1, end)
    return starts


def _spread(values: NDArray[np.float64]) -> float:
    """The sum of the squares of the distances from the mean."""
    return float(((values - values.mean()) ** 2).sum()) if len(values) else 0.0

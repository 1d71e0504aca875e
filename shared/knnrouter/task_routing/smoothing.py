"""How often predictions for a new task come true, told from tasks that are about as far away.

Each benchmark task, left out in turn, gives a distance u and for each model the accuracy p of the
predictions. A Gaussian kernel over the distance averages them (Nadaraya 1964, Watson 1964):

    p(u) = sum of w_d p_d / sum of w_d,  w_d = exp(-(u - u_d)² / (2 sigma²)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pairs", "smoothed"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Pairs:
    """Distance and accuracy of the predictions, of `t` tasks that were left out in turn.

    Attributes:
        u: Distances, shape (t,).
        p: By model, in [0, 1]; shape (t, m); NaN where nothing could be checked.
    """

    u: Floats
    p: Floats


def smoothed(pairs: Pairs, u: float, *, sigma: float) -> tuple[Floats, Floats]:
    """The accuracy to expect at a distance, and its weighted standard deviation over the tasks.

    Where all weights vanish, for the task is further away than any that is known, all tasks count
    alike.

    Returns:
        Two of shape (m,); NaN for a model without a pair.

    Example:
        >>> pairs = Pairs(u=np.array([0.2, 0.4]), p=np.array([[0.9], [0.5]]))
        >>> [each.round(6).tolist() for each in smoothed(pairs, 0.3, sigma=0.09)]
        [[0.7], [0.2]]
        >>> smoothed(pairs, 99.0, sigma=0.09)[0].round(6).tolist()
        [0.7]
    """
    weights = np.exp(-((u - pairs.u) ** 2) / (2.0 * sigma**2))
    known = ~np.isnan(pairs.p)
    counted = weights[:, None] * known
    counted = np.where(counted.sum(axis=0) > 0, counted, known)
    total = counted.sum(axis=0)
    there = total > 0
    p = np.where(known, pairs.p, 0.0)
    mean = np.full(pairs.p.shape[1], np.nan)
    np.divide((counted * p).sum(axis=0), total, out=mean, where=there)
    spread = np.full_like(mean, np.nan)
    apart = np.where(known, (p - np.where(there, mean, 0.0)) ** 2, 0.0)
    np.divide((counted * apart).sum(axis=0), total, out=spread, where=there)
    return np.clip(mean, 0.0, 1.0), np.sqrt(spread)

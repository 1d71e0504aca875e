"""Which model gets the task: the leader by S3, if it is likely to beat the best on average.

With n queries, of which the model is predicted to be right on a, its number of right answers is
drawn as Z = Binomial(a, p) + Binomial(n - a, 1 - p), and its accuracy is Z / n. The leader by S3 is
believed where its accuracy is above that of the best model on average (strictly) in at least 60 %
of the draws; else that model is taken, which needs no prediction at all (Shnitzer et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Draws", "simulated"]

Floats = NDArray[np.float64]


def simulated(
    positives: NDArray[np.int64],
    counted: NDArray[np.int64],
    p: Floats,
    *,
    draws: int,
    rng: np.random.Generator,
) -> Floats:
    """Draw the accuracy of each model on the task.

    Args:
        positives: On how many queries it is predicted to be right; shape (m,).
        counted: On how many there is a prediction; shape (m,).
        p: The chance that a prediction is right; shape (m,).
        draws: How many.
        rng: Where the randomness comes from.

    Returns:
        Shape (draws, m); NaN where there is no prediction, or no p.

    Example:
        >>> sure = simulated(np.array([3, 0]), np.array([4, 0]), np.array([1.0, 1.0]), draws=2,
        ...                  rng=np.random.default_rng(0))
        >>> sure.tolist()
        [[0.75, nan], [0.75, nan]]
    """
    known = (counted > 0) & ~np.isnan(p)
    chance = np.where(known, p, 0.0)
    shape = (draws, len(p))
    hits = rng.binomial(positives, chance, shape)
    hits = hits + rng.binomial(counted - positives, 1.0 - chance, shape)
    return np.where(known, hits / np.maximum(counted, 1), np.nan)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Draws:
    """Two independent sets of draws of every model's accuracy."""

    ours: Floats
    """Shape (draws, m)."""
    theirs: Floats
    """Shape (draws, m)."""

    @classmethod
    def of(
        cls,
        positives: NDArray[np.int64],
        counted: NDArray[np.int64],
        p: Floats,
        *,
        draws: int,
        seed: int,
    ) -> Draws:
        """Draw twice; see `simulated`."""
        rng = np.random.default_rng(seed)
        ours, theirs = (simulated(positives, counted, p, draws=draws, rng=rng) for _ in range(2))
        return cls(ours=ours, theirs=theirs)

    def above(self, model: int, other: int) -> float:
        """The share of draws in which one model does better than the other; NaN: not known.

        A model beats itself in about half of them, less the ties.
        """
        known = not np.isnan(self.ours[0, model]) and not np.isnan(self.theirs[0, other])
        return float((self.ours[:, model] > self.theirs[:, other]).mean()) if known else np.nan

    def best(self, models: NDArray[np.int64]) -> Floats:
        """The chance of each of the models to be the best of them; ties share it; NaN: not known.

        Example:
            >>> drawn = np.array([[0.5, 0.2, 0.5], [0.1, 0.2, 0.0]])
            >>> Draws(ours=drawn, theirs=drawn).best(np.arange(3)).tolist()
            [0.25, 0.5, 0.25]
        """
        drawn = self.ours[:, models]
        unknown = np.isnan(drawn[0])
        chances = np.full(len(models), np.nan)
        if not unknown.all():
            known = drawn[:, ~unknown]
            leads = known == known.max(axis=1, keepdims=True)
            chances[~unknown] = (leads / leads.sum(axis=1, keepdims=True)).mean(axis=0)
        return chances

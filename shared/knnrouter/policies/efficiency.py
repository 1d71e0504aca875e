"""Quality against cost, both measured by what the candidates of a query span (arXiv 2508.12631)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .base import Candidates, Choice, ranked
from .checks import SLACK, check_number, check_priced

__all__ = ["PerformanceEfficiency"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PerformanceEfficiency:
    """The highest performance-efficiency score of Avengers-Pro (Zhang et al. 2025).

    With s the expected scores and c the costs of a query's candidates, a model's is

        alpha * (s - min s) / (max s - min s) + (1 - alpha) * (1 - c / max c).

    The first term is 1 for all where all scores are equal, and c / max c is 0 where all are free.
    The paper computes it in each cluster of queries over all models; here it is computed for each
    query over the models that may answer. On the estimator `avengers_pro` with `top_p=1` the two
    are one.

    Unlike the weight of `ScoreMinusCost`, alpha has no unit: a small lead in quality counts as much
    as a large one, and adding a dear model to the pool changes what the others' costs count.

    Attributes:
        alpha: What quality counts for, in [0, 1]; the rest is cost.

    Raises:
        PolicyError: `alpha` is outside [0, 1].
        UnpricedError: A candidate has no cost (when called, and only with `alpha` below 1).

    Example:
        >>> three = Candidates(models=("a", "b", "c"), scores=(0.6, 0.7, 0.8), costs=(0, 1, 4))
        >>> PerformanceEfficiency(alpha=0.5)(three).ranking  # 0 + 1, 0.5 + 0.75, 1 + 0: halved
        ('b', 'a', 'c')
    """

    alpha: float

    def __post_init__(self) -> None:
        check_number(self, "alpha", least=0.0, most=1.0)

    def __call__(self, candidates: Candidates) -> Choice:
        """Rank by the performance-efficiency score."""
        if self.alpha < 1.0:
            check_priced(candidates, self)
        return Choice(
            ranking=ranked(candidates, self.utilities(candidates)),
            reason=f"best quality for {self.alpha:g}, least cost for {1 - self.alpha:g}",
            reason_code="performance_efficiency",
        )

    def utilities(self, candidates: Candidates) -> list[float]:
        """The performance-efficiency score of each candidate; NaN for one without a score.

        Example:
            >>> two = Candidates(models=("a", "b"), scores=(0.5, 0.9), costs=(1.0, 4.0))
            >>> PerformanceEfficiency(alpha=0.5).utilities(two)
            [0.375, 0.5]
        """
        known = [score for score in candidates.scores if not math.isnan(score)]
        low = min(known, default=0.0)
        span = max(known, default=0.0) - low
        most = max(candidates.costs)
        return [
            self._utility(
                quality=(score - low) / span if span > SLACK else score * 0.0 + 1.0,
                share=cost / most if most > 0 else 0.0,
            )
            for score, cost in zip(candidates.scores, candidates.costs, strict=True)
        ]

    def _utility(self, *, quality: float, share: float) -> float:
        if self.alpha == 1.0:  # a cost that is not known must not count
            return quality
        return self.alpha * quality + (1.0 - self.alpha) * (1.0 - share)

"""What a policy does on the queries that were held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.evaluation.resampling import Interval, interval, resampled_means
from knnrouter.evaluation.risk import wilson

from .asking import Asked
from .traffic import Traffic

__all__ = ["HeldOut"]

_Columns = NDArray[np.int64]
_Floats = NDArray[np.float64]

_PER = 1000
"""Costs are told per so many queries."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class HeldOut:
    """Queries, what was expected and measured on them, and what a policy chose."""

    asked: Asked
    traffic: Traffic
    chosen: _Columns
    """The column of the chosen model; shape (n,)."""
    single: int
    """The column of the best single model."""
    confidence: float
    """Of the intervals."""
    seed: int
    """Where the draws come from."""

    def figures(self, model: str | None) -> dict[str, Interval]:
        """All that can be had, by name; the share only if a model is named."""
        if not len(self.asked):
            return {}
        found = self._spending()
        if model is not None:
            found["share"] = self._share(self.asked.models.index(model))
        return found | self._quality()

    def shares(self) -> dict[str, float]:
        """Which part of the queries each model gets."""
        if not len(self.asked):
            return {}
        counts = np.bincount(self.chosen, minlength=len(self.asked.models)) / len(self.asked)
        return dict(zip(self.asked.models, counts.tolist(), strict=True))

    def _share(self, column: int) -> Interval:
        """The share of a model's calls, where kin may all get the same model.

        Sets of s_1, s_2, ... alike queries are worth (sum s)^2 / sum s^2 (Kish 1965).
        """
        sizes = np.bincount(self.traffic.kin).astype(np.float64)
        worth = float(sizes.sum() ** 2 / (sizes @ sizes))
        share = float((self.chosen == column).mean())
        return wilson(share * worth, worth, confidence=self.confidence)

    def _spending(self) -> dict[str, Interval]:
        asked, best = self.asked, self.asked.columns_at(0.0)
        named = {
            "usd_per_1000": asked.at(asked.costs, self.chosen),
            "best_score_usd_per_1000": asked.at(asked.costs, best),
        }
        known = {name: costs for name, costs in named.items() if not np.isnan(costs).any()}
        paid = asked.at(self.traffic.costs, self.chosen)
        there = ~np.isnan(paid)
        if there.any():
            known["measured_usd_per_1000"] = np.where(there, paid, 0.0)
        return {
            name: self._ratio(_PER * costs, there if name.startswith("m") else np.ones(len(asked)))
            for name, costs in known.items()
        }

    def _quality(self) -> dict[str, Interval]:
        scores = self.traffic.scores
        routed, alone = self.asked.at(scores, self.chosen), scores[:, self.single]
        found = {}
        if (there := ~np.isnan(routed)).any():
            found["quality"] = self._ratio(np.where(there, routed, 0.0), there)
        both = ~np.isnan(routed + alone)
        if both.any() and alone[both].any():
            parts = (np.where(both, each, 0.0) for each in (routed, alone))
            found["of_best"] = self._ratio(*parts)
        return found

    def _ratio(self, above: _Floats, below: _Floats | NDArray[np.bool_]) -> Interval:
        """The ratio of two sums over the queries, kin drawn together."""
        pair = np.stack([above, below.astype(np.float64)], axis=1)
        drawn = resampled_means(pair, clusters=self.traffic.kin, seed=self.seed)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = drawn[:, 0] / drawn[:, 1]
        estimate = float(pair[:, 0].sum() / pair[:, 1].sum())
        return interval(estimate, ratios[np.isfinite(ratios)], self.confidence)

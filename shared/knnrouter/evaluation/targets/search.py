"""The search for a setting that keeps to a goal, and what was met on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EvaluationError, UnpricedError
from knnrouter.evaluation.measured import best_column
from knnrouter.evaluation.resampling import Interval, interval, resampled_means
from knnrouter.policies import (
    BestScore,
    CheapestAbove,
    Policy,
    Reserved,
    ScoreMinusCost,
    Threshold,
)
from knnrouter.policies.frames import innermost
from knnrouter.router import Router

from .asking import Asked
from .goals import Budget, Goal, Quality, Share
from .keeping import Labeled, kept_weight, usable
from .shares import share_threshold
from .spending import least_cost_weight
from .traffic import Traffic

__all__ = ["Search"]

_FEW = 30
"""Below so many queries, a bootstrap knows too little of what may come."""

_SPENT = ("usd_per_1000", "measured_usd_per_1000")


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Search:
    """The search for a setting that keeps to a goal."""

    router: Router
    goal: Goal
    asked: Asked
    traffic: Traffic
    notes: list[str]
    """What was met on the way."""

    @property
    def single(self) -> int:
        """The column of the best single model, by the router's own records.

        Raises:
            EvaluationError: They measure none of the models that may answer.
        """
        if np.isnan(self.asked.means).all():
            raise EvaluationError(
                f"the router's records measure none of the models that may answer, "
                f"{', '.join(self.asked.models)}, so there is nothing to choose by; add records "
                "of them, or enable the models that were measured"
            )
        costs = None if np.isnan(self.asked.costs).any() else self.asked.costs
        return best_column(self.asked.models, self.asked.means, costs)

    def usable_rows(self) -> NDArray[np.int64]:
        """All rows; where quality is promised, those on which it was measured."""
        if not isinstance(self.goal, Quality):
            return np.arange(len(self.traffic))
        self._check_costs()
        good = usable(self.asked, self.traffic.scores, self.single)
        if not good.any():
            measured = np.flatnonzero(~np.isnan(self.traffic.scores).all(axis=0))
            names = [self.asked.models[column] for column in measured.tolist()]
            raise EvaluationError(
                f"{self.goal}: on no query were all models measured that may be chosen there; "
                f"measured at all are {', '.join(names) or 'none'} of "
                f"{', '.join(self.asked.models)}: give records of all of them"
            )
        if not good.all():
            self.notes.append(
                f"{int((~good).sum()):,} of {len(good):,} queries were left out, on which a model "
                "that may be chosen was not measured"
            )
        return np.flatnonzero(good)

    def _check_costs(self) -> None:
        """A promise of quality is worth something only where costs can be saved."""
        try:
            self.asked.check_priced("score_minus_cost")
        except UnpricedError as error:
            raise EvaluationError(
                f"{self.goal}: the cost of {', '.join(error.models)} is not known, so nothing can "
                "be saved by giving up quality; add `price` and `expected_output_tokens` in "
                "pool.yaml, or records with costs"
            ) from error

    def inner(self, used: NDArray[np.int64], seed: int) -> Policy:
        """The policy that keeps to the goal on these rows."""
        asked, traffic, goal = self.asked.only(used), self.traffic.only(used), self.goal
        count = len(np.unique(traffic.kin))
        if count < _FEW and not isinstance(goal, Quality):  # which promises, or refuses
            self.notes.append(
                f"it was chosen on only {count} different queries, so others may well miss the "
                f"goal; give more, {_FEW} and more to choose on"
            )
        if isinstance(goal, Share):
            return self._reserved(asked, goal)
        if isinstance(goal, Budget):
            asked.check_priced("score_minus_cost")
            weight = least_cost_weight(asked, goal.usd_per_1000 / 1000)
            self._tell_budget(asked, traffic, goal, weight)
            return ScoreMinusCost(cost_weight=weight)
        labeled = Labeled(scores=traffic.scores, kin=traffic.kin, single=self.single)
        weight = kept_weight(asked, labeled, goal, seed=seed)
        self._tell_promise(asked, traffic, weight)
        return ScoreMinusCost(cost_weight=weight)

    def _reserved(self, asked: Asked, goal: Share) -> Policy:
        threshold = share_threshold(asked, goal.model, goal.at_most)
        if threshold == 0.5:
            self.notes.append(
                f"{goal.model} is expected to lead on no more than {100 * goal.at_most:.4g} % of "
                "the queries, so it may answer wherever it does"
            )
        others = [name for name in asked.models if name != goal.model]
        if len(others) == 1:
            return Threshold(strong=goal.model, weak=others[0], threshold=threshold)
        inner = innermost(self.router.policy)
        kept = inner if isinstance(inner, ScoreMinusCost | CheapestAbove) else BestScore()
        return Reserved(model=goal.model, margin=2 * threshold - 1, policy=kept)

    def _tell_budget(self, asked: Asked, traffic: Traffic, goal: Budget, weight: float) -> None:
        columns = asked.columns_at(weight)
        if not weight:
            spent = 1000 * asked.at(asked.costs, columns).mean()
            self.notes.append(
                f"the best expected score is expected to cost ${spent:.6g} per 1,000 queries, "
                "which is within the budget: costs need no weight"
            )
        paid = asked.at(traffic.costs, columns)
        there = ~np.isnan(paid)
        if not there.any():
            return
        drawn = resampled_means(1000 * paid[there, None], clusters=traffic.kin[there])
        measured = interval(1000 * float(paid[there].mean()), drawn[:, 0])
        if measured.low > goal.usd_per_1000:
            self.notes.append(
                f"on the queries that it was chosen on ${measured.estimate:.6g} per 1,000 were "
                "measured, above the budget: the expected costs are too low for this traffic"
            )

    def _tell_promise(self, asked: Asked, traffic: Traffic, weight: float) -> None:
        self.notes.append(
            f"promised against {asked.models[self.single]}, the best single model by the router's "
            f"records, on {len(np.unique(traffic.kin)):,} different queries; it holds for queries "
            "like these"
        )
        if not weight:
            self.notes.append("no cost weight above 0 could be promised, so nothing is saved")

    def judge(self, figures: Mapping[str, Interval], count: int) -> None:
        """Say so where the queries held out speak against the goal, or are too few to say."""
        if 0 < count < _FEW:
            self.notes.append(
                f"only {count} different queries were held out, so the intervals may be too "
                f"narrow; give more queries, {_FEW} and more held out"
            )
        if isinstance(self.goal, Budget):
            limits = dict.fromkeys(_SPENT, self.goal.usd_per_1000)
        else:
            limits = {"share": self.goal.at_most} if isinstance(self.goal, Share) else {}
        for name, limit in limits.items():
            if name in figures and figures[name].low > limit:
                self.notes.append(
                    f"{name} on the queries held out is above the goal; take a lower goal"
                )

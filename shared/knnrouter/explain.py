"""What would flip a decision: at which cost weight, at which price, at which threshold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from knnrouter.records import Price

from .decision import Decision, as_json
from .errors import PolicyError, UnpricedError
from .policies import (
    BestScore,
    Candidates,
    CheapestAbove,
    Choice,
    Policy,
    Reserved,
    ScoreMinusCost,
    Threshold,
)
from .policies.frames import innermost, reframed

__all__ = ["Explanation", "Flip", "explain"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Flip:
    """A change after which another model would be taken, all else as it is.

    Example:
        >>> print(Flip(model="large", what="cost_weight", now=20.0, at=4.2, below=True))
        large, with a cost_weight below 4.2 (now 20)
    """

    model: str
    """The model that would be taken."""

    what: str
    """What would change: a setting of the policy; "price of" and a model; or, where the cost does
    not follow from a price, "cost of" and a model."""

    now: float
    """Its value now. A price is USD per million output tokens, the input price moving in
    proportion; a cost is USD for this query; the cost weight of `best_score` is 0."""

    at: float
    """The value at which the two models tie."""

    below: bool
    """Whether the other model is taken below that value, rather than above it."""

    def __str__(self) -> str:
        side = "below" if self.below else "above"
        return f"{self.model}, with a {self.what} {side} {self.at:.4g} (now {self.now:.4g})"


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Explanation:
    """A decision, by how much it was made, and what would flip it."""

    decision: Decision
    """The decision; its `neighbors` are the evidence."""

    margin: float
    """By how much the chosen model leads the next in what the policy ranks by, score points; NaN
    where the policy ranks otherwise, or there is no next, or only a limit put it behind."""

    runner_up: str | None
    """The next model in the ranking; None where there is only one."""

    flips: tuple[Flip, ...]
    """What would make another model the choice, nearest in the ranking first."""

    def to_dict(self) -> dict[str, Any]:
        """The explanation as JSON takes it; NaN is None."""
        rest = {name: getattr(self, name) for name in ("margin", "runner_up", "flips")}
        return {"decision": self.decision.to_dict(), **as_json(rest)}

    def __str__(self) -> str:
        lines = [str(self.decision)]
        if not math.isnan(self.margin):
            lines.append(f"leads {self.runner_up} by {self.margin:.4f}")
        lines += [f"would flip to {flip}" for flip in self.flips]
        lines += [
            f"  {near.similarity:.3f}  {near.id}  {near.task or '–'}"
            for near in self.decision.neighbors
        ]
        return "\n".join(lines)


_BEYOND = 1e-6
"""How far beyond a tie a flip is tried out, in score points."""


def explain(
    decision: Decision, policy: Policy, candidates: Candidates, *, prices: Mapping[str, Price]
) -> Explanation:
    """Find the margin of a decision and what would flip it.

    Flips are worked out for the policies of this library, also within a guard or a limit. Each is
    tried out: only what the policy really answers is reported.

    Args:
        decision: What was decided.
        policy: What decided.
        candidates: What it was asked.
        prices: Of those models whose costs here follow from their price.
    """
    rival = decision.ranking[1] if len(decision.ranking) > 1 else None
    if decision.fallback:
        return Explanation(decision=decision, margin=math.nan, runner_up=rival, flips=())
    case = _Case(policy=policy, candidates=candidates, chosen=decision.model, prices=prices)
    flips = tuple(
        trial.flip
        for other in decision.ranking[1:]
        for trial in _trials(case, other)
        if case.holds(trial)
    )
    margin = math.nan if rival is None else case.margin(rival)
    return Explanation(decision=decision, margin=margin, runner_up=rival, flips=flips)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Case:
    """What was asked, of whom, and what came of it."""

    policy: Policy
    candidates: Candidates
    chosen: str
    prices: Mapping[str, Price]

    @property
    def inner(self) -> Policy:
        """The policy within all guards and limits."""
        return innermost(self.policy)

    def score(self, model: str) -> float:
        return self.candidates.scores[self.candidates.models.index(model)]

    def cost(self, model: str) -> float:
        return self.candidates.costs[self.candidates.models.index(model)]

    def utility(self, model: str) -> float:
        """What `BestScore` and `ScoreMinusCost` rank by."""
        weight = getattr(self.inner, "cost_weight", 0.0)
        return self.score(model) - (weight * self.cost(model) if weight else 0.0)

    def margin(self, rival: str) -> float:
        """By how much the chosen model leads; NaN where the policy does not rank by utility."""
        if not isinstance(self.inner, BestScore | ScoreMinusCost):
            return math.nan
        lead = self.utility(self.chosen) - self.utility(rival)
        return lead if lead >= -_BEYOND else math.nan  # a limit may put a better one behind

    def holds(self, trial: _Trial) -> bool:
        """Whether the policy, asked again just beyond the flip, takes the other model."""
        if not math.isfinite(trial.flip.at):
            return False
        try:
            return trial.ask(self).ranking[0] == trial.flip.model
        except (PolicyError, UnpricedError):
            return False


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Trial:
    """A flip that may hold, and the case just beyond it."""

    flip: Flip
    inner: Callable[[], Policy] | None = None
    """Makes the changed policy; None: it stays."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """The costs that change, USD."""

    def ask(self, case: _Case) -> Choice:
        policy = case.policy if self.inner is None else reframed(case.policy, self.inner())
        models, costs = case.candidates.models, case.candidates.costs
        changed = [self.costs.get(*pair) for pair in zip(models, costs, strict=True)]
        return policy(replace(case.candidates, costs=changed))


def _trials(case: _Case, other: str) -> Iterator[_Trial]:
    inner = case.inner
    if isinstance(inner, BestScore | ScoreMinusCost):
        yield from _weight_trials(case, other)
    if isinstance(inner, ScoreMinusCost) and inner.cost_weight > 0:
        lead = (case.utility(case.chosen) - case.utility(other)) / inner.cost_weight
        yield from _cost_trials(case, other, lead, _BEYOND / inner.cost_weight)
    if isinstance(inner, CheapestAbove):
        dearer = case.cost(other) - case.cost(case.chosen)
        yield from _cost_trials(case, other, dearer)
        yield from _least_score_trials(case, other, inner)
    if isinstance(inner, Threshold) and other in (inner.strong, inner.weak):
        yield from _threshold_trials(case, other, inner)
    if isinstance(inner, Reserved) and inner.model in (other, case.chosen):
        yield from _margin_trials(case, other, inner)


def _weight_trials(case: _Case, other: str) -> Iterator[_Trial]:
    """The weight at which both are worth the same: score gap over cost gap."""
    gap = case.score(case.chosen) - case.score(other)
    dearer = case.cost(case.chosen) - case.cost(other)
    if math.isnan(dearer) or dearer == 0:
        return
    now, at = getattr(case.inner, "cost_weight", 0.0), max(gap / dearer, 0.0)
    weight = at + _BEYOND / dearer
    flip = Flip(model=other, what="cost_weight", now=now, at=at, below=dearer < 0)
    yield _Trial(flip=flip, inner=lambda: ScoreMinusCost(cost_weight=weight))


def _cost_trials(
    case: _Case, other: str, lead: float, beyond: float | None = None
) -> Iterator[_Trial]:
    """How dear the chosen model may get, or how cheap the other must, before they tie."""
    for model, change in ((case.chosen, lead), (other, -lead)):
        cost, below = case.cost(model), model == other
        at = cost + change
        step = _BEYOND * at if beyond is None else beyond
        tried = at - step if below else at + step
        if tried < 0:
            continue
        flip = Flip(model=other, what=f"cost of {model}", now=cost, at=at, below=below)
        price = case.prices.get(model)
        if price is not None and price.output > 0 and cost > 0:
            now = price.output
            flip = replace(flip, what=f"price of {model}", now=now, at=now * at / cost)
        yield _Trial(flip=flip, costs={model: tried})


def _least_score_trials(case: _Case, other: str, policy: CheapestAbove) -> Iterator[_Trial]:
    """Lower, and a cheaper model will do; higher than the chosen one's score, and it will not."""
    below = case.score(other) < policy.min_score
    at = case.score(other) if below else case.score(case.chosen)
    tried = at - _BEYOND if below else at + _BEYOND
    flip = Flip(model=other, what="min_score", now=policy.min_score, at=at, below=below)
    yield _Trial(flip=flip, inner=lambda: CheapestAbove(min_score=max(tried, 0.0)))


def _threshold_trials(case: _Case, other: str, policy: Threshold) -> Iterator[_Trial]:
    """The strong model's win rate: at it, and below, the strong model is taken."""
    at, below = policy.win_rate(case.candidates), other == policy.strong
    tried = max(at - _BEYOND, 0.0) if below else at + _BEYOND
    flip = Flip(model=other, what="threshold", now=policy.threshold, at=at, below=below)
    yield _Trial(flip=flip, inner=lambda: replace(policy, threshold=tried))


def _margin_trials(case: _Case, other: str, policy: Reserved) -> Iterator[_Trial]:
    """The reserved model's lead: at it, and below, the reserved model is taken."""
    at, below = policy.lead(case.candidates), other == policy.model
    tried = max(at - _BEYOND, -1.0) if below else at + _BEYOND
    flip = Flip(model=other, what="margin", now=policy.margin, at=at, below=below)
    if math.isfinite(at):
        yield _Trial(flip=flip, inner=lambda: replace(policy, margin=tried))

"""What would flip a decision: at which cost weight, at which price, at which threshold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .decision import Decision, as_json
from .policies import (
    BestScore,
    CheapestAbove,
    Guarded,
    MaxLatency,
    Policy,
    ScoreMinusCost,
    Threshold,
)
from .pool import ModelPool

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
    """What would change: a setting of the policy, or "price of" and a model."""

    now: float
    """Its value now; NaN where it has none. A price is USD per million output tokens."""

    at: float
    """The value at which the two models tie."""

    below: bool
    """Whether the other model is taken below that value, rather than above it."""

    def __str__(self) -> str:
        side = "below" if self.below else "above"
        now = "" if math.isnan(self.now) else f" (now {self.now:.4g})"
        return f"{self.model}, with a {self.what} {side} {self.at:.4g}{now}"


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Explanation:
    """A decision, by how much it was made, and what would flip it."""

    decision: Decision
    """The decision; its `neighbors` are the evidence."""

    margin: float
    """By how much the chosen model leads the next in what the policy ranks by, score points; NaN
    where the policy ranks otherwise or there is no next."""

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


def explain(decision: Decision, policy: Policy, *, pool: ModelPool) -> Explanation:
    """Find the margin of a decision and what would flip it.

    Flips are worked out for the policies of this library; a guard or a limit is looked through.
    """
    rival = decision.ranking[1] if len(decision.ranking) > 1 else None
    if decision.fallback:
        return Explanation(decision=decision, margin=math.nan, runner_up=rival, flips=())
    inner = _inner(policy)
    margin = math.nan
    if rival is not None and isinstance(inner, BestScore | ScoreMinusCost):
        margin = _utility(decision, decision.model, inner) - _utility(decision, rival, inner)
    flips = tuple(
        flip
        for other in decision.ranking[1:]
        for flip in _flips(decision, other, inner, pool)
        if math.isfinite(flip.at)
    )
    return Explanation(decision=decision, margin=margin, runner_up=rival, flips=flips)


def _inner(policy: Policy) -> Policy:
    while isinstance(policy, Guarded | MaxLatency):
        policy = policy.policy
    return policy


def _utility(decision: Decision, model: str, policy: BestScore | ScoreMinusCost) -> float:
    if isinstance(policy, BestScore) or policy.cost_weight == 0:
        return decision.scores[model]
    return decision.scores[model] - policy.cost_weight * decision.costs[model]


def _flips(decision: Decision, other: str, policy: Policy, pool: ModelPool) -> Iterator[Flip]:
    if isinstance(policy, BestScore | ScoreMinusCost):
        yield from _weight_flips(decision, other, policy)
        yield from _price_flips(decision, other, policy, pool)
    elif isinstance(policy, Threshold) and other in (policy.strong, policy.weak):
        rate = (1 + decision.scores[policy.strong] - decision.scores[policy.weak]) / 2
        below = other == policy.strong
        yield Flip(model=other, what="threshold", now=policy.threshold, at=rate, below=below)
    elif isinstance(policy, CheapestAbove):
        yield from _least_score_flips(decision, other, policy)


def _weight_flips(
    decision: Decision, other: str, policy: BestScore | ScoreMinusCost
) -> Iterator[Flip]:
    """The weight at which both are worth the same: score gap over cost gap, if it is a weight."""
    chosen = decision.model
    gap = decision.scores[chosen] - decision.scores[other]
    dearer = decision.costs[chosen] - decision.costs[other]
    now = policy.cost_weight if isinstance(policy, ScoreMinusCost) else 0.0
    if dearer != 0 and gap / dearer >= 0:
        yield Flip(model=other, what="cost_weight", now=now, at=gap / dearer, below=dearer < 0)


def _price_flips(
    decision: Decision, other: str, policy: BestScore | ScoreMinusCost, pool: ModelPool
) -> Iterator[Flip]:
    """How dear the chosen model may get, or how cheap the other must, before they tie."""
    if isinstance(policy, BestScore) or policy.cost_weight == 0:
        return
    chosen = decision.model
    lead = _utility(decision, chosen, policy) - _utility(decision, other, policy)
    for model, change in ((chosen, lead), (other, -lead)):
        price, cost = pool.spec(model).price, decision.costs[model]
        new = cost + change / policy.cost_weight
        if price is None or price.output == 0 or cost <= 0 or new < 0:
            continue
        at = price.output * new / cost
        yield Flip(
            model=other, what=f"price of {model}", now=price.output, at=at, below=model == other
        )


def _least_score_flips(decision: Decision, other: str, policy: CheapestAbove) -> Iterator[Flip]:
    """Lower, and a cheaper model will do; higher than the chosen one's score, and it will not."""
    scores, costs, now = decision.scores, decision.costs, policy.min_score
    if scores[other] < now and costs[other] < costs[decision.model]:
        yield Flip(model=other, what="min_score", now=now, at=scores[other], below=True)
    elif scores[other] > scores[decision.model] and other == _next_dearer(decision):
        yield Flip(model=other, what="min_score", now=now, at=scores[decision.model], below=False)


def _next_dearer(decision: Decision) -> str:
    """The cheapest of the models that score better than the chosen one."""
    least = decision.scores[decision.model]
    better = [name for name in decision.ranking if decision.scores[name] > least]
    return min(better, key=lambda name: decision.costs[name])

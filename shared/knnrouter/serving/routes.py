"""A decision on its way: who is asked because of it, and what answers and traces tell of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from knnrouter.decision import Decision

from .attempts import Answer, Failure

__all__ = ["KEY", "Route", "facts", "stamp"]

KEY = "knnrouter"
"""Where an answer carries its decision, and what names in traces begin with."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """A decision, and who is asked because of it.

    Example:
        >>> from knnrouter import Router
        >>> decision = Router.starter().route("Why is the sky blue?")
        >>> route = Route(decision=decision, order=("other",), shadow=True)
        >>> values = route.values(Answer("Because.", "other"))
        >>> values["model"] == decision.model, values["answered_by"], values["shadow"]
        (True, 'other', True)
    """

    decision: Decision
    order: tuple[str, ...]
    """The models to ask in turn."""
    shadow: bool = False
    """Whether somebody else is asked than was decided."""

    def values(self, answer: Answer[Any]) -> dict[str, Any]:
        """The decision as the answer carries it, once somebody answered."""
        decision = self.decision
        if answer.failures and not self.shadow:
            failed = ", ".join(f"{each.model} ({each.error})" for each in answer.failures)
            reason = f"{failed} failed; {answer.model} is the next of the ranking"
            decision = decision.with_model(answer.model, reason=reason, reason_code="model_failed")
        return stamp(
            decision, answered_by=answer.model, failures=answer.failures, shadow=self.shadow
        )


def stamp(
    decision: Decision,
    *,
    answered_by: str | None,
    failures: Sequence[Failure] = (),
    shadow: bool = False,
) -> dict[str, Any]:
    """The decision as an answer carries it: plain JSON, without neighbors.

    Args:
        decision: The decision.
        answered_by: The pool's name of the model that answered; None where that is unknown.
        failures: The models that failed before it.
        shadow: Whether the decision was recorded and not acted on.

    Returns:
        `Decision.summary()`, then `answered_by`, `failed` (model and type of error) and `shadow`.
    """
    return decision.summary() | {
        "answered_by": answered_by,
        "failed": [{"model": each.model, "error": each.error} for each in failures],
        "shadow": shadow,
    }


def facts(decision: Decision, model: str | None, *, shadow: bool = False) -> dict[str, Any]:
    """The decision as a trace tells it: flat, and without what is not known.

    Args:
        decision: The decision.
        model: The pool's name of the model that is asked; None where it need not be of the pool.
        shadow: Whether the decision is not acted on.

    Returns:
        Numbers, texts and truths by names such as `knnrouter_model`.
    """
    known = {
        "model": model,
        "chosen": decision.model,
        "decision": decision.id,
        "score": decision.scores.get(decision.model),
        "cost": decision.costs.get(decision.model),
        "similarity": decision.similarity,
        "policy": decision.policy,
        "reason": decision.reason_code,
        "fallback": decision.fallback or model not in (None, decision.model),
        "shadow": shadow or None,
    }
    return {
        f"{KEY}_{name}": fact
        for name, fact in known.items()
        if fact is not None and not (isinstance(fact, float) and math.isnan(fact))
    }

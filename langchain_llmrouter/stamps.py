"""The decision on its way: in the answer's metadata, and in the tags and metadata of the trace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar, cast

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig

from knnrouter import Decision
from knnrouter.serving import Failure
from knnrouter.text import routed_part

__all__ = ["KEY", "last_stamp", "stamp", "stamped", "traced"]

KEY = "knnrouter"
"""Where the decision stands in `response_metadata`."""

M = TypeVar("M", bound=BaseMessage)


def stamp(
    decision: Decision,
    *,
    answered_by: str | None,
    failures: Sequence[Failure] = (),
    shadow: bool = False,
) -> dict[str, Any]:
    """The decision as the answer carries it: plain JSON, without neighbors.

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


def stamped(message: M, values: dict[str, Any]) -> M:
    """A copy of the message that carries the decision."""
    return message.model_copy(
        update={"response_metadata": {**message.response_metadata, KEY: values}}
    )


def last_stamp(messages: Sequence[BaseMessage]) -> dict[str, Any] | None:
    """What the last answer of this user turn carries; None where there is none yet.

    Raises:
        QueryError: A message is not understood.

    Example:
        >>> from langchain_core.messages import HumanMessage
        >>> answer = AIMessage("I look.", response_metadata={"knnrouter": {"model": "small"}})
        >>> last_stamp([HumanMessage("Rain today?"), answer])
        {'model': 'small'}
        >>> last_stamp([answer, HumanMessage("And tomorrow?")])
    """
    asked = cast("Sequence[BaseMessage]", routed_part(messages, "turn"))
    for message in reversed(messages[len(asked) :]):
        if isinstance(message, AIMessage):
            values = message.response_metadata.get(KEY)
            return values if isinstance(values, dict) else None
    return None


def traced(
    config: RunnableConfig, decision: Decision, model: str | None, *, shadow: bool = False
) -> RunnableConfig:
    """The configuration of the call to a model, with the decision in its tags and metadata.

    Args:
        config: The call's configuration.
        decision: The decision.
        model: The pool's name of the model that is asked; None where it need not be of the pool.
        shadow: Whether the decision is not acted on.

    Returns:
        The configuration; its metadata is flat, and what is not known is left out.
    """
    facts = {
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
    metadata = {
        f"{KEY}_{name}": fact
        for name, fact in facts.items()
        if fact is not None and not (isinstance(fact, float) and math.isnan(fact))
    }
    tags = [] if model is None else [f"{KEY}:{model}"]
    return {
        **config,
        "metadata": {**(config.get("metadata") or {}), **metadata},
        "tags": [*(config.get("tags") or ()), *tags],
    }

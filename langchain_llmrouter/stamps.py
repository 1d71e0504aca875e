"""The decision on its way: in the answer's metadata, and in the tags and metadata of the trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig

from knnrouter import Decision
from knnrouter.serving import KEY, facts
from knnrouter.text import routed_part

__all__ = ["last_stamp", "stamped", "traced"]

M = TypeVar("M", bound=BaseMessage)


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
    tags = [] if model is None else [f"{KEY}:{model}"]
    return {
        **config,
        "metadata": {**(config.get("metadata") or {}), **facts(decision, model, shadow=shadow)},
        "tags": [*(config.get("tags") or ()), *tags],
    }

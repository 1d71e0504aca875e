"""The event that tells of a decision."""

from __future__ import annotations

from typing import Any

from llama_index.core.instrumentation.events import BaseEvent
from llama_index_instrumentation import get_dispatcher

from knnrouter import Decision

__all__ = ["RouteDecisionEvent", "tell"]


class RouteDecisionEvent(BaseEvent):
    """A model was chosen; comes before the start of the model's own events.

    Its fields are those of `Decision.summary()`: no text of the query, no neighbors.
    """

    decision_id: str
    """Names the decision; equal for all calls of one user turn."""
    model: str
    """The chosen model, by its name in the pool."""
    ranking: list[str]
    """The models that may answer, best first."""
    scores: dict[str, float | None]
    """Expected quality in [0, 1]; None where nothing is known."""
    costs: dict[str, float | None]
    """Expected USD; None where nothing is known."""
    similarity: float | None
    """Cosine similarity of the nearest neighbor; None where none was looked for."""
    reason: str
    """Why, in words."""
    reason_code: str
    """Why, as a fixed name."""
    policy: str
    """The policy that chose."""
    fallback: bool
    """Whether a default answers."""
    elapsed_ms: float | None
    """Milliseconds that the decision took."""
    shadow: bool
    """Whether the decision is recorded only."""

    @classmethod
    def class_name(cls) -> str:
        """The name of the event."""
        return "RouteDecisionEvent"


def tell(decision: Decision, *, shadow: bool) -> None:
    """Hand the decision to whoever listens."""
    facts: dict[str, Any] = decision.summary()
    fields = {name: facts[name] for name in RouteDecisionEvent.model_fields if name in facts}
    get_dispatcher(__name__).event(
        RouteDecisionEvent(decision_id=decision.id, shadow=shadow, **fields)
    )

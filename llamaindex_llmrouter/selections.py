"""What is selected, and why: a decision as the result of a selector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from llama_index.core.base.base_selector import SelectorResult, SingleSelection
from pydantic import Field

from knnrouter import Decision
from knnrouter.decision import as_json

__all__ = ["KNNSelectorResult", "Strangers", "by_default", "by_evidence"]


class KNNSelectorResult(SelectorResult):
    """What was selected, and the evidence for it; `response.metadata["selector_result"]`."""

    scores: dict[str, float | None] = Field(default_factory=dict)
    """Expected quality in [0, 1] by model; None where nothing is known."""
    neighbors: list[dict[str, Any]] = Field(default_factory=list)
    """The benchmark queries near it, nearest first: id, task, similarity and scores, no text."""
    decision: dict[str, Any] | None = None
    """`Decision.summary()`; None where `default_index` stands in for a decision."""


@dataclass(frozen=True, kw_only=True)
class Strangers:
    """Choices that are not in the pool, and may be selected all the same."""

    places: Mapping[str, int] = field(default_factory=dict)
    """Where they stand, by their names."""
    prior: float | None = None
    """What each is taken to score; None where nothing tells, and they come last."""

    def among(self, decision: Decision) -> list[str]:
        """The ranking, with the strangers before the first whose expected score is lower."""
        names = list(decision.ranking)
        stand = len(names)
        if self.prior is not None:
            lower = (
                place for place, name in enumerate(names) if decision.scores[name] < self.prior
            )
            stand = next(lower, stand)
        return [*names[:stand], *self.places, *names[stand:]]

    def reason(self, name: str, rank: int) -> str:
        """Why one is selected."""
        if self.prior is None:
            return f"{name}: not in the pool; number {rank}, after all that are"
        mean = f"{self.prior:.3f}, the mean of the known choices"
        return f"{name}: not in the pool; taken to score {mean}"


def by_evidence(
    decision: Decision, known: Mapping[str, int], strangers: Strangers, *, top_n: int
) -> KNNSelectorResult:
    """The best choices.

    Args:
        decision: The decision among the known ones.
        known: Where the choices of the pool stand, by their names there.
        strangers: The others.
        top_n: How many are selected at most (>= 1).
    """
    selections = [
        SingleSelection(index=known[name], reason=_reason(decision, name, rank))
        if name in known
        else SingleSelection(index=strangers.places[name], reason=strangers.reason(name, rank))
        for rank, name in enumerate(strangers.among(decision)[:top_n], start=1)
    ]
    result = _with_evidence(selections, decision)
    result.scores.update(dict.fromkeys(strangers.places, strangers.prior))
    return result


def by_default(index: int, why: str, *, decision: Decision | None = None) -> KNNSelectorResult:
    """The choice that stands in.

    Args:
        index: Where it stands.
        why: Why it does.
        decision: What was decided and is only recorded; None where nothing was.

    Example:
        >>> by_default(1, "routing failed (TimeoutError)").reason
        'routing failed (TimeoutError); the choice of default_index'
    """
    selection = SingleSelection(index=index, reason=f"{why}; the choice of default_index")
    if decision is None:
        return KNNSelectorResult(selections=[selection])
    return _with_evidence([selection], decision)


def _reason(decision: Decision, name: str, rank: int) -> str:
    """The evidence, on one line."""
    if name == decision.model:
        return str(decision)
    return str(replace(decision, model=name, reason=f"number {rank} of the ranking"))


def _with_evidence(selections: list[SingleSelection], decision: Decision) -> KNNSelectorResult:
    return KNNSelectorResult(
        selections=selections,
        scores=as_json(decision.scores),
        neighbors=as_json(decision.neighbors),
        decision=decision.summary(),
    )

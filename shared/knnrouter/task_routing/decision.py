"""A decision on a whole task: one model for all of its queries, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from knnrouter.decision import as_json

__all__ = ["TaskDecision"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskDecision:
    """Which model answers a task's queries, and why. Mappings are by model; NaN is "not known".

    Example:
        >>> one = {"small": 0.5, "large": 0.75}
        >>> decision = TaskDecision(
        ...     model="large", ranking=("large", "small"), score="s3", s1=one, s2=one, s3=one,
        ...     p=one, p_std=one, averages=one, chances=one, u=0.4, confidence=0.83,
        ...     best_on_average="small", fallback=False, reason="best s3", queries=20,
        ... )
        >>> print(decision)
        large: best s3 [confidence 0.83, s3 0.750, distance 0.40, 20 queries]
        >>> decision.to_dict()["confidence"]
        0.83
    """

    model: str
    """The chosen model's name in the pool."""

    ranking: tuple[str, ...]
    """The models that may answer, best first; the chosen one leads."""

    score: str
    """What they are ranked by: "s1", "s2" or "s3"."""

    s1: Mapping[str, float]
    """The mean share of near rows that the model got right."""

    s2: Mapping[str, float]
    """The share of the queries on which the model is predicted to be right."""

    s3: Mapping[str, float]
    """The accuracy that is expected, where predictions are right with probability `p`."""

    p: Mapping[str, float]
    """The chance that a prediction for this task is right."""

    p_std: Mapping[str, float]
    """The standard deviation of what `p` is the mean of, over the tasks."""

    averages: Mapping[str, float]
    """The mean over the evidence's tasks of the model's mean score there."""

    chances: Mapping[str, float]
    """The chance that the model is the most accurate of all, if `s3` is to be believed."""

    u: float
    """The distance of the task from the evidence: mean cosine distance to the nearest rows."""

    confidence: float
    """The chance that the leader does better on the task than `best_on_average`, if `s3` is to be
    believed; about one half where the two are one model. NaN where nothing is predicted of one."""

    best_on_average: str
    """The model with the highest of `averages`, and so the one to take on no further knowledge."""

    fallback: bool
    """Whether the leader was not believed, and `best_on_average` stands in for it."""

    reason: str
    """Why this model, in words."""

    queries: int
    """On how many queries the scores rest."""

    labelled: int = 0
    """How many labelled queries of the task helped to predict."""

    notes: tuple[str, ...] = ()
    """What was left out, a sentence each."""

    def to_dict(self) -> dict[str, Any]:
        """The decision as JSON takes it: NaN is None, tuples are lists."""
        return {each.name: as_json(getattr(self, each.name)) for each in fields(self)}

    def __str__(self) -> str:
        """One line; a leader that is the best on average has a chance, and no one to beat."""
        value = getattr(self, self.score).get(self.model, float("nan"))
        agreed = self.model == self.best_on_average and not self.fallback
        sure = (
            f"chance {self.chances[self.model]:.2f}"
            if agreed
            else f"confidence {self.confidence:.2f}"
        )
        facts = [
            sure,
            f"{self.score} {value:.3f}",
            f"distance {self.u:.2f}",
            f"{self.queries:,} quer{'y' if self.queries == 1 else 'ies'}",
        ]
        return f"{self.model}: {self.reason} [{', '.join(facts)}]"

"""From predictions to the one model: the rule, whatever the predictions are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError, NoEvidenceError
from knnrouter.policies import Candidates, ranked

from .scores import Predictions, s3
from .selection import Draws
from .settings import TaskSettings

__all__ = ["Chosen", "Score", "TaskScores", "chosen", "known_score"]

Score = Literal["s1", "s2", "s3"]
_SCORES: tuple[Score, ...] = get_args(Score)

Why = Literal["leads", "agrees", "doubted", "unknown"]

Floats = NDArray[np.float64]


def known_score(score: str) -> Score:
    """The score of that name.

    Raises:
        EstimatorError: There is none.

    Example:
        >>> known_score("s4")
        Traceback (most recent call last):
        knnrouter.errors.EstimatorError: score is 's4'; give one of "s1", "s2", "s3"
    """
    for known in _SCORES:
        if score == known:
            return known
    allowed = ", ".join(f'"{name}"' for name in _SCORES)
    raise EstimatorError(f"score is {score!r}; give one of {allowed}")


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class TaskScores:
    """The three scores of `m` models on a task; each of shape (m,), NaN where not known."""

    s1: Floats
    s2: Floats
    s3: Floats
    p: Floats
    draws: Draws

    @classmethod
    def of(cls, found: Predictions, p: Floats, settings: TaskSettings, *, seed: int) -> TaskScores:
        """Score predictions that come true with probability p, by model; shape (m,)."""
        return cls(
            s1=found.s1,
            s2=found.s2,
            s3=s3(found.s2, p),
            p=p,
            draws=Draws.of(found.positives, found.counted, p, draws=settings.draws, seed=seed),
        )


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Chosen:
    """Who was chosen; models are columns."""

    ranking: tuple[int, ...]
    """Best first; the chosen one leads."""
    leader: int
    """The first by the score."""
    best_on_average: int
    confidence: float
    fallback: bool
    why: Why
    """The leader leads; it is the best on average too; it is not believed; nothing is known."""


def chosen(
    scores: TaskScores,
    score: Score,
    averages: Floats,
    costs: Floats,
    settings: TaskSettings,
    *,
    models: Sequence[int],
) -> Chosen:
    """Choose among the models.

    Ties go to the higher average, then to the cheaper, then by the order given.

    Args:
        scores: Of all models.
        score: Which of them ranks; the leader by "s3" must be believed, others are taken as are.
        averages: Each model's mean over the benchmark's tasks; shape (m,).
        costs: USD per query, for ties; shape (m,).
        settings: How sure one must be.
        models: The columns that may be chosen, at least one.

    Raises:
        NoEvidenceError: None of the models has an average.
    """
    if np.isnan(averages[list(models)]).all():
        raise NoEvidenceError(
            "no task of the records measured any of the models that may answer; allow others, or "
            "add records of these"
        )
    by_score = _order(getattr(scores, score), averages, costs, models)
    best = _order(averages, averages, costs, models)[0]
    leader = by_score[0]
    confidence = scores.draws.above(leader, best)
    why: Why = "leads"
    ranking = by_score
    if np.isnan(getattr(scores, score)[leader]):
        ranking, why = _order(averages, averages, costs, models), "unknown"
    elif leader == best:
        why = "agrees"
    elif score == "s3" and not confidence >= settings.certainty:
        ranking, why = (best, *(each for each in by_score if each != best)), "doubted"
    return Chosen(
        ranking=ranking,
        leader=leader,
        best_on_average=best,
        confidence=confidence,
        fallback=why in ("unknown", "doubted"),
        why=why,
    )


def _order(
    values: Floats, averages: Floats, costs: Floats, models: Sequence[int]
) -> tuple[int, ...]:
    picked = list(models)
    candidates = Candidates(
        models=tuple(map(str, picked)),
        scores=values[picked].tolist(),
        costs=costs[picked].tolist(),
        means=averages[picked].tolist(),
    )
    return tuple(int(name) for name in ranked(candidates, candidates.scores))

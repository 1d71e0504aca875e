"""What the evidence says of each model, by task, with intervals that own up to thin evidence.

A model's mean in a task is that of `estimators.ballots.TaskMeans`: what was measured there, shrunk
toward the model's level plus the task's effect, which count for k = `PRIOR_WEIGHT` measurements.
With n measurements in the task, a = n / (n + k), N in all and b = N / (N + k), its squared error is

    a² v / n + (1 - a)² (t + l)        l = b² v / N + (1 - b)² w

where v is the variance of the model's scores, shrunk by k measurements toward that of all scores; t
says how far models' means in tasks stray from their level plus the task's effect, and w how far
levels stray from their mean, both squared and taken from all models of the evidence, t by moments
(DerSimonian & Laird 1986); with one model or one task v / k stands in. Over all tasks, whose shares
are q, what differs from task to task averages out, and an error in the level does not:

    Σ q² (a² v / n + (1 - a)² t) + (Σ q (1 - a))² l
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnrouter.estimators.ballots import PRIOR_WEIGHT, TaskMeans, exact_scores, shrunk_means
from knnrouter.records import RecordSet

__all__ = ["Standing", "TaskStanding", "standing"]

_Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskStanding:
    """What is known of `m` models in one task, or over all."""

    task: str | None
    """The task; None for rows without one, and over all."""
    measured: tuple[float, ...]
    """How many measurements each model has there."""
    means: tuple[float, ...]
    """The mean score of each, shrunk; NaN for a model that was never measured."""
    low: tuple[float, ...]
    """Lower ends of their intervals, at least 0."""
    high: tuple[float, ...]
    """Upper ends, at most 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What is known of the models of some evidence, over all and by task."""

    models: tuple[str, ...]
    confidence: float
    overall: TaskStanding
    tasks: tuple[TaskStanding, ...]
    """By name; none where no row names a task."""

    def to_dict(self) -> dict[str, Any]:
        """The figures of each model as plain values."""
        return {
            "confidence": self.confidence,
            "models": {
                name: {
                    **self._figures(self.overall, place),
                    "tasks": {each.task or "": self._figures(each, place) for each in self.tasks},
                }
                for place, name in enumerate(self.models)
            },
        }

    @staticmethod
    def _figures(each: TaskStanding, place: int) -> dict[str, float]:
        columns = ("measured", each.measured), ("mean_score", each.means)
        ends = ("low", each.low), ("high", each.high)
        return {name: values[place] for name, values in (*columns, *ends)}


def standing(records: RecordSet, *, confidence: float = 0.95) -> Standing:
    """What is known of every model of some evidence.

    Args:
        records: The evidence.
        confidence: Of the intervals, in (0, 1).

    Raises:
        ValueError: `confidence` is not in (0, 1).

    Example:
        >>> rows = [{"query": str(row), "big": 1, "small": row % 2} for row in range(80)]
        >>> found = standing(RecordSet.from_rows(rows)).overall
        >>> [f"{low:.2f} to {high:.2f}" for low, high in zip(found.low, found.high)]
        ['0.94 to 1.00', '0.42 to 0.60']
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence is {confidence!r}; give a number between 0 and 1, like 0.95")
    names, task_of = _tasks(records)
    means = TaskMeans.of(records, task_of)
    errors = _Errors.of(records, means)
    shares = np.bincount(task_of, weights=records.weights, minlength=len(names))
    shares = shares / shares.sum()
    width = NormalDist().inv_cdf(0.5 + confidence / 2)
    by_task = [
        _told(name, means.counts[place], means.means[place], width * errors.by_task[place])
        for place, name in enumerate(names)
    ]
    overall = _told(
        None, means.counts.sum(axis=0), shares @ means.means, width * errors.overall(shares)
    )
    return Standing(
        models=records.models,
        confidence=confidence,
        overall=overall,
        tasks=tuple(by_task) if any(names) else (),
    )


def _tasks(records: RecordSet) -> tuple[Sequence[str | None], NDArray[np.int64]]:
    """The tasks by name, rows without one first, and the task of each row."""
    names = sorted(set(records.tasks), key=lambda name: name or "")
    place = {name: number for number, name in enumerate(names)}
    return names, np.array([place[name] for name in records.tasks], dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Errors:
    """The parts of the squared errors of `TaskMeans.means`; see the module."""

    chance: _Floats
    """a² v / n + (1 - a)² t; shape (t, m)."""
    borrowed: _Floats
    """1 - a; shape (t, m)."""
    level: _Floats
    """l; shape (m,)."""

    @classmethod
    def of(cls, records: RecordSet, means: TaskMeans) -> _Errors:
        counts, totals = means.counts, means.counts.sum(axis=0)
        variance = _variances(records)
        own = counts / (counts + PRIOR_WEIGHT)
        whole = totals / (totals + PRIOR_WEIGHT)
        sampled = variance / np.maximum(totals, 1.0)
        known = int((totals > 0).sum())
        spread = float(np.nanvar(means.overall, ddof=1)) if known > 1 else _assumed(variance)
        drawn = own * variance / (counts + PRIOR_WEIGHT)  # a² v / n, also where n is 0
        return cls(
            chance=drawn + (1.0 - own) ** 2 * _straying(means, variance),
            borrowed=1.0 - own,
            level=whole**2 * sampled + (1.0 - whole) ** 2 * spread,
        )

    @property
    def by_task(self) -> _Floats:
        """Standard errors; shape (t, m)."""
        return np.asarray(np.sqrt(self.chance + self.borrowed**2 * self.level))

    def overall(self, shares: _Floats) -> _Floats:
        """Standard errors over all tasks; shape (m,)."""
        return np.asarray(
            np.sqrt(shares**2 @ self.chance + (shares @ self.borrowed) ** 2 * self.level)
        )


def _variances(records: RecordSet) -> _Floats:
    """The variance of each model's scores, shrunk toward that of all scores; shape (m,)."""
    scores = exact_scores(records)
    measured = ~np.isnan(scores)
    weights = records.weights[:, None] * measured
    filled = np.where(measured, scores, 0.0)
    totals = weights.sum(axis=0)
    mean = (weights * filled).sum(axis=0) / np.maximum(totals, 1.0)
    squares = (weights * (filled - mean) ** 2).sum(axis=0)
    return shrunk_means(squares, totals, squares.sum() / totals.sum())


def _straying(means: TaskMeans, variance: _Floats) -> float:
    """How far models' true means in tasks stray from what is expected there, squared.

    What is expected was fitted to the same means, a level a model and an effect a task, which takes
    up as much of their straying as an analysis of variance counts degrees of freedom for.
    """
    counts = means.counts
    known = counts > 0
    tasks, models = (int(known.any(axis=axis).sum()) for axis in (1, 0))
    if min(tasks, models) == 1:
        return _assumed(variance)
    apart = (means.sums / np.where(known, counts, 1.0) - means.expected) ** 2
    excess = apart - variance / np.where(known, counts, 1.0)
    left = (1.0 - 1.0 / tasks) * (1.0 - 1.0 / models)
    return max(float(np.average(np.where(known, excess, 0.0), weights=counts)) / left, 0.0)


def _assumed(variance: _Floats) -> float:
    """What the shrinkage itself says where nothing tells: that a prior is worth `PRIOR_WEIGHT`."""
    return float(variance.mean()) / PRIOR_WEIGHT


def _told(task: str | None, measured: _Floats, means: _Floats, half: _Floats) -> TaskStanding:
    return TaskStanding(
        task=task,
        measured=tuple(measured.tolist()),
        means=tuple(means.tolist()),
        low=tuple(np.clip(means - half, 0.0, 1.0).tolist()),
        high=tuple(np.clip(means + half, 0.0, 1.0).tolist()),
    )

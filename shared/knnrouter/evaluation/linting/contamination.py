"""Scores that a model has on the train file, and cannot repeat: it was trained on these queries.

Such a model looks the best wherever the router looks, and is not. A harder second file lowers all
models; contamination lowers one of them. So a model is named only if it lost more than the others
say it should: both if a harder file takes the same points from all, and if it takes the same part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from knnrouter.evaluation.resampling import Interval
from knnrouter.records import RecordSet

from .finding import Finding
from .subject import Subject

__all__ = ["CONFIDENCE", "FEWEST_ROWS", "GAP", "check_contamination"]

GAP = 0.05
"""A model must lose so much, and so much more than the others: less changes few choices."""

CONFIDENCE = 0.95
"""Of all intervals together; each is the wider the more models and tasks are looked at."""

FEWEST_ROWS = 30
"""A task with fewer rows in either file is not compared: its standard error means little."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Loss:
    """What a model lost from the first file to the second, on one task or in all."""

    name: str
    """The model, and the task in parentheses, if it is one of several."""
    train: float
    validation: float
    parts: tuple[Interval, ...]
    """The loss itself; and how much more that is than the others say, in points and in parts."""

    @property
    def loss(self) -> float:
        return self.train - self.validation

    @property
    def excess(self) -> Interval:
        """The least of its figures."""
        return min(self.parts, key=lambda part: part.estimate)

    @property
    def stands_out(self) -> bool:
        return all(part.estimate >= GAP and part.low > 0 for part in self.parts)


def check_contamination(subject: Subject) -> Iterator[Finding]:
    """Models that lost more than the others, by task where the files share tasks."""
    other = subject.other
    if other is None:
        return
    models = [model for model in subject.records.models if model in other.models]
    if not models:
        yield Finding(
            code="no_common_models",
            value=0,
            why=(
                f"The files have no model in common: {', '.join(subject.records.models[:3])} in "
                f"the first, {', '.join(other.models[:3])} in the second. What is learned from one "
                "cannot be tested on the other."
            ),
            todo="Name each model alike in both files, or give files of the same models.",
        )
        return
    losses = list(_losses(subject.records, other, models))
    found = [loss for loss in losses if loss.stands_out]
    if found:
        yield _finding(found)


def _losses(train: RecordSet, other: RecordSet, models: Sequence[str]) -> Iterator[_Loss]:
    parts = list(_parts(train, other))
    z = NormalDist().inv_cdf(1.0 - (1.0 - CONFIDENCE) / 2 / max(1, len(parts) * len(models)))
    for task, rows, others in parts:
        one, two = _columns(train, models)[rows], _columns(other, models)[others]
        for column, model in enumerate(models):
            name = model if task is None else f"{model} ({task})"
            yield from _loss(name, one, two, column, z)


def _parts(
    train: RecordSet, other: RecordSet
) -> Iterator[tuple[str | None, NDArray[np.int64], NDArray[np.int64]]]:
    """The rows of each named task that both files have enough of; without one, all rows."""
    names = [task for task in dict.fromkeys(train.tasks) if task is not None]
    pairs = [(task, _rows(train, task), _rows(other, task)) for task in names]
    enough = [pair for pair in pairs if min(len(pair[1]), len(pair[2])) >= FEWEST_ROWS]
    if enough:
        yield from enough
    elif set(names).isdisjoint(other.tasks) and min(len(train), len(other)) >= FEWEST_ROWS:
        yield None, np.arange(len(train)), np.arange(len(other))


def _rows(records: RecordSet, task: str) -> NDArray[np.int64]:
    return np.flatnonzero([each == task for each in records.tasks])


def _columns(records: RecordSet, models: Sequence[str]) -> NDArray[np.float64]:
    return records.scores[:, [records.models.index(model) for model in models]].astype(np.float64)


def _loss(
    name: str, train: NDArray[np.float64], other: NDArray[np.float64], column: int, z: float
) -> Iterator[_Loss]:
    """The loss of the model in one column; nothing where it was measured on too few rows."""
    (one, one_others), (two, two_others) = _beside(train, column), _beside(other, column)
    if min(len(one), len(two)) < FEWEST_ROWS:
        return
    parts = [_difference(one, two, z)]
    if train.shape[1] > 1:
        parts.append(_difference(one - one_others, two - two_others, z))
    if one_others.mean() > 0:
        level, harder = one.mean() / one_others.mean(), two_others.mean() / one_others.mean()
        # By the delta method: rows of the first file also say what part the others kept.
        ahead = harder * (one - level * one_others), two - level * two_others
        parts.append(_difference(*ahead, z))
    yield _Loss(
        name=name, train=float(one.mean()), validation=float(two.mean()), parts=tuple(parts)
    )


def _beside(
    scores: NDArray[np.float64], column: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A model's scores and the mean of the others, on the rows that have both; shape (r,) each.

    Of a model without others, all of its scores, and zeros.
    """
    own, others = scores[:, column], np.delete(scores, column, axis=1)
    if not others.shape[1]:
        others = np.zeros((len(own), 1))
    known = ~np.isnan(others)
    both = ~np.isnan(own) & known.any(axis=1)
    sums = np.where(known, others, 0.0)[both].sum(axis=1)
    return own[both], sums / known[both].sum(axis=1)


def _difference(one: NDArray[np.float64], two: NDArray[np.float64], z: float) -> Interval:
    """By how much the mean of `one` is above that of `two`, whose rows are others."""
    half = z * float(np.sqrt(one.var(ddof=1) / len(one) + two.var(ddof=1) / len(two)))
    estimate = float(one.mean() - two.mean())
    return Interval(estimate, estimate - half, estimate + half)


def _finding(found: Sequence[_Loss]) -> Finding:
    worst = max(found, key=lambda loss: loss.excess.estimate)
    more = f" {len(found) - 1} more of its kind in `value`." if len(found) > 1 else ""
    return Finding(
        code="inflated_train_scores",
        value={loss.name: loss.loss for loss in found},
        why=(
            f"{worst.name} scores {worst.train:.3f} on the first file and {worst.validation:.3f} "
            f"on the second, {worst.loss:.3f} less; from what the other models lost, "
            f"{worst.excess.estimate:.3f} of it cannot be explained (at least "
            f"{worst.excess.low:.3f} at 95%): it was probably trained on the first. A router that "
            f"learns from it prefers a model that is not the best.{more}"
        ),
        todo=(
            "Learn from held-out queries, or leave the model's scores on this file out; if the "
            "second file is of another kind, look first whether it is merely harder for this model."
        ),
    )

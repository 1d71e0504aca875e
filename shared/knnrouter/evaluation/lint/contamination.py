"""Scores that a model has on the train file, and cannot repeat: it was trained on these queries.

Such a model looks the best wherever the router looks, and is not. A harder second file lowers all
models; contamination lowers one of them. So a model is named only if it lost more than the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

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
    excess: float
    """How much more than the mean of the other models it lost."""
    half: float
    """Half the width of the interval of `excess`."""
    raw_half: float
    """Half the width of the interval of the loss itself."""

    @property
    def loss(self) -> float:
        return self.train - self.validation

    @property
    def stands_out(self) -> bool:
        least = min(self.loss, self.excess)
        return least >= GAP and self.excess > self.half and self.loss > self.raw_half


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
    raw = [scores[:, column][~np.isnan(scores[:, column])] for scores in (train, other)]
    lead = [_lead(scores, column) for scores in (train, other)]
    if min(map(len, (*raw, *lead))) < FEWEST_ROWS:
        return
    yield _Loss(
        name=name,
        train=float(raw[0].mean()),
        validation=float(raw[1].mean()),
        excess=float(lead[0].mean() - lead[1].mean()),
        half=z * _standard_error(*lead),
        raw_half=z * _standard_error(*raw),
    )


def _lead(scores: NDArray[np.float64], column: int) -> NDArray[np.float64]:
    """By how much the model is ahead of the mean of the others, on each row that has both.

    On one row what is hard for all cancels out. Of a model without others, its score.
    """
    own, others = scores[:, column], np.delete(scores, column, axis=1)
    if not others.shape[1]:
        return own[~np.isnan(own)]
    known = ~np.isnan(others)
    both = ~np.isnan(own) & known.any(axis=1)
    means = np.where(known, others, 0.0)[both].sum(axis=1) / known[both].sum(axis=1)
    return np.asarray(own[both] - means)


def _standard_error(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """Of the difference of two means of rows that have nothing to do with each other."""
    return float(np.sqrt(one.var(ddof=1) / len(one) + two.var(ddof=1) / len(two)))


def _finding(found: Sequence[_Loss]) -> Finding:
    worst = max(found, key=lambda loss: loss.excess)
    more = f" {len(found) - 1} more of its kind in `value`." if len(found) > 1 else ""
    return Finding(
        code="inflated_train_scores",
        value={loss.name: loss.loss for loss in found},
        why=(
            f"{worst.name} scores {worst.train:.3f} on the first file and {worst.validation:.3f} "
            f"on the second, {worst.loss:.3f} less, and lost {worst.excess:.3f} ± {worst.half:.3f} "
            "more than the other models: it was probably trained on the first. A router that "
            f"learns from it prefers a model that is not the best.{more}"
        ),
        todo=(
            "Learn from held-out queries, or leave the model's scores on this file out; if the "
            "second file is of another kind, look first whether it is merely harder for this model."
        ),
    )

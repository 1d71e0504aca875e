"""Whether there is anything to route: one model that is as good as the best choice, or best always.

A query oracle only gains from luck, too, so what is left above one model is at most this.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .finding import Finding
from .subject import Subject

__all__ = ["MARGIN", "check_dominance"]

MARGIN = 0.01
"""What a verdict counts as no loss: if even an oracle gains less, nothing is left to gain."""

_Z = 1.959964
"""Of a two-sided interval at 0.95."""


def check_dominance(subject: Subject) -> Iterator[Finding]:
    """One model against the oracle, on the rows on which all models were measured."""
    complete = ~np.isnan(subject.scores).any(axis=1)
    scores = subject.scores[complete]
    if len(scores) < 2 or scores.shape[1] < 2:
        return
    means = scores.mean(axis=0)
    best = int(means.argmax())
    gains = scores.max(axis=1) - scores[:, best]
    top = float(gains.mean() + _Z * gains.std(ddof=1) / np.sqrt(len(gains)))
    tasks = [subject.records.tasks[row] for row in np.flatnonzero(complete)]
    led = _tasks_led(scores, tasks, best)
    value = {"quality": float(means[best]), "oracle": float(scores.max(axis=1).mean())}
    if top <= MARGIN:
        yield _finding(
            subject.records.models[best],
            value,
            f"a choice that knows every score gains {gains.mean():.4f}, at most {top:.4f} at 95%",
        )
    elif led.size > 1 and led.all():
        yield _finding(
            subject.records.models[best],
            value | {"tasks_led": float(led.size)},
            f"it has the highest mean on each of the {led.size} tasks",
        )


def _tasks_led(
    scores: NDArray[np.float64], tasks: list[str | None], best: int
) -> NDArray[np.bool_]:
    """For each named task, whether this model alone has the highest mean."""
    led = []
    for task in dict.fromkeys(tasks):
        if task is not None:
            means = scores[[each == task for each in tasks]].mean(axis=0)
            led.append(means[best] > np.delete(means, best).max())
    return np.array(led, dtype=bool)


def _finding(model: str, value: dict[str, float], what: str) -> Finding:
    return Finding(
        code="dominant_model",
        value=value,
        why=(
            f"{model} scores {value['quality']:.3f}, an oracle {value['oracle']:.3f}: {what}. For "
            "quality there is little or nothing to route; only costs are left to gain."
        ),
        todo=(
            "Ask this model always, or route to save costs (score_minus_cost, cheapest_above); "
            "or add models and queries on which others win."
        ),
    )

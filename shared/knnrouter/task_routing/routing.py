"""Routing a task that nothing was measured on yet: all parts put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError, UnknownModelError
from knnrouter.estimators import Evidence
from knnrouter.estimators.correctness import Eta, correctness, eta_problems
from knnrouter.lineup import Lineup

from .benchmark import TaskBenchmark
from .choosing import Chosen, Score, TaskScores, chosen
from .decision import TaskDecision
from .new_task import NewTask
from .settings import TaskSettings
from .smoothing import Pairs, smoothed

__all__ = ["KeptBenchmark", "TaskQuestion", "route_task"]

Floats = NDArray[np.float64]
_EtaKey = float | tuple[tuple[str, float], ...]

_PAIRS_KEPT = 32


class KeptBenchmark:
    """The benchmark of a router's evidence and the pairs told from it, made when first needed.

    Threads may share one: what one of them makes, the others wait for.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._lock = Lock()
        self._made: TaskBenchmark | None = None
        self._pairs = lru_cache(maxsize=_PAIRS_KEPT)(self._new_pairs)

    def __reduce__(self) -> tuple[object, ...]:
        """A copy makes its own."""
        return KeptBenchmark, (self._evidence,)

    @property
    def benchmark(self) -> TaskBenchmark:
        """The benchmark.

        Raises:
            EstimatorError: The records name fewer than three tasks.
        """
        with self._lock:
            if self._made is None:
                self._made = TaskBenchmark.of(self._evidence)
            return self._made

    def pairs(self, eta: Eta, settings: TaskSettings, *, labelled: int, seed: int) -> Pairs:
        """Distance and accuracy of each task, left out in turn; see `TaskBenchmark.pairs`."""
        key = tuple(sorted(eta.items())) if isinstance(eta, Mapping) else eta
        return self._pairs(key, settings, labelled, seed if labelled else 0)

    def _new_pairs(self, key: _EtaKey, settings: TaskSettings, labelled: int, seed: int) -> Pairs:
        benchmark = self.benchmark
        eta = dict(key) if isinstance(key, tuple) else key
        right = correctness(benchmark.records, eta)
        return benchmark.pairs(right, settings, labelled=labelled, seed=seed)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class TaskQuestion:
    """How a task is to be routed."""

    score: Score = "s3"
    eta: Eta = 0.5
    p: Mapping[str, float] | None = None
    """What is known of the predictions' accuracy, by model; None: it is estimated."""
    settings: TaskSettings = field(default_factory=TaskSettings)
    seed: int = 0

    def check(self, lineup: Lineup, tasks: Sequence[str]) -> None:
        """Check the values that name models or tasks.

        Args:
            lineup: The models that there are.
            tasks: The tasks that there are, those of labelled queries among them.

        Raises:
            EstimatorError: A threshold or p is out of range, or a task has another name.
            UnknownModelError: `p` names a model that is not in the lineup.
        """
        wrong = eta_problems(self.eta, "eta")
        if isinstance(self.eta, Mapping):
            strange = [task for task in self.eta if task not in tasks]
            if strange:
                wrong.append(
                    f"eta names the tasks {', '.join(map(repr, strange))}; the records have "
                    f"{', '.join(tasks)}: name those"
                )
        for model, chance in (self.p or {}).items():
            if model not in lineup.place:
                raise UnknownModelError(
                    f"p names {model!r}; the models are {', '.join(lineup.names)}: name those"
                )
            if not 0 <= chance <= 1:
                wrong.append(f"p of {model!r} is {chance!r}; give a number in [0, 1]")
        if wrong:
            raise EstimatorError("; ".join(wrong))


def route_task(
    kept: KeptBenchmark,
    evidence: Evidence,
    lineup: Lineup,
    task: NewTask,
    question: TaskQuestion,
    *,
    eligible: Sequence[str],
) -> TaskDecision:
    """Choose one model for a task.

    Args:
        kept: The benchmark of the evidence.
        evidence: What was measured.
        lineup: The models, and their order.
        task: The queries.
        question: How they are to be routed.
        eligible: Who may answer, in the order of the pool; at least one.

    Raises:
        EstimatorError: The evidence names fewer than three tasks, or the question is wrong.
        UnknownModelError: The question names a model that there is not.
        NoEvidenceError: No task measured any of the models that may answer.
    """
    labelled = 0 if task.labelled is None else len(task.labelled)
    named = kept.benchmark.tasks
    if task.labelled is not None:
        named = (*named, *sorted({each for each in task.labelled.records.tasks if each}))
    question.check(lineup, named)
    settings, seed = question.settings, question.seed
    found = task.predictions(evidence, question.eta, settings)
    pairs = kept.pairs(question.eta, settings, labelled=labelled, seed=seed)
    p, p_std = smoothed(pairs, found.u, sigma=settings.sigma)
    for model, chance in (question.p or {}).items():
        if lineup.place[model] < len(p):
            p[lineup.place[model]], p_std[lineup.place[model]] = chance, np.nan
    scores = TaskScores.of(found, p, settings, seed=seed)
    columns = [lineup.place[name] for name in eligible if lineup.place[name] < len(p)]
    averages = kept.benchmark.averages()
    costs = lineup.mean_costs[: len(p)]
    choice = chosen(scores, question.score, averages, costs, settings, models=columns)
    unmeasured = [name for name in eligible if lineup.place[name] >= len(p)]

    def by_name(values: Floats) -> dict[str, float]:
        known = zip(columns, values[columns].tolist(), strict=True)
        found = {lineup.names[column]: value for column, value in known}
        return {name: found.get(name, np.nan) for name in eligible}

    chances = np.full(len(p), np.nan)
    chances[columns] = scores.draws.best(np.array(columns))
    return TaskDecision(
        model=lineup.names[choice.ranking[0]],
        ranking=(*(lineup.names[column] for column in choice.ranking), *unmeasured),
        score=question.score,
        s1=by_name(scores.s1),
        s2=by_name(scores.s2),
        s3=by_name(scores.s3),
        p=by_name(p),
        p_std=by_name(p_std),
        averages=by_name(averages),
        chances=by_name(chances),
        u=found.u,
        confidence=choice.confidence,
        best_on_average=lineup.names[choice.best_on_average],
        fallback=choice.fallback,
        reason=_reason(choice, question, lineup.names),
        queries=len(task.vectors),
        labelled=labelled,
        notes=task.notes,
    )


def _reason(choice: Chosen, question: TaskQuestion, names: Sequence[str]) -> str:
    """Why, in words."""
    leader, best = names[choice.leader], names[choice.best_on_average]
    share = f"{choice.confidence:.0%} of the draws"
    if choice.why == "unknown":
        return "nothing near is known of any model; it is the best on average"
    if choice.why == "agrees":
        return f"it has the best {question.score} and is the best on average too"
    if np.isnan(choice.confidence):
        led = "best on average; " if choice.fallback else ""
        return f"{led}{leader} has the best {question.score}, but nothing near is known of {best}"
    if choice.why == "doubted":
        return (
            f"{leader} has the best s3, but beats {best}, the best on average, in only {share}; "
            f"{question.settings.certainty:.0%} are asked for, so the best on average answers"
        )
    return f"best {question.score}; it beats {best}, the best on average, in {share}"

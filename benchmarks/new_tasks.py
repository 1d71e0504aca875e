"""What the rules of Shnitzer et al. 2023 choose for tasks that are new, each task left out in turn.

The best on average, and the pairs of distance and accuracy that S3 learns its p from, come from the
other tasks only; no neighbor is of the task that is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import routellm_mmlu
import routerdc
from bench import Embedded, Floats, Options
from numpy.typing import NDArray

from knnrouter import RecordSet, read_records
from knnrouter.estimators.correctness import correctness
from knnrouter.task_routing import (
    Pairs,
    Predictions,
    TaskBenchmark,
    TaskScores,
    TaskSettings,
    chosen,
    smoothed,
)
from knnrouter.task_routing.choosing import Score

ETA = 0.5

S1, S2, S3, TRUE_P = "S1", "S2", "S3", "S3, true p"
LEADER = "S3, its leader whatever the odds"
BEST = "best on average"
PEEKING = "best on average, this task included"
ORACLE = "best model of each task, in hindsight"

Rows = NDArray[np.int64]


def collections(asked: Options) -> Iterator[tuple[str, Embedded]]:
    """The data by name; equal texts are merged."""
    ulab = read_records(asked.file("llmrouter/routing_train.json"))
    yield "ulab LLMRouter", Embedded.of(ulab.drop_duplicates())
    yield "RouteLLM MMLU", Embedded.of(routellm_mmlu.pair(asked).records.drop_duplicates())
    train = routerdc.read(asked, routerdc.TRAIN)
    rest = [named(train, "/train"), routerdc.read(asked, routerdc.WITHIN | routerdc.BEYOND)]
    sets = RecordSet.concat(rest).drop_duplicates()
    yield "RouterDC sets", Embedded.of(sets)
    files = RecordSet.concat([tasked(rest[0], " train"), rest[1]]).drop_duplicates()
    yield "RouterDC files", Embedded.of(files)


def named(records: RecordSet, mark: str) -> RecordSet:
    """The same rows under ids of their own."""
    return RecordSet(**records.as_dict() | {"ids": tuple(name + mark for name in records.ids)})


def tasked(records: RecordSet, mark: str) -> RecordSet:
    """The same rows, their tasks with a mark."""
    tasks = tuple(f"{task}{mark}" for task in records.tasks)
    return RecordSet(**records.as_dict() | {"tasks": tasks})


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranked:
    """One choice on one task: the model, what it rests on, and the truth."""

    model: int
    vector: Floats
    """What the models were ranked by; shape (m,)."""
    truth: Floats
    """The mean score of each model on the tested rows; shape (m,)."""
    best: int
    """The best model on average over the other tasks."""
    off: float = float("nan")
    """How far p is from what it turns out to be, mean over the models."""
    confidence: float = float("nan")
    """How sure the leader was to beat the best on average."""

    @property
    def accuracy(self) -> float:
        """What the chosen model scored."""
        return float(self.truth[self.model])

    @property
    def ratio(self) -> float:
        """The same, of what the best model scored."""
        return self.accuracy / float(self.truth.max())

    @property
    def rank(self) -> int:
        """1 and how many models are better."""
        return 1 + int((self.truth > self.truth[self.model] + 1e-9).sum())

    def correlation(self, how: Callable[[Floats, Floats], float]) -> float:
        """Between ranking and truth over the models; NaN where either is constant."""
        if np.ptp(self.vector) < 1e-12 or np.ptp(self.truth) < 1e-12:
            return float("nan")
        return how(self.vector, self.truth)


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """A collection whose tasks are left out in turn."""

    known: Embedded
    benchmark: TaskBenchmark
    right: Floats
    """Which model was right on which row; shape (n, m)."""
    settings: TaskSettings

    @classmethod
    def of(cls, known: Embedded) -> Study:
        """With the settings of the paper."""
        everything = known.evidence(np.arange(len(known.records)))
        return cls(
            known=known,
            benchmark=TaskBenchmark.of(everything),
            right=correctness(known.records, ETA),
            settings=TaskSettings(),
        )

    @property
    def tasks(self) -> range:
        """The places of the tasks."""
        return range(len(self.benchmark.tasks))

    def without(self, task: int) -> Study:
        """The same study, quick to ask of everything without this task."""
        near = [
            self.benchmark.near[each]
            if each == task
            else self.benchmark.neighbors(each, self.settings.near, without=task)
            for each in self.tasks
        ]
        return replace(self, benchmark=replace(self.benchmark, near=tuple(near)))

    def pairs(self, task: int, labelled: int = 0) -> Pairs:
        """What the other tasks tell of p, without a trace of this one."""
        return self.benchmark.pairs(self.right, self.settings, labelled=labelled, without=task)

    def truth(self, rows: Rows) -> Floats:
        """Each model's mean score on rows of a task."""
        return np.average(self.known.scores[rows], axis=0, weights=self.known.records.weights[rows])

    def choices(
        self, task: int, pairs: Pairs, seed: int, labelled: Rows | None = None
    ) -> dict[str, Ranked]:
        """What each rule chooses for a task that is new."""
        found, tested = self.benchmark.predictions(
            task, self.right, self.settings, labelled=labelled
        )
        guess, _ = smoothed(pairs, found.u, sigma=self.settings.sigma)
        truth, averages = self.truth(tested), self.benchmark.averages(without=task)
        scores = self.scores(found, guess, seed)
        came_true = found.accuracy(self.right[tested])
        true_p = self.scores(found, came_true, seed)
        off = float(np.nanmean(np.abs(guess - came_true)))
        best = int(np.argmax(averages))

        def ranked(scores: TaskScores, name: Score, settings: TaskSettings) -> Ranked:
            models = range(len(truth))
            costs = np.full(len(truth), np.nan)
            choice = chosen(scores, name, averages, costs, settings, models=models)
            vector = getattr(scores, name)
            return Ranked(
                model=choice.ranking[0],
                vector=vector,
                truth=truth,
                best=best,
                off=off,
                confidence=choice.confidence,
            )

        bold = replace(self.settings, certainty=1e-9)
        flat = Ranked(model=best, vector=averages, truth=truth, best=best)
        return {
            S1: ranked(scores, "s1", self.settings),
            S2: ranked(scores, "s2", self.settings),
            S3: ranked(scores, "s3", self.settings),
            LEADER: ranked(scores, "s3", bold),
            TRUE_P: ranked(true_p, "s3", self.settings),
            BEST: flat,
            PEEKING: replace(flat, model=int(np.argmax(self.benchmark.averages()))),
            ORACLE: replace(flat, model=int(np.argmax(truth)), vector=truth),
        }

    def scores(self, found: Predictions, p: Floats, seed: int) -> TaskScores:
        """The three scores of predictions that come true with probability p."""
        return TaskScores.of(found, p, self.settings, seed=seed)

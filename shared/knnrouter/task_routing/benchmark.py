"""Evidence as a benchmark of several tasks, each of them new to the others.

A task that is left out stands for the new task to come: what the other tasks predict of it can be
compared with what was measured. For that every row keeps its nearest rows of the other tasks. They
do not depend on thresholds and settings, so they are looked up once, and a second task can be left
out of them: nothing of a task under test is then left in what is told of it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError
from knnrouter.estimators import Evidence
from knnrouter.neighbors import Neighbors
from knnrouter.records import RecordSet
from knnrouter.records.sets import group_means

from .nearest import joined, nearest
from .scores import Predictions
from .settings import TaskSettings
from .smoothing import Pairs

__all__ = ["TaskBenchmark"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_LEAST_TASKS = 3
_KEPT = 64
"""How many neighbors each row keeps: enough to leave most other tasks out as well."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskBenchmark:
    """Records of several tasks, with each row's nearest rows of the other tasks.

    Rows without a task belong to no task; they only help to predict.
    """

    records: RecordSet
    vectors: NDArray[np.float32]
    tasks: tuple[str, ...]
    """The tasks by name, in the order of the alphabet."""
    task_of: Rows
    """The place of each row's task in `tasks`, -1 without a task; shape (n,)."""
    near: tuple[Neighbors, ...]
    """By task: the nearest rows of its rows, among all others."""

    @classmethod
    def of(cls, evidence: Evidence) -> TaskBenchmark:
        """Look up the neighbors of all rows.

        Raises:
            EstimatorError: The records name fewer than three tasks.
        """
        records = evidence.records
        tasks = tuple(sorted({task for task in records.tasks if task}))
        if len(tasks) < _LEAST_TASKS:
            named = f" ({', '.join(tasks)})" if tasks else ""
            raise EstimatorError(
                f"the records name {len(tasks)} tasks{named}, and routing a task needs at least "
                f"{_LEAST_TASKS}, for each of them is predicted from the others; give records "
                "whose rows name their `task`"
            )
        place = {task: number for number, task in enumerate(tasks)}
        task_of = np.array([place.get(task or "", -1) for task in records.tasks])
        near = tuple(
            nearest(
                evidence.vectors[task_of == number],
                evidence.vectors,
                np.flatnonzero(task_of != number),
                _KEPT,
            )
            for number in range(len(tasks))
        )
        return cls(
            records=records, vectors=evidence.vectors, tasks=tasks, task_of=task_of, near=near
        )

    @cached_property
    def rows(self) -> tuple[Rows, ...]:
        """The rows of each task."""
        return tuple(np.flatnonzero(self.task_of == number) for number in range(len(self.tasks)))

    @cached_property
    def blank(self) -> NDArray[np.bool_]:
        """The rows whose vector is zero; shape (n,)."""
        return np.asarray(~self.vectors.any(axis=1))

    @cached_property
    def task_means(self) -> Floats:
        """Each model's mean score in each task; shape (t, m); NaN where it was not measured."""
        named = np.flatnonzero(self.task_of >= 0)
        return group_means(
            self.records.scores[named].astype(np.float64),
            self.records.weights[named],
            self.task_of[named],
            len(self.tasks),
        )

    def averages(self, *, without: int | None = None) -> Floats:
        """Each model's mean over the tasks of its mean score there; shape (m,).

        A task counts once, however many rows it has. NaN for a model that was measured in fewer
        than half as many tasks as the most measured one: its mean is of other, perhaps easier
        tasks, and cannot be compared.

        Args:
            without: A task to leave out, as a place in `tasks`.
        """
        means = np.delete(self.task_means, [] if without is None else [without], axis=0)
        known = ~np.isnan(means)
        found = np.full(means.shape[1], np.nan)
        sums = np.where(known, means, 0.0).sum(axis=0)
        counts = known.sum(axis=0)
        np.divide(sums, counts, out=found, where=2 * counts >= max(int(counts.max()), 1))
        return found

    def neighbors(self, task: int, k: int, *, without: int | None = None) -> Neighbors:
        """The nearest `k` rows of a task's rows that are of neither task.

        Args:
            task: A place in `tasks`.
            k: How many; all where there are fewer.
            without: Another task to leave out.
        """
        near = self.near[task]
        allowed = self.task_of != task
        if without is not None:
            allowed &= self.task_of != without
        k = min(k, int(allowed.sum()))
        kept = allowed[near.rows]
        if kept[:, :k].all() and near.k >= k:
            return near.first(k)
        order = np.argsort(~kept, axis=1, kind="stable")[:, :k]
        rows = np.zeros((len(near.rows), k), dtype=np.int64)
        values = np.zeros(rows.shape)
        rows[:, : order.shape[1]] = np.take_along_axis(near.rows, order, axis=1)
        values[:, : order.shape[1]] = np.take_along_axis(near.similarities, order, axis=1)
        short = kept.sum(axis=1) < k
        if short.any():
            own = self.vectors[self.rows[task][short]]
            again = nearest(own, self.vectors, np.flatnonzero(allowed), k)
            rows[short], values[short] = again.rows, again.similarities
        return Neighbors(rows=rows, similarities=values)

    def predictions(
        self,
        task: int,
        right: Floats,
        settings: TaskSettings,
        *,
        labelled: Rows | None = None,
        without: int | None = None,
    ) -> tuple[Predictions, Rows]:
        """What the other tasks predict of a task, and of which rows of it.

        Args:
            task: A place in `tasks`.
            right: Which model was right on which row: 1, 0 or NaN; shape (n, m).
            settings: How many neighbors count.
            labelled: Rows of the task that help to predict, and are not predicted.
            without: Another task to leave out.
        """
        near = self.neighbors(task, settings.near, without=without)
        return self._predictions(task, near, right, settings, labelled=labelled)

    def _predictions(
        self,
        task: int,
        near: Neighbors,
        right: Floats,
        settings: TaskSettings,
        *,
        labelled: Rows | None,
    ) -> tuple[Predictions, Rows]:
        tested = self.rows[task]
        if labelled is not None and len(labelled):
            rest = ~np.isin(tested, labelled)
            tested = tested[rest]
            near = joined(
                Neighbors(rows=near.rows[rest], similarities=near.similarities[rest]),
                nearest(self.vectors[tested], self.vectors, labelled, settings.near),
                settings.near,
            )
        found = Predictions.of(
            near,
            right,
            self.records.weights,
            settings,
            blank=self.blank[tested],
            weights=self.records.weights[tested],
        )
        return found, tested

    def pairs(
        self,
        right: Floats,
        settings: TaskSettings,
        *,
        labelled: int = 0,
        seed: int = 0,
        without: int | None = None,
    ) -> Pairs:
        """The distance of each task, left out in turn, and how often its predictions came true.

        Args:
            right: Which model was right on which row: 1, 0 or NaN; shape (n, m).
            settings: How many neighbors count.
            labelled: If any, each task gives another pair, with so many of its own rows among
                those that predict, or with half of its rows if that is fewer.
            seed: Draws these rows.
            without: A task that gives no pair, and no neighbor.
        """
        u, p = [], []
        for task in range(len(self.tasks)):
            if task == without:
                continue
            near = self.neighbors(task, settings.near, without=without)
            drawn = self.drawn(task, min(labelled, len(self.rows[task]) // 2), seed=seed)
            for known in [None, drawn] if len(drawn) else [None]:
                found, tested = self._predictions(task, near, right, settings, labelled=known)
                u.append(found.u)
                p.append(found.accuracy(right[tested]))
        return Pairs(u=np.array(u), p=np.array(p))

    def drawn(self, task: int, count: int, *, seed: int) -> Rows:
        """So many rows of a task, drawn at random, ascending.

        Whatever the other tasks are, the same seed draws the same rows.
        """
        rng = np.random.default_rng([seed, zlib.crc32(self.tasks[task].encode())])
        return np.sort(rng.choice(self.rows[task], count, replace=False))

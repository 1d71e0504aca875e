"""What each row of the evidence adds to the vote, laid out so that one product counts it.

For a query, the weighted sum of the ballots of its neighbors holds all that an estimate needs: how
much weight measured each model, its scores, their squares, the means of the neighbors' tasks, costs
and tokens. Blocks of `m` columns stand side by side in one array, in double precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.index import kmeans
from knnrouter.records import RecordSet

from .base import Evidence

__all__ = [
    "PRIOR_WEIGHT",
    "Ballots",
    "Tally",
    "TaskMeans",
    "exact_scores",
    "shrunk_means",
    "task_numbers",
]

PRIOR_WEIGHT = 20.0
"""How many measurements the mean above counts for when a task's mean is shrunk toward it."""

_DECIMALS = 7
"""Of a score in single precision."""

_NUMBERS = 4_000_000
"""How many numbers of ballots are gathered at a time: bounds the memory, not the speed."""

_SIDE_BLOCKS = ("costs", "input_tokens", "output_tokens", "latency_ms")

_ROWS_PER_CLUSTER = 60
"""About how many rows make up a cluster, where no task is named."""

_MOST_CLUSTERS = 256


def task_numbers(evidence: Evidence, *, seed: int = 0) -> NDArray[np.int64]:
    """A number for the task of each row; shape (n,).

    Rows without a task make up a task of their own. Where no row names one, clusters of vectors,
    of about sixty rows each, stand in for tasks: most of what routing gains lies between kinds of
    queries, and this is the nearest thing to a kind that the records hold.
    """
    tasks = evidence.records.tasks
    if any(tasks):
        names = {name: number for number, name in enumerate(sorted({task or "" for task in tasks}))}
        return np.array([names[task or ""] for task in tasks], dtype=np.int64)
    clusters = min(max(1, len(tasks) // _ROWS_PER_CLUSTER), _MOST_CLUSTERS)
    _, assignment = kmeans(evidence.vectors, clusters, weights=evidence.records.weights, seed=seed)
    return assignment


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class TaskMeans:
    """Each model's mean score in each of `t` tasks, shrunk toward what is expected of it there.

    What is expected is the model's own level plus what the task does to all models together: a task
    that is hard for all is hard for a model that was measured little, too. Levels are shrunk toward
    the mean over all models, so that a model with a few lucky measurements does not lead, and tasks
    toward doing nothing. Each step counts for `PRIOR_WEIGHT` measurements.
    """

    sums: NDArray[np.float64]
    """Weighted sums of the scores; shape (t, m)."""

    counts: NDArray[np.float64]
    """Sums of the weights of what was measured; shape (t, m)."""

    task_of: NDArray[np.int64]
    """The task of each row; shape (n,)."""

    @classmethod
    def of(cls, records: RecordSet, task_of: NDArray[np.int64]) -> TaskMeans:
        """Sum up the records, whose rows are of the tasks `task_of`."""
        measured = ~np.isnan(records.scores)
        weights = records.weights[:, None] * measured
        sums = np.zeros((int(task_of.max()) + 1, len(records.models)))
        counts = np.zeros_like(sums)
        np.add.at(sums, task_of, weights * np.where(measured, exact_scores(records), 0.0))
        np.add.at(counts, task_of, weights)
        return cls(sums=sums, counts=counts, task_of=task_of)

    @property
    def effects(self) -> NDArray[np.float64]:
        """How far all models score above their own means in each task; shape (t,)."""
        totals, measured = self.sums.sum(axis=0), self.counts.sum(axis=0)
        apart = self.sums - self.counts * (totals / np.maximum(measured, _TINY))
        return shrunk_means(apart.sum(axis=1), self.counts.sum(axis=1), 0.0)

    @property
    def overall(self) -> NDArray[np.float64]:
        """Each model's level, shrunk; shape (m,); NaN where nothing was measured.

        Its mean over all rows less the effects of their tasks: a model that was measured on hard
        tasks only is not taken for a weak one.
        """
        sums = (self.sums - self.counts * self.effects[:, None]).sum(axis=0)
        counts = self.counts.sum(axis=0)
        levels = shrunk_means(sums, counts, sums.sum() / counts.sum())
        return np.where(counts > 0, np.clip(levels, 0.0, 1.0), np.nan)

    @property
    def expected(self) -> NDArray[np.float64]:
        """Each model's level plus each task's effect; shape (t, m); NaN as in `overall`."""
        return np.clip(self.overall + self.effects[:, None], 0.0, 1.0)

    @property
    def means(self) -> NDArray[np.float64]:
        """Each model's mean in each task, shrunk; shape (t, m); NaN where nothing was measured."""
        return shrunk_means(self.sums, self.counts, self.expected)

    @property
    def uncertainty(self) -> NDArray[np.float64]:
        """Variance of `means` per unit of score variance; shape (t, m)."""
        return 1.0 / (self.counts + PRIOR_WEIGHT)


def exact_scores(records: RecordSet) -> NDArray[np.float64]:
    """The scores as the decimals they were given as; shape (n, m); NaN where not measured.

    Example:
        >>> one = RecordSet(ids=("1",), models=("m",), scores=np.array([[0.7]]))
        >>> float(one.scores[0, 0]), exact_scores(one).tolist()
        (0.699999988079071, [[0.7]])
    """
    return records.scores.astype(np.float64).round(_DECIMALS)


def shrunk_means(
    sums: NDArray[np.float64], counts: NDArray[np.float64], toward: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Means that count `toward` as `PRIOR_WEIGHT` measurements more.

    Example:
        >>> shrunk_means(np.array([20.0]), np.array([20.0]), toward=0.5).tolist()
        [0.75]
    """
    means: NDArray[np.float64] = (sums + PRIOR_WEIGHT * toward) / (counts + PRIOR_WEIGHT)
    return means


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Tally:
    """The counted ballots of `q` queries; every array has shape (q, m)."""

    support: NDArray[np.float64]
    """Effective number of measurements: (sum of weights)² / sum of squared weights; 0 for none."""

    mean: NDArray[np.float64]
    """Weighted mean score of what was measured; 0 where nothing was."""

    mean_square: NDArray[np.float64]
    """Weighted mean of the squared scores; 0 where nothing was measured."""

    prior: NDArray[np.float64]
    """Mean over the neighbors of the model's mean in their tasks."""

    prior_uncertainty: NDArray[np.float64]
    """Variance of `prior` per unit of score variance."""

    side: dict[str, NDArray[np.float64]]
    """Weighted means of costs, tokens and latency, for those on record; NaN for not measured."""


class Ballots:
    """The ballots of all rows of some records.

    A row that stands for several measurements holds only their mean score; its mean square is then
    taken to be its mean, which is exact for 0/1 scores and never too small.
    """

    def __init__(self, records: RecordSet, task_of: NDArray[np.int64]) -> None:
        self.models = len(records.models)
        self.task_means = TaskMeans.of(records, task_of)
        measured = ~np.isnan(records.scores)
        scores = np.where(measured, exact_scores(records), 0.0)
        squares = np.where(records.weights[:, None] > 1, scores, scores**2)
        means, doubts = self.task_means.means, self.task_means.uncertainty
        blocks = [measured, scores, squares, means[task_of], doubts[task_of]]
        self._side = [name for name in _SIDE_BLOCKS if _any_measured(getattr(records, name))]
        for name in self._side:
            values = getattr(records, name)
            blocks += [~np.isnan(values), np.nan_to_num(values)]
        self._blocks = len(blocks)
        blocks.append(np.ones((len(scores), 1)))  # counts the weight itself
        self._ballots = np.concatenate(blocks, axis=1, dtype=np.float64)
        self.weights = records.weights
        self.score_variance = _variance(squares, scores, records.weights[:, None] * measured)

    def tally(self, rows: NDArray[np.int64], kernel: NDArray[np.float64]) -> Tally:
        """Count the ballots of the neighbors `rows`, weighted by `kernel`; both (q, k)."""
        votes = np.empty((len(rows), 2, rows.shape[1]))
        np.multiply(kernel, self.weights.take(rows), out=votes[:, 0])
        np.multiply(kernel, votes[:, 0], out=votes[:, 1])
        counted = np.empty((len(rows), 2, self._ballots.shape[1]))
        step = max(1, _NUMBERS // (rows.shape[1] * self._ballots.shape[1]))
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            np.matmul(votes[some], self._ballots.take(rows[some], axis=0), out=counted[some])
        blocks = counted[:, 0, :-1].reshape(len(rows), self._blocks, self.models)
        return self._read(blocks, counted[:, 1, : self.models], counted[:, 0, -1:])

    def _read(
        self,
        blocks: NDArray[np.float64],
        squared: NDArray[np.float64],
        total: NDArray[np.float64],
    ) -> Tally:
        measured = blocks[:, 0]
        means = blocks[:, 1:3] / np.maximum(blocks[:, :1], _TINY)
        priors = blocks[:, 3:5] / total[:, :, None]
        if 0.0 in total[:, 0].tolist():  # where no neighbor has a vote, the levels stand in
            unknown = np.stack((self.task_means.overall, np.full(self.models, 1.0 / PRIOR_WEIGHT)))
            priors = np.where(total[:, :, None] > 0, priors, unknown)
        return Tally(
            support=measured * measured / np.maximum(squared, _TINY),
            mean=means[:, 0],
            mean_square=means[:, 1],
            prior=priors[:, 0],
            prior_uncertainty=priors[:, 1],
            side={
                name: blocks[:, 6 + 2 * place] / blocks[:, 5 + 2 * place]
                for place, name in enumerate(self._side)
            },
        )


_TINY = 1e-300
"""Stands in for a zero divisor where the numerator is zero as well."""


def _any_measured(values: NDArray[np.float64] | None) -> bool:
    return values is not None and not bool(np.isnan(values).all())


def _variance(
    squares: NDArray[np.float64], scores: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The variance of each model's scores; shape (m,); NaN where nothing was measured."""
    total = weights.sum(axis=0)
    someone = np.maximum(total, _TINY)
    mean = (weights * scores).sum(axis=0) / someone
    variance = (weights * squares).sum(axis=0) / someone - mean**2
    return np.where(total > 0, np.maximum(variance, 0.0), np.nan)

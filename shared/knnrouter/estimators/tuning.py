"""Leave-one-out: which settings of the vote would have served the evidence itself best.

Each row in turn is a query, without itself and without every row of the same text (rows of one
group are not kept apart here). One search serves all settings. The mean of the row's own task is
taken without these rows; the means over all tasks, in which a row weighs little, still hold them.
The loss of a setting is the squared error of the differences between models (the row's mean error
is taken out, since it moves all models alike and changes no choice). Where no row measures two
models, it is the squared error itself.

Among the settings whose loss is within one standard error of the least, the one with the most
shrinkage is taken, and of these the middle one by k and smoothness: the rule of Breiman et al.
1984, section 3.4.3. Data that cannot tell two settings apart should not decide for the bolder.

The same rows tell how far the truth strays from the prior (`prior_variance`), which the standard
errors need: what shrinkage does to the choice says little about how right the prior is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from knnrouter.neighbors import Neighbors
from knnrouter.records.sets import group_by_text

from .ballots import PRIOR_WEIGHT, Ballots, Tally, exact_scores, shrunk_means
from .base import Evidence
from .knn import KNN, fixed, kernel_weights, local_variance, shrunk_scores
from .losses import comparable, row_losses, within_one_error

__all__ = ["MAX_LEFT_OUT", "prior_variance", "tuned"]

_NEIGHBORS = (16, 32, 64, 128)
_TEMPERED: tuple[tuple[str, float], ...] = (
    ("softmax", 0.025),
    ("softmax", 0.05),
    ("softmax", 0.1),
    ("softmax", 0.2),
    ("similarity", 0.05),
    ("uniform", 0.05),
)
"""Kernels with their temperature, which only softmax has a use for."""
_SHRINKAGE = (0.0, 4.0, 16.0, 64.0, 256.0, 1024.0)
MAX_LEFT_OUT = 4000
"""How many rows are left out in turn; of more, as many are drawn."""

_CELLS = 4_000_000
"""How many ballots are gathered at a time."""
_FEW = KNN(k=1, weights="softmax", temperature=0.05, shrinkage=4.0)
"""What is taken where there are too few rows to leave one out."""


def tuned(knn: KNN, evidence: Evidence, ballots: Ballots, *, seed: int) -> KNN:
    """The settings of `knn` with everything "auto" chosen by leave-one-out.

    Args:
        knn: Settings, some of them "auto".
        evidence: What they are chosen on; `n` rows.
        ballots: The ballots of the same records.
        seed: Draws the rows to leave out, where there are more than `MAX_LEFT_OUT`.
    """
    grid = _grid(knn, len(evidence.records))
    if len(grid) == 1:
        return grid[0]
    rows = _drawn(len(evidence.records), seed)
    left_out = _LeftOut.of(evidence, ballots, rows, max(int(each.k) for each in grid))
    if left_out is None:
        few = {name: getattr(_FEW, name) for name in ("k", "weights", "temperature", "shrinkage")}
        return fixed(knn, **few)
    losses = np.stack(_losses(grid, left_out, ballots))
    return _most_shrunk(grid, losses, evidence.records.weights[rows])


def prior_variance(
    knn: KNN, evidence: Evidence, ballots: Ballots, *, seed: int
) -> NDArray[np.float64]:
    """How far a model's true mean in a neighborhood is from its prior, squared, on average.

    By moments (DerSimonian & Laird 1986): the squared distance of the vote from the prior, of rows
    that are left out, less what chance in both explains. With v the local variance, e the support
    and u the prior's uncertainty, that is v (1 / e + u) less twice their covariance, v u, since
    the neighbors' scores are part of their tasks' means. What the shrinkage itself says, v /
    shrinkage, counts for `PRIOR_WEIGHT` measurements; where no row can be left out, it is all
    there is.

    Args:
        knn: Settings, none of them "auto".
        evidence: What they were chosen on; `n` rows.
        ballots: The ballots of the same records.
        seed: Draws the rows to leave out, as for `tuned`.

    Returns:
        Shape (m,), at least 0; 0 with a shrinkage of 0, which asks no prior; NaN for a model that
        was never measured.
    """
    shrinkage = float(knn.shrinkage)
    if shrinkage == 0.0:
        return np.zeros(ballots.models)
    excess, weight = np.zeros(ballots.models), np.zeros(ballots.models)
    drawn = _drawn(len(evidence.records), seed)
    left_out = _LeftOut.of(evidence, ballots, drawn, int(knn.k))
    for part, tally in [] if left_out is None else _tallies(knn, left_out, ballots):
        voted = tally.support > 0
        chance = 1.0 / np.where(voted, tally.support, 1.0) - tally.prior_uncertainty
        apart = (tally.mean - tally.prior) ** 2 - local_variance(tally, ballots) * chance
        excess += (part.weights[:, None] * np.where(voted, apart, 0.0)).sum(axis=0)
        weight += (part.weights[:, None] * voted).sum(axis=0)
    assumed = PRIOR_WEIGHT * ballots.score_variance / shrinkage
    variance: NDArray[np.float64] = (excess + assumed) / (weight + PRIOR_WEIGHT)
    return np.maximum(variance, 0.0)


def _grid(knn: KNN, rows: int) -> list[KNN]:
    """Every setting to be tried: what is fixed stays, what is "auto" takes each of its values."""
    most = max(1, rows // 4)
    neighbors = [k for k in _NEIGHBORS if k <= most] or [most]
    tried = {
        fixed(knn, k=k, weights=weights, temperature=temperature, shrinkage=shrinkage)
        for k, (weights, temperature), shrinkage in product(neighbors, _TEMPERED, _SHRINKAGE)
    }
    return sorted(tried, key=_boldness)


def _boldness(knn: KNN) -> tuple[float, float, float, str]:
    """Orders settings from smooth to bold, so that choices do not depend on the order of a set."""
    smoothness = float(knn.temperature) if knn.weights == "softmax" else np.inf
    return (-float(knn.shrinkage), -float(knn.k), -smoothness, knn.weights)


def _drawn(rows: int, seed: int) -> NDArray[np.int64]:
    if rows <= MAX_LEFT_OUT:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, MAX_LEFT_OUT, replace=False))


def _most_shrunk(grid: list[KNN], losses: NDArray[np.float64], weights: NDArray[np.float64]) -> KNN:
    """The middle one of the most shrunk settings within one standard error of the best."""
    alike = within_one_error(losses, weights)
    near_best = [knn for knn, ok in zip(grid, alike, strict=True) if ok]
    most = max(float(knn.shrinkage) for knn in near_best)
    shrunk = [knn for knn in near_best if float(knn.shrinkage) == most]
    return shrunk[len(shrunk) // 2]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _LeftOut:
    """Rows that are queries in turn, their neighbors, and what their tasks' means are without them.

    `b` rows are left out.
    """

    scores: NDArray[np.float64]
    """What the models really scored; shape (b, m)."""

    weights: NDArray[np.float64]
    """How many measurements each row stands for; shape (b,)."""

    neighbors: Neighbors
    """The nearest other rows; where too few have another text, the last ones are to be skipped."""

    counts: NDArray[np.bool_]
    """Whether a neighbor has another text, and so a vote; shape (b, k)."""

    own_task: NDArray[np.bool_]
    """Whether a neighbor is of the row's own task; shape (b, k)."""

    correction: NDArray[np.float64]
    """How much the mean of the row's own task falls when the row is left out; shape (b, m)."""

    @classmethod
    def of(
        cls, evidence: Evidence, ballots: Ballots, rows: NDArray[np.int64], k: int
    ) -> _LeftOut | None:
        """None where no row has a neighbor of another text."""
        _, texts = group_by_text(evidence.records.queries)
        near, counts = _others(evidence, texts, rows, k)
        if not counts.any():
            return None
        tasks = ballots.task_means.task_of
        return cls(
            scores=exact_scores(evidence.records)[rows],
            weights=evidence.records.weights[rows],
            neighbors=near,
            counts=counts,
            own_task=tasks[near.rows] == tasks[rows][:, None],
            correction=_correction(evidence, ballots, texts, rows),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def part(self, start: int, stop: int, k: int) -> _LeftOut:
        """Some of the rows, with their nearest `k`."""
        near = self.neighbors.first(k)
        return _LeftOut(
            scores=self.scores[start:stop],
            weights=self.weights[start:stop],
            neighbors=Neighbors(
                rows=near.rows[start:stop], similarities=near.similarities[start:stop]
            ),
            counts=self.counts[start:stop, :k],
            own_task=self.own_task[start:stop, :k],
            correction=self.correction[start:stop],
        )


def _others(
    evidence: Evidence, texts: NDArray[np.int64], rows: NDArray[np.int64], k: int
) -> tuple[Neighbors, NDArray[np.bool_]]:
    """The nearest `k` rows of each row, those of its own text last, and which are of another."""
    fetch = k + int(np.bincount(texts).max())
    step = max(1, _CELLS // fetch)
    parts = []
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        found = evidence.index.search(evidence.vectors[part], fetch)
        same = texts[found.rows] == texts[part][:, None]
        order = np.argsort(same, axis=1, kind="stable")[:, :k]
        columns = (found.rows, found.similarities, ~same)
        parts.append([np.take_along_axis(each, order, axis=1) for each in columns])
    near, similarities, counts = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Neighbors(rows=near, similarities=similarities), counts


def _correction(
    evidence: Evidence, ballots: Ballots, texts: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The means of the rows' tasks, less the same without all rows of their text in that task."""
    means = ballots.task_means
    _, pair = np.unique(np.stack((texts, means.task_of)), axis=1, return_inverse=True)
    pair = pair.reshape(-1)
    scores = exact_scores(evidence.records)
    weights = evidence.records.weights[:, None] * ~np.isnan(scores)
    sums = np.zeros((int(pair.max()) + 1, scores.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, pair, weights * np.nan_to_num(scores))
    np.add.at(counts, pair, weights)
    tasks = means.task_of[rows]
    left_sums = means.sums[tasks] - sums[pair[rows]]
    left_counts = np.maximum(means.counts[tasks] - counts[pair[rows]], 0.0)
    return means.means[tasks] - shrunk_means(left_sums, left_counts, means.expected[tasks])


def _losses(grid: list[KNN], left_out: _LeftOut, ballots: Ballots) -> list[NDArray[np.float64]]:
    """The loss of every setting on every row, in the order of the grid; each of shape (b,)."""
    votes: dict[tuple[object, ...], list[KNN]] = {}
    for knn in grid:
        votes.setdefault((knn.k, knn.weights, knn.temperature), []).append(knn)
    found = {
        knn: loss
        for alike in votes.values()
        for knn, loss in zip(alike, _losses_of_vote(alike, left_out, ballots), strict=True)
    }
    return [found[knn] for knn in grid]


def _losses_of_vote(
    alike: list[KNN], left_out: _LeftOut, ballots: Ballots
) -> list[NDArray[np.float64]]:
    """The losses of settings that differ in their shrinkage only: one count of votes for all."""
    comparing = comparable(left_out.scores)
    parts = []
    for part, tally in _tallies(alike[0], left_out, ballots):
        with np.errstate(invalid="ignore"):  # no vote and no shrinkage: NaN
            scores = [shrunk_scores(tally, float(knn.shrinkage)) for knn in alike]
        parts.append([row_losses(each, part.scores, comparing=comparing) for each in scores])
    return [np.concatenate(losses) for losses in zip(*parts, strict=True)]


def _tallies(knn: KNN, left_out: _LeftOut, ballots: Ballots) -> Iterator[tuple[_LeftOut, Tally]]:
    """Some of the rows at a time, and the votes on them, their own part taken out of the prior."""
    k = int(knn.k)
    step = max(1, _CELLS // (k * ballots.models))
    for start in range(0, len(left_out), step):
        part = left_out.part(start, start + step, k)
        kernel = kernel_weights(part.neighbors.similarities, knn) * part.counts
        with np.errstate(divide="ignore", invalid="ignore"):
            tally = ballots.tally(part.neighbors.rows, kernel)
        weight = kernel * ballots.weights[part.neighbors.rows]
        own = (weight * part.own_task).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-300)
        np.subtract(tally.prior, own[:, None] * part.correction, out=tally.prior)
        yield part, tally

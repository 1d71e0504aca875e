"""Which rows of the evidence tell most of a new model: coverage times disagreement.

The evidence's vectors are grouped by k-means, about `_ROWS_PER_GROUP` proposed rows a group. Each
group gets a share of the budget in proportion to its weight times its disagreement, which is how
far the models' scores on a row lie apart on average: where all agree, a new model will hardly
differ, and one row tells as much as ten. That is the allocation of least variance of Neyman 1934
("On the two different aspects of the representative method"), with the spread between known models
in the place of the unknown spread within the new one.

Within a group, k-means again; the row nearest to each center is proposed. So rows are chosen for
where they lie, never for what the models scored on them: rows on which the models disagree most are
those of middling difficulty, and a mean over such rows would flatter weak models and wrong good
ones. That groups of much disagreement are measured more does no such harm, because the estimates
compare a model with the others task by task (see `estimators.ballots`), not by its mean over all
that was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnrouter.estimators import Evidence
from knnrouter.index import kmeans
from knnrouter.records import RecordSet
from knnrouter.router import Router

__all__ = ["Proposal", "ProposedRow", "propose"]

_ROWS_PER_GROUP = 6
"""How many proposed rows share a group, about."""

_LEAST = 0.02
"""The least disagreement of a group, so that none is left to chance where all models agree."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProposedRow:
    """A row of the evidence to run a new model on, and why."""

    id: str
    query: str | None
    """Its text; None where the evidence does not keep it."""
    task: str | None
    stands_for: float
    """How many measurements of the evidence lie nearest to it, among the rows proposed."""
    disagreement: float
    """How far the models' scores lie apart around it: their standard deviation on a row, on
    average, in [0, 0.5]; NaN where no row has two models measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """Which rows to run a new model on, those first that stand for most of the disagreement."""

    rows: tuple[ProposedRow, ...]
    of: int
    """How many rows the evidence has."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the rows."""
        return tuple(row.id for row in self.rows)

    @property
    def tasks(self) -> dict[str | None, int]:
        """How many rows are proposed of each task, most first."""
        named = [row.task for row in self.rows]
        return dict(sorted(((name, named.count(name)) for name in set(named)), key=_by_count))

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The proposal as plain values."""
        return {"of": self.of, "rows": [asdict(row) for row in self.rows]}


def _by_count(item: tuple[str | None, int]) -> tuple[int, str]:
    name, count = item
    return -count, name or ""


def propose(known: Router | Evidence, budget: int, *, seed: int = 0) -> Proposal:
    """Choose the rows of the evidence to run a new model on.

    Args:
        known: A router, or its evidence. Where some rows keep their text, only these are proposed.
        budget: How many rows to propose, at least 1; all that there are, where there are fewer.
        seed: Starts the k-means; the same seed proposes the same rows.

    Raises:
        ValueError: `budget` is no whole number of at least 1.

    Example:
        >>> rows = [{"query": "Sort an array in C.", "big": 1, "small": 0},
        ...         {"query": "Write a sonnet on the sea.", "big": 1, "small": 1}]
        >>> router = Router.fit(RecordSet.from_rows(rows))
        >>> (row,) = propose(router, 1).rows
        >>> row.stands_for
        2.0
    """
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:
        raise ValueError(f"budget is {budget!r}; give a whole number of rows, at least 1")
    evidence = known.evidence if isinstance(known, Router) else known
    records = evidence.records
    spread = _disagreement(records)
    rows = _with_text(records)
    chosen = rows[
        _chosen(evidence.vectors[rows], records.weights[rows], spread[rows], budget, seed)
    ]
    proposed = list(_described(evidence, chosen, spread))
    proposed.sort(key=lambda row: -row.stands_for * np.nan_to_num(row.disagreement, nan=1.0))
    return Proposal(rows=tuple(proposed), of=len(records))


def _with_text(records: RecordSet) -> NDArray[np.int64]:
    """The rows that keep their text; all, where none does."""
    kept = np.array([query is not None for query in records.queries])
    return np.flatnonzero(kept) if kept.any() else np.arange(len(records))


def _disagreement(records: RecordSet) -> NDArray[np.float64]:
    """The standard deviation of the models' scores on each row; NaN where fewer than two are."""
    scores = records.scores.astype(np.float64)
    measured = ~np.isnan(scores)
    count = np.maximum(measured.sum(axis=1), 1)
    mean = np.where(measured, scores, 0.0).sum(axis=1) / count
    square = np.where(measured, (scores - mean[:, None]) ** 2, 0.0).sum(axis=1) / count
    return np.where(measured.sum(axis=1) > 1, np.sqrt(square), np.nan)


def _chosen(
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    spread: NDArray[np.float64],
    budget: int,
    seed: int,
) -> NDArray[np.int64]:
    """Which of the rows to propose, ascending."""
    if budget >= len(vectors):
        return np.arange(len(vectors))
    groups = min(max(1, round(budget / _ROWS_PER_GROUP)), len(vectors))
    _, group = kmeans(vectors, groups, weights=weights, seed=seed)
    members = [np.flatnonzero(group == place) for place in range(groups)]
    members = [rows for rows in members if len(rows)]
    unknown = 1.0 if np.isnan(spread).all() else float(np.nanmean(spread))
    filled = np.nan_to_num(spread, nan=unknown)
    mass = [
        weights[rows].sum() * max(np.average(filled[rows], weights=weights[rows]), _LEAST)
        for rows in members
    ]
    quotas = _allocated(mass, [len(rows) for rows in members], budget)
    found = [
        rows[_central(vectors[rows], weights[rows], quota, seed)]
        for rows, quota in zip(members, quotas, strict=True)
        if quota
    ]
    return np.sort(np.concatenate(found))


def _allocated(mass: Sequence[float], sizes: Sequence[int], budget: int) -> list[int]:
    """How many rows each group gives: in proportion to its mass, no more than it has, all told.

    Rows are given out one by one, to the group that is furthest behind its share (the rule of
    Sainte-Laguë, whose shares are unbiased); of several, to the first.

    Example:
        >>> _allocated([3.0, 1.0, 0.1], [10, 10, 10], 4)
        [3, 1, 0]
        >>> _allocated([9.0, 1.0], [2, 10], 4)
        [2, 2]
    """
    given = [0] * len(mass)
    for _ in range(budget):
        behind = [
            weight / (2 * have + 1) if have < size else -1.0
            for weight, have, size in zip(mass, given, sizes, strict=True)
        ]
        given[behind.index(max(behind))] += 1
    return given


def _central(
    vectors: NDArray[np.float32], weights: NDArray[np.float64], count: int, seed: int
) -> list[int]:
    """`count` of the rows, each the nearest one to a center of its own."""
    centers, group = kmeans(vectors, count, weights=weights, seed=seed)
    similarity = np.einsum("nd,nd->n", vectors, centers[group])
    found = []
    for place in range(len(centers)):
        rows = np.flatnonzero(group == place)
        if len(rows):
            found.append(int(rows[similarity[rows].argmax()]))
    # Centers that no row is nearest to: rows that their own center tells least of stand in.
    rest = sorted(set(range(len(vectors))) - set(found), key=lambda row: (similarity[row], row))
    return found + rest[: count - len(found)]


def _described(
    evidence: Evidence, chosen: NDArray[np.int64], spread: NDArray[np.float64]
) -> Iterator[ProposedRow]:
    """The chosen rows with what each stands for: the rows that lie nearer to it than to others."""
    records = evidence.records
    owner = np.argmax(evidence.vectors @ evidence.vectors[chosen].T, axis=1)
    owner[chosen] = np.arange(len(chosen))  # of rows with equal vectors each is its own
    for place, row in enumerate(chosen.tolist()):
        around = np.flatnonzero(owner == place)
        told = around[~np.isnan(spread[around])]
        yield ProposedRow(
            id=records.ids[row],
            query=records.queries[row],
            task=records.tasks[row],
            stands_for=float(records.weights[around].sum()),
            disagreement=(
                float(np.average(spread[told], weights=records.weights[told]))
                if len(told)
                else float("nan")
            ),
        )

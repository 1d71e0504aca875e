"""Any recipe on the same rounds: what it chose, how long it took, and what changed its mind.

A round is what is learned from and what is tested. Vectors are ready-made, so times are of fitting
and routing alone, of the processor; whoever calls this keeps to one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple, TypeVar

import numpy as np
from bench import Embedded, Floats, static_embedder
from numpy.typing import NDArray
from recipes import Columns, Fitted, Queries, Recipe

from knnrouter import RecordSet
from knnrouter.evaluation import PERTURBATIONS, k_fold
from knnrouter.text import read_query

T = TypeVar("T")


class Round(NamedTuple):
    """What is learned from, and the rows that are tested."""

    seed: int
    learned: Embedded
    test: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Collection:
    """`n` queries to test on, and what to learn from."""

    name: str
    title: str
    """The name, and how many rows are learned from and tested."""

    tested: Embedded
    """All models were measured on every row."""

    learned: Embedded | None = None
    """None: the other four of five folds of `tested`."""

    by_set: bool = False
    """Whether a figure is the mean of the tasks' means."""

    pair: tuple[int, int] | None = None
    """The columns of a weak and a strong model, where these two are all there are."""

    sampled: int = 300
    """At most so many queries are asked again in changed words."""

    @property
    def sets(self) -> NDArray[np.str_] | None:
        """The task of each row, where each task counts alike; shape (n,)."""
        return np.array(self.tested.records.tasks) if self.by_set else None

    @property
    def priced(self) -> bool:
        """Whether it is known what every answer cost."""
        return not np.isnan(self.tested.records.costs).any()

    @cached_property
    def queries(self) -> Queries:
        """What a router sees of them."""
        return Queries.of(self.tested)

    @cached_property
    def sample(self) -> NDArray[np.int64]:
        """The rows of the queries that are asked again, ascending."""
        rows = len(self.tested.records)
        count = min(self.sampled, rows)
        return np.sort(np.random.default_rng(0).choice(rows, count, replace=False))

    @cached_property
    def changed(self) -> Queries:
        """The sampled queries, as they are, and then after each change."""
        given = self.queries.select(self.sample).texts
        changed = (change(text) for change in PERTURBATIONS.values() for text in given)
        texts = [*given, *changed]
        read = [read_query(text).text for text in texts]
        return Queries(texts=texts, vectors=static_embedder().embed(read))

    def rounds(self, seeds: Sequence[int]) -> Iterator[Round]:
        """With each seed, each row is tested once."""
        for seed in seeds:
            if self.learned is not None:
                yield Round(seed, self.learned, np.arange(len(self.tested.records)))
                continue
            for split in k_fold(self.tested.records, seed=seed):
                yield Round(seed, self.tested.select(split.train), split.test)


def complete(records: RecordSet) -> RecordSet:
    """The rows on which every model was measured."""
    return records.select(~np.isnan(records.scores).any(axis=1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """What a recipe did in one round, on its `t` rows."""

    test: NDArray[np.int64]
    chosen: Columns
    swept: NDArray[np.int64] | None
    """Columns at each of `p` settings of its knob, shape (p, t); None without one or its cost."""

    gain: Floats | None
    """How much better the strong model is expected to be, shape (t,); None of other models."""

    unchanged: Floats
    """Of its sampled rows, the share of choices that stayed, mean over kinds; shape (s,)."""

    fit_seconds: float
    route_seconds: float
    """For each query."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ran:
    """What a recipe did in all rounds; the rows are those of the collection."""

    parts: Sequence[Part]

    def mean(self, table: Floats) -> Floats:
        """What its choices have in a table (n, m) of scores or costs, mean over seeds; (n,)."""
        (means,) = self._mean(table, [part.chosen[None] for part in self.parts])
        return np.asarray(means)

    def swept(self, table: Floats) -> Floats | None:
        """The same at each setting of its knob; shape (p, n)."""
        found = [part.swept for part in self.parts if part.swept is not None]
        return self._mean(table, found) if found else None

    def _mean(self, table: Floats, columns: Sequence[NDArray[np.int64]]) -> Floats:
        sums, counts = np.zeros((len(columns[0]), len(table))), np.zeros(len(table))
        for part, chosen in zip(self.parts, columns, strict=True):
            sums[:, part.test] += table[part.test, chosen]
            counts[part.test] += 1
        return np.asarray(sums / counts)

    @property
    def unchanged(self) -> float:
        """Share of choices that stayed under changes, mean over their kinds."""
        return float(np.concatenate([part.unchanged for part in self.parts]).mean())

    @property
    def fit_seconds(self) -> float:
        """To learn; median over rounds."""
        return float(np.median([part.fit_seconds for part in self.parts]))

    @property
    def route_seconds(self) -> float:
        """To route a query, of all that a round tests at once; median over rounds."""
        return float(np.median([part.route_seconds for part in self.parts]))


def run(collection: Collection, recipe: Recipe, seeds: Sequence[int]) -> Ran:
    """Let a recipe learn and choose in every round; changed words are for the first seed."""
    parts = []
    for number, learned, test in collection.rounds(seeds):
        asked = collection.queries.select(test)
        fitted, fit_seconds = timed(partial(recipe, learned, number))
        chosen, route_seconds = timed(partial(fitted.choose, asked))
        swept = fitted.sweep(asked) if fitted.sweep and collection.priced else None
        parts.append(
            Part(
                test=test,
                chosen=chosen,
                swept=None if swept is None else np.array(swept),
                gain=fitted.gain(asked, *collection.pair) if collection.pair else None,
                unchanged=unchanged(collection, fitted, test if number == seeds[0] else test[:0]),
                fit_seconds=fit_seconds,
                route_seconds=route_seconds / len(test),
            )
        )
    return Ran(parts=parts)


def unchanged(collection: Collection, fitted: Fitted, rows: NDArray[np.int64]) -> Floats:
    """Of these rows that are sampled, the share of choices that stay; shape (s,)."""
    places = np.flatnonzero(np.isin(collection.sample, rows))
    if not len(places):
        return np.empty(0)
    turns = 1 + len(PERTURBATIONS)
    every = len(collection.sample) * np.arange(turns)[:, None] + places
    chosen = fitted.choose(collection.changed.select(every.ravel())).reshape(every.shape)
    stayed = chosen[1:] == chosen[0]
    kinds = np.array([change.kind for change in PERTURBATIONS.values()])
    by_kind = [stayed[kinds == kind].mean(axis=0) for kind in np.unique(kinds)]
    return np.asarray(np.mean(by_kind, axis=0))


def timed(do: Callable[[], T]) -> tuple[T, float]:
    """What it gives, and how many seconds of the processor it took."""
    start = time.process_time()
    found = do()
    return found, time.process_time() - start

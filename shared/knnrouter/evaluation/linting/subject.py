"""The records that all checks look at, and what several checks need of them, made once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from knnrouter.embedders import Embedder
from knnrouter.index import FaissIndex
from knnrouter.neighbors import Neighbors
from knnrouter.pool import ModelPool
from knnrouter.records import RecordSet
from knnrouter.records.sets import group_by_text
from knnrouter.vectors import query_vectors

__all__ = ["NEIGHBORS", "Subject", "vectors_of"]

NEIGHBORS = 10
"""How many neighbors a row is compared with: the least that a vote of a router rests on, so that
locality is looked for where it is strongest."""

_SPARE = 10
"""How many more are fetched, to make up for rows of the same text."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """`n` rows and `m` models; and perhaps the file that a router is tested on."""

    records: RecordSet
    other: RecordSet | None
    """The validation file."""
    pool: ModelPool | None
    embedder: Embedder
    seed: int

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Shape (n, m); NaN where not measured."""
        return self.records.scores.astype(np.float64)

    @cached_property
    def comparable(self) -> NDArray[np.float64]:
        """The scores of the rows on which at least two models were measured; shape (r, m)."""
        return np.asarray(self.scores[(~np.isnan(self.scores)).sum(axis=1) >= 2])

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The texts that are kept."""
        return tuple(query for query in self.records.queries if query is not None)

    @cached_property
    def placed(self) -> NDArray[np.int64]:
        """The rows that have a vector: all of condensed records, else those with text."""
        if self.records.vectors is not None:
            return np.arange(len(self.records))
        kept = [query is not None for query in self.records.queries]
        return np.flatnonzero(kept)

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """Unit rows of `placed`, shape (p, d)."""
        known = self.records.vectors
        return vectors_of(self.texts, self.embedder) if known is None else known

    @cached_property
    def text_group(self) -> NDArray[np.int64]:
        """A number for each row of `placed`, the same for rows of one text; shape (p,)."""
        queries = self.records.queries
        return group_by_text([queries[row] for row in self.placed])[1]

    @cached_property
    def neighbors(self) -> Neighbors:
        """The nearest of `placed` to each of them, itself among them; numbers within `placed`."""
        return FaissIndex(self.vectors).search(self.vectors, 1 + NEIGHBORS + _SPARE)

    @cached_property
    def of_another_text(self) -> NDArray[np.bool_]:
        """Which of `neighbors` are another text, and so not the row itself; shape (p, k)."""
        own = self.text_group[:, None]
        return np.asarray(self.text_group[self.neighbors.rows] != own)


def vectors_of(texts: Sequence[str], embedder: Embedder) -> NDArray[np.float32]:
    """Unit rows of the routing texts, shape (n, d)."""
    if not texts:
        return np.empty((0, embedder.dim), dtype=np.float32)
    bare = RecordSet(
        ids=tuple(map(str, range(len(texts)))),
        queries=tuple(texts),
        models=("none",),
        scores=np.zeros((len(texts), 1), dtype=np.float32),
    )
    return query_vectors(bare, embedder)

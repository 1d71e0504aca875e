"""What a new task is made of: its queries, a few of them labelled, and who may answer them all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from knnrouter.embedders import Embedder
from knnrouter.errors import EmptyPoolError, QueryError, RecordsError
from knnrouter.estimators import Evidence
from knnrouter.estimators.correctness import Eta, correctness
from knnrouter.lineup import Lineup
from knnrouter.records import RecordSet
from knnrouter.text import Query, read_query
from knnrouter.vectors import query_vectors

from .nearest import joined, nearest
from .scores import Predictions
from .settings import TaskSettings

__all__ = ["Labelled", "NewTask", "eligible_for_all", "labelled_rows", "without_labelled"]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Labelled:
    """Queries of the new task whose outcomes are known; `r` of them.

    Attributes:
        vectors: Unit rows, shape (r, d).
        records: Their outcomes, in the columns of the evidence.
    """

    vectors: NDArray[np.float32]
    records: RecordSet

    def __len__(self) -> int:
        return len(self.records)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class NewTask:
    """The queries of a task that nothing is known of yet, `n` of them, and those that are labelled.

    Attributes:
        vectors: Unit rows, shape (n, d).
        labelled: None where none is.
        notes: What was left out, a sentence each.
    """

    vectors: NDArray[np.float32]
    labelled: Labelled | None = None
    notes: tuple[str, ...] = ()

    def predictions(self, evidence: Evidence, eta: Eta, settings: TaskSettings) -> Predictions:
        """What the evidence and the labelled queries predict of the others."""
        near = evidence.index.search(self.vectors, settings.near)
        right, weights = correctness(evidence.records, eta), evidence.records.weights
        if self.labelled is not None:
            known, places = self.labelled.vectors, np.arange(len(self.labelled))
            more = nearest(self.vectors, known, places, settings.near)
            shifted = replace(more, rows=more.rows + len(evidence.records))
            near = joined(near, shifted, settings.near)
            right = np.vstack([right, correctness(self.labelled.records, eta)])
            weights = np.concatenate([weights, self.labelled.records.weights])
        blank = np.asarray(~self.vectors.any(axis=1))
        return Predictions.of(near, right, weights, settings, blank=blank)


def eligible_for_all(
    read: Sequence[Query],
    given: Sequence[object],
    lineup: Lineup,
    *,
    allow: Collection[str] | None,
    require: Collection[str],
    tags: Collection[str],
) -> tuple[str, ...]:
    """The names of the models that may answer every query, in the order of the pool.

    Raises:
        QueryError: There is no query.
        EmptyPoolError: None may.
        UnknownModelError: `allow` names a model that the pool does not have.
    """
    if not read:
        raise QueryError("the task has 0 queries; give at least one, as many as there are")
    left: tuple[str, ...] = ()
    for place, (query, one) in enumerate(zip(read, given, strict=True)):
        able = lineup.eligible(query, one, allow=allow, require=require, tags=tags)
        if not lineup.stated:
            return able  # nothing is known that depends on the query
        both = able if place == 0 else tuple(name for name in left if name in able)
        if not both:
            raise EmptyPoolError(
                f"no model may answer all {len(read)} queries: {', '.join(left)} may answer those "
                f"before number {place + 1}, which only {', '.join(able)} may; split the task, or "
                "allow a model that can take all of it"
            )
        left = both
    return left


def without_labelled(
    read: Sequence[Query], labelled: RecordSet
) -> tuple[list[int], tuple[str, ...]]:
    """The places of the queries that are not labelled, and what to note.

    A labelled query would be its own nearest neighbor.

    Raises:
        QueryError: All are labelled.
    """
    known = {read_query(text).text for text in labelled.queries if text is not None}
    kept = [place for place, query in enumerate(read) if query.text not in known]
    out = len(read) - len(kept)
    if not kept:
        raise QueryError(
            f"all {out} queries are labelled, so there is nothing to predict; give at least one "
            "that is not"
        )
    return kept, (f"{out} queries that are labelled were not predicted",) if out else ()


def labelled_rows(
    labelled: RecordSet, records: RecordSet, lineup: Lineup, embedder: Embedder
) -> tuple[Labelled, tuple[str, ...]]:
    """Labelled queries in the columns of the evidence, and what to note.

    Args:
        labelled: What was measured, under the names of the records, of the pool, or aliases.
        records: The evidence.
        lineup: Who is who.
        embedder: Turns their texts into unit rows.

    Raises:
        RecordsError: None of the columns is a model of the evidence.
        TypeError: `labelled` is no `RecordSet`.
    """
    if not isinstance(labelled, RecordSet):
        raise TypeError(
            f"labelled is {labelled!r:.80}, of type {type(labelled).__name__}; give a RecordSet, "
            "such as read_records(path) or RecordSet.from_rows(rows)"
        )
    columns = lineup.pool.columns(labelled.models)
    owner = dict(zip(columns.columns, lineup.pool.names, strict=True))
    scores = np.full((len(labelled), len(records.models)), np.nan, dtype=np.float32)
    strange = []
    for place, model in enumerate(labelled.models):
        column = lineup.place.get(owner.get(place, model), len(records.models))
        if column < len(records.models):
            scores[:, column] = labelled.scores[:, place]
        else:
            strange.append(model)
    if np.isnan(scores).all():
        raise RecordsError(
            f"the labelled queries measure {', '.join(labelled.models)}, none of which is a model "
            f"of the evidence: {', '.join(lineup.names[: len(records.models)])}; name the columns "
            "so, or give the pool aliases"
        )
    kept = RecordSet(
        ids=labelled.ids,
        models=records.models,
        scores=scores,
        tasks=labelled.tasks,
        weights=labelled.weights,
    )
    notes = [f"labels of {', '.join(strange)} were left out: the evidence has no such model"]
    vectors = query_vectors(labelled, embedder)
    return Labelled(vectors=vectors, records=kept), tuple(notes if strange else ())

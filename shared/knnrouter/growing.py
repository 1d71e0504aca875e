"""Evidence that grows and shrinks: from one state of a router to the next.

Nothing here changes a state; each function makes another one. The index is built anew, which for a
flat one is a copy of the vectors; the estimator keeps its settings and learns from all rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from knnrouter.records import RecordSet

from . import estimators
from .embedders import Embedder
from .errors import EstimatorError, RecordsError
from .estimators import Evidence, FittedEstimator
from .index import FaissIndex
from .joining import with_column
from .state import State
from .vectors import query_vectors

__all__ = ["with_model", "with_records", "without_records"]

_SHOWN = 20


def with_records(state: State, records: RecordSet, embedder: Embedder) -> State:
    """The state with more rows; see `Router.add_records`."""
    known = state.evidence
    _check_is_records(records)
    taken = set(known.records.ids)
    repeated = [name for name in records.ids if name in taken]
    if repeated:
        raise RecordsError(
            f"{len(repeated):,} ids are in the evidence already: {_listed(repeated)}; give each "
            "row an id of its own, or take the old rows out first with remove_records"
        )
    vectors = query_vectors(records, embedder)
    if known.records.vectors is None and None not in records.queries:
        parts = [known.records, _with_vectors(records, None, None)]
    else:
        parts = [
            _with_vectors(known.records, known.vectors, embedder.id),
            _with_vectors(records, vectors, embedder.id),
        ]
    return _over(state, RecordSet.concat(parts), np.vstack([known.vectors, vectors]))


def without_records(state: State, ids: Iterable[str]) -> State:
    """The state with fewer rows; see `Router.remove_records`."""
    if isinstance(ids, str):
        raise TypeError(f"remove_records takes several ids; for one give [{ids!r}]")
    known, unwanted = state.evidence, dict.fromkeys(ids)
    there = set(known.records.ids)
    strange = [name for name in unwanted if name not in there]
    if strange:
        raise RecordsError(
            f"{len(strange):,} ids are not in the evidence: {_listed(strange)}; give ids of "
            "router.records.ids"
        )
    if not unwanted:
        return state
    kept = np.array([name not in unwanted for name in known.records.ids])
    if not kept.any():
        raise RecordsError(
            f"all {len(kept):,} rows of the evidence would be removed; keep at least one, or fit a "
            "router on other records"
        )
    return _over(state, known.records.select(kept), known.vectors[kept])


def with_model(state: State, name: str, results: RecordSet, embedder: Embedder) -> State:
    """The state with one more column; see `Router.add_model`."""
    _check_is_records(results)
    known = state.evidence
    records = with_column(known, name, results, embedder)
    return _next(state, Evidence(records=records, vectors=known.vectors, index=known.index))


def _over(state: State, records: RecordSet, vectors: NDArray[np.float32]) -> State:
    evidence = Evidence(records=records, vectors=vectors, index=FaissIndex(vectors))
    return _next(state, evidence)


def _next(state: State, evidence: Evidence) -> State:
    lineup = state.lineup.over(evidence.records)  # before the longer work: it may refuse
    return State(evidence=evidence, estimator=_updated(state.estimator, evidence), lineup=lineup)


def _updated(fitted: FittedEstimator, evidence: Evidence) -> FittedEstimator:
    """The same estimator over other evidence, by its own method or fitted with its settings."""
    method = getattr(fitted, "updated", None)
    if method is not None:
        found: FittedEstimator = method(evidence)
        return found
    try:
        estimator = estimators.from_settings(fitted.settings)
    except EstimatorError as error:
        raise EstimatorError(
            f"the estimator {type(fitted).__name__} is none of this library ({error}); give it a "
            "method `updated(evidence)`, or fit a router anew on all records"
        ) from error
    return estimator.fit(evidence)


def _with_vectors(
    records: RecordSet, vectors: NDArray[np.float32] | None, embedder: str | None
) -> RecordSet:
    return RecordSet(**records.as_dict() | {"vectors": vectors, "embedder": embedder})


def _check_is_records(records: object) -> None:
    if not isinstance(records, RecordSet):
        raise TypeError(
            f"records is {records!r:.80}, of type {type(records).__name__}; give a RecordSet: "
            "RecordSet.from_rows(rows) of rows in memory, read_records(path) of a file"
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more

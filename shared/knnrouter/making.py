"""The parts of a router, from records and from a saved folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from knnrouter.pool import ModelPool
from knnrouter.records import RecordSet

from . import estimators, store
from .embedders import Embedder
from .errors import DamagedStoreError, EstimatorError, PoolError
from .estimators import Estimator, Evidence, FittedEstimator, Setting, TellsProgress
from .index import FaissIndex
from .state import State
from .vectors import Progress, query_vectors

__all__ = [
    "check_estimator",
    "check_fit",
    "embedded",
    "estimator_of",
    "fitted",
    "restored",
    "saved",
    "stated_estimator",
]


def check_fit(records: object, index: object) -> None:
    """Check what `Router.fit` was given.

    Raises:
        TypeError: `records` is no `RecordSet`.
        ValueError: There is no such index.
    """
    if not isinstance(records, RecordSet):
        raise TypeError(
            f"records is {records!r:.80}, of type {type(records).__name__}; give a RecordSet: "
            "RecordSet.from_rows(rows) of rows in memory, read_records(path) of a file"
        )
    if index not in ("auto", "flat"):
        raise ValueError(f'index is {index!r}; give "auto" or "flat"')


def embedded(records: RecordSet, embedder: Embedder, told: Progress) -> Evidence:
    """Records with their vectors, and an index over these.

    Raises:
        RecordsError: The records hold neither text nor vectors for some row.
        EmbedderMismatchError: The records hold vectors of another embedder.
    """
    vectors = query_vectors(records, embedder, progress=told)
    told("index", 0, 1)
    return Evidence(records=records, vectors=vectors, index=FaissIndex(vectors))


def estimator_of(
    given: str | Mapping[str, Any] | Estimator | None, pool: ModelPool | None
) -> Estimator:
    """The estimator that was given, else the pool's, else the default."""
    if given is None:
        return stated_estimator(pool) or estimators.default()
    if isinstance(given, str | Mapping):
        return estimators.parse(given)
    if isinstance(given, type) or not callable(getattr(given, "fit", None)):
        raise TypeError(
            f"estimator is {given!r:.80}; give an estimator such as estimators.KNN(), its text, "
            "or any object with its methods fit and restore"
        )
    return given


def fitted(
    estimator: Estimator, evidence: Evidence, *, seed: int, told: Progress
) -> FittedEstimator:
    """The estimator, fitted; one that takes long tells how far it is."""
    told("fit", 0, 1)
    if isinstance(estimator, TellsProgress):
        return estimator.fit_telling(
            evidence, seed=seed, told=lambda done, total: told("fit", done, total)
        )
    found = estimator.fit(evidence, seed=seed)
    told("fit", 1, 1)
    return found


def stated_estimator(pool: ModelPool | None) -> Estimator | None:
    """The estimator that a pool states; None where it states none.

    Raises:
        EstimatorError: It is unknown or wrongly set.
    """
    stated = None if pool is None else pool.router.estimator
    if stated is None:
        return None
    try:
        return estimators.parse(stated)
    except EstimatorError as error:
        raise EstimatorError(f"router.estimator: {error}") from error


def check_estimator(
    saved: Mapping[str, Setting], pool: ModelPool | None, folder: str | Path
) -> None:
    """Refuse a saved router whose estimator is not the one that the pool states.

    Raises:
        PoolError: A setting that the pool states is another one.
        EstimatorError: The pool's estimator is unknown or wrongly set.
    """
    stated = stated_estimator(pool)
    if stated is None:
        return
    wanted = estimators.settings_of(stated)
    if wanted["kind"] != saved.get("kind"):
        wanted = {"kind": wanted["kind"]}  # the settings of another kind have no counterpart
    other = {
        name: (value, saved.get(name))
        for name, value in wanted.items()
        if value != "auto" and value != saved.get(name)
    }
    if other:
        listed = ", ".join(
            f"{name} is {there!r}, not {here!r}" for name, (here, there) in other.items()
        )
        raise PoolError(
            f"the pool's router.estimator is not what {folder} was built with: {listed}; build it "
            f"again with knnrouter build FILE --pool POOL --out {folder}, or take the line out"
        )


def restored(kept: store.Saved, folder: str | Path) -> tuple[Evidence, FittedEstimator]:
    """Evidence and estimator of what `store.load` gave; nothing is fitted.

    Raises:
        DamagedStoreError: The estimator's arrays do not fit the records.
        EstimatorError: The estimator is not one of this library.
    """
    evidence = Evidence(records=kept.records, vectors=kept.vectors, index=kept.index)
    estimator = estimators.from_settings(kept.settings)
    try:
        return evidence, estimator.restore(evidence, kept.arrays)
    except EstimatorError as error:
        raise DamagedStoreError(
            f"{folder} is damaged: {error}; put back a copy of the folder, or build the router "
            f"again: knnrouter build FILE --out {folder}"
        ) from error


def saved(state: State, embedder: Embedder) -> store.Saved:
    """The parts of a router that are saved."""
    return store.Saved(
        records=state.evidence.records,
        vectors=state.evidence.vectors,
        index=_flat(state.evidence),
        embedder=embedder.id,
        settings=state.estimator.settings,
        arrays=state.estimator.arrays,
        probes=embedder.embed(store.PROBE_TEXTS),
    )


def _flat(evidence: Evidence) -> FaissIndex:
    """The evidence's index in the one form that is saved."""
    index = evidence.index
    return index if isinstance(index, FaissIndex) else FaissIndex(evidence.vectors)

"""From what can be evaluated (a router, decisions, scores) and records to outcomes.

A router is asked for every row, and allowed to choose only what the records measured. Rows whose
text stands in its own evidence are left out: it would know their answers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from knnrouter.decision import Decision
from knnrouter.errors import EvaluationError
from knnrouter.policies import Policy
from knnrouter.pool import ModelPool
from knnrouter.records import RecordSet
from knnrouter.router import Router
from knnrouter.vectors import Progress, query_vectors

from .batches import decisions_on
from .measured import Measured, best_column, costs_of, measured, train_means
from .near import nearest_in
from .outcomes import Outcomes
from .ties import first_choice

__all__ = [
    "Subject",
    "measured_columns",
    "outcomes_of",
    "pool_columns",
    "routed_outcomes",
    "seen_rows",
]

Subject: TypeAlias = Router | Sequence[Decision | str] | NDArray[np.floating]
"""A router; or a decision (or a model's name) for each row; or expected scores, shape (n, m)."""

_Floats = NDArray[np.float64]

_SAME_VECTOR = 1 - 1e-5
"""From this cosine on, two vectors are of one text, apart from rounding."""


def outcomes_of(
    subject: Subject,
    records: RecordSet,
    *,
    train: RecordSet | None = None,
    policy: str | Policy | None = None,
    progress: Progress | None = None,
) -> Outcomes:
    """What the subject chose on the rows of these records, and what every model did there.

    Args:
        subject: A router, which is asked; or its decisions, or the names that it chose, one for
            each row; or the scores that it expected of each model of the records, shape (n, m),
            of which the highest is chosen.
        records: What was measured; `n` rows, with text where the subject is a router.
        train: What the best single model is chosen on; None: the router's own evidence, else these
            records, in hindsight.
        policy: What a router chooses by, instead of its own policy.
        progress: Is told how far the routing is.

    Raises:
        EvaluationError: The records share no model with the router, no row can be used, or the
            subject is for other rows or models.
        TypeError: The subject is nothing of that.
    """
    if isinstance(subject, Router):
        return routed_outcomes(subject, records, train=train, policy=policy, progress=progress)
    if policy is not None:
        raise TypeError(f"policy is {policy!r:.80}; only a router chooses by one: leave it out")
    if isinstance(subject, np.ndarray):
        return _scored(subject, records, train)
    if isinstance(subject, str) or not isinstance(subject, Sequence):
        raise TypeError(
            f"the subject is {subject!r:.80}, of type {type(subject).__name__}; give a Router, a "
            "list of decisions or of names, one a row, or an array of expected scores, (n, m)"
        )
    return _decided(subject, records, train)


def routed_outcomes(
    router: Router,
    records: RecordSet,
    *,
    train: RecordSet | None = None,
    policy: str | Policy | None = None,
    progress: Progress | None = None,
) -> Outcomes:
    """What a router chooses on the rows of these records; arguments as for `outcomes_of`."""
    part = measured(records, pool_columns(router.pool, records), seen_rows(router, records))
    decisions = _decisions(router, part, policy, progress)
    place = {name: column for column, name in enumerate(part.names)}
    told = _told(decisions, part.names)
    costs, notes = costs_of(part, pool=router.pool, expected=told["estimated_costs"])
    means = _means(train, router, part.names)
    return Outcomes(
        **_facts(part),
        costs=costs,
        chosen=np.array([place[each.model] for each in decisions]),
        single=np.full(len(decisions), best_column(part.names, means, costs)),
        train_means=means,
        **told,
        decisions=tuple(decisions),
        left_out=part.left_out,
        notes=notes,
    )


def _decided(
    given: Sequence[Decision | str], records: RecordSet, train: RecordSet | None
) -> Outcomes:
    if len(given) != len(records):
        raise EvaluationError(
            f"{len(given):,} decisions for {len(records):,} rows; give one for each row, in their "
            "order"
        )
    part = measured(records, _own_columns(records))
    kept = [given[row] for row in part.rows.tolist()]
    names = [each.model if isinstance(each, Decision) else each for each in kept]
    place = {name: column for column, name in enumerate(part.names)}
    unknown = Counter(name for name in names if name not in place)
    if unknown:
        listed = ", ".join(f"{name!r} ({count:,})" for name, count in unknown.most_common(20))
        raise EvaluationError(
            f"chosen, but not measured in these records: {listed}; measured are "
            f"{', '.join(part.names)}: use the names of the records"
        )
    decisions = tuple(each for each in kept if isinstance(each, Decision))
    if len(decisions) < len(kept):
        decisions = ()  # names alone tell nothing of what was expected
    return _known(
        part,
        train,
        np.array([place[name] for name in names]),
        decisions=decisions,
        **(_told(decisions, part.names) if decisions else {}),
    )


def _scored(given: NDArray[np.floating], records: RecordSet, train: RecordSet | None) -> Outcomes:
    if given.shape != records.scores.shape:
        raise EvaluationError(
            f"the expected scores have shape {given.shape}, the records {records.scores.shape}; "
            "give one number for each row and model of the records"
        )
    part = measured(records, _own_columns(records))
    expected = part.of(given)
    chosen = first_choice(expected, means=train_means(train or records, part.names))
    return _known(part, train, chosen, estimated_scores=expected)


def _known(
    part: Measured,
    train: RecordSet | None,
    chosen: NDArray[np.int64],
    **more: Any,  # noqa: ANN401
) -> Outcomes:
    """Outcomes of choices that are known, with no router to ask; `more` are fields of them."""
    costs, notes = costs_of(part)
    means = train_means(part.records.select(part.rows) if train is None else train, part.names)
    return Outcomes(
        **_facts(part),
        costs=costs,
        chosen=chosen,
        single=np.full(len(chosen), best_column(part.names, means, costs)),
        train_means=None if train is None else means,
        basis="hindsight" if train is None else "train",
        left_out=part.left_out,
        notes=notes,
        **more,
    )


def _facts(part: Measured) -> dict[str, Any]:
    """What is known of the queries and models, whoever chose."""
    records = part.records
    return {
        "ids": tuple(records.ids[row] for row in part.rows.tolist()),
        "queries": part.each(records.queries),
        "tasks": part.each(records.tasks),
        "models": part.names,
        "scores": part.scores,
    }


def _told(decisions: Sequence[Decision], names: Sequence[str]) -> dict[str, Any]:
    """What the decisions say of what was expected."""
    return {
        "estimated_scores": _by_model([each.scores for each in decisions], names),
        "estimated_costs": _by_model([each.costs for each in decisions], names),
        "similarity": np.array([each.similarity for each in decisions]),
        "elapsed_ms": np.array([each.elapsed_ms for each in decisions]),
    }


def _by_model(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> _Floats:
    """Mappings by model as an array, NaN where a model is absent; shape (n, m)."""
    return np.array([[row.get(name, math.nan) for name in names] for row in rows])


def _own_columns(records: RecordSet) -> dict[str, int]:
    return {name: column for column, name in enumerate(records.models)}


def measured_columns(pool: ModelPool, records: RecordSet) -> dict[str, int]:
    """The column of each enabled model of the pool that the records have, by its name."""
    found = dict(zip(pool.names, pool.columns(records.models).columns, strict=True))
    return {name: column for name in pool.enabled_names if (column := found[name]) is not None}


def pool_columns(pool: ModelPool, records: RecordSet) -> dict[str, int]:
    """As `measured_columns`, but at least one.

    Raises:
        EvaluationError: The pool and the records have no model in common.
    """
    columns = measured_columns(pool, records)
    if not columns:
        raise EvaluationError(
            f"the router chooses among {', '.join(pool.enabled_names)}, and the records measure "
            f"{', '.join(records.models)}; they have no model in common: give records of the "
            "router's models, or aliases in pool.yaml"
        )
    return columns


def seen_rows(router: Router, records: RecordSet) -> NDArray[np.bool_]:
    """Which rows have a text that the router's evidence has; shape (n,).

    Where the evidence keeps no text, a row that has the vector of a row of it.
    """
    evidence = router.records
    known = {text for text in evidence.queries if text is not None}
    seen = np.array([text in known for text in records.queries], dtype=np.bool_)
    bare = np.array([text is None for text in evidence.queries], dtype=np.bool_)
    asked = np.array([text is not None for text in records.queries], dtype=np.bool_)
    if bare.any() and asked.any() and evidence.vectors is not None:
        vectors = query_vectors(records.select(np.flatnonzero(asked)), router.embedder)
        nearest = nearest_in(vectors, evidence.vectors[bare])
        seen[asked] |= nearest.similarities >= _SAME_VECTOR
    return seen


def _decisions(
    router: Router, part: Measured, policy: str | Policy | None, progress: Progress | None
) -> list[Decision]:
    """Ask the router, with the records' own vectors where they are of its embedder."""
    texts = part.each(part.records.queries)
    bare = sum(text is None for text in texts)
    if bare:
        raise EvaluationError(
            f"{bare:,} of {len(texts):,} rows keep no text, so they cannot be routed; give records "
            "with their queries"
        )
    vectors = part.records.vectors if part.records.embedder == router.embedder.id else None
    decisions = decisions_on(
        router,
        texts,
        vectors=None if vectors is None else vectors[part.rows],
        allow=part.names,
        policy=policy,
        progress=progress,
    )
    if progress is not None:
        progress("route", len(texts), len(texts))
    return decisions


def _means(train: RecordSet | None, router: Router, names: Sequence[str]) -> _Floats:
    """Mean score of each model on what the best single model is chosen on; shape (m,)."""
    if train is None:
        lineup = router.lineup
        return np.array([lineup.means[lineup.place[name]] for name in names])
    columns = pool_columns(router.pool, train)
    found = train_means(train, train.models)
    return np.array([found[columns[name]] if name in columns else math.nan for name in names])

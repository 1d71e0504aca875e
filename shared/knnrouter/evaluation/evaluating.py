"""Does routing pay, on whose traffic, and how sure are we? One report of everything."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter import embedders
from knnrouter.embedders import Embedder
from knnrouter.errors import EvaluationError, EvaluationWarning
from knnrouter.estimators import Estimator
from knnrouter.policies import Policy
from knnrouter.pool import ModelPool
from knnrouter.records import RecordSet
from knnrouter.router import Router
from knnrouter.vectors import Progress, query_vectors

from .comparing import Drawing, compared, drawing_problems
from .describing import (
    behavior_of,
    overhead_of,
    ratios_of,
    reliability_of,
    similarity_of,
    singles_of,
    tasks_of,
    worst_of,
)
from .measured import measured
from .outcomes import Outcomes
from .report import Report
from .splits import k_fold
from .subjects import Subject, outcomes_of, pool_columns, routed_outcomes
from .tradeoffs import curve_of, pair_of

__all__ = ["Groups", "by_folds", "evaluate"]

Groups: TypeAlias = Literal["task", "group"] | Sequence[str]
"""What is drawn as a whole: the tasks, the groups of the records, or a label a row."""

_FEW_CLUSTERS = 20
"""Of fewer groups, a note says how few they are."""


def evaluate(
    subject: Subject | Outcomes,
    records: RecordSet,
    *,
    train: RecordSet | None = None,
    policy: str | Policy | None = None,
    groups: Groups | None = None,
    pair: tuple[str, str] | None = None,
    chance: ArrayLike | None = None,
    seed: int = 0,
    draws: int = 2000,
    confidence: float = 0.95,
    progress: Progress | None = None,
) -> Report:
    """Evaluate a router, its decisions, or expected scores on measured outcomes.

    Args:
        subject: A router; or a decision or the name of a model for each row; or expected scores,
            shape (n, m), of which the highest is chosen; or outcomes, as `by_folds` gives them,
            for which `train` and `policy` are settled.
        records: What was measured, on queries that the router has not seen; rows whose text it has
            are left out, and so are rows on which not every model was measured.
        train: What the best single model is chosen on; None: the router's own evidence, else these
            very records, in hindsight, which the report says.
        policy: What a router chooses by, instead of its own policy.
        groups: What is drawn as a whole for intervals: "task", "group", or a label a row; None:
            each query by itself.
        pair: Strong and weak model, for PGR, APGR and CPT; None: where there are just two.
        chance: The probability to be right by guessing, in [0, 1): one number, or one a row.
        seed: Where all draws come from.
        draws: How many times the queries are drawn again for intervals.
        confidence: How much of the draws an interval holds, in (0, 1).
        progress: Is told how far the routing is.

    Raises:
        EvaluationError: See `outcomes_of`; or `groups`, `pair`, `chance`, `draws` or `confidence`
            do not fit.

    Example:
        >>> rows = [{"query": f"query {number}", "small": number % 2, "large": number % 4 != 1}
        ...         for number in range(100)]
        >>> report = evaluate(["large"] * 100, RecordSet.from_rows(rows))
        >>> report.verdict.answer, report.quality.estimate, report.behavior.collapsed
        ('does not pay', 0.75, True)
    """
    outcomes = subject
    if not isinstance(outcomes, Outcomes):
        outcomes = outcomes_of(outcomes, records, train=train, policy=policy, progress=progress)
    for what in outcomes.left_out:
        warnings.warn(what, EvaluationWarning, stacklevel=2)
    _check(outcomes, pair, draws=draws, confidence=confidence)
    rows = _rows(outcomes, records)
    clusters, notes = _clusters(records, rows, groups)
    drawing = Drawing(clusters=clusters, draws=draws, confidence=confidence, seed=seed)
    found = compared(outcomes, drawing=drawing, chance=_of_rows(chance, records, rows))
    singles = singles_of(outcomes)
    best = singles[outcomes.models.index(outcomes.single_name)]
    tasks = tasks_of(outcomes)
    return Report(
        verdict=found.verdict,
        against_mixture=found.against_mixture,
        n=len(outcomes),
        confidence=confidence,
        draws=draws,
        seed=seed,
        clustered=clusters is not None,
        quality=found.quality,
        macro_quality=math.fsum(each.quality for each in tasks) / len(tasks),
        cost=found.cost,
        basis=outcomes.basis,
        best_single=best,
        singles=singles,
        references=found.references,
        ratios=ratios_of(outcomes),
        pair=pair_of(outcomes, pair),
        curve=curve_of(outcomes),
        behavior=behavior_of(outcomes),
        reliability=reliability_of(outcomes),
        tasks=tasks,
        by_similarity=similarity_of(outcomes),
        worst=worst_of(outcomes),
        overhead=overhead_of(outcomes),
        notes=outcomes.left_out + outcomes.notes + notes,
        outcomes=outcomes,
    )


def by_folds(
    records: RecordSet,
    folds: int = 5,
    *,
    pool: ModelPool | None = None,
    embedder: str | Embedder = "static",
    estimator: str | Mapping[str, Any] | Estimator | None = None,
    policy: str | Policy | None = None,
    near: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Outcomes:
    """What the router that these records would make chooses: each row by what other folds teach.

    Rows of one text or group never stand on both sides. The best single model is chosen in each
    fold on what the router learns from.

    Args:
        records: What was measured, with text.
        folds: How many, at least 2.
        pool: As for `Router.fit`.
        embedder: As for `Router.fit`; each text is embedded once.
        estimator: As for `Router.fit`.
        policy: As for `Router.fit`.
        near: Rows at this cosine or above never stand on both sides either, such as 0.95; None:
            only rows of one text or group do not. Prompts from one template may all be that near.
        seed: Where the folds come from, and all that is random in fitting.
        progress: Is told how far the work is.

    Returns:
        Outcomes for `evaluate`, fold after fold.

    Raises:
        EvaluationError: There are fewer rows than folds that do not belong together, or no row of
            a fold can be used.

    Example:
        >>> rows = [{"query": f"{what} number {number}", "poet": verse, "coder": not verse}
        ...         for what, verse in (("ode", True), ("loop", False)) for number in range(40)]
        >>> outcomes = by_folds(RecordSet.from_rows(rows))
        >>> len(outcomes), float(outcomes.routed.mean())
        (80, 1.0)
    """
    columns = {name: column for column, name in enumerate(records.models)}
    whole = measured(records, columns if pool is None else pool_columns(pool, records))
    embeds = embedders.resolve(embedder)
    vectors = query_vectors(records, embeds, progress=progress)
    known = RecordSet(**records.as_dict() | {"vectors": vectors, "embedder": embeds.id})
    parts = []
    splits = (
        k_fold(records, folds, seed=seed)
        if near is None
        else k_fold(records, folds, seed=seed, near=vectors, at_least=near)
    )
    for number, split in enumerate(splits):
        if progress is not None:
            progress("folds", number, folds)
        router = Router.fit(
            known.select(split.train),
            pool=pool,
            embedder=embeds,
            estimator=estimator,
            policy=policy,
            seed=seed,
        )
        parts.append(routed_outcomes(router, known.select(split.test)))
    if progress is not None:
        progress("folds", folds, folds)
    folded = f"{folds} folds: each row was routed by what the other folds teach"
    outcomes = Outcomes.concat(parts)
    notes = (*outcomes.notes, folded, *_disagreement(outcomes))
    return replace(outcomes, left_out=whole.left_out, notes=notes)


def _disagreement(outcomes: Outcomes) -> list[str]:
    """A note where folds have different best single models."""
    counts = np.bincount(outcomes.single, minlength=len(outcomes.models)).tolist()
    found = [(name, rows) for name, rows in zip(outcomes.models, counts, strict=True) if rows]
    if len(found) < 2:
        return []
    listed = ", ".join(f"{name} on {rows:,} rows" for name, rows in found)
    return [f"the folds disagree on the best single model: {listed}; each row has its fold's"]


def _check(
    outcomes: Outcomes, pair: tuple[str, str] | None, *, draws: int, confidence: float
) -> None:
    problems = drawing_problems(draws, confidence)
    if pair is not None:
        unknown = [name for name in pair if name not in outcomes.models]
        if unknown or len(set(pair)) != 2:
            problems.append(
                f"pair is {pair!r}; give the names of two different models of "
                f"{', '.join(outcomes.models)}"
            )
    if problems:
        raise EvaluationError(problems)


def _rows(outcomes: Outcomes, records: RecordSet) -> NDArray[np.int64]:
    """Where each outcome stands in the records; shape (n,)."""
    place = {name: row for row, name in enumerate(records.ids)}
    unknown = [name for name in outcomes.ids if name not in place]
    if unknown:
        raise EvaluationError(
            f"{len(unknown):,} of {len(outcomes):,} outcomes are of other records, the first is "
            f"{unknown[0]!r}; give the records that they were measured in"
        )
    return np.array([place[name] for name in outcomes.ids])


def _clusters(
    records: RecordSet, rows: NDArray[np.int64], groups: Groups | None
) -> tuple[NDArray[np.str_] | None, tuple[str, ...]]:
    if groups is None:
        return None, ()
    labels: Sequence[str | None] | None = groups
    if groups == "task":
        labels = records.tasks
    elif groups == "group":
        labels = records.groups
    if labels is None or isinstance(labels, str) or len(labels) != len(records):
        have = "no groups" if labels is None else f"{len(records):,} rows"
        raise EvaluationError(
            f'groups is {groups!r:.80}, and the records have {have}; give "task", "group" where '
            "the records have groups, or one label for each row"
        )
    kept = np.array(["" if labels[row] is None else str(labels[row]) for row in rows.tolist()])
    count = len(set(kept.tolist()))
    if count < 2:
        raise EvaluationError(
            f"groups has {count} different label; with fewer than two there is nothing to draw: "
            "give more, or leave groups out"
        )
    few = f"only {count} groups were drawn from, so intervals are wide and say little of others"
    return kept, (few,) if count < _FEW_CLUSTERS else ()


def _of_rows(
    chance: ArrayLike | None, records: RecordSet, rows: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """The chance of each outcome; shape (n,)."""
    if chance is None:
        return None
    given = np.asarray(chance, dtype=np.float64)
    if given.shape not in ((), (len(records),)) or not ((given >= 0) & (given < 1)).all():
        raise EvaluationError(
            f"chance has shape {given.shape} and values from {given.min():g} to {given.max():g}; "
            "give one number in [0, 1), or one for each row"
        )
    return np.broadcast_to(given, (len(records),))[rows]

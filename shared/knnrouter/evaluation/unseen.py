"""What routing does on a task that it knows nothing of, measured on every task in turn.

Similarity is what a router has to tell such queries by: see `guard`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnrouter import embedders, policies
from knnrouter.embedders import Embedder
from knnrouter.errors import EvaluationError, EvaluationWarning
from knnrouter.estimators import Estimator
from knnrouter.lineup import Lineup
from knnrouter.pool import ModelPool
from knnrouter.records import RecordSet
from knnrouter.router import Router
from knnrouter.vectors import Progress, query_vectors

from .arrays import Floats
from .coverage_curves import CoverageRisk, coverage_risk
from .measured import best_column
from .splits import TaskSplit, leave_one_task_out

__all__ = ["UnseenTasks", "best_on_average", "unseen_tasks"]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class UnseenTasks:
    """Routing on `n` queries, each by a router that knows only the other tasks."""

    rows: NDArray[np.int64]
    """The queries' row numbers in the records; shape (n,)."""

    tasks: tuple[str, ...]
    """The task of each."""

    models: tuple[str, ...]
    """Which model was chosen for each, by its name in the pool."""

    fallbacks: tuple[str, ...]
    """The best single model of the tasks that the router knew, for each."""

    fallback: str
    """The best single model of all tasks."""

    similarity: Floats
    """Cosine similarity of the nearest neighbor; shape (n,)."""

    regret: Floats
    """How much more the fallback scored than the chosen model; shape (n,), in [-1, 1]."""

    weights: Floats
    """How many measurements each row stands for; shape (n,)."""

    def curve(self, *, confidence: float = 0.95, draws: int = 2000, seed: int = 0) -> CoverageRisk:
        """The mean regret at and above each similarity; see `coverage_risk`."""
        return coverage_risk(
            self.similarity,
            self.regret,
            self.tasks,
            weights=self.weights,
            confidence=confidence,
            draws=draws,
            seed=seed,
        )


def unseen_tasks(
    records: RecordSet,
    *,
    embedder: str | Embedder = "static",
    estimator: Estimator | None = None,
    policy: str | policies.Policy | None = None,
    pool: ModelPool | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> UnseenTasks:
    """Route each task by what the other tasks teach, and compare with their best single model.

    The queries are embedded once; a router is fitted for each task, so this takes as long as
    `Router.fit` as many times as there are tasks. Tasks are parted by `leave_one_task_out`: rows of
    a tested text or group are not learnt from. A `min_similarity` of the pool is left aside.

    Args:
        records: Outcomes of at least two tasks; rows without a task are learnt from only.
        embedder: As for `Router.fit`.
        estimator: As for `Router.fit`.
        policy: As for `Router.fit`; not guarded.
        pool: As for `Router.fit`.
        seed: As for `Router.fit`.
        progress: Is told how far the embedding ("embed") and the tasks ("task") are.

    Raises:
        EvaluationError: There are fewer than two tasks, the policy is guarded already, or on no
            query both the chosen model and the fallback were measured.

    Warns:
        EvaluationWarning: Queries were left out, since one of the two was not measured.
    """
    chosen_embedder = embedders.resolve(embedder)
    bare = _without_guard(pool)
    lineup = Lineup.of(records, bare)
    _check_bare(lineup.policy if policy is None else lineup.guarded(policy))
    splits = leave_one_task_out(records)
    vectors = query_vectors(records, chosen_embedder, progress=progress)
    known = replace(records, vectors=vectors, embedder=chosen_embedder.id)
    parts = []
    for done, split in enumerate(splits):
        if progress is not None:
            progress("task", done, len(splits))
        router = Router.fit(
            known.select(split.train),
            pool=bare,
            embedder=chosen_embedder,
            estimator=estimator,
            policy=policy,
            seed=seed,
        )
        parts.append(_tested(router, known, split))
    if progress is not None:
        progress("task", len(splits), len(splits))
    return _measured(parts, best_on_average(lineup))


def best_on_average(lineup: Lineup) -> str:
    """The model that may be chosen and has the best mean score over all records.

    Ties go to the cheaper model, then to the order of the pool.

    Example:
        >>> rows = [{"query": "a", "small": 1, "large": 0}, {"query": "b", "small": 1, "large": 1}]
        >>> best_on_average(Lineup.of(RecordSet.from_rows(rows), None))
        'small'
    """
    names = lineup.pool.enabled_names
    places = [lineup.place[name] for name in names]
    means = np.array([lineup.means[place] for place in places])
    return names[best_column(names, means, np.array([lineup.mean_costs[places]]))]


def _tested(router: Router, known: RecordSet, split: TaskSplit) -> UnseenTasks:
    """The decisions on one task, and what came of them; NaN where that was not measured."""
    assert known.vectors is not None
    texts = [known.queries[row] or known.ids[row] for row in split.test.tolist()]
    decisions = router.route_many(texts, vectors=list(known.vectors[split.test]))
    fallback = best_on_average(router.lineup)
    scores = known.scores[split.test].astype(np.float64)
    models = tuple(decision.model for decision in decisions)
    column = [router.lineup.place[name] for name in (*models, fallback)]
    padded = np.hstack([scores, np.full((len(scores), len(router.lineup.names)), np.nan)])
    routed = padded[np.arange(len(scores)), column[:-1]]
    return UnseenTasks(
        rows=split.test,
        tasks=(split.task,) * len(scores),
        models=models,
        fallbacks=(fallback,) * len(scores),
        fallback=fallback,
        similarity=np.array([decision.similarity for decision in decisions]),
        regret=padded[:, column[-1]] - routed,
        weights=known.weights[split.test],
    )


def _measured(parts: list[UnseenTasks], fallback: str) -> UnseenTasks:
    """All parts together, less the queries on which the regret is not known."""
    regret = np.concatenate([part.regret for part in parts])
    kept = ~np.isnan(regret)
    if not kept.any():
        raise EvaluationError(
            f"on none of the {len(kept)} queries both the chosen model and the best single model "
            "of the other tasks were measured; give records that measure all models on one query"
        )
    if not kept.all():
        warnings.warn(
            f"{int((~kept).sum()):,} of {len(kept):,} queries were left out, since the chosen "
            "model or the best single model of the other tasks was not measured on them",
            EvaluationWarning,
            stacklevel=3,
        )

    def joined(name: str) -> NDArray[Any]:
        values = [np.asarray(getattr(part, name)) for part in parts]
        measured: NDArray[Any] = np.concatenate(values)[kept]
        return measured

    return UnseenTasks(
        rows=joined("rows"),
        regret=regret[kept],
        similarity=joined("similarity"),
        weights=joined("weights"),
        tasks=tuple(joined("tasks").tolist()),
        models=tuple(joined("models").tolist()),
        fallbacks=tuple(joined("fallbacks").tolist()),
        fallback=fallback,
    )


def _without_guard(pool: ModelPool | None) -> ModelPool | None:
    if pool is None or pool.router.min_similarity is None:
        return pool
    bare = pool.router.model_copy(update={"min_similarity": None})
    return pool.model_copy(update={"router": bare})


def _check_bare(policy: policies.Policy) -> None:
    if isinstance(policy, policies.Guarded):
        raise EvaluationError(
            f"the policy is guarded already, from a similarity of {policy.min_similarity:g} on; "
            "give the policy inside it, to find out what guard it needs"
        )

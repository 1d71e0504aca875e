"""The sections of a report that describe what was chosen, each from the outcomes alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import arena, behavior, calibration, ratios
from .outcomes import Outcomes
from .report_parts import (
    Behavior,
    Overhead,
    Ratios,
    ReliabilityBin,
    ReliabilityFigures,
    SimilarityFigures,
    Single,
    SolverRecall,
    TaskFigures,
    WorstQuery,
)

__all__ = [
    "behavior_of",
    "overhead_of",
    "ratios_of",
    "reliability_of",
    "similarity_of",
    "singles_of",
    "tasks_of",
    "worst_of",
]

_Floats = NDArray[np.float64]

_WORST = 20
"""How many of the worst queries are shown."""
_EVIDENCE = 5
"""How many of their neighbors."""
_FIFTHS = 5
_BINS = 10


def singles_of(outcomes: Outcomes) -> tuple[Single, ...]:
    """Each model alone, in their order."""
    quality = outcomes.scores.mean(axis=0).tolist()
    costs = [np.nan] * len(quality) if outcomes.costs is None else outcomes.costs.mean(axis=0)
    shares = behavior.selection_shares(outcomes.chosen, len(quality)).tolist()
    return tuple(
        Single(name=name, quality=score, cost=float(cost), share=share)
        for name, score, cost, share in zip(outcomes.models, quality, costs, shares, strict=True)
    )


def ratios_of(outcomes: Outcomes) -> Ratios:
    """Quality in relation to references; without tasks, all queries are one."""
    scores, chosen, costs = outcomes.scores, outcomes.chosen, outcomes.costs
    routed, oracle = outcomes.routed, scores.max(axis=1)
    quality, single = float(routed.mean()), float(outcomes.alone.mean())
    labels = outcomes.task_labels.tolist()
    by_task = ratios.task_means(routed, labels)[1]
    best_of_task = ratios.task_means(scores, labels)[1].max(axis=1)
    paid = outcomes.paid
    score = np.nan if paid is None else arena.arena_score(quality, 1000 * float(paid.mean()))
    nothing = float("nan")
    return Ratios(
        ratio_to_best=ratios.ratio_to_best(by_task, best_of_task),
        gain_at_best=ratios.gain_at_best(quality, single),
        gain_at_random=ratios.gain_at_random(quality, float(scores.mean())),
        gap_at_oracle=ratios.gap_at_oracle(by_task, ratios.task_means(oracle, labels)[1]),
        oracle_gap_closed=ratios.oracle_gap_closed(
            quality, best=single, oracle=float(oracle.mean())
        ),
        arena_score=score,
        optimal_selection=nothing
        if costs is None
        else arena.optimal_selection(scores, costs, chosen),
        optimal_cost=nothing if costs is None else arena.optimal_cost(scores, costs, chosen),
        optimal_accuracy=arena.optimal_accuracy(scores, chosen),
    )


def behavior_of(outcomes: Outcomes) -> Behavior:
    """How the router chooses."""
    shares = behavior.selection_shares(outcomes.chosen, len(outcomes.models))
    recall = behavior.model_recall(outcomes.scores, outcomes.chosen)
    rows = zip(
        recall.solvers.tolist(), recall.queries.tolist(), recall.recall.tolist(), strict=True
    )
    return Behavior(
        shares=dict(zip(outcomes.models, shares.tolist(), strict=True)),
        entropy=behavior.entropy_bits(shares),
        collapsed=behavior.collapsed(shares),
        single_share=float((outcomes.chosen == outcomes.single).mean()),
        average_rank=behavior.average_rank(outcomes.scores, outcomes.chosen),
        recall=tuple(
            SolverRecall(solvers=solvers, queries=queries, recall=part)
            for solvers, queries, part in rows
        ),
    )


def reliability_of(outcomes: Outcomes) -> ReliabilityFigures | None:
    """Whether expected scores can be believed; None where none are known.

    A model that could not answer a query has no expected score there; that cell does not count.
    Scores outside [0, 1], of estimators of somebody else, are no chances: for them only ranks and
    correlations are told.
    """
    if outcomes.estimated_scores is None:
        return None
    known = ~np.isnan(outcomes.estimated_scores)
    expected, measured = outcomes.estimated_scores[known], outcomes.scores[known]
    chances = bool(expected.size) and float(expected.min()) >= 0 and float(expected.max()) <= 1
    task_pearson, task_spearman = _task_correlations(outcomes, known)
    return ReliabilityFigures(
        brier=calibration.brier(expected, measured) if chances else np.nan,
        log_loss=calibration.log_loss(expected, measured) if chances else np.nan,
        ece=calibration.ece(expected, measured, bins=_BINS, kind="mass") if chances else np.nan,
        roc_auc=calibration.roc_auc(expected, measured),
        pearson=calibration.pearson(expected, measured),
        spearman=calibration.spearman(expected, measured),
        task_pearson=task_pearson,
        task_spearman=task_spearman,
        bins=_bins(expected, measured) if chances else (),
    )


def _task_correlations(outcomes: Outcomes, known: NDArray[np.bool_]) -> tuple[float, float]:
    whole = known.all(axis=1)
    if outcomes.estimated_scores is None or len(outcomes.models) < 2 or not whole.any():
        return np.nan, np.nan
    return calibration.task_correlations(
        outcomes.estimated_scores[whole],
        outcomes.scores[whole],
        outcomes.task_labels[whole].tolist(),
    )


def _bins(expected: _Floats, measured: _Floats) -> tuple[ReliabilityBin, ...]:
    found = calibration.reliability_bins(expected, measured, bins=_BINS, kind="mass")
    rows = zip(found.expected.tolist(), found.measured.tolist(), found.counts.tolist(), strict=True)
    return tuple(ReliabilityBin(expected=one, measured=other, count=n) for one, other, n in rows)


def tasks_of(outcomes: Outcomes) -> tuple[TaskFigures, ...]:
    """The tasks, by name."""
    labels, paid = outcomes.task_labels, outcomes.paid
    found = []
    for task in sorted(set(labels.tolist())):
        rows = labels == task
        scores = outcomes.scores[rows]
        shares = behavior.selection_shares(outcomes.chosen[rows], len(outcomes.models))
        found.append(
            TaskFigures(
                task=task,
                n=int(rows.sum()),
                quality=float(outcomes.routed[rows].mean()),
                single=float(outcomes.alone[rows].mean()),
                oracle=float(scores.max(axis=1).mean()),
                cost=np.nan if paid is None else float(paid[rows].mean()),
                scores=dict(zip(outcomes.models, scores.mean(axis=0).tolist(), strict=True)),
                shares=dict(zip(outcomes.models, shares.tolist(), strict=True)),
            )
        )
    return tuple(found)


def similarity_of(outcomes: Outcomes) -> tuple[SimilarityFigures, ...]:
    """Fifths of the queries by the similarity of their nearest neighbor, the least similar first.

    Queries of one similarity stay together, so there may be fewer parts.
    """
    if outcomes.similarity is None:
        return ()
    known = ~np.isnan(outcomes.similarity)
    if not known.any():
        return ()
    similarity = outcomes.similarity[known]
    edges = np.quantile(similarity, np.linspace(0, 1, _FIFTHS + 1)[1:-1])
    part = np.searchsorted(edges, similarity, side="right")
    regret = (outcomes.scores.max(axis=1) - outcomes.routed)[known]
    ahead = (outcomes.routed - outcomes.alone)[known]
    return tuple(
        SimilarityFigures(
            low=float(similarity[part == each].min()),
            high=float(similarity[part == each].max()),
            n=int((part == each).sum()),
            regret=float(regret[part == each].mean()),
            ahead=float(ahead[part == each].mean()),
        )
        for each in np.unique(part)
    )


def worst_of(outcomes: Outcomes) -> tuple[WorstQuery, ...]:
    """The queries where the choice lost most; of equal losses, the most similar evidence first.

    Where the evidence was near and yet wrong, there is most to learn.
    """
    best = outcomes.scores.max(axis=1)
    regret = best - outcomes.routed
    similarity = outcomes.similarity
    near = np.zeros(len(outcomes)) if similarity is None else np.nan_to_num(similarity, nan=-1.0)
    order = np.lexsort((-near, -regret.round(9)))[:_WORST]
    return tuple(
        _worst(outcomes, row, float(best[row])) for row in order.tolist() if regret[row] > 0
    )


def _worst(outcomes: Outcomes, row: int, best: float) -> WorstQuery:
    scores = outcomes.scores[row]
    decision = outcomes.decisions[row] if outcomes.decisions else None
    return WorstQuery(
        id=outcomes.ids[row],
        query=outcomes.queries[row],
        task=outcomes.tasks[row],
        model=outcomes.models[outcomes.chosen[row]],
        score=float(outcomes.routed[row]),
        best=tuple(outcomes.models[place] for place in np.flatnonzero(scores == best)),
        best_score=best,
        similarity=np.nan if outcomes.similarity is None else float(outcomes.similarity[row]),
        reason="" if decision is None else decision.reason,
        neighbors=() if decision is None else decision.neighbors[:_EVIDENCE],
    )


def overhead_of(outcomes: Outcomes) -> Overhead | None:
    """How long decisions took; None where they were not timed."""
    times = outcomes.elapsed_ms
    if times is None or np.isnan(times).any():
        return None
    middle, most = np.quantile(times, (0.5, 0.95)).tolist()
    return Overhead(mean=float(times.mean()), p50=middle, p95=most)

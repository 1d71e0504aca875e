"""From which similarity on a router may be trusted: the threshold of `policies.Guarded`.

Each task is routed by what the other tasks teach, which is what happens when traffic turns to
something new. Below the threshold the best single model answers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from knnrouter.decision import as_json
from knnrouter.embedders import Embedder
from knnrouter.errors import EvaluationError
from knnrouter.estimators import Estimator
from knnrouter.policies import Guarded, Policy
from knnrouter.pool import ModelPool
from knnrouter.records import RecordSet
from knnrouter.vectors import Progress

from .coverage_curves import CoverageRisk
from .resampling import Interval
from .unseen import UnseenTasks, unseen_tasks

__all__ = ["GuardReport", "guard"]

_SLACK = 1e-12
"""Sums of scores that cancel out may be off zero by so much."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class GuardReport:
    """The lowest similarity from which on routing costs no more than the target.

    The regret of a query is how much more the best single model of the other tasks scored than the
    model that routing chose.
    """

    min_similarity: float
    """The threshold, in hundredths; where no guard is needed, the least similarity that was seen,
    rounded down."""

    fallback: str
    """The model that answers below it: the best single one of all records."""

    needed: bool
    """Whether routing everything would miss the target, or cannot be shown to meet it."""

    target: float
    """The mean regret that was allowed, in score points."""

    coverage: float
    """Which share of the queries reaches the threshold, in (0, 1]."""

    regret: Interval
    """Of these; its upper end holds at all thresholds at once, the lower end mirrors it."""

    curve: CoverageRisk
    """Coverage and regret at each threshold, with upper bounds: `thresholds`, `coverages`,
    `risks`, `bounds`."""

    n: int
    """How many queries were routed."""

    tasks: tuple[str, ...]
    """The tasks that they are of; each was unknown to the router that routed it."""

    def policy(self, inner: Policy) -> Guarded:
        """A policy under this guard."""
        return Guarded(policy=inner, min_similarity=self.min_similarity, fallback=self.fallback)

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values; NaN as None."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["regret"] = asdict(self.regret)
        values["curve"] = {
            each.name: np.asarray(getattr(self.curve, each.name)).tolist()
            for each in fields(self.curve)
        }
        plain: dict[str, Any] = as_json(values)
        return plain

    def __str__(self) -> str:
        least = f"at a similarity of {self.min_similarity:g} and more"
        return (
            f"{least if self.needed else 'no guard is needed'}: {self.coverage:.1%} of {self.n:,} "
            f"queries of {len(self.tasks)} tasks, regret {self.regret} against the best single "
            f"model, target {self.target:g}; below it {self.fallback} answers"
        )


def guard(
    records: RecordSet | UnseenTasks,
    *,
    embedder: str | Embedder = "static",
    estimator: Estimator | None = None,
    policy: str | Policy | None = None,
    target: float = 0.0,
    pool: ModelPool | None = None,
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    progress: Progress | None = None,
) -> GuardReport:
    """Find the lowest similarity from which on routing an unknown task costs at most the target.

    The rule: of all hundredths, the lowest whose upper bound of the mean regret, over all queries
    at or above it, is at most the target. The bounds hold at all thresholds at once, and tasks are
    what varies (see `coverage_risk`), so that with this confidence the promise holds for other
    tasks like these. Where a few tasks out of many are far worse than the rest, and few tasks were
    seen, 95 % are some 90 %.

    Args:
        records: Outcomes of at least five tasks; or what `unseen_tasks` measured, to try several
            targets: the arguments that tell how to route then do nothing.
        embedder: As for `Router.fit`.
        estimator: As for `Router.fit`.
        policy: As for `Router.fit`; not guarded.
        target: How much lower than the best single model's the mean score may be, in score points;
            0 asks that routing be proven to cost nothing.
        pool: As for `Router.fit`; its `min_similarity` is left aside.
        confidence: How sure the bound is, in (0, 1).
        draws: How many times the tasks are drawn for the bound.
        seed: Where all randomness comes from.
        progress: As for `unseen_tasks`.

    Raises:
        EvaluationError: No threshold reaches the target; the message names the best figure. Or the
            records have too few tasks, the policy is guarded already, or `target` is out of range.
        TypeError: The records are neither of the two.
    """
    if not -1.0 <= target <= 1.0:
        raise EvaluationError(
            f"target is {target!r}; give a difference of mean scores in [-1, 1], such as 0.01"
        )
    if isinstance(records, RecordSet):
        records = unseen_tasks(
            records,
            embedder=embedder,
            estimator=estimator,
            policy=policy,
            pool=pool,
            seed=seed,
            progress=progress,
        )
    if not isinstance(records, UnseenTasks):
        raise TypeError(
            f"records is {records!r:.80}, of type {type(records).__name__}; give a RecordSet, or "
            "what unseen_tasks gives"
        )
    curve = records.curve(confidence=confidence, draws=draws, seed=seed)
    place = _lowest(curve, target, records)
    risk, bound = float(curve.risks[place]), float(curve.bounds[place])
    return GuardReport(
        min_similarity=float(curve.thresholds[place]),
        fallback=records.fallback,
        needed=place > 0,
        target=target,
        coverage=float(curve.coverages[place]),
        regret=Interval(risk, 2 * risk - bound, bound),
        curve=curve,
        n=len(records.rows),
        tasks=tuple(dict.fromkeys(records.tasks)),
    )


def _lowest(curve: CoverageRisk, target: float, seen: UnseenTasks) -> int:
    """The place of the lowest threshold whose bound is at most the target."""
    reached = np.flatnonzero(curve.bounds <= target + _SLACK)
    if reached.size:
        return int(reached[0])
    known = np.isfinite(curve.bounds)
    if not known.any():
        raise EvaluationError(
            f"no threshold covers enough of the {len(seen.rows):,} queries and "
            f"{len(set(seen.tasks))} tasks for a bound; give more records"
        )
    best = int(np.where(known, curve.bounds, np.inf).argmin())
    raise EvaluationError(
        f"target is a regret of at most {target:g}, and no threshold reaches it with a confidence "
        f"of {curve.confidence:g}; the best is {curve.bounds[best]:.4f} (measured "
        f"{curve.risks[best]:.4f}) at a similarity of {curve.thresholds[best]:g} and more, which "
        f"{curve.coverages[best]:.1%} of {len(seen.rows):,} queries have: give a higher target or "
        f"records of more tasks, or let {seen.fallback} answer queries of unknown tasks"
    )

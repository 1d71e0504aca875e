"""What a router's policy would be asked on each query of some traffic; asked once for all settings.

Some queries leave a policy nothing to choose: those without text, or unlike all evidence where a
guard is set, or with one model that may answer. They cost and count all the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from knnrouter.decision import Decision
from knnrouter.errors import UnpricedError
from knnrouter.evaluation.ties import TIE_DIGITS, highest
from knnrouter.policies import Candidates, Choice, Guarded, Policy
from knnrouter.policies.base import asked
from knnrouter.policies.frames import reframed
from knnrouter.router import Router

__all__ = ["Asked", "Row", "ask", "stated"]

_BATCH = 1024
"""How many queries are routed at a time."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Asked:
    """`n` queries and what each of `m` models is expected to do on them.

    Example:
        >>> asked = Asked(
        ...     models=("small", "large"), means=np.array([0.5, 0.9]),
        ...     scores=np.array([[0.5, 0.75], [0.5, 1.0]]), costs=np.array([[1.0, 2.0]] * 2),
        ...     options=np.full((2, 2), True), fixed=np.array([-1, -1]),
        ... )
        >>> asked.columns_at(0.3).tolist()  # one dollar more must buy 0.3
        [0, 1]
    """

    models: tuple[str, ...]
    """The enabled models of the pool, in its order."""

    means: NDArray[np.float64]
    """Mean score over all records; shape (m,)."""

    scores: NDArray[np.float64]
    """Expected quality; shape (n, m); NaN where unknown, or the model may not answer."""

    costs: NDArray[np.float64]
    """Expected USD; shape (n, m); NaN likewise."""

    options: NDArray[np.bool_]
    """Which models the policy chooses among; shape (n, m)."""

    fixed: NDArray[np.int64]
    """The model that answers whatever the policy; shape (n,); -1 where the policy chooses."""

    strengths: NDArray[np.float64] | None = None
    """Log-odds to win (see `Estimates`), like `scores`; None where the estimator has none."""

    def __len__(self) -> int:
        return len(self.fixed)

    def only(self, rows: NDArray[np.int64]) -> Asked:
        """Those of these rows."""
        return replace(
            self,
            scores=self.scores[rows],
            costs=self.costs[rows],
            options=self.options[rows],
            fixed=self.fixed[rows],
            strengths=None if self.strengths is None else self.strengths[rows],
        )

    def check_priced(self, what: str) -> None:
        """Refuse costs that are not known.

        Args:
            what: What needs them, for the message.

        Raises:
            UnpricedError: It names the models.
        """
        there = self.options.copy()
        settled = np.flatnonzero(self.fixed >= 0)
        there[settled, self.fixed[settled]] = True
        unpriced = (there & np.isnan(self.costs)).any(axis=0)
        if unpriced.any():
            names = [self.models[column] for column in np.flatnonzero(unpriced).tolist()]
            raise UnpricedError(names, policy=what)

    def columns_at(self, weight: float) -> NDArray[np.int64]:
        """The models that `ScoreMinusCost` of this weight chooses, by the rule of ties; (n,)."""
        utility = self.scores - weight * self.costs if weight else self.scores
        best = highest(self.options, utility.round(TIE_DIGITS))
        best = highest(best, np.broadcast_to(self.means.round(TIE_DIGITS), best.shape))
        best = highest(best, -self.costs)
        return np.where(self.fixed >= 0, self.fixed, best.argmax(axis=1))

    def at(self, values: NDArray[np.float64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """The values, shape (n, m), in these columns, one a row; shape (n,)."""
        return values[np.arange(len(self)), columns]


def ask(router: Router, texts: Sequence[str]) -> tuple[Asked, list[Row]]:
    """Ask the router about every text once.

    Returns:
        What its policy may choose among, and a row for each text, which chooses by any policy.
    """
    rows = [
        row
        for start in range(0, len(texts), _BATCH)
        for row in _rows(router, texts[start : start + _BATCH])
    ]
    models = router.pool.enabled_names
    means = [router.lineup.means[router.lineup.place[name]] for name in models]
    knows_winners = any(row.strengths for row in rows)
    return Asked(
        models=models,
        means=np.array(means),
        scores=_by_model([row.scores for row in rows], models),
        costs=_by_model([row.decision.costs for row in rows], models),
        options=np.array([[name in row.scores for name in models] for row in rows]),
        fixed=np.array([models.index(row.fixed) if row.fixed else -1 for row in rows]),
        strengths=_by_model([row.strengths for row in rows], models) if knows_winners else None,
    ), rows


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Row:
    """What is asked on one query."""

    decision: Decision
    """What was decided by a policy that only took notes; its costs hold whatever the policy."""

    outer: Candidates | None
    """What a policy is asked, guards and limits included; None where none is asked."""

    scores: dict[str, float]
    """What the inner policy chooses among; empty where it has no choice."""

    fixed: str
    """The model that answers whatever the inner policy; "" where it chooses."""

    strengths: Mapping[str, float] = field(default_factory=dict)
    """Their log-odds to win; empty where the estimator has none."""

    def chosen(self, policy: Policy) -> str:
        """The model that a policy chooses, which has its guards and limits."""
        return self.fixed if self.outer is None else asked(policy, self.outer).ranking[0]


def _rows(router: Router, texts: Sequence[str]) -> Iterator[Row]:
    noted: list[Candidates] = []

    def note(candidates: Candidates) -> Choice:
        noted.append(candidates)
        return _first(candidates)

    decisions = router.route_many(texts, policy=note)
    questions = iter(noted)
    for decision in decisions:
        if _was_asked(router, decision):
            yield _row(router.policy, decision, next(questions))
        else:
            yield Row(decision=decision, outer=None, scores={}, fixed=decision.model)


def _was_asked(router: Router, decision: Decision) -> bool:
    """Whether a policy was asked, by the reason codes that only the router itself gives."""
    if decision.reason_code == "unknown_words":
        return router.pool.router.default is None
    return decision.reason_code not in ("empty", "image_only", "no_evidence")


def _row(policy: Policy, decision: Decision, outer: Candidates) -> Row:
    """What is left to the innermost policy, found out by two that choose the opposite."""
    noted: list[Candidates] = []

    def note(candidates: Candidates) -> Choice:
        noted.append(candidates)
        return _first(candidates)

    one = asked(reframed(policy, note), outer).ranking[0]
    other = asked(reframed(policy, _last), outer).ranking[0]
    if one == other:
        return Row(decision=decision, outer=outer, scores={}, fixed=one)
    left = noted[-1]
    return Row(
        decision=decision,
        outer=outer,
        scores=dict(zip(left.models, left.scores, strict=True)),
        fixed="",
        strengths=dict(zip(left.models, left.strengths, strict=bool(left.strengths))),
    )


def _first(candidates: Candidates) -> Choice:
    return Choice(ranking=candidates.models, reason="first", reason_code="first")


def _last(candidates: Candidates) -> Choice:
    return Choice(ranking=candidates.models[::-1], reason="last", reason_code="last")


def _by_model(rows: Sequence[Mapping[str, float]], models: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[row.get(name, math.nan) for name in models] for row in rows])


def stated(router: Router, inner: Policy) -> Policy:
    """A policy within the guards and limits of the router's own, as it is to be stated.

    The guard that the pool's `min_similarity` puts around every policy is not stated again.
    """
    policy, settings = reframed(router.policy, inner), router.pool.router
    if isinstance(policy, Guarded) and (policy.min_similarity, policy.fallback) == (
        settings.min_similarity,
        settings.default,
    ):
        return policy.policy
    return policy

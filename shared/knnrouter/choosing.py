"""From estimates to a decision: the eligible models become candidates, the policy chooses.

Where it cannot, the pool's default answers, and the decision says so: the query holds no text, or
no word that the embedder knows, or nothing is known of any model that may answer. Without a default
these are errors; only for unknown words the mean scores over all records stand in.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from knnrouter.records import RecordSet
from knnrouter.text import Query

from . import policies
from .decision import Decision, Neighbor
from .errors import NoEvidenceError, NoTextError
from .estimators import Estimates
from .lineup import Lineup
from .neighbors import Neighbors
from .policies import Candidates, Choice, Policy
from .policies.base import asked

__all__ = ["Chooser", "LookedUp"]

_Rows = list[list[float]]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class LookedUp:
    """`q` queries and all that the evidence says of them."""

    queries: Sequence[Query]
    notes: Sequence[tuple[str, ...]]
    """What to note of each query."""
    estimates: Estimates
    costs: NDArray[np.float64]
    """By all models of the lineup; shape (q, m)."""
    neighbors: Neighbors
    records: RecordSet

    rows: tuple[_Rows, _Rows, _Rows, _Rows, list[float]] = field(init=False)
    """Scores, costs, standard errors, supports and similarities as plain numbers."""
    latencies: _Rows | None = field(init=False)
    """Latencies as plain numbers; None where the records hold none."""
    strengths: _Rows | None = field(init=False)
    """Log-odds to win as plain numbers; None where the estimator does not learn who wins."""

    def knows(self, row: int) -> bool:
        """Whether the embedder knows a word of the query; else it is at similarity 0 to all."""
        return self.rows[-1][row] != 0.0

    def __post_init__(self) -> None:
        found = self.estimates
        rows = (
            found.scores.tolist(),
            self.costs.tolist(),
            found.stderr.tolist(),
            found.support.tolist(),
            found.similarity.tolist(),
        )
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "latencies", _plain(found.latency_ms))
        object.__setattr__(self, "strengths", _plain(found.strengths))


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Chooser:
    """A policy over a lineup."""

    lineup: Lineup
    policy: Policy
    name: str = field(init=False)
    """The policy as text."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", policies.spec(self.policy))

    def decision(
        self, found: LookedUp, row: int, eligible: tuple[str, ...], elapsed_ms: float
    ) -> Decision:
        """The decision on one of the queries, among the eligible models."""
        _, _, stderr, support, similarities = found.rows
        places = self._places(found, eligible)
        candidates = self._candidates(found, row, eligible, places)
        choice = self._choice(found, row, candidates)
        return Decision(
            id=os.urandom(8).hex(),
            model=choice.ranking[0],
            ranking=choice.ranking,
            scores=dict(zip(eligible, candidates.scores, strict=True)),
            costs=dict(zip(eligible, candidates.costs, strict=True)),
            stderr=dict(zip(eligible, _picked(stderr[row], places, math.nan), strict=True)),
            support=dict(zip(eligible, _picked(support[row], places, 0.0), strict=True)),
            similarity=similarities[row],
            reason=choice.reason,
            reason_code=choice.reason_code,
            policy=self.name,
            fallback=choice.fallback,
            elapsed_ms=elapsed_ms,
            notes=found.notes[row],
            nearby=_Nearby(found=found, row=row, models=self.lineup.names),
        )

    def candidates(self, found: LookedUp, row: int, eligible: tuple[str, ...]) -> Candidates:
        """What the policy is asked on one of the queries."""
        return self._candidates(found, row, eligible, self._places(found, eligible))

    def _candidates(
        self, found: LookedUp, row: int, eligible: tuple[str, ...], places: Sequence[int] | None
    ) -> Candidates:
        scores, costs, _, _, similarities = found.rows
        return Candidates(
            models=eligible,
            scores=_picked(scores[row], places, math.nan),
            costs=_picked(costs[row], places, math.nan),
            means=_picked(self.lineup.means, places, math.nan),
            latency_ms=_picked(found.latencies[row], places, math.nan) if found.latencies else (),
            strengths=_picked(found.strengths[row], places, math.nan) if found.strengths else (),
            similarity=similarities[row],
        )

    def _places(self, found: LookedUp, eligible: tuple[str, ...]) -> Sequence[int] | None:
        """Where the eligible models stand in the lineup; None for all columns, as they are."""
        if eligible == self.lineup.names and len(eligible) == len(found.records.models):
            return None
        return [self.lineup.place[name] for name in eligible]

    def _choice(self, found: LookedUp, row: int, candidates: Candidates) -> Choice:
        query = found.queries[row]
        if query.kind != "text":
            return self._without_text(query.kind, candidates)
        if not found.knows(row):
            return self._by_means(candidates)
        if _all_nan(candidates.scores):
            why = "the records say nothing of the models that may answer"
            return self._default(candidates, why, "no_evidence")
        return asked(self.policy, candidates)

    def _by_means(self, candidates: Candidates) -> Choice:
        why = "the embedder knows no word of the query"
        if self.lineup.pool.router.default is not None:
            return self._default(candidates, why, "unknown_words")
        if _all_nan(candidates.means):
            return self._default(candidates, f"{why}, and no model was measured", "no_evidence")
        if _all_nan(candidates.scores):
            candidates = replace(candidates, scores=candidates.means)
        choice = asked(self.policy, candidates)
        reason = f"{why}; by the mean scores over all records: {choice.reason}"
        return replace(choice, reason=reason, reason_code="unknown_words", fallback=True)

    def _without_text(self, kind: str, candidates: Candidates) -> Choice:
        what = "only an image" if kind == "image_only" else "no text"
        if self.lineup.pool.router.default is None:
            raise NoTextError(
                kind,
                f"the query holds {what}, so there is nothing to route on; add a sentence, or set "
                "router.default in pool.yaml to the model that should answer such queries",
            )
        return self._default(candidates, f"the query holds {what}", kind)

    def _default(self, candidates: Candidates, why: str, code: str) -> Choice:
        default = self.lineup.pool.router.default
        if default in candidates.models:
            rest = (name for name in policies.ranked(candidates, candidates.means))
            ranking = (default, *(name for name in rest if name != default))
            who = "the pool's default answers"
        elif default is None or _all_nan(candidates.means):
            raise NoEvidenceError(
                f"{why}: {', '.join(candidates.models)}; set router.default in pool.yaml to a "
                "model that may answer such queries, or add records"
            )
        else:
            ranking = policies.ranked(candidates, candidates.means)
            who = f"the default, {default}, may not answer; the best on average does"
        return Choice(ranking=ranking, reason=f"{why}; {who}", reason_code=code, fallback=True)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Nearby:
    """Makes the neighbors of one query from the rows that were found."""

    found: LookedUp
    row: int
    models: tuple[str, ...]

    def __call__(self) -> tuple[Neighbor, ...]:
        if not self.found.knows(self.row):
            return ()
        records, near = self.found.records, self.found.neighbors
        rows = near.rows[self.row]
        columns = self.models[: len(records.models)]
        return tuple(
            Neighbor(
                id=records.ids[row],
                task=records.tasks[row],
                similarity=similarity,
                scores=dict(zip(columns, measured, strict=True)),
            )
            for row, similarity, measured in zip(
                rows.tolist(),
                near.similarities[self.row].tolist(),
                records.scores[rows].tolist(),
                strict=True,
            )
        )


def _plain(values: NDArray[np.float64] | None) -> _Rows | None:
    return None if values is None else values.tolist()


def _all_nan(values: Sequence[float]) -> bool:
    return all(map(math.isnan, values))


def _picked(
    values: Sequence[float], places: Sequence[int] | None, missing: float
) -> Sequence[float]:
    """The values at these places; `missing` for models that the records do not know."""
    if places is None:
        return values
    known = len(values)
    return [values[place] if place < known else missing for place in places]

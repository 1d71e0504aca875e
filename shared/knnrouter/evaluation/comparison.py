"""Two routers, pools or policies over the same queries: what moves, and what that costs.

What a change of a price, a model, the evidence or the policy would do, before it is made. Costs are
what each side expects, under its own prices. Quality is measured, where the records measured both
models that were chosen, on rows that neither router has seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnrouter.decision import Decision, as_json
from knnrouter.errors import EvaluationError
from knnrouter.policies import Policy
from knnrouter.records import RecordSet
from knnrouter.router import Router
from knnrouter.vectors import Progress

from .batches import decisions_on
from .comparing import Drawing
from .resampling import Interval
from .subjects import measured_columns, seen_rows

__all__ = ["Comparison", "Move", "Moved", "SideFigures", "TaskMoves", "compare"]

_Floats = NDArray[np.float64]

_SHOWN = 20
"""How many queries that move are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """Queries that go from one model to another."""

    first: str
    """Whom the first side chose."""
    second: str
    """Whom the second side chose."""
    queries: int
    """How many."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Moved:
    """A query that moves."""

    query: str
    """Its text."""
    task: str | None
    """Its task; None where unknown."""
    first: Decision
    """What the first side decided."""
    second: Decision
    """What the second side decided."""
    first_score: float
    """What the first side's choice scored; NaN where not measured, or a router has seen it."""
    second_score: float
    """What the second side's choice scored; NaN likewise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SideFigures:
    """One side over all queries."""

    shares: Mapping[str, float]
    """Part of the queries that each model gets, the most first."""
    expected_score: float
    """Mean expected score of its choices, in [0, 1]; NaN where one is unknown."""
    expected_cost: float
    """Mean expected cost of its choices, USD per query; NaN where one is unknown."""
    quality: float
    """Mean measured score, on the queries where both sides' choices were measured; else NaN."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskMoves:
    """One task."""

    task: str
    """Its name; "" for queries without one."""
    n: int
    """How many queries."""
    moved: int
    """How many of them move."""
    quality: float
    """Mean measured score that the second side wins; NaN where not measured."""
    cost: float
    """Mean cost that it adds, USD per query; NaN where unknown."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """What changes from the first side to the second. `print` gives a summary."""

    n: int
    """How many queries."""
    moved: int
    """How many get another model."""
    measured: int
    """On how many both sides' choices were measured, and neither had seen the query."""
    moves: tuple[Move, ...]
    """From which model to which, the most frequent first."""
    first: SideFigures
    """The first side."""
    second: SideFigures
    """The second side."""
    cost: Interval | None
    """Mean expected cost that the second side adds, USD per query; None where unknown."""
    quality: Interval | None
    """Mean measured score that it wins; None where nothing is measured."""
    tasks: tuple[TaskMoves, ...]
    """By task."""
    examples: tuple[Moved, ...]
    """Queries that move, those whose measured score changes most first, at most 20."""
    notes: tuple[str, ...]
    """What the reader should know."""

    @property
    def share(self) -> float:
        """Part of the queries that get another model, in [0, 1]."""
        return self.moved / self.n

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON takes it: NaN is None; decisions without their neighbors."""
        whole: dict[str, Any] = {"text": str(self), "share": self.share}
        for name in self.__dataclass_fields__:
            if name != "examples":
                whole[name] = as_json(getattr(self, name))
        whole["examples"] = [
            {
                "query": each.query,
                "task": each.task,
                "first": each.first.summary(),
                "second": each.second.summary(),
                "first_score": as_json(each.first_score),
                "second_score": as_json(each.second_score),
            }
            for each in self.examples
        ]
        return whole

    def __str__(self) -> str:
        parts = [f"{self.moved:,} of {self.n:,} queries ({self.share:.1%}) get another model"]
        if not self.moved:
            parts = [f"nothing moves: all {self.n:,} queries keep their model"]
        if self.cost is not None and (self.moved or self.cost.estimate):
            low, cost, high = (
                1000 * end for end in (self.cost.low, self.cost.estimate, self.cost.high)
            )
            parts.append(
                f"expected cost changes by ${cost:.4f} [{low:.4f}, {high:.4f}] per 1,000 queries"
            )
        if self.quality is not None and self.moved:
            parts.append(f"measured quality changes by {self.quality} (n = {self.measured:,})")
        return "; ".join(parts)


def compare(
    first: Router,
    second: Router,
    traffic: RecordSet | Sequence[str],
    *,
    policies: tuple[str | Policy | None, str | Policy | None] = (None, None),
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Route the same queries on two sides.

    Args:
        first: What routes now.
        second: What would; often the same evidence with another pool: `router.with_pool(pool)`.
        traffic: Texts; or records with text, whose scores then tell what the moves do to quality.
        policies: What each side chooses by, instead of its own policy.
        confidence: How much of the draws the intervals hold.
        draws: How many times the queries are drawn again.
        seed: Where the draws come from.
        progress: Is told how far the work is.

    Raises:
        EvaluationError: There is no query, or a row keeps no text; or `draws` or `confidence` is
            out of its range.

    Example:
        >>> rows = [{"query": "Sort in C.", "coder": 1, "poet": 0, "coder|cost": 1, "poet|cost": 0},
        ...         {"query": "An ode.", "coder": 0, "poet": 1, "coder|cost": 1, "poet|cost": 0}]
        >>> router = Router.fit(RecordSet.from_rows(rows))
        >>> weighed = (None, "score_minus_cost:cost_weight=5")
        >>> found = compare(router, router, ["Sort in C!", "Odes."], policies=weighed)
        >>> found.moves[0].second, found.moved
        ('poet', 1)
    """
    drawing = Drawing(draws=draws, confidence=confidence, seed=seed)
    texts, tasks = _read(traffic)
    sides = [
        decisions_on(
            router,
            texts,
            policy=policy,
            progress=progress,
            before=number * len(texts),
            total=2 * len(texts),
        )
        for number, (router, policy) in enumerate(zip((first, second), policies, strict=True))
    ]
    scores = _scores((first, second), traffic, sides)
    costs = [np.array([each.costs[each.model] for each in found]) for found in sides]
    if progress is not None:
        progress("route", 2 * len(texts), 2 * len(texts))
    both = ~np.isnan(scores[0] - scores[1])
    moved = np.array([one.model != two.model for one, two in zip(*sides, strict=True)])
    pairs = Counter((one.model, two.model) for one, two in zip(*sides, strict=True))
    added = costs[1] - costs[0]
    return Comparison(
        n=len(texts),
        moved=int(moved.sum()),
        measured=int(both.sum()),
        moves=tuple(
            Move(first=one, second=two, queries=count)
            for (one, two), count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
            if one != two
        ),
        first=_side(sides[0], costs[0], scores[0][both]),
        second=_side(sides[1], costs[1], scores[1][both]),
        cost=None if np.isnan(added).any() else drawing.interval(added),
        quality=drawing.interval((scores[1] - scores[0])[both]) if both.any() else None,
        tasks=_by_task(tasks, moved, scores[1] - scores[0], added),
        examples=_examples(texts, tasks, sides, scores, moved),
        notes=(*_notes(first, second, traffic, int(both.sum())), *_renamed(first, second, pairs)),
    )


def _read(traffic: RecordSet | Sequence[str]) -> tuple[list[str], Sequence[str | None]]:
    if not isinstance(traffic, RecordSet):
        texts = [traffic] if isinstance(traffic, str) else list(traffic)
        if not texts:
            raise EvaluationError("there is no query to compare on; give at least one")
        return texts, (None,) * len(texts)
    texts = [text for text in traffic.queries if text is not None]
    if len(texts) < len(traffic) or not texts:
        raise EvaluationError(
            f"{len(traffic) - len(texts):,} of {len(traffic):,} rows keep no text, so they cannot "
            "be routed; give records with their queries"
        )
    return texts, traffic.tasks


def _scores(
    routers: tuple[Router, Router],
    traffic: RecordSet | Sequence[str],
    sides: Sequence[Sequence[Decision]],
) -> list[_Floats]:
    """What each side's choices scored, (n,) each; NaN where not measured, or a router has seen."""
    if not isinstance(traffic, RecordSet):
        return [np.full(len(found), np.nan) for found in sides]
    seen = seen_rows(routers[0], traffic) | seen_rows(routers[1], traffic)
    return [
        np.where(seen, np.nan, _measured(router, traffic, found))
        for router, found in zip(routers, sides, strict=True)
    ]


def _measured(router: Router, traffic: RecordSet, found: Sequence[Decision]) -> _Floats:
    """What the choices scored; NaN where not measured; shape (n,)."""
    columns = measured_columns(router.pool, traffic)
    return np.array(
        [
            traffic.scores[row, columns[each.model]] if each.model in columns else np.nan
            for row, each in enumerate(found)
        ],
        dtype=np.float64,
    )


def _side(found: Sequence[Decision], costs: _Floats, scores: _Floats) -> SideFigures:
    counts = Counter(each.model for each in found)
    return SideFigures(
        shares={
            name: count / len(found)
            for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        },
        expected_score=float(np.mean([each.scores[each.model] for each in found])),
        expected_cost=float(costs.mean()),
        quality=float(scores.mean()) if scores.size else np.nan,
    )


def _by_task(
    tasks: Sequence[str | None], moved: NDArray[np.bool_], won: _Floats, added: _Floats
) -> tuple[TaskMoves, ...]:
    labels = np.array([task or "" for task in tasks])
    return tuple(
        TaskMoves(
            task=task,
            n=int((labels == task).sum()),
            moved=int(moved[labels == task].sum()),
            quality=_mean(won[(labels == task) & ~np.isnan(won)]),
            cost=_mean(added[labels == task]),
        )
        for task in sorted(set(labels.tolist()))
    )


def _mean(values: _Floats) -> float:
    return float(values.mean()) if values.size else float("nan")


def _examples(
    texts: Sequence[str],
    tasks: Sequence[str | None],
    sides: Sequence[Sequence[Decision]],
    scores: Sequence[_Floats],
    moved: NDArray[np.bool_],
) -> tuple[Moved, ...]:
    change = np.nan_to_num(np.abs(scores[1] - scores[0]), nan=-1.0)
    rows = np.flatnonzero(moved)
    order = rows[np.argsort(-change[rows], kind="stable")][:_SHOWN]
    return tuple(
        Moved(
            query=texts[row],
            task=tasks[row],
            first=sides[0][row],
            second=sides[1][row],
            first_score=float(scores[0][row]),
            second_score=float(scores[1][row]),
        )
        for row in order.tolist()
    )


def _notes(
    first: Router, second: Router, traffic: RecordSet | Sequence[str], measured: int
) -> tuple[str, ...]:
    notes = []
    if isinstance(traffic, RecordSet) and not any(
        measured_columns(router.pool, traffic) for router in (first, second)
    ):
        notes.append(
            f"the records measure {', '.join(traffic.models)}, none of which is in a pool of the "
            "two: give records of their models, or aliases, to see what quality does"
        )
    elif isinstance(traffic, RecordSet) and measured < len(traffic):
        notes.append(
            f"quality is measured on {measured:,} of {len(traffic):,} queries: where both choices "
            "were measured, and neither router has seen the query"
        )
    if first.lineup.measured_costs or second.lineup.measured_costs:
        notes.append(
            "the evidence holds measured costs, which come before prices: a new price shows only "
            "where none was measured"
        )
    return tuple(notes)


def _renamed(first: Router, second: Router, pairs: Counter[tuple[str, str]]) -> list[str]:
    """A note on each move between two names of the same evidence."""
    one, other = _evidence_names(first), _evidence_names(second)
    return [
        f"{name} and {after} have the same evidence, so {count:,} queries move by name alone"
        for (name, after), count in sorted(pairs.items())
        if name != after and one[name] is not None and one[name] == other[after]
    ]


def _evidence_names(router: Router) -> dict[str, str | None]:
    """What each model of the pool is called in the evidence; None where it has none."""
    models = router.records.models
    columns = router.pool.columns(models).columns
    return {
        name: None if column is None else models[column]
        for name, column in zip(router.pool.names, columns, strict=True)
    }

"""How often a router decides the same when a query is put in slightly other words.

The share of unchanged decisions is RouterArena's robustness (arXiv 2510.00202). A flip need not
hurt: two models that are expected to do alike may swap places at no loss. So where scores are
known, what the flips cost stands beside their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnrouter.decision import as_json
from knnrouter.errors import EvaluationError
from knnrouter.policies import Policy
from knnrouter.records import RecordSet
from knnrouter.router import Router

from .perturbations import Perturbation, named_perturbations
from .resampling import Interval, bootstrap, paired_bootstrap

__all__ = ["Flip", "Robustness", "Stability", "flip_rate", "robustness"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Flip:
    """A decision that changed."""

    query: str
    """The text as it was given."""

    perturbed: str
    """The changed text."""

    perturbation: str
    """The name of the change."""

    before: str
    """The model that was chosen for `query`."""

    after: str
    """The model that was chosen for `perturbed`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stability:
    """What became of the decisions under one perturbation, one kind of them, or all."""

    name: str
    """The perturbation or the kind; "all" for the mean over the kinds."""

    unchanged: Interval
    """Share of decisions that stayed; the mean over kinds, and in a kind over perturbations."""

    flips: int
    """How many decisions changed."""

    flip_cost: Interval | None
    """How much higher the first choice scored than the second, mean over the flips; None where
    there is no flip whose two models were both measured."""

    quality_change: Interval | None
    """Mean score of the choices on changed texts less that on the texts as given, over the queries
    where all choices were measured; None where there is none."""

    @property
    def flip_rate(self) -> float:
        """Share of decisions that changed."""
        return 1.0 - self.unchanged.estimate

    def __str__(self) -> str:
        cost = "" if self.flip_cost is None else f", a flip costs {self.flip_cost}"
        return f"{self.name}: unchanged {self.unchanged}, {self.flips} flips{cost}"


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """How stable a router's decisions are on `n` queries."""

    n: int
    """How many queries were asked."""

    overall: Stability
    """The mean over the kinds."""

    kinds: tuple[Stability, ...]
    """Each kind of perturbation."""

    perturbations: tuple[Stability, ...]
    """Each perturbation by itself."""

    flips: tuple[Flip, ...]
    """Every decision that changed, perturbation by perturbation."""

    @property
    def flip_rate(self) -> float:
        """Share of decisions that changed: 1 - the share that stayed, the mean over kinds."""
        return self.overall.flip_rate

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON takes them, without the texts of the flips."""
        return {
            "n": self.n,
            "flip_rate": self.flip_rate,
            "overall": _as_dict(self.overall),
            "kinds": [_as_dict(each) for each in self.kinds],
            "perturbations": [_as_dict(each) for each in self.perturbations],
        }

    def __str__(self) -> str:
        return "\n".join([f"{self.n} queries", *map(str, (self.overall, *self.kinds))])


def robustness(
    router: Router,
    queries: Iterable[str] | RecordSet,
    *,
    policy: str | Policy | None = None,
    perturbations: Iterable[str | Perturbation] | None = None,
    seed: int = 0,
    limit: int | None = None,
    draws: int = 2000,
    confidence: float = 0.95,
) -> Robustness:
    """Ask a router each query as given and in changed words, and compare the decisions.

    Queries that the router learned from are nearest to themselves as long as nothing is changed:
    ask others.

    Args:
        router: Any router.
        queries: Texts; or records with texts, whose scores then say what flips cost.
        policy: As for `Router.route`.
        perturbations: Their names, names of kinds, or perturbations of your own; None: all.
        seed: Where typos fall, which queries are drawn, and the draws of the intervals.
        limit: At most so many queries, drawn at random; None: all.
        draws: How many times the queries are drawn again for an interval.
        confidence: How much of the draws an interval holds, in (0, 1).

    Raises:
        EvaluationError: There is no query, a query is no text, `limit` is below 1, or a
            perturbation is unknown.

    Example:
        >>> rows = [
        ...     {"query": "Reverse a linked list in C.", "coder": 1, "poet": 0},
        ...     {"query": "Write a sonnet on the sea.", "coder": 0, "poet": 1},
        ... ]
        >>> router = Router.fit(RecordSet.from_rows(rows))
        >>> found = robustness(router, ["Sort a list in C."], perturbations=["upper", "answer"])
        >>> found.overall.unchanged.estimate
        1.0
    """
    changes = named_perturbations(perturbations)
    texts, scores = _asked(queries, router, limit, seed)
    chosen = _chosen(router, texts, changes, policy, seed)
    run = _Run(
        texts=texts, changes=changes, chosen=chosen, scores=scores,
        draws=draws, confidence=confidence, seed=seed,
    )  # fmt: skip
    kinds = dict.fromkeys(each.kind for each in changes)
    return Robustness(
        n=len(texts),
        overall=run.stability("all", [run.places(kind) for kind in kinds]),
        kinds=tuple(run.stability(kind, [run.places(kind)]) for kind in kinds),
        perturbations=tuple(
            run.stability(each.name, [[place]]) for place, each in enumerate(changes)
        ),
        flips=tuple(run.flips(seed)),
    )


def flip_rate(
    router: Router,
    queries: Iterable[str] | RecordSet,
    *,
    policy: str | Policy | None = None,
    perturbations: Iterable[str | Perturbation] | None = None,
    seed: int = 0,
    limit: int | None = None,
) -> float:
    """The share of decisions that change, the mean over the kinds; see `robustness`.

    Args:
        router: As for `robustness`.
        queries: As for `robustness`.
        policy: As for `robustness`.
        perturbations: As for `robustness`.
        seed: As for `robustness`.
        limit: As for `robustness`.

    Raises:
        EvaluationError: As for `robustness`.
    """
    found = robustness(
        router, queries, policy=policy, perturbations=perturbations, seed=seed, limit=limit, draws=1
    )
    return found.flip_rate


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Run:
    """What was chosen for `n` texts as given and under `p` changes."""

    texts: Sequence[str]
    changes: Sequence[Perturbation]
    chosen: NDArray[np.str_]
    """Names of models; the first row for the texts as given; shape (1 + p, n)."""
    scores: Mapping[str, NDArray[np.float64]]
    """By model, what it scored on each text; a model may be missing; arrays of shape (n,)."""
    draws: int
    confidence: float
    seed: int

    def places(self, kind: str) -> list[int]:
        """Where the changes of this kind stand."""
        return [place for place, each in enumerate(self.changes) if each.kind == kind]

    def stability(self, name: str, kinds: Sequence[Sequence[int]]) -> Stability:
        """Of the changes at these places, listed kind by kind; all kinds count alike."""
        changed = self.chosen[1:] != self.chosen[0]
        stayed = np.mean([1.0 - changed[list(places)].mean(axis=0) for places in kinds], axis=0)
        flat = [place for places in kinds for place in places]
        lost = self._gained()
        return Stability(
            name=name,
            unchanged=self._interval(stayed),
            flips=int(changed[flat].sum()),
            flip_cost=self._flip_cost(-lost[flat], changed[flat]),
            quality_change=self._quality_change([lost[list(places)] for places in kinds]),
        )

    def flips(self, seed: int) -> Iterable[Flip]:
        """Every choice that changed."""
        for place, change in enumerate(self.changes):
            for row in np.flatnonzero(self.chosen[1 + place] != self.chosen[0]).tolist():
                yield Flip(
                    query=self.texts[row],
                    perturbed=change(self.texts[row], seed=seed),
                    perturbation=change.name,
                    before=str(self.chosen[0, row]),
                    after=str(self.chosen[1 + place, row]),
                )

    def _gained(self) -> NDArray[np.float64]:
        """How much more the choice scored than the one without the change; shape (p, n)."""
        scored = np.full(self.chosen.shape, np.nan)
        for model, measured in self.scores.items():
            scored = np.where(self.chosen == model, measured, scored)
        return np.asarray(scored[1:] - scored[0])

    def _interval(self, values: NDArray[np.float64]) -> Interval:
        return paired_bootstrap(
            values, np.zeros_like(values),
            draws=self.draws, confidence=self.confidence, seed=self.seed,
        )  # fmt: skip

    def _flip_cost(self, lost: NDArray[np.float64], changed: NDArray[np.bool_]) -> Interval | None:
        """Mean loss of the flips that were measured; queries are drawn with all their flips."""
        counted = changed & ~np.isnan(lost)
        some = counted.any(axis=0)
        if not some.any():
            return None
        sums = np.where(counted, lost, 0.0).sum(axis=0)[some]
        counts = counted.sum(axis=0)[some]
        return bootstrap(
            lambda rows: float(sums[rows].sum() / counts[rows].sum()), len(sums),
            draws=self.draws, confidence=self.confidence, seed=self.seed,
        )  # fmt: skip

    def _quality_change(self, gained: Sequence[NDArray[np.float64]]) -> Interval | None:
        change = np.mean([each.mean(axis=0) for each in gained], axis=0)
        measured = change[~np.isnan(change)]
        return self._interval(measured) if measured.size else None


def _asked(
    queries: Iterable[str] | RecordSet, router: Router, limit: int | None, seed: int
) -> tuple[list[str], dict[str, NDArray[np.float64]]]:
    """The texts to ask, and what the router's models scored on them, where that is known."""
    if isinstance(queries, str):
        raise EvaluationError(f"queries is one text, {queries!r:.60}; give a list of texts")
    known = queries if isinstance(queries, RecordSet) else None
    given: list[object] = list(queries.queries if isinstance(queries, RecordSet) else queries)
    bare = [place for place, text in enumerate(given) if not isinstance(text, str)]
    if bare:
        raise EvaluationError(
            f"{len(bare):,} of {len(given):,} queries are no text, the first is number {bare[0]}, "
            f"{given[bare[0]]!r:.60}; give texts, or records that keep their queries"
        )
    if not given:
        raise EvaluationError("there is no query to ask; give at least one text")
    rows = _drawn(len(given), limit, seed)
    texts = [str(given[row]) for row in rows]
    if known is None:
        return texts, {}
    scores = known.scores[rows].astype(np.float64)
    columns = router.pool.columns(known.models).columns
    return texts, {
        name: scores[:, column]
        for name, column in zip(router.pool.names, columns, strict=True)
        if column is not None
    }


def _drawn(rows: int, limit: int | None, seed: int) -> NDArray[np.int64]:
    if limit is not None and limit < 1:
        raise EvaluationError(f"limit is {limit}; give at least 1, or None for all queries")
    if limit is None or limit >= rows:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, limit, replace=False))


def _chosen(
    router: Router,
    texts: Sequence[str],
    changes: Sequence[Perturbation],
    policy: str | Policy | None,
    seed: int,
) -> NDArray[np.str_]:
    """The models' names, first for the texts as given, then change by change."""
    asked = [list(texts), *([change(text, seed=seed) for text in texts] for change in changes)]
    return np.array(
        [[each.model for each in router.route_many(one, policy=policy)] for one in asked]
    )


def _as_dict(found: Stability) -> dict[str, Any]:
    values = {field.name: getattr(found, field.name) for field in fields(found)}
    return as_json(values | {"flip_rate": found.flip_rate})  # type: ignore[no-any-return]

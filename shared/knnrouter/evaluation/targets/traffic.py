"""The queries that a goal is to be kept on: texts, and what was measured on them if anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EvaluationError
from knnrouter.evaluation.splits import kinship
from knnrouter.evaluation.splits.shuffled import parted
from knnrouter.records import RecordSet
from knnrouter.records.sets import group_by_text
from knnrouter.router import Router

__all__ = ["Traffic", "traffic_of"]

_Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Traffic:
    """`n` queries, and what each of the pool's `m` enabled models did on them."""

    texts: tuple[str, ...]
    """What is asked."""

    kin: NDArray[np.int64]
    """A number from 0 on, the same for queries of one text or group; shape (n,)."""

    scores: _Floats
    """What was measured, in [0, 1]; shape (n, m); NaN where nothing was."""

    costs: _Floats
    """Measured USD; shape (n, m); NaN where nothing was."""

    def __len__(self) -> int:
        return len(self.texts)

    def only(self, rows: NDArray[np.int64]) -> Traffic:
        """Those of these rows."""
        return Traffic(
            texts=tuple(self.texts[row] for row in rows.tolist()),
            kin=np.unique(self.kin[rows], return_inverse=True)[1].reshape(-1),
            scores=self.scores[rows],
            costs=self.costs[rows],
        )

    def split(self, holdout: float, *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows to choose on and rows held out, drawn at random; kin stay together.

        Raises:
            EvaluationError: One of the two sides would be empty.
        """
        if holdout == 0:
            return np.arange(len(self)), np.arange(0)
        if not self.kin.any():
            raise EvaluationError(
                f"the traffic is one text or group ({len(self):,} times), so none can be held "
                "out; give other queries too, or holdout=0"
            )
        return parted(self.kin, holdout, seed=seed)


def traffic_of(
    router: Router, given: Sequence[str] | RecordSet, *, unseen: bool
) -> tuple[Traffic, tuple[str, ...]]:
    """The traffic, and notes on it.

    Args:
        router: Whose pool names the models.
        given: Texts, or records with their texts.
        unseen: Whether to leave out what the router learned from, rather than only to tell.

    Raises:
        EvaluationError: There is no query, a record has no text, or none is left.
        TypeError: It is one text, or something else.
    """
    traffic = _labeled(router, given) if isinstance(given, RecordSet) else _texts(router, given)
    if not len(traffic):
        raise EvaluationError("there are no queries; give those of a day, or a thousand")
    known = {text for text in router.records.queries if text is not None}
    if not known:
        return traffic, _unknown() if unseen else ()
    seen = np.array([text in known for text in traffic.texts])
    if not seen.any():
        return traffic, ()
    told = f"{int(seen.sum()):,} of {len(traffic):,} queries stand in the router's own records"
    if not unseen:
        return traffic, (f"{told}, which it knows better than new ones",)
    if seen.all():
        raise EvaluationError(
            f"{told}, so it knows their answers and nothing follows for new ones; give queries "
            "that it did not learn from, or build a router without these"
        )
    return traffic.only(np.flatnonzero(~seen)), (f"{told} and were left out",)


def _unknown() -> tuple[str, ...]:
    return (
        "the router keeps no text of its records, so it cannot be seen whether it learned from "
        "these queries; the promise holds only if it did not",
    )


def _texts(router: Router, given: Sequence[str]) -> Traffic:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(
            f"the traffic is {given!r:.80}, of type {type(given).__name__}; give a list of texts, "
            "or records"
        )
    odd = next((text for text in given if not isinstance(text, str)), None)
    if odd is not None:
        raise TypeError(f"a query is {odd!r:.80}, of type {type(odd).__name__}; give texts")
    nothing = np.full((len(given), len(router.pool.enabled_names)), np.nan)
    return Traffic(texts=tuple(given), kin=group_by_text(given)[1], scores=nothing, costs=nothing)


def _labeled(router: Router, records: RecordSet) -> Traffic:
    bare = sum(text is None for text in records.queries)
    if bare:
        raise EvaluationError(
            f"{bare:,} of {len(records):,} records keep no text, so they cannot be routed; give "
            "records with their queries"
        )
    pool = router.pool
    columns = dict(zip(pool.names, pool.columns(records.models).columns, strict=True))
    places = [columns[name] for name in pool.enabled_names]

    def by_pool(values: NDArray[np.floating]) -> _Floats:
        missing = np.full(len(records), np.nan)
        return np.stack(
            [missing if place is None else values[:, place] for place in places], axis=1
        ).astype(np.float64)

    return Traffic(
        texts=tuple(text for text in records.queries if text is not None),
        kin=kinship(records),
        scores=by_pool(records.scores),
        costs=by_pool(records.costs),
    )

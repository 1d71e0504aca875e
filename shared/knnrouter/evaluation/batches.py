"""Many queries routed, as many at a time as memory likes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from knnrouter.decision import Decision
from knnrouter.policies import Policy
from knnrouter.router import Router
from knnrouter.vectors import Progress

__all__ = ["decisions_on"]

_BATCH = 1024
"""How many queries are routed at a time."""


def decisions_on(
    router: Router,
    texts: Sequence[str | None],
    *,
    vectors: NDArray[np.float32] | None = None,
    allow: Collection[str] | None = None,
    policy: str | Policy | None = None,
    progress: Progress | None = None,
    before: int = 0,
    total: int | None = None,
) -> list[Decision]:
    """A decision for each text: `Router.route_many`, batch after batch.

    Args:
        router: Who decides.
        texts: `n` queries.
        vectors: Their unit rows, shape (n, d), where they are known.
        allow: As for `Router.route`.
        policy: As for `Router.route`.
        progress: Is told before each batch how many queries are routed.
        before: How many were routed before these, for `progress`.
        total: How many there are in all, for `progress`; None: these.
    """
    decisions: list[Decision] = []
    for start in range(0, len(texts), _BATCH):
        if progress is not None:
            progress("route", before + start, len(texts) if total is None else total)
        some = slice(start, start + _BATCH)
        rows = None if vectors is None else vectors[some]
        decisions += router.route_many(texts[some], vectors=rows, allow=allow, policy=policy)
    return decisions

"""What a router answers, from one of its states: decisions, estimates, explanations."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from knnrouter.records import Price
from knnrouter.text import Query, read_query, routing_text

from .choosing import LookedUp
from .decision import Decision
from .embedders import Embedder
from .estimators import Estimates
from .explain import Explanation, explain
from .lineup import Lineup
from .looking_up import look_up
from .policies import Policy
from .state import State
from .vectors import Row

__all__ = ["decisions", "estimates", "explanation", "one_each", "with_text"]

T = TypeVar("T")


def decisions(
    state: State,
    embedder: Embedder,
    given: Sequence[object],
    prompts: Sequence[object] | None,
    vectors: Sequence[Row | None],
    policy: str | Policy | None,
    *,
    allow: Collection[str] | None,
    require: Collection[str],
    tags: Collection[str],
) -> list[Decision]:
    """The decision on each query; see `Router.route_many`."""
    start = time.perf_counter()
    chooser = state.chooser(policy)
    read = [read_query(query) for query in given]
    prompts = given if prompts is None else prompts
    eligible = [
        state.lineup.eligible(
            query if prompt is one else read_query(prompt),
            prompt,
            allow=allow,
            require=require,
            tags=tags,
        )
        for query, one, prompt in zip(read, given, prompts, strict=True)
    ]
    looked_up = look_up(state, embedder, read, given, vectors)
    share = max(len(given), 1) / 1e3
    return [
        chooser.decision(looked_up, row, eligible[row], (time.perf_counter() - start) / share)
        for row in range(len(given))
    ]


def estimates(state: State, embedder: Embedder, given: Sequence[object]) -> Estimates:
    """What to expect of every model on each query; see `Router.estimate`."""
    looked_up = look_up(state, embedder, with_text(given), given)
    found, widened = looked_up.estimates, state.lineup.widened
    return replace(
        found,
        models=state.lineup.names,
        scores=widened(found.scores),
        costs=looked_up.costs,
        stderr=widened(found.stderr),
        support=widened(found.support, fill=0.0),
        input_tokens=_each(found.input_tokens, widened),
        output_tokens=_each(found.output_tokens, widened),
        latency_ms=_each(found.latency_ms, widened),
        strengths=_each(found.strengths, widened),
    )


def explanation(
    state: State, embedder: Embedder, query: object, policy: str | Policy | None
) -> Explanation:
    """The decision on a query with what led to it; see `Router.explain`."""
    chooser, lineup = state.chooser(policy), state.lineup
    read = read_query(query)
    eligible = lineup.eligible(read, query, allow=None, require=(), tags=())
    found = look_up(state, embedder, (read,), (query,))
    return explain(
        chooser.decision(found, 0, eligible, math.nan),
        chooser.policy,
        chooser.candidates(found, 0, eligible),
        prices=_followed_prices(lineup, found, lineup.prompt_tokens(read, query)),
    )


def _followed_prices(lineup: Lineup, found: LookedUp, prompt_tokens: float) -> dict[str, Price]:
    """The prices of the models whose costs on the one query that was found follow from them."""
    follows = lineup.follows_price(found.estimates, (prompt_tokens,))[0]
    prices = {spec.name: spec.price for spec in lineup.pool.models}
    return {
        name: price
        for name, does in zip(lineup.names, follows.tolist(), strict=True)
        if does and (price := prices[name]) is not None
    }


def with_text(given: Sequence[object]) -> list[Query]:
    """The queries as they are read, each of which must hold text.

    Raises:
        NoTextError: One holds none.
    """
    read = [read_query(query) for query in given]
    for query, one in zip(read, given, strict=True):
        if query.kind != "text":
            routing_text(one)  # which says what is wrong
    return read


def one_each(
    what: str, values: Iterable[T] | None, queries: Sequence[object]
) -> tuple[T, ...] | None:
    """The values as a tuple, one for each query; None where there are none at all.

    Raises:
        ValueError: There are more or fewer.
    """
    found = None if values is None else tuple(values)
    if found is not None and len(found) != len(queries):
        raise ValueError(
            f"{len(found)} {what} for {len(queries)} queries; give one for each, or none at all"
        )
    return found


def _each(
    values: NDArray[np.float64] | None,
    change: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64] | None:
    return None if values is None else change(values)

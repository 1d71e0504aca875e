"""Decisions for a framework: forced or sticky, batched, and with a default where routing fails."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from knnrouter.decision import Decision
from knnrouter.errors import (
    KnnRouterError,
    MissingExtraError,
    PolicyError,
    PoolError,
    QueryError,
    UnknownModelError,
)
from knnrouter.lineup import CountTokens
from knnrouter.pool import ModelPool, count_tokens
from knnrouter.router import Router
from knnrouter.text import Sticky, read_query, routed_part
from knnrouter.vectors import Row

from .lazy import Lazy, LazyRouter, loaded
from .options import RouteOptions
from .routes import Route

__all__ = ["MISTAKES", "Decider"]

logger = logging.getLogger(__name__)

MISTAKES = (PoolError, PolicyError, UnknownModelError, MissingExtraError)
"""Errors of the one who set the router up: a default that answered would hide them."""

_FAILURES: tuple[type[Exception], ...] = (Exception,)
"""All else that can go wrong: embedders, counters and policies may be anybody's code."""


class _Asked(NamedTuple):
    """One query."""

    query: object
    prompt: object
    """All that the model will read."""
    vector: Row | None = None
    """The query's row, where it is known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Decider:
    """A router as a framework uses it.

    Where routing fails (the index is damaged, the embedder's service is down, the query cannot be
    read), the pool's default answers and a warning is logged, without text of the prompt. Without a
    default the error is raised; and always where the pool, a policy or a name is wrong, or no model
    may answer.

    Example:
        >>> router = Router.starter()
        >>> decider = Decider(router=lambda: router, pool=router.pool, sticky="turn")
        >>> forced = decider.decide("Why?", RouteOptions(model=router.pool.names[0]))
        >>> forced.model == router.pool.names[0], forced.reason_code
        (True, 'forced')
    """

    router: Callable[[], Router]
    """Loads the router, or hands it out."""
    pool: ModelPool
    """Its pool, which is known before the router is loaded; a capability that is not listed in it
    is not had."""
    sticky: Sticky
    """How long a choice holds."""
    count_tokens: CountTokens | None = None
    """Counts the tokens of a prompt; None estimates them from the bytes."""

    @classmethod
    def of(
        cls,
        source: Router | LazyRouter,
        pool: ModelPool,
        *,
        sticky: Sticky | None = None,
        count_tokens: CountTokens | None = None,
    ) -> Decider:
        """The decider of a router, which is loaded when it is first needed.

        Args:
            source: The router.
            pool: Its pool, with what the models can do; see `completed`.
            sticky: How long a choice holds; None: as the pool says.
            count_tokens: Counts the tokens of a prompt; None: the router's way.
        """
        if count_tokens is None and isinstance(source, Router):
            count_tokens = source.lineup.count_tokens
        ready = Lazy(lambda: loaded(source).with_abilities(pool, count_tokens=count_tokens))
        return cls(
            router=ready.get,
            pool=pool,
            sticky=sticky or pool.router.sticky,
            count_tokens=count_tokens,
        )

    def decide(self, query: object, options: RouteOptions) -> Decision:
        """Choose the model for one query.

        Args:
            query: Anything `Router.route` takes; of a chat history only the part up to the user
                turn that `sticky` names decides, and all of it limits who may answer.
            options: What is asked of the router.

        Raises:
            EmptyPoolError: No model may answer.
            UnknownModelError: `options` names a model that the pool does not have.
            KnnRouterError: Routing failed, and the pool names no default.
        """
        decided = self._together((_Asked(query, query),), options)[0]
        if isinstance(decided, Exception):
            raise decided
        return decided

    def decide_many(
        self,
        queries: Sequence[object],
        options: Sequence[RouteOptions],
        *,
        prompts: Sequence[object] | None = None,
        vectors: Sequence[Row | None] | None = None,
    ) -> list[Decision | Exception]:
        """Choose for many queries, with one embedding and one search for those of equal options.

        Args:
            queries: As for `decide`, `n` of them.
            options: As for `decide`, one for each query.
            prompts: All that the model will read for each query, where that is more than the
                query and what its stickiness leaves out; None: the queries.
            vectors: As for `Router.route_many`.

        Returns:
            For each query the decision, or the error that `decide` raises.

        Raises:
            ValueError: There are more or fewer options, prompts or vectors than queries.
        """
        prompts = queries if prompts is None else prompts
        vectors = [None] * len(queries) if vectors is None else vectors
        for what, given in (("options", options), ("prompts", prompts), ("vectors", vectors)):
            if len(given) != len(queries):
                raise ValueError(
                    f"{len(given)} {what} for {len(queries)} queries; give one for each query"
                )
        all_asked = [_Asked(*each) for each in zip(queries, prompts, vectors, strict=True)]
        decided: dict[int, Decision | Exception] = {}
        for places, asked in _alike(options):
            together = self._together([all_asked[place] for place in places], asked)
            decided.update(zip(places, together, strict=True))
        return [decided[place] for place in range(len(queries))]

    def keep(
        self, values: Mapping[str, Any] | None, query: object, options: RouteOptions
    ) -> Decision | None:
        """The decision of an earlier call of the same turn or thread, as far as it still holds.

        Args:
            values: Its summary; None where there is none.
            query: All that the model will read now.
            options: What is asked of the router now.

        Returns:
            The decision, its ranking without the models that may not answer now. None where a new
            one is needed: its own model may not answer, the call names a model, each call shall
            be decided by itself, or the values are no summary.
        """
        if values is None or self.sticky == "call" or options.model is not None:
            return None
        try:
            decision = Decision.from_summary(values)
            eligible = self.eligible(query, options)
        except _FAILURES:  # a stranger's summary; or what deciding anew tells properly
            return None
        if decision.model not in eligible or not set(decision.ranking) <= set(self.pool.names):
            return None  # may not answer now; or another router decided
        ranking = tuple(name for name in dict.fromkeys(decision.ranking) if name in eligible)
        return replace(decision, ranking=ranking)

    def order(self, decision: Decision) -> tuple[str, ...]:
        """Who is asked for an answer, in turn: the chosen model, then its fallbacks."""
        fallbacks = self.pool.router.fallbacks
        if fallbacks == "auto":
            return decision.ranking
        others = (name for name in fallbacks if name in decision.ranking)
        return (decision.model, *(name for name in others if name != decision.model))

    def route(self, decision: Decision, *, shadow: str | None = None) -> Route:
        """What becomes of a decision.

        Args:
            decision: The decision.
            shadow: The name of who answers alone while decisions are only recorded; None: act on
                the decision. A model that the call names answers in any case.
        """
        if shadow is not None and decision.reason_code != "forced":
            return Route(decision=decision, order=(shadow,), shadow=True)
        return Route(decision=decision, order=self.order(decision))

    def warm_up(self, make: Callable[[str], object] | None = None) -> None:
        """Load the router, and make what answers for each enabled model.

        Args:
            make: Makes it, by the name of a model; None where nothing is to be made.

        Raises:
            StoreError: The router cannot be loaded.
            PoolError: What answers cannot be made; all problems are told at once.
        """
        self.router().route_many([])
        if make is None:
            return
        problems: list[str] = []
        for name in self.pool.enabled_names:
            try:
                make(name)
            except PoolError as error:
                problems.extend(error.problems)
        if problems:
            raise PoolError(problems)

    def eligible(self, query: object, options: RouteOptions) -> tuple[str, ...]:
        """The names of the models that may answer, in the order of the pool.

        Raises:
            EmptyPoolError: None may; the message names what removed each.
            UnknownModelError: `options` names a model that the pool does not have.
            QueryError: The query's shape is not understood.
        """
        read = read_query(query)
        hook = self.count_tokens
        tokens = count_tokens(read.prompt_bytes) if hook is None else hook(query)
        return self._eligible(options.needing(*sorted(read.needs)), tokens)

    def _eligible(self, options: RouteOptions, prompt_tokens: int | None) -> tuple[str, ...]:
        forced = options.model
        return self.pool.eligible(
            allow=options.allow if forced is None else (forced,),
            require=options.require,
            tags=options.tags if forced is None else (),
            prompt_tokens=prompt_tokens,
        )

    def _together(
        self, queries: Sequence[_Asked], options: RouteOptions
    ) -> list[Decision | Exception]:
        """For each query the decision, or the error that is raised."""
        if options.model is not None:
            return [self._forced(asked.prompt, options) for asked in queries]
        try:
            router = self.router()
        except _FAILURES as error:
            return [self._despite(error, asked.prompt, options) for asked in queries]
        return self._routed(router, queries, options)

    def _routed(
        self, router: Router, queries: Sequence[_Asked], options: RouteOptions
    ) -> list[Decision | Exception]:
        """The same, once the router is there.

        One query that fails must not fail the others, so the halves of a batch that failed are
        tried again by themselves; but not where a service is down, which would be asked for long.
        """
        try:
            return [*self._decisions(router, queries, options)]
        except _FAILURES as error:
            failed = error
        if len(queries) == 1 or self._is_down(router, queries, options, failed):
            return [self._despite(failed, asked.prompt, options) for asked in queries]
        middle = len(queries) // 2
        halves = queries[:middle], queries[middle:]
        return [each for half in halves for each in self._routed(router, half, options)]

    def _is_down(
        self, router: Router, queries: Sequence[_Asked], options: RouteOptions, failed: Exception
    ) -> bool:
        """Whether what failed would fail for any query."""
        if isinstance(failed, KnnRouterError) or len(queries) < 3:
            return False
        for place in (0, -1):
            try:
                self._decisions(router, (queries[place],), options)
            except _FAILURES as error:
                if type(error) is not type(failed):
                    return False
            else:
                return False
        return True

    def _decisions(
        self, router: Router, queries: Sequence[_Asked], options: RouteOptions
    ) -> list[Decision]:
        return router.route_many(
            [routed_part(asked.query, self.sticky) for asked in queries],
            prompts=[asked.prompt for asked in queries],
            vectors=[asked.vector for asked in queries],
            policy=options.policy,
            allow=options.allow,
            require=options.require,
            tags=options.tags,
        )

    def _forced(self, query: object, options: RouteOptions) -> Decision | Exception:
        try:
            named = self._eligible_at_least(query, options)
        except MISTAKES as mistake:
            return mistake
        return _unvoted(named, reason="the caller named it", code="forced", policy="forced")

    def _despite(
        self, error: Exception, query: object, options: RouteOptions
    ) -> Decision | Exception:
        """What holds although routing failed: the default's answer, or the error."""
        default = self.pool.router.default
        if default is None or isinstance(error, MISTAKES):
            return error
        try:
            eligible = self._eligible_at_least(query, options)
        except MISTAKES as mistake:
            return mistake
        kind = type(error).__name__
        chosen = default if default in eligible else eligible[0]
        logger.warning("routing failed (%s); %s answers", kind, chosen)
        ranking = (chosen, *(name for name in eligible if name != chosen))
        why = "the pool's default" if chosen == default else f"{default} may not answer; the next"
        reason = f"routing failed ({kind}); {why} answers"
        decision = _unvoted(ranking, reason=reason, code="routing_failed", policy="default")
        return replace(decision, fallback=True)

    def _eligible_at_least(self, query: object, options: RouteOptions) -> tuple[str, ...]:
        """`eligible`, as far as the query can be read and its tokens be counted."""
        try:
            return self.eligible(query, options)
        except MISTAKES:
            raise
        except QueryError:  # nothing is known of what cannot be read
            return self._eligible(options, None)
        except _FAILURES:  # the caller's counter failed; the bytes tell, too
            return replace(self, count_tokens=None).eligible(query, options)


def _unvoted(ranking: tuple[str, ...], *, reason: str, code: str, policy: str) -> Decision:
    """A decision that no evidence speaks for."""
    unknown = dict.fromkeys(ranking, math.nan)
    return Decision(
        id=os.urandom(8).hex(),
        model=ranking[0],
        ranking=ranking,
        scores=unknown,
        costs=unknown,
        stderr=unknown,
        support=dict.fromkeys(ranking, 0.0),
        similarity=math.nan,
        reason=reason,
        reason_code=code,
        policy=policy,
    )


def _alike(options: Sequence[RouteOptions]) -> Iterator[tuple[list[int], RouteOptions]]:
    """The places of equal options, and the options; policies need not be hashable."""
    left = list(range(len(options)))
    while left:
        first = options[left[0]]
        yield [place for place in left if options[place] == first], first
        left = [place for place in left if options[place] != first]

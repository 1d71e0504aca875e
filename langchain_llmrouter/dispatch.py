"""Route first, then hand the very same call to what was chosen, inside one parent run.

No run of a model is opened here: the chosen one opens its own, so that usage is counted once and
each streamed token appears once.
"""

from __future__ import annotations

import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, ExitStack, aclosing, closing
from dataclasses import replace
from functools import cached_property
from typing import Any, Self, TypeAlias, cast

from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from langchain_core.runnables.config import get_config_list, run_in_executor
from pydantic import model_validator

from knnrouter import Decision
from knnrouter.errors import PoolError, QueryError
from knnrouter.serving import (
    OPTION_IDS,
    Attempts,
    Gathering,
    Route,
    RouteOptions,
    abegun,
    begun,
)

from .deferred import Call
from .settings import ErrorTypes, RoutingSettings
from .stamps import last_stamp, traced

__all__ = ["Dispatching", "is_graph_signal", "only"]

_PLANNED = "__knnrouter_planned__"
"""Where a batch puts a decision for `invoke`, which takes it out again before a run opens."""

_FAILURES: tuple[type[Exception], ...] = (Exception,)
"""What reading an input can raise; counters of tokens and messages may be anybody's code."""

_Asked: TypeAlias = tuple[Any, RunnableConfig, Call]
"""An input, the configuration of its run, and the call."""


def is_graph_signal(error: BaseException) -> bool:
    """Whether an error is LangGraph's way to interrupt or leave a graph, and no failure."""
    errors = sys.modules.get("langgraph.errors")  # not loaded: no such error can have been made
    return errors is not None and isinstance(error, errors.GraphBubbleUp)


class Dispatching(RoutingSettings, RunnableSerializable[Any, Any]):
    """Routes a call, and hands it to what was chosen; `_target` says what that is."""

    fallback_on: ErrorTypes = (Exception,)
    """The errors of a model that let the next of the ranking answer. LangGraph's signals and
    mistakes in the setting of the router never do."""
    shadow: bool = False
    """Decide and record, but let the pool's default answer."""

    @model_validator(mode="after")
    def _check_shadow(self) -> Self:
        if self.shadow:
            _ = self._shadow_name
        return self

    def _target(self, name: str) -> Runnable[Any, Any]:
        """What answers for a model of the pool."""
        raise NotImplementedError

    def _query(self, given: Any) -> Any:
        """What of the input is routed."""
        return given

    def _marked(self, output: Any, values: dict[str, Any], call: Call) -> Any:
        """The output with the decision in it, where it has a place for it."""
        return output

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Route the input, and let the chosen one answer; `model=name` names it instead."""
        call, config = self._begun(kwargs, config)

        def run(given: Any, run_manager: object, config: RunnableConfig) -> Any:
            route = self._route(given, config, call)

            def ask(name: str) -> Any:
                target = call.on(self._target(name))
                return target.invoke(given, self._traced(config, route, name), **call.arguments)

            answer = self._attempts.ask(route.order, ask)
            return self._marked(answer.value, route.values(answer), call)

        return self._call_with_config(run, input, config)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """`invoke`, awaited; a thread of its own routes all that are awaited at the same time."""
        call, config = self._begun(kwargs, config)

        async def run(given: Any, run_manager: object, config: RunnableConfig) -> Any:
            route = await self._aroute(given, config, call)

            async def ask(name: str) -> Any:
                target = call.on(await self._atarget(name))
                traced_config = self._traced(config, route, name)
                return await target.ainvoke(given, traced_config, **call.arguments)

            answer = await self._attempts.aask(route.order, ask)
            return self._marked(answer.value, route.values(answer), call)

        return await self._acall_with_config(run, input, config)

    def stream(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Route the input, and stream what the chosen one answers.

        Another is asked only before the first chunk; after it, an error is the caller's.
        """
        call, config = self._begun(kwargs, config)
        streams = ExitStack()

        def run(
            inputs: Iterator[Any], run_manager: object, config: RunnableConfig
        ) -> Iterator[Any]:
            given = next(inputs)

            def start(target: Runnable[Any, Any], config: RunnableConfig) -> Iterator[Any]:
                return target.stream(given, config, **call.arguments)

            chunks, values = self._started(given, config, call, start)
            streams.enter_context(closing(chunks))
            for place, chunk in enumerate(chunks):
                yield chunk if place else self._marked(chunk, values, call)

        with streams:  # whoever stops reading ends the model's run first, then its parent
            chunks = self._transform_stream_with_config(iter([input]), run, config)
            streams.enter_context(closing(cast("Generator[Any]", chunks)))
            for chunk in chunks:  # noqa: UP028  # `yield from` would close the parent first
                yield chunk

    async def astream(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """`stream`, awaited."""
        call, config = self._begun(kwargs, config)
        streams = AsyncExitStack()

        async def run(
            inputs: AsyncIterator[Any], run_manager: object, config: RunnableConfig
        ) -> AsyncIterator[Any]:
            given = await anext(inputs)

            def start(target: Runnable[Any, Any], config: RunnableConfig) -> AsyncIterator[Any]:
                return target.astream(given, config, **call.arguments)

            chunks, values = await self._astarted(given, config, call, start)
            await streams.enter_async_context(aclosing(chunks))
            first = True
            async for chunk in chunks:
                yield self._marked(chunk, values, call) if first else chunk
                first = False

        async with streams:
            chunks = self._atransform_stream_with_config(only(input), run, config)
            await streams.enter_async_context(aclosing(cast("AsyncGenerator[Any]", chunks)))
            async for chunk in chunks:
                yield chunk

    def batch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """`invoke` of many, with one embedding and one search for all."""
        if not inputs:
            return []
        configs = self._planned(inputs, get_config_list(config, len(inputs)), Call.of(kwargs))
        return super().batch(inputs, configs, return_exceptions=return_exceptions, **kwargs)

    async def abatch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """`batch`, awaited."""
        if not inputs:
            return []
        configs = get_config_list(config, len(inputs))
        configs = await run_in_executor(None, self._planned, inputs, configs, Call.of(kwargs))
        return await super().abatch(inputs, configs, return_exceptions=return_exceptions, **kwargs)

    def warmup(self) -> None:
        """Load the router and build all that can answer, instead of at the first call.

        Raises:
            KnnRouterError: Something cannot be loaded or built; of clients, all are told.
        """
        self.decider.warm_up(self._target)

    # How a call is routed.

    @property
    def _attempts(self) -> Attempts:
        return Attempts(fallback_on=self.fallback_on, let_through=is_graph_signal)

    async def _atarget(self, name: str) -> Runnable[Any, Any]:
        return await run_in_executor(None, self._target, name)

    def _begun(
        self, arguments: Mapping[str, Any], config: RunnableConfig | None
    ) -> tuple[Call, RunnableConfig | None]:
        """The call, with what a batch decided for it, and the configuration of its parent run."""
        call, configurable = Call.of(arguments), (config or {}).get("configurable") or {}
        if config is not None and _PLANNED in configurable:
            left = {key: value for key, value in configurable.items() if key != _PLANNED}
            call = replace(call, planned=configurable[_PLANNED])
            config = {**config, "configurable": left}
        return call, self._configured(config)

    def _configured(self, config: RunnableConfig | None) -> RunnableConfig | None:
        """The configuration of the parent run."""
        return config

    def _traced(self, config: RunnableConfig, route: Route, name: str) -> RunnableConfig:
        """The configuration of the call to a model; what was meant for this router ends here."""
        config = traced(config, route.decision, name, shadow=route.shadow)
        left = {
            key: value
            for key, value in (config.get("configurable") or {}).items()
            if key not in OPTION_IDS.values()
        }
        return {**config, "configurable": left}

    def _started(
        self,
        given: Any,
        config: RunnableConfig,
        call: Call,
        start: Callable[[Runnable[Any, Any], RunnableConfig], Iterator[Any]],
    ) -> tuple[Generator[Any], dict[str, Any]]:
        """The chunks of the first that gives one, and the decision as they carry it."""
        route = self._route(given, config, call)

        def ask(name: str) -> Generator[Any]:
            target = call.on(self._target(name))
            return begun(iter(start(target, self._traced(config, route, name))))

        answer = self._attempts.ask(route.order, ask)
        return answer.value, route.values(answer)

    async def _astarted(
        self,
        given: Any,
        config: RunnableConfig,
        call: Call,
        start: Callable[[Runnable[Any, Any], RunnableConfig], AsyncIterator[Any]],
    ) -> tuple[AsyncGenerator[Any], dict[str, Any]]:
        """`_started`, awaited."""
        route = await self._aroute(given, config, call)

        async def ask(name: str) -> AsyncGenerator[Any]:
            target = call.on(await self._atarget(name))
            return await abegun(aiter(start(target, self._traced(config, route, name))))

        answer = await self._attempts.aask(route.order, ask)
        return answer.value, route.values(answer)

    async def _aroute(self, given: Any, config: RunnableConfig, call: Call) -> Route:
        if call.planned is None:
            call = replace(call, planned=await self._gathering.of((given, config, call)))
        return self._route(given, config, call)

    @cached_property
    def _gathering(self) -> Gathering[_Asked, Decision | Exception]:
        """Decides on all calls that are awaited at the same time together."""
        return Gathering(self._plans)

    def _route(self, given: Any, config: RunnableConfig, call: Call) -> Route:
        decision = call.planned or self._plans(((given, config, call),))[0]
        if isinstance(decision, Exception):
            raise decision
        return self.decider.route(decision, shadow=self._shadow_name if self.shadow else None)

    def _asked(self, config: RunnableConfig, call: Call) -> RouteOptions:
        return self._options(config, model=call.forced).needing(*call.needs)

    def _planned(
        self, inputs: Sequence[Any], configs: Sequence[RunnableConfig], call: Call
    ) -> list[RunnableConfig]:
        """The configurations with a decision in each, or with the error of deciding."""
        pairs = zip(inputs, configs, strict=True)
        plans = self._plans([(given, config, call) for given, config in pairs])
        return [
            {**config, "configurable": {**(config.get("configurable") or {}), _PLANNED: plan}}
            for config, plan in zip(configs, plans, strict=True)
        ]

    def _plans(self, calls: Sequence[_Asked]) -> list[Decision | Exception]:
        """For each call the decision, or the error that it must raise."""
        plans: dict[int, Decision | Exception] = {}
        left: dict[int, tuple[Any, RouteOptions]] = {}
        for place, (given, config, call) in enumerate(calls):
            try:
                query, options = self._query(given), self._asked(config, call)
            except _FAILURES as error:
                plans[place] = error
                continue
            kept = self._kept(query, options)
            if kept is None:
                left[place] = query, options
            else:
                plans[place] = kept
        queries, asked = [query for query, _ in left.values()], [each for _, each in left.values()]
        plans.update(zip(left, self.decider.decide_many(queries, asked), strict=True))
        return [plans[place] for place in range(len(calls))]

    def _kept(self, query: Any, options: RouteOptions) -> Decision | None:
        """The decision of this user turn, where an answer in the history carries it.

        So no tool loop changes its model, not even after a fallback, and nothing is remembered
        outside the conversation.
        """
        if self.shadow or not isinstance(query, list):
            return None
        try:
            values = last_stamp(query)
        except QueryError:  # deciding tells it properly
            return None
        return self.decider.keep(values, query, options)

    @property
    def _shadow_name(self) -> str:
        default = self.pool.router.default
        if default is None:
            raise PoolError(
                "shadow is set, but the pool states no router.default; name the model there that "
                "answers while decisions are only recorded"
            )
        return default


async def only(value: Any) -> AsyncIterator[Any]:
    """One value, as a stream."""
    yield value

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
)
from contextlib import AsyncExitStack, ExitStack, aclosing, closing
from typing import Any, cast

from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from langchain_core.runnables.config import get_config_list, run_in_executor

from knnrouter.serving import (
    OPTION_IDS,
    Attempts,
    ErrorTypes,
    Route,
    abegun,
    begun,
)

from .deferred import Call
from .planning import Planning
from .stamps import traced

__all__ = ["Dispatching", "is_graph_signal", "only"]


def is_graph_signal(error: BaseException) -> bool:
    """Whether an error is LangGraph's way to interrupt or leave a graph, and no failure."""
    errors = sys.modules.get("langgraph.errors")  # not loaded: no such error can have been made
    return errors is not None and isinstance(error, errors.GraphBubbleUp)


class Dispatching(Planning, RunnableSerializable[Any, Any]):
    """Routes a call, and hands it to what was chosen; `_target` says what that is."""

    fallback_on: ErrorTypes = (Exception,)
    """The errors of a model that let the next of the ranking answer. LangGraph's signals and
    mistakes in the setting of the router never do."""

    def _target(self, name: str) -> Runnable[Any, Any]:
        """What answers for a model of the pool."""
        raise NotImplementedError

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


async def only(value: Any) -> AsyncIterator[Any]:
    """One value, as a stream."""
    yield value

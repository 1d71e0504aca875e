"""Route first, then hand the very same call to the LLM that was chosen.

The router fires no LLM event of its own: the chosen LLM's pair is the only one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar, cast

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse
from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.llms.function_calling import FunctionCallingLLM

from knnrouter import Decision
from knnrouter.errors import QueryError
from knnrouter.serving import (
    KEY,
    OPTION_IDS,
    Attempts,
    Decider,
    Gathering,
    Route,
    RouteOptions,
    Turns,
    abegun,
    begun,
    filled,
    options_of,
)

from .events import tell

__all__ = ["Call", "Dispatch"]

T = TypeVar("T")
Ask = Callable[[FunctionCallingLLM, dict[str, Any]], T]
"""Calls a method of an LLM with the arguments that are left for it."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """The arguments of one call, sorted: what is routed, and what the chosen LLM gets."""

    query: Any
    """What is routed: a text or messages."""
    prompt: Any
    """All that the LLM will read; it limits who may answer."""
    options: Mapping[str, Any]
    """What is asked of the router, by short names."""
    needs: tuple[str, ...]
    """The capabilities that an LLM must have for the call."""
    arguments: Mapping[str, Any] = field(repr=False)
    """The rest, for the LLM."""

    @classmethod
    def of(
        cls,
        query: Any,
        arguments: Mapping[str, Any],
        *,
        prompt: Any = None,
        needs: tuple[str, ...] = (),
    ) -> Call:
        """Sort the arguments of a call; `model=name` is short for the option of that name."""
        options = options_of(arguments)
        rest = {key: value for key, value in arguments.items() if key not in OPTION_IDS.values()}
        if (forced := rest.pop("model", None)) is not None:
            options["model"] = forced
        return cls(
            query=query,
            prompt=query if prompt is None else prompt,
            options=options,
            needs=needs,
            arguments=rest,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Dispatch:
    """Decides on calls, and lets the chosen LLM answer; another where it fails."""

    decider: Decider
    llm: Callable[[str], FunctionCallingLLM]
    """The LLM of a model of the pool."""
    allm: Callable[[str], Awaitable[FunctionCallingLLM]]
    """The same, awaited."""
    options: Mapping[str, Any]
    """What every call asks of the router, by short names, unless it says otherwise."""
    attempts: Attempts
    shadow: str | None
    """Who answers while decisions are only recorded; None: decisions are acted on."""
    turns: Turns
    """What was decided for the user turns that go on."""

    def answered(self, call: Call, ask: Ask[T]) -> T:
        """The answer of the first that gives one."""
        route = self._told(call, self._decided((call,))[0])
        answer = self.attempts.ask(
            route.order, lambda name: ask(self.llm(name), dict(call.arguments))
        )
        return _marked(answer.value, self._remembered(call, route, route.values(answer)))

    async def aanswered(self, call: Call, ask: Ask[Awaitable[T]]) -> T:
        """`answered`, awaited."""
        route = self._told(call, await self._gathering.of(call))

        async def one(name: str) -> T:
            return await ask(await self.allm(name), dict(call.arguments))

        answer = await self.attempts.aask(route.order, one)
        return _marked(answer.value, self._remembered(call, route, route.values(answer)))

    def streamed(self, call: Call, ask: Ask[Generator[T]]) -> Generator[T]:
        """The chunks of the first that gives one; after it, an error is the caller's."""
        route = self._told(call, self._decided((call,))[0])
        answer = self.attempts.ask(
            route.order, lambda name: begun(ask(self.llm(name), dict(call.arguments)))
        )
        values = self._remembered(call, route, route.values(answer))
        return _marked_chunks(answer.value, values)

    async def astreamed(
        self, call: Call, ask: Ask[Awaitable[AsyncGenerator[T]]]
    ) -> AsyncGenerator[T]:
        """`streamed`, awaited."""
        route = self._told(call, await self._gathering.of(call))

        async def one(name: str) -> AsyncGenerator[T]:
            return await abegun(await ask(await self.allm(name), dict(call.arguments)))

        answer = await self.attempts.aask(route.order, one)
        values = self._remembered(call, route, route.values(answer))
        return _amarked_chunks(answer.value, values)

    def needing(self, capability: str) -> tuple[str, ...]:
        """A capability, if any LLM has it; where none has, LlamaIndex makes do without."""
        had = any(capability in spec.capabilities for spec in self.decider.pool.enabled)
        return (capability,) if had else ()

    @cached_property
    def _gathering(self) -> Gathering[Call, Decision | Exception]:
        return Gathering(self._decided)

    def _decided(self, calls: Sequence[Call]) -> list[Decision | Exception]:
        """For each call the decision of its turn, or the error that it must raise."""
        options = [
            RouteOptions.of({**self.options, **call.options}).needing(*call.needs) for call in calls
        ]
        held = [self._held(call, asked) for call, asked in zip(calls, options, strict=True)]

        def decided(left: Sequence[int]) -> list[Decision | Exception]:
            return self.decider.decide_many(
                [calls[place].query for place in left],
                [options[place] for place in left],
                prompts=[calls[place].prompt for place in left],
            )

        return filled(held, decided)

    def _held(self, call: Call, options: RouteOptions) -> Decision | None:
        """The decision of the user turn that the call goes on with."""
        if self.shadow is not None:
            return None
        try:
            values = self.turns.get(call.query, self.decider.sticky)
        except QueryError:  # deciding tells it properly
            return None
        return self.decider.keep(values, call.prompt, options)

    def _told(self, call: Call, decision: Decision | Exception) -> Route:
        """The route of a decision, once those who listen were told."""
        if isinstance(decision, Exception):
            raise decision
        route = self.decider.route(decision, shadow=self.shadow)
        tell(decision, shadow=route.shadow)
        return route

    def _remembered(self, call: Call, route: Route, values: dict[str, Any]) -> dict[str, Any]:
        """The values, kept for the rest of the user turn."""
        if self.shadow is None:
            with suppress(QueryError):  # a default answered what cannot be read
                self.turns.put(call.query, self.decider.sticky, values)
        return values


def _marked(answer: T, values: dict[str, Any]) -> T:
    """The answer with the decision in it, where it has a place for it."""
    if isinstance(answer, ChatResponse | CompletionResponse):
        told = {**answer.additional_kwargs, KEY: values}
        return cast("T", answer.model_copy(update={"additional_kwargs": told}))
    if isinstance(answer, AgentChatResponse):
        return cast("T", replace(answer, metadata={**(answer.metadata or {}), KEY: values}))
    return answer


def _marked_chunks(chunks: Generator[T], values: dict[str, Any]) -> Generator[T]:
    with closing(chunks):
        for chunk in chunks:
            yield _marked(chunk, values)


async def _amarked_chunks(chunks: AsyncGenerator[T], values: dict[str, Any]) -> AsyncGenerator[T]:
    async with aclosing(chunks):
        async for chunk in chunks:
            yield _marked(chunk, values)

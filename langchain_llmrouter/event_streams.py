"""LangChain's v3 event streams, fed from an iterator that the router runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from knnrouter.serving import KEY

from .deferred import Call, DeferredSchema
from .dispatch import Dispatching, only

__all__ = ["AsyncRoutedStream", "Event", "EventStreaming", "RoutedStream"]

Event = dict[str, Any]
"""A protocol event of a chat model, such as `message-start`."""


class RoutedStream(ChatModelStream):
    """A chat model's stream whose events come from an iterator; nothing starts before it is read.

    Args:
        events: The events of one message. It is read to its end before the message is complete.
    """

    def __init__(self, events: Iterator[Event]) -> None:
        super().__init__()
        self._source = events
        self.bind_pump(self._pump)

    def _pump(self) -> bool:
        if self.done:
            return False
        try:
            event = next(self._source, None)
            last = [] if event is None or not _is_last(event) else list(self._source)
        except BaseException as error:
            self.fail(error)
            if not isinstance(error, Exception):
                raise
            return False
        if event is None:
            return False
        for each in (event, *last):
            self.dispatch(each)
        return True


class AsyncRoutedStream(AsyncChatModelStream):
    """`RoutedStream` for readers that await: a task of its own reads for all of them.

    So a reader that is canceled takes nothing from the others.

    Args:
        events: As for `RoutedStream`.
    """

    def __init__(self, events: AsyncIterator[Event]) -> None:
        super().__init__()
        self._source = events
        self._reading: asyncio.Task[None] | None = None
        self.set_start(self._start)

    async def _start(self) -> None:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        last: list[Event] = []
        try:
            async for event in self._source:
                if last or _is_last(event):
                    last.append(event)
                else:
                    self.dispatch(event)
        except BaseException as error:
            self.fail(error)
            if not isinstance(error, Exception):
                raise
            return
        for event in last:
            self.dispatch(event)
        if not self.done:
            self.fail(RuntimeError("the model's stream ended before its message was complete"))

    async def aclose(self) -> None:
        """Stop reading, let the model stop, and wait until all runs have ended."""
        if self._reading is not None:
            if not self.done:
                self._reading.cancel()
            await asyncio.wait((self._reading,))
        if not self.done:
            self.fail(asyncio.CancelledError())


class EventStreaming(Dispatching, BaseChatModel):
    """Streams of events, of version 3; the older versions follow from `astream`."""

    def stream_events(  # type: ignore[override] # the versions are told apart by the base class
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        version: str = "v2",
        **kwargs: Any,
    ) -> Iterator[Any] | RoutedStream:
        """`BaseChatModel.stream_events`; the first and the last event carry the decision."""
        if version != "v3":
            older: Any = super().stream_events  # which tells the versions apart itself
            return cast("Iterator[Any]", older(input, config, version=version, **kwargs))
        call, config = self._events_begun(kwargs, config)

        def run(
            inputs: Iterator[Any], run_manager: object, config: RunnableConfig
        ) -> Iterator[Event]:
            given, ids = next(inputs), _MessageId()

            def start(model: Any, config: RunnableConfig) -> Iterator[Event]:
                return ids.of(model.stream_events(given, config, version="v3", **call.arguments))

            events, values = self._started(given, config, call, start)
            for event in events:
                yield _marked(event, values, ids.message_id)

        return RoutedStream(self._transform_stream_with_config(iter([input]), run, config))

    def astream_events(  # type: ignore[override] # as above
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        version: str = "v2",
        **kwargs: Any,
    ) -> AsyncIterator[Any] | Awaitable[AsyncRoutedStream]:
        """`stream_events`, awaited."""
        if version != "v3":
            older: Any = super().astream_events
            return cast("AsyncIterator[Any]", older(input, config, version=version, **kwargs))
        return self._routed_events(input, config, kwargs)

    def _events_begun(
        self, arguments: Mapping[str, Any], config: RunnableConfig | None
    ) -> tuple[Call, RunnableConfig]:
        """As `_begun`; the configuration is that of now, whoever reads the events later."""
        call, config = self._begun(arguments, config)
        if isinstance(call.binding, DeferredSchema):
            raise NotImplementedError(
                'events of version="v3" are those of a message, and a structured output is none; '
                'use version="v2", or stream(), or leave with_structured_output out'
            )
        return call, ensure_config(config)

    async def _routed_events(
        self,
        input: Any,
        config: RunnableConfig | None,
        arguments: Mapping[str, Any],
    ) -> AsyncRoutedStream:
        call, config = self._events_begun(arguments, config)

        async def run(
            inputs: AsyncIterator[Any], run_manager: object, config: RunnableConfig
        ) -> AsyncIterator[Event]:
            given, ids = await anext(inputs), _MessageId()

            async def start(model: Any, config: RunnableConfig) -> AsyncIterator[Event]:
                stream = await model.astream_events(given, config, version="v3", **call.arguments)
                async with stream:
                    async for event in ids.aof(stream):
                        yield event

            events, values = await self._astarted(given, config, call, start)
            async for event in events:
                yield _marked(event, values, ids.message_id)

        return AsyncRoutedStream(self._atransform_stream_with_config(only(input), run, config))


class _MessageId:
    """Keeps the id of the message whose events pass through."""

    message_id: str | None = None

    def of(self, stream: ChatModelStream) -> Iterator[Event]:
        for event in stream:
            self.message_id = stream.message_id
            yield cast("Event", event)

    async def aof(self, stream: AsyncChatModelStream) -> AsyncIterator[Event]:
        async for event in stream:
            self.message_id = stream.message_id
            yield event


def _is_last(event: Event) -> bool:
    return event.get("event") == "message-finish"


def _marked(event: Event, values: dict[str, Any], message_id: str | None) -> Event:
    """The event with the decision in it, if it is the first or the last of its message."""
    kind = event.get("event")
    if kind not in ("message-start", "message-finish"):
        return event
    marked = {**event, "metadata": {**(event.get("metadata") or {}), KEY: values}}
    if kind == "message-start" and message_id is not None:
        marked.setdefault("id", message_id)
    return marked

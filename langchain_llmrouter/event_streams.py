"""LangChain's v3 event streams, fed from an iterator that the router runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream
from langchain_core.runnables import RunnableConfig

from .deferred import BIND, Call, DeferredSchema
from .dispatch import Dispatching
from .stamps import KEY

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
    """`RoutedStream` for readers that await."""

    def __init__(self, events: AsyncGenerator[Event, None]) -> None:
        super().__init__()
        self._source = events
        self._turn = asyncio.Lock()  # several readers may pull at once
        self.set_arequest_more(self._pump)

    async def _pump(self) -> bool:
        async with self._turn:
            if self.done:
                return False
            try:
                event = await anext(self._source, None)
                last = []
                if event is not None and _is_last(event):
                    last = [each async for each in self._source]
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

    async def aclose(self) -> None:
        """Stop reading, and let the model stop."""
        await self._source.aclose()
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
        if version != "v3" or isinstance(kwargs.get(BIND), DeferredSchema):
            older: Any = super().stream_events  # which tells the versions apart itself
            return cast("Iterator[Any]", older(input, config, version=version, **kwargs))
        call = Call.of(kwargs)

        def run(
            inputs: Iterator[Any], run_manager: object, config: RunnableConfig
        ) -> Iterator[Event]:
            given, ids = next(inputs), _MessageId()

            def start(model: Any, config: RunnableConfig) -> Iterator[Event]:
                return ids.of(model.stream_events(given, config, version="v3", **call.arguments))

            events, values = self._started(given, config, call, start)
            for event in events:
                yield _marked(event, values, ids.message_id)

        return RoutedStream(
            self._transform_stream_with_config(iter([input]), run, self._configured(config))
        )

    def astream_events(  # type: ignore[override] # as above
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        version: str = "v2",
        **kwargs: Any,
    ) -> AsyncIterator[Any] | Awaitable[AsyncRoutedStream]:
        """`stream_events`, awaited."""
        if version != "v3" or isinstance(kwargs.get(BIND), DeferredSchema):
            older: Any = super().astream_events
            return cast("AsyncIterator[Any]", older(input, config, version=version, **kwargs))
        return self._routed_events(input, config, Call.of(kwargs))

    async def _routed_events(
        self,
        input: Any,
        config: RunnableConfig | None,
        call: Call,
    ) -> AsyncRoutedStream:
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

        async def once() -> AsyncIterator[Any]:
            yield input

        events = self._atransform_stream_with_config(once(), run, self._configured(config))
        return AsyncRoutedStream(cast("AsyncGenerator[Event, None]", events))


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

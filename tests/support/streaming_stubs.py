"""Chat models whose streams can be held up, and tell when they were stopped."""

import asyncio

from chat_stubs import StubChat
from pydantic import Field


class WatchedChat(StubChat):
    """Streams in the event loop, and waits `pause` seconds after its first chunk.

    `waits` is not empty once it does; `closed` says whether a stream was left or read to its end.
    """

    pause: float = 0.0
    waits: list = Field(default_factory=list, exclude=True)
    closed: list = Field(default_factory=list, exclude=True)

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        try:
            yield from super()._stream(messages, stop, run_manager, **kwargs)
        finally:
            self.closed.append("stream")

    async def _astream(self, messages, stop=None, run_manager=None, **kwargs):
        try:
            for place, chunk in enumerate(super()._stream(messages, stop, None, **kwargs)):
                if place == 1:
                    self.waits.append(self.pause)
                    await asyncio.sleep(self.pause)
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
        finally:
            self.closed.append("astream")

    async def waiting(self):
        """Until it waits."""
        while not self.waits:
            await asyncio.sleep(0.001)


class NativeChat(StubChat):
    """Makes events of version 3 by itself, and leaves the message's id and end to LangChain."""

    def _events(self, messages):
        block = {"type": "text", "text": f"{self.model}: {messages[-1].text}"}
        return [
            {"event": "message-start", "metadata": {"provider": "stub", "model": self.model}},
            {"event": "content-block-start", "index": 0, "content": {"type": "text", "text": ""}},
            {"event": "content-block-finish", "index": 0, "content": block},
        ]

    def _stream_chat_model_events(self, messages, stop=None, run_manager=None, **kwargs):
        yield from self._events(messages)

    async def _astream_chat_model_events(self, messages, stop=None, run_manager=None, **kwargs):
        for event in self._events(messages):
            yield event

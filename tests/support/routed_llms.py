"""LLMs of LlamaIndex behind a router whose choices are known; see `routed_chats`."""

import asyncio

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from llm_stubs import StubLLM
from routed_chats import CODE, NAMES, evidence

from llamaindex_llmrouter import KNNRouterLLM

SAID = [ChatMessage(CODE)]


def stubs(kind=StubLLM, **fields):
    """A stub for each model; `fields` holds the fields of some of them, by name."""
    return {name: kind(model=name, **fields.get(name, {})) for name in NAMES}


def routed(models=None, pool=None, **fields):
    """The LLM that routes among stubs."""
    router = evidence() if pool is None else evidence().with_pool(pool)
    return KNNRouterLLM(router=router, models=models or stubs(), **fields)


def look(place: str) -> str:
    """Look around; what is found is about poems, whatever was asked."""
    return "Write a sonnet on the sea and the moon."


LOOK = FunctionTool.from_defaults(look)


def stamp_of(response):
    return response.additional_kwargs["knnrouter"]


def called(models):
    """Who was asked, and how often."""
    return {name: len(model.seen) for name, model in models.items() if model.seen}


# Every way to chat; each returns the chunks, a whole answer as one.


def chat(llm, messages=SAID, **kwargs):
    return [llm.chat(messages, **kwargs)]


def achat(llm, messages=SAID, **kwargs):
    return [asyncio.run(llm.achat(messages, **kwargs))]


def stream_chat(llm, messages=SAID, **kwargs):
    return list(llm.stream_chat(messages, **kwargs))


def astream_chat(llm, messages=SAID, **kwargs):
    return _read(llm.astream_chat(messages, **kwargs))


def _read(awaited):
    async def read():
        return [chunk async for chunk in await awaited]

    return asyncio.run(read())


CHATS = (chat, achat, stream_chat, astream_chat)


def complete(llm, text=CODE, **kwargs):
    return [llm.complete(text, **kwargs)]


def acomplete(llm, text=CODE, **kwargs):
    return [asyncio.run(llm.acomplete(text, **kwargs))]


def stream_complete(llm, text=CODE, **kwargs):
    return list(llm.stream_complete(text, **kwargs))


def astream_complete(llm, text=CODE, **kwargs):
    return _read(llm.astream_complete(text, **kwargs))


COMPLETES = (complete, acomplete, stream_complete, astream_complete)


def with_tools(llm, messages=SAID, **kwargs):
    return [llm.chat_with_tools([LOOK], chat_history=list(messages), **kwargs)]


def awith_tools(llm, messages=SAID, **kwargs):
    awaited = llm.achat_with_tools([LOOK], chat_history=list(messages), **kwargs)
    return [asyncio.run(awaited)]


def stream_with_tools(llm, messages=SAID, **kwargs):
    return list(llm.stream_chat_with_tools([LOOK], chat_history=list(messages), **kwargs))


def astream_with_tools(llm, messages=SAID, **kwargs):
    return _read(llm.astream_chat_with_tools([LOOK], chat_history=list(messages), **kwargs))


WITH_TOOLS = (with_tools, awith_tools, stream_with_tools, astream_with_tools)


def name_of(call):
    """For the ids of tests."""
    return getattr(call, "__name__", None)

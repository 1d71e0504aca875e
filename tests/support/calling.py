"""Every way to call a chat model, as one function: the text goes in, one message comes out."""

import asyncio
import functools
import operator

from langchain_core.messages import HumanMessage
from langchain_core.prompt_values import StringPromptValue


def _merged(chunks):
    return functools.reduce(operator.add, chunks)


def invoke(chat, text, config=None, **arguments):
    return chat.invoke(text, config, **arguments)


def ainvoke(chat, text, config=None, **arguments):
    return asyncio.run(chat.ainvoke(text, config, **arguments))


def stream(chat, text, config=None, **arguments):
    return _merged(chat.stream(text, config, **arguments))


def astream(chat, text, config=None, **arguments):
    async def call():
        return _merged([chunk async for chunk in chat.astream(text, config, **arguments)])

    return asyncio.run(call())


def batch(chat, text, config=None, **arguments):
    return chat.batch([text, text], config, **arguments)[1]


def abatch(chat, text, config=None, **arguments):
    return asyncio.run(chat.abatch([text, text], config, **arguments))[1]


def batch_as_completed(chat, text, config=None, **arguments):
    return dict(chat.batch_as_completed([text, text], config, **arguments))[1]


def abatch_as_completed(chat, text, config=None, **arguments):
    async def call():
        pairs = chat.abatch_as_completed([text, text], config, **arguments)
        return {place: message async for place, message in pairs}[1]

    return asyncio.run(call())


def _of_config(config):
    config = dict(config or {})
    config.pop("configurable", None)
    return config


def generate(chat, text, config=None, **arguments):
    result = chat.generate([[HumanMessage(text)]], **_of_config(config), **arguments)
    return result.generations[0][0].message


def agenerate(chat, text, config=None, **arguments):
    call = chat.agenerate([[HumanMessage(text)]], **_of_config(config), **arguments)
    return asyncio.run(call).generations[0][0].message


def generate_prompt(chat, text, config=None, **arguments):
    result = chat.generate_prompt([StringPromptValue(text=text)], **_of_config(config), **arguments)
    return result.generations[0][0].message


def agenerate_prompt(chat, text, config=None, **arguments):
    prompts = [StringPromptValue(text=text)]
    call = chat.agenerate_prompt(prompts, **_of_config(config), **arguments)
    return asyncio.run(call).generations[0][0].message


def stream_events_v3(chat, text, config=None, **arguments):
    return chat.stream_events(text, config, version="v3", **arguments).output


def astream_events_v3(chat, text, config=None, **arguments):
    async def call():
        return await (await chat.astream_events(text, config, version="v3", **arguments))

    return asyncio.run(call())


ONE_CALL = (
    invoke, ainvoke, stream, astream, generate, agenerate, generate_prompt, agenerate_prompt,
    stream_events_v3, astream_events_v3,
)  # fmt: skip
"""Those that call a model once."""

BATCHES = (batch, abatch, batch_as_completed, abatch_as_completed)
"""Those that call it twice."""

WAYS = ONE_CALL + BATCHES

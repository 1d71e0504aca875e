"""Streams: stopping one stops the model, and an error is the reader's once something was read."""

import asyncio

import pytest
from langchain_core.runnables import RunnableLambda
from routed_chats import CODE, routed, stamp_of, stubs
from streaming_stubs import WatchedChat


def test_leaving_a_stream_stops_the_model_and_then_ends_the_runs(log):
    models = stubs(WatchedChat)
    chunks = routed(models).stream(CODE, {"callbacks": [log]})
    assert next(chunks).text == "coder: "
    assert models["coder"].closed == []
    chunks.close()
    assert models["coder"].closed == ["stream"]
    assert log.endings == [("model", "error"), ("chain", "end")]


async def test_leaving_an_awaited_stream_stops_the_model_and_then_ends_the_runs(log):
    models = stubs(WatchedChat)
    chunks = routed(models).astream(CODE, {"callbacks": [log]})
    assert (await anext(chunks)).text == "coder: "
    await chunks.aclose()
    assert models["coder"].closed == ["astream"]
    assert log.endings == [("model", "error"), ("chain", "error")]


async def test_canceling_the_reader_of_a_stream_stops_the_model(log):
    models = stubs(WatchedChat, coder={"pause": 30.0})

    async def read():
        return [chunk async for chunk in routed(models).astream(CODE, {"callbacks": [log]})]

    reading = asyncio.create_task(read())
    await models["coder"].waiting()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert models["coder"].closed == ["astream"]
    assert log.endings == [("model", "error"), ("chain", "error")]
    assert [model.seen for name, model in models.items() if name != "coder"] == [[], []]


def test_a_stream_that_nobody_reads_starts_nothing(chat, models, log):
    chat.stream(CODE, {"callbacks": [log]}).close()
    assert (log.runs, models["coder"].seen) == ({}, [])


def test_an_error_before_the_first_chunk_lets_the_next_model_answer():
    chat = routed(stubs(coder={"fails": TimeoutError("slow"), "fails_after": 0}))
    first, *others = chat.stream(CODE)
    stamp = stamp_of(first)
    assert (stamp["model"], stamp["failed"]) == (
        "clerk",
        [{"model": "coder", "error": "TimeoutError"}],
    )
    assert sum(others, first).text.rstrip() == f"clerk: {CODE}"


async def test_an_error_before_the_first_awaited_chunk_lets_the_next_model_answer():
    chat = routed(stubs(coder={"fails": TimeoutError("slow"), "fails_after": 0}))
    first, *others = [chunk async for chunk in chat.astream(CODE)]
    assert stamp_of(first)["answered_by"] == "clerk"
    assert sum(others, first).text.rstrip() == f"clerk: {CODE}"


def test_an_error_after_the_first_chunk_is_the_readers(log):
    models = stubs(coder={"fails": TimeoutError("slow"), "fails_after": 2})
    read = []
    with pytest.raises(TimeoutError, match="slow"):
        read.extend(routed(models).stream(CODE, {"callbacks": [log]}))
    assert [chunk.text for chunk in read] == ["coder: ", "Sort "]
    assert log.endings == [("model", "error"), ("chain", "error")]
    assert models["clerk"].seen == []


async def test_an_error_after_the_first_awaited_chunk_is_the_readers(log):
    models = stubs(coder={"fails": TimeoutError("slow"), "fails_after": 2})
    read = []
    with pytest.raises(TimeoutError, match="slow"):
        async for chunk in routed(models).astream(CODE, {"callbacks": [log]}):
            read += [chunk]
    assert [chunk.text for chunk in read] == ["coder: ", "Sort "]
    assert log.endings == [("model", "error"), ("chain", "error")]


def test_chunks_come_as_the_model_makes_them(chat, log):
    """Nothing is held back: after one chunk was read, one token was made."""
    chunks = chat.stream(CODE, {"callbacks": [log]})
    next(chunks)
    assert log.tokens == ["coder: "]
    chunks.close()


def test_within_a_chain_chunks_come_one_by_one(chat):
    chain = RunnableLambda(lambda text: text) | chat
    assert len(list(chain.stream(CODE))) == len(list(chat.stream(CODE))) > 3

"""Event streams of version 3: as the model's own, with the decision in the first and last event."""

import asyncio

import pytest
from chat_stubs import StubChat
from langchain_core.language_models.chat_model_stream import (
    AsyncChatModelStream,
    ChatModelStream,
)
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import BaseModel
from routed_chats import CODE, POEM, routed, stamp_of, stubs, told
from streaming_stubs import NativeChat, WatchedChat

pytestmark = pytest.mark.filterwarnings("ignore:.*is in beta.*")


@tool
def weather(city: str, days: int) -> str:
    """The weather in a city."""
    return f"{city}: sun for {days} days"


def _without_decision(event):
    metadata = {k: v for k, v in (event.get("metadata") or {}).items() if k != "knnrouter"}
    return {**event, "metadata": metadata, "id": None}


def test_events_are_those_of_the_model_and_the_decision(chat):
    own = list(StubChat(model="coder").stream_events(CODE, version="v3"))
    stream = chat.stream_events(CODE, version="v3")
    assert isinstance(stream, ChatModelStream)
    events = list(stream)
    assert [*map(_without_decision, events)] == [*map(_without_decision, own)]
    marked = [event["event"] for event in events if "knnrouter" in (event.get("metadata") or {})]
    assert marked == ["message-start", "message-finish"]
    assert told(events[0]["metadata"]["knnrouter"]) == told(stamp_of(chat.invoke(CODE)))


async def test_awaited_events_are_those_of_the_model_and_the_decision(chat):
    own = await StubChat(model="coder").astream_events(CODE, version="v3")
    stream = await chat.astream_events(CODE, version="v3")
    assert isinstance(stream, AsyncChatModelStream)
    events = [event async for event in stream]
    assert [*map(_without_decision, events)] == [_without_decision(each) async for each in own]
    assert events[0]["metadata"]["knnrouter"]["model"] == "coder"


def test_projections_of_a_text(chat, log):
    stream = chat.stream_events(POEM, {"callbacks": [log]}, version="v3")
    words = list(stream.text)
    assert "".join(words).rstrip() == str(stream.text).rstrip() == f"poet: {POEM}"
    assert len(words) > 3
    assert stream.tool_calls.get() == []
    assert stream.output.usage_metadata["total_tokens"] == 10
    assert stream.output.id == f"lc_run--{log.of('model')[0].id}"


def test_projections_of_a_tool_call(chat):
    stream = chat.bind_tools([weather]).stream_events(CODE, version="v3")
    (call,) = stream.tool_calls.get()
    assert (call["name"], call["args"]["days"]) == ("weather", 3)
    assert stream.output.tool_calls[0]["name"] == "weather"
    assert stamp_of(stream.output)["model"] == "coder"


async def test_awaited_projections_of_a_tool_call(chat):
    stream = await chat.bind_tools([weather]).astream_events(CODE, version="v3")
    (call,) = await stream.tool_calls
    assert (call["name"], call["args"]["days"]) == ("weather", 3)


async def test_a_model_that_makes_its_own_events(log):
    chat = routed(stubs(NativeChat))
    config = {"callbacks": [log]}
    message = chat.stream_events(CODE, config, version="v3").output
    awaited = await (await chat.astream_events(CODE, config, version="v3"))
    ids = [f"lc_run--{run.id}" for run in log.of("model")]
    for each, id_ in zip((message, awaited), ids, strict=True):
        assert (each.text, each.id, stamp_of(each)["model"]) == (f"coder: {CODE}", id_, "coder")
    assert log.endings == [("model", "end"), ("chain", "end")] * 2


async def test_several_readers_read_the_whole(log):
    models = stubs(WatchedChat)
    stream = await routed(models).astream_events(CODE, {"callbacks": [log]}, version="v3")

    async def words():
        return "".join([word async for word in stream.text]).rstrip()

    async def events():
        return [event["event"] async for event in stream]

    first, second, kinds, text, message = await asyncio.gather(
        words(), words(), events(), stream.text, stream
    )
    assert first == second == text.rstrip() == f"coder: {CODE}"
    assert (kinds[0], kinds[-1]) == ("message-start", "message-finish")
    assert stamp_of(message)["model"] == "coder"
    assert len(models["coder"].seen) == 1
    assert log.endings == [("model", "end"), ("chain", "end")]


async def test_a_reader_that_gives_up_takes_nothing_from_the_others(log):
    models = stubs(WatchedChat, coder={"pause": 0.05})
    stream = await routed(models).astream_events(CODE, {"callbacks": [log]}, version="v3")
    patient = asyncio.ensure_future(stream.output)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stream.text, timeout=0.01)
    assert (await patient).text.rstrip() == f"coder: {CODE}"
    assert log.endings == [("model", "end"), ("chain", "end")]


async def _closed_by_context(stream, model):
    async with stream:
        async for _ in stream.text:
            await model.waiting()
            break


async def _closed_by_hand(stream, model):
    await anext(aiter(stream))
    await model.waiting()
    await stream.aclose()
    await stream.aclose()


async def _closed_while_another_reads(stream, model):
    reading = asyncio.ensure_future(stream.output)
    await model.waiting()
    await stream.aclose()
    with pytest.raises(asyncio.CancelledError):
        await reading


@pytest.mark.parametrize(
    "close", [_closed_by_context, _closed_by_hand, _closed_while_another_reads]
)
async def test_closing_early_stops_the_model_and_ends_the_runs(log, close):
    models = stubs(WatchedChat, coder={"pause": 30.0})
    stream = await routed(models).astream_events(CODE, {"callbacks": [log]}, version="v3")
    await close(stream, models["coder"])
    assert models["coder"].closed == ["astream"]
    assert log.endings == [("model", "error"), ("chain", "error")]
    with pytest.raises(asyncio.CancelledError):
        await stream.output


async def test_closing_before_anything_was_read_starts_nothing(chat, models, log):
    async with await chat.astream_events(CODE, {"callbacks": [log]}, version="v3"):
        pass
    assert (log.runs, models["coder"].seen) == ({}, [])


async def test_closing_after_the_end_changes_nothing(chat, log):
    stream = await chat.astream_events(CODE, {"callbacks": [log]}, version="v3")
    message = await stream
    await stream.aclose()
    assert (await stream.output) == message
    assert log.endings == [("model", "end"), ("chain", "end")]


async def test_a_stream_that_is_left_runs_to_its_end_as_any_models_does(log):
    models = stubs(WatchedChat)
    stream = await routed(models).astream_events(CODE, {"callbacks": [log]}, version="v3")
    async for _ in stream.text:
        break
    while len(log.finished) < 2:
        await asyncio.sleep(0.001)
    assert log.endings == [("model", "end"), ("chain", "end")]


def test_an_error_before_the_first_event_lets_the_next_model_answer(log):
    models = stubs(coder={"fails": TimeoutError("slow"), "fails_after": 0})
    message = routed(models).stream_events(CODE, {"callbacks": [log]}, version="v3").output
    assert stamp_of(message)["failed"] == [{"model": "coder", "error": "TimeoutError"}]
    assert message.text.rstrip() == f"clerk: {CODE}"
    assert log.endings == [("model", "error"), ("model", "end"), ("chain", "end")]


async def test_an_error_before_the_first_awaited_event_lets_the_next_model_answer(log):
    models = stubs(coder={"fails": TimeoutError("slow"), "fails_after": 0})
    stream = await routed(models).astream_events(CODE, {"callbacks": [log]}, version="v3")
    assert stamp_of(await stream)["answered_by"] == "clerk"
    assert log.endings == [("model", "error"), ("model", "end"), ("chain", "end")]


def test_an_error_after_the_first_event_reaches_the_reader(log):
    models = stubs(coder={"fails": TimeoutError("slow"), "fails_after": 2})
    stream = routed(models).stream_events(CODE, {"callbacks": [log]}, version="v3")
    read = []
    with pytest.raises(TimeoutError, match="slow"):
        read.extend(stream.text)
    assert read == ["coder: ", "Sort "]
    with pytest.raises(TimeoutError, match="slow"):
        _ = stream.output
    assert log.endings == [("model", "error"), ("chain", "error")]
    assert models["clerk"].seen == []


async def test_an_error_after_the_first_awaited_event_reaches_every_reader(log):
    models = stubs(coder={"fails": TimeoutError("slow"), "fails_after": 2})
    stream = await routed(models).astream_events(CODE, {"callbacks": [log]}, version="v3")
    results = await asyncio.gather(stream.text, stream.output, stream, return_exceptions=True)
    assert [(type(each), str(each)) for each in results] == [(TimeoutError, "slow")] * 3
    assert log.endings == [("model", "error"), ("chain", "error")]


async def test_a_routing_error_reaches_the_reader(chat, log):
    stream = await chat.astream_events(CODE, {"callbacks": [log]}, version="v3", model="nobody")
    with pytest.raises(LookupError, match="nobody"):
        await stream
    with pytest.raises(LookupError, match="nobody"):
        _ = chat.stream_events(CODE, {"callbacks": [log]}, version="v3", model="nobody").output
    assert log.endings == [("chain", "error"), ("chain", "error")]


async def test_the_configuration_is_that_of_the_call_whoever_reads_later(log):
    """A stream that a node of a chain made is read elsewhere; it belongs to the node."""
    made = []

    async def node(text):
        made.append(await routed().astream_events(text, version="v3"))
        return text

    await RunnableLambda(node).ainvoke(CODE, {"callbacks": [log]})
    await made[0]
    (model,) = log.of("model")
    assert log.runs[log.runs[model.parent].parent].name == "node"


class _Answer(BaseModel):
    """An answer."""

    number: int


async def test_a_structured_output_has_no_message_events(chat):
    structured = chat.with_structured_output(_Answer)
    with pytest.raises(NotImplementedError, match="use version="):
        structured.stream_events(CODE, version="v3")
    with pytest.raises(NotImplementedError, match="use version="):
        await structured.astream_events(CODE, version="v3")
    events = [each async for each in structured.astream_events(CODE, version="v2")]
    assert events[-1]["data"]["output"] == _Answer(number=3)

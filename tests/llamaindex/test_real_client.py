"""The LLM over a real client: LlamaIndex's for OpenAI, against a server on loopback."""

import asyncio
import functools

import httpx
import openai
import pytest
from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI
from openai_server import Behavior, openai_server
from pydantic import BaseModel, Field

from knnrouter import RecordSet, Router
from knnrouter.errors import UnknownModelError
from llamaindex_llmrouter import KNNRouterLLM

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

MODELS = {"small": "gpt-4o-mini", "medium": "gpt-4o", "large": "gpt-4.1"}
WEATHER = "What is the weather in Paris?"  # small, then medium, then large
SONNET = "Write a sonnet on the sea."  # large, then medium, then small
RECORDS = RecordSet.from_rows(
    [
        {"query": WEATHER, "small": 1.0, "medium": 0.5, "large": 0.0},
        {"query": SONNET, "small": 0.0, "medium": 0.5, "large": 1.0},
    ]
)
ROUTER = Router.fit(RECORDS)
KEY = "marked-key"


class Trip(BaseModel):
    """A trip."""

    city: str = Field(description="Where to.")
    days: int


def weather(city: str, days: int) -> str:
    """Tell the weather."""
    return f"sun in {city} for {days} days"


def tides(place: str) -> str:
    """Tell the tides."""
    return f"high at {place}"


TOOLS = [FunctionTool.from_defaults(fn=weather), FunctionTool.from_defaults(fn=tides)]


@pytest.fixture(scope="module")
def running():
    with openai_server() as server:
        yield server


@pytest.fixture
def server(running):
    running.reset(key=KEY)
    return running


def bare(server, name, **settings):
    """One client, as a user makes it."""
    return _client(server.url, MODELS[name], **settings)


@functools.cache  # to make one takes longer than to ask it
def _client(url, model, **settings):
    settings = {"api_key": KEY, "max_retries": 0, "timeout": 5.0, **settings}
    return OpenAI(model=model, api_base=url, **settings)


def routed(server, **settings):
    return KNNRouterLLM(
        router=ROUTER, models={name: bare(server, name, **settings) for name in MODELS}
    )


def user(text):
    return [ChatMessage(role="user", content=text)]


async def last(chunks):
    """The last chunk, which holds all, and the parts of the text."""
    chunks = [chunk async for chunk in chunks]
    return chunks[-1], [chunk.delta for chunk in chunks if chunk.delta]


async def ask(llm, way, given, **arguments):
    """The answer, by any of the ways to ask for one."""
    method = getattr(llm, way)
    if way.startswith("astream"):
        return (await last(await method(given, **arguments)))[0]
    if way.startswith("a"):
        return await method(given, **arguments)
    if way.startswith("stream"):
        return (await asyncio.to_thread(lambda: list(method(given, **arguments))))[-1]
    return await asyncio.to_thread(method, given, **arguments)


def said(answer):
    return answer.message.content if hasattr(answer, "message") else answer.text


CHATS = ["chat", "achat", "stream_chat", "astream_chat"]
COMPLETIONS = ["complete", "acomplete", "stream_complete", "astream_complete"]
WITH_TOOLS = [f"{way}_with_tools" for way in CHATS]
each_way = pytest.mark.parametrize("way", [*CHATS, *COMPLETIONS])
each_chat = pytest.mark.parametrize("way", CHATS)
each_with_tools = pytest.mark.parametrize("way", WITH_TOOLS)


def query_for(way, text):
    return text if way in COMPLETIONS else user(text)


class TestAnswers:
    @each_way
    @pytest.mark.parametrize(("query", "name"), [(WEATHER, "small"), (SONNET, "large")])
    async def test_the_right_model_is_asked_once_and_says_so(self, server, way, query, name):
        answer = await ask(routed(server), way, query_for(way, query))
        assert server.asked == [MODELS[name]]
        assert said(answer) == f"{MODELS[name]} answers in four words"
        told = answer.additional_kwargs["knnrouter"]
        assert (told["model"], told["answered_by"], told["failed"]) == (name, name, [])

    @each_way
    async def test_the_request_is_that_of_the_llm_alone(self, server, way):
        arguments, query = {"stop": ["four"], "seed": 7}, query_for(way, WEATHER)
        answer = await ask(routed(server, temperature=0.3), way, query, **arguments)
        alone = await ask(bare(server, "small", temperature=0.3), way, query, **arguments)
        ours, theirs = server.requests
        assert (ours.path, ours.body) == (theirs.path, theirs.body)
        assert (ours.body["stop"], ours.body["seed"]) == (["four"], 7)
        assert ours.body["temperature"] == 0.3
        assert said(answer) == said(alone) == "gpt-4o-mini answers in "

    @pytest.mark.parametrize("way", ["stream_chat", "astream_chat"])
    async def test_tokens_arrive_one_by_one(self, server, way):
        if way == "astream_chat":
            whole, parts = await last(await routed(server).astream_chat(user(SONNET)))
        else:
            chunks = list(routed(server).stream_chat(user(SONNET)))
            whole, parts = chunks[-1], [chunk.delta for chunk in chunks if chunk.delta]
            assert all(each.additional_kwargs["knnrouter"]["model"] == "large" for each in chunks)
        assert parts == ["gpt-4.1", " answers", " in", " four", " words"]
        assert whole.message.content == "".join(parts)

    def test_tokens_are_counted_once(self, server):
        bare_counter, counter = (
            TokenCountingHandler(tokenizer=str.split, verbose=False) for _ in range(2)
        )
        for llm, each in (
            (routed(server, callback_manager=CallbackManager([counter])), counter),
            (bare(server, "small", callback_manager=CallbackManager([bare_counter])), bare_counter),
        ):
            llm.chat(user(WEATHER))
            assert len(each.llm_token_counts) == 1
        assert counter.total_llm_token_count == bare_counter.total_llm_token_count > 0

    def test_a_forced_model(self, server):
        answer = routed(server).chat(user(WEATHER), model="medium")
        assert server.asked == ["gpt-4o"]
        assert answer.additional_kwargs["knnrouter"]["reason_code"] == "forced"
        with pytest.raises(UnknownModelError):
            routed(server).chat(user(WEATHER), model="gpt-4o")
        assert server.asked == ["gpt-4o"]

    async def test_many_at_once_go_each_to_its_own(self, server):
        llm = routed(server)
        answers = await asyncio.gather(*(llm.achat(user(q)) for q in [WEATHER, SONNET] * 10))
        assert [said(each).split()[0] for each in answers] == ["gpt-4o-mini", "gpt-4.1"] * 10


# The framework's own: its workflows look at every attribute of an agent.
of_workflows = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")


@of_workflows
class TestTools:
    @each_with_tools
    @pytest.mark.parametrize(
        "options",
        [{}, {"tool_required": True}, {"allow_parallel_tool_calls": True}, {"tool_choice": "none"}],
        ids=str,
    )
    async def test_tools_are_sent_whole(self, server, way, options):
        llm, alone = routed(server, strict=True), bare(server, "small", strict=True)
        answer = await ask(llm, way, TOOLS, user_msg=WEATHER, **options)
        theirs = await ask(alone, way, TOOLS, user_msg=WEATHER, **options)
        ours, expected = server.bodies
        assert ours == expected
        assert [each["function"]["name"] for each in ours["tools"]] == ["weather", "tides"]
        assert ours["tools"][0]["function"]["strict"] is True
        (call,) = llm.get_tool_calls_from_response(answer)
        assert [call] == alone.get_tool_calls_from_response(theirs)
        assert (call.tool_name, call.tool_kwargs["days"]) == ("weather", 3)

    def test_a_tool_loop_stays_with_its_model(self, server):
        llm, history = routed(server), user(WEATHER)
        answer = llm.chat_with_tools(TOOLS, chat_history=history)
        (call,) = llm.get_tool_calls_from_response(answer)
        result = "Write a sonnet on the sea, the sea, the sea."  # a tool's text decides nothing
        told = {"tool_call_id": call.tool_id}
        history += [
            answer.message,
            ChatMessage(role="tool", content=result, additional_kwargs=told),
        ]
        answer = llm.chat_with_tools(TOOLS, chat_history=history)
        assert server.asked == ["gpt-4o-mini", "gpt-4o-mini"]
        assert answer.message.content == "gpt-4o-mini answers in four words"
        roles = [message["role"] for message in server.bodies[1]["messages"]]
        assert roles == ["user", "assistant", "tool"]
        assert "knnrouter" not in str(server.bodies[1])

    async def test_predict_and_call(self, server):
        answer = routed(server).predict_and_call(TOOLS, user_msg=WEATHER)
        awaited = await routed(server).apredict_and_call(TOOLS, user_msg=WEATHER)
        assert server.asked == ["gpt-4o-mini", "gpt-4o-mini"]
        assert str(answer) == str(awaited)
        assert str(answer).startswith("sun in ")

    @pytest.mark.parametrize("streaming", [True, False])
    @pytest.mark.parametrize(("query", "name"), [(WEATHER, "small"), (SONNET, "large")])
    async def test_an_agent_decides_once_a_turn(self, server, streaming, query, name):
        agent = FunctionAgent(tools=TOOLS, llm=routed(server), streaming=streaming)
        running = agent.run(query)
        events = [event async for event in running.stream_events()]
        output = await running
        assert server.asked == [MODELS[name]] * 2
        assert output.response.content == f"{MODELS[name]} answers in four words"
        assert [call.tool_name for call in output.tool_calls] == ["weather"]
        if streaming:
            parts = [event.delta for event in events if isinstance(event, AgentStream)]
            assert "".join(parts) == output.response.content
        (first, second) = server.bodies
        assert [each["role"] for each in second["messages"]][-2:] == ["assistant", "tool"]
        assert second["messages"][-1]["content"].startswith("sun in ")
        assert first["tools"] == second["tools"]
        assert "knnrouter" not in str(second)

    async def test_an_agent_whose_model_fails_goes_on_with_another(self, server):
        server.behaviors["gpt-4o-mini"] = Behavior(status=500)
        output = await FunctionAgent(tools=TOOLS, llm=routed(server)).run(WEATHER)
        assert output.response.content == "gpt-4o answers in four words"
        assert server.asked[:2] == ["gpt-4o-mini", "gpt-4o"]
        assert server.asked[-1] == "gpt-4o"


PROMPT = PromptTemplate("Answer at once: {query_str}")


class TestStructuredOutput:
    @pytest.mark.parametrize("asynchronous", [False, True])
    @pytest.mark.parametrize("strict", [False, True])
    async def test_the_schema_is_sent_whole(self, server, asynchronous, strict):
        found = []
        for llm in (routed(server, strict=strict), bare(server, "small", strict=strict)):
            if asynchronous:
                found.append(await llm.astructured_predict(Trip, PROMPT, query_str=WEATHER))
            else:
                found.append(llm.structured_predict(Trip, PROMPT, query_str=WEATHER))
        ours, theirs = server.bodies
        assert ours == theirs
        assert found[0] == found[1]
        assert isinstance(found[0], Trip)
        assert found[0].days == 3
        assert "Where to." in str(ours)
        assert ours["messages"][-1]["content"] == f"Answer at once: {WEATHER}"

    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_it_streams(self, server, asynchronous):
        llm = routed(server)
        if asynchronous:
            stream = await llm.astream_structured_predict(Trip, PROMPT, query_str=SONNET)
            found = [each async for each in stream]
        else:
            found = list(llm.stream_structured_predict(Trip, PROMPT, query_str=SONNET))
        assert found[-1].days == 3
        assert server.asked == ["gpt-4.1"]

    def test_as_a_structured_llm(self, server):
        answer = routed(server).as_structured_llm(Trip).chat(user(WEATHER))
        assert isinstance(answer.raw, Trip)
        assert server.asked == ["gpt-4o-mini"]


class TestFallback:
    @each_way
    @pytest.mark.parametrize(
        ("behavior", "error"),
        [
            (Behavior(status=429), openai.RateLimitError),
            (Behavior(status=500), openai.InternalServerError),
            (Behavior(hangs=True), openai.APITimeoutError),
        ],
        ids=["429", "500", "timeout"],
    )
    async def test_the_next_of_the_ranking_answers(self, server, way, behavior, error):
        server.behaviors |= {"gpt-4o-mini": behavior, "gpt-4o": Behavior(status=500)}
        models = {name: bare(server, name) for name in MODELS}
        models["small"] = bare(server, "small", timeout=0.3)  # the others have all the time
        llm = KNNRouterLLM(router=ROUTER, models=models)
        answer = await ask(llm, way, query_for(way, WEATHER))
        assert server.asked == ["gpt-4o-mini", "gpt-4o", "gpt-4.1"]
        assert said(answer) == "gpt-4.1 answers in four words"
        told = answer.additional_kwargs["knnrouter"]
        assert (told["answered_by"], told["reason_code"]) == ("large", "model_failed")
        assert told["failed"] == [
            {"model": "small", "error": error.__name__},
            {"model": "medium", "error": "InternalServerError"},
        ]

    @each_with_tools
    async def test_with_tools_too_and_the_one_that_answered_reads_them(self, server, way):
        server.behaviors["gpt-4o-mini"] = Behavior(status=429)
        llm = routed(server)
        answer = await ask(llm, way, TOOLS, user_msg=WEATHER)
        assert server.asked == ["gpt-4o-mini", "gpt-4o"]
        assert answer.additional_kwargs["knnrouter"]["answered_by"] == "medium"
        assert [each.tool_name for each in llm.get_tool_calls_from_response(answer)] == ["weather"]

    async def test_the_error_of_the_last_is_the_callers(self, server):
        server.behaviors |= {
            "gpt-4o-mini": Behavior(status=500),
            "gpt-4o": Behavior(status=500),
            "gpt-4.1": Behavior(status=429),
        }
        with pytest.raises(openai.RateLimitError, match="refused with 429"):
            await routed(server).achat(user(WEATHER))
        assert server.asked == ["gpt-4o-mini", "gpt-4o", "gpt-4.1"]

    def test_only_the_errors_that_are_named(self, server):
        server.behaviors["gpt-4o-mini"] = Behavior(status=500)
        models = {name: bare(server, name) for name in MODELS}
        named = (openai.RateLimitError,)
        llm = KNNRouterLLM(router=ROUTER, models=models, fallback_on=named)
        with pytest.raises(openai.InternalServerError):
            llm.chat(user(WEATHER))
        assert server.asked == ["gpt-4o-mini"]

    @pytest.mark.parametrize("after", [1, 3])
    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_a_stream_that_breaks_is_not_begun_again(self, server, asynchronous, after):
        server.behaviors["gpt-4o-mini"] = Behavior(breaks_after=after)
        llm, seen = routed(server), []
        if asynchronous:
            chunks = await llm.astream_chat(user(WEATHER))
        else:
            chunks = llm.stream_chat(user(WEATHER))
        with pytest.raises((openai.APIConnectionError, httpx.RemoteProtocolError)):
            while True:
                chunk = await anext(chunks) if asynchronous else next(chunks)
                seen.append(chunk.delta)
        assert server.asked == ["gpt-4o-mini"]
        assert seen == ["", "gpt-4o-mini", " answers"][:after]

    @pytest.mark.parametrize("way", ["stream_chat", "astream_chat"])
    async def test_one_that_breaks_before_its_first_chunk_is(self, server, way):
        server.behaviors["gpt-4o-mini"] = Behavior(breaks_after=0)
        answer = await ask(routed(server), way, user(WEATHER))
        assert server.asked == ["gpt-4o-mini", "gpt-4o"]
        assert said(answer) == "gpt-4o answers in four words"

    def test_a_wrong_key_is_told_of(self, server):
        with pytest.raises(openai.AuthenticationError, match="refused with 401"):
            routed(server, api_key="another").chat(user(WEATHER))
        assert server.asked == ["gpt-4o-mini", "gpt-4o", "gpt-4.1"]

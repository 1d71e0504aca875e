"""The chat model over a real client: LangChain's for OpenAI, against a server on loopback."""

import asyncio
import functools

import httpx
import openai
import pytest
from chat_stubs import Recorder
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai_server import Behavior, openai_server
from pydantic import BaseModel, Field

from knnrouter import ModelPool, RecordSet, Router
from langchain_llmrouter import ChatKNNRouter

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

NAMES = ("small", "medium", "large")
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


@tool
def weather(city: str, days: int) -> str:
    """Tell the weather."""
    return f"sun in {city} for {days} days"


@tool
def tides(place: str) -> str:
    """Tell the tides."""
    return f"high at {place}"


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
    return _client(server.url, name, **settings)


@functools.cache  # to make one takes longer than to ask it
def _client(url, name, **settings):
    settings = {"api_key": KEY, "max_retries": 0, "timeout": 5.0, **settings}
    return ChatOpenAI(model=name, base_url=url, stream_usage=True, **settings)


def routed(server, *, router=ROUTER, **settings):
    models = {name: bare(server, name, **settings) for name in NAMES}
    return ChatKNNRouter(router=router, models=models)


async def collect(chunks):
    return [chunk async for chunk in chunks]


def whole(chunks):
    """The message that chunks make."""
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    return total


async def ask(chat, way, given, **arguments):
    """The answer, by any of the ways to ask for one."""
    if way == "invoke":
        return await asyncio.to_thread(chat.invoke, given, **arguments)
    if way == "ainvoke":
        return await chat.ainvoke(given, **arguments)
    if way == "stream":
        return whole(await asyncio.to_thread(lambda: list(chat.stream(given, **arguments))))
    return whole(await collect(chat.astream(given, **arguments)))


each_way = pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])


class TestAnswers:
    @each_way
    @pytest.mark.parametrize(("query", "name"), [(WEATHER, "small"), (SONNET, "large")])
    async def test_the_right_model_is_asked_once_and_says_so(self, server, way, query, name):
        recorder = Recorder()
        answer = await ask(routed(server), way, query, config={"callbacks": [recorder]})
        assert server.asked == [name]
        assert answer.text == f"{name} answers in four words"
        assert answer.response_metadata["model_name"] == name
        assert answer.response_metadata["knnrouter"]["model"] == name
        assert answer.response_metadata["knnrouter"]["answered_by"] == name
        assert answer.usage_metadata["input_tokens"] == 7
        assert answer.usage_metadata["output_tokens"] == 3
        assert recorder.count("chat_model") == 1
        (response,) = [end for kind, end in recorder.ends if kind == "chat_model"]
        assert response.generations[0][0].message.usage_metadata["total_tokens"] == 10

    @each_way
    async def test_the_request_is_that_of_the_model_alone(self, server, way):
        arguments = {"stop": ["four"], "seed": 7}
        answer = await ask(routed(server, temperature=0.3), way, WEATHER, **arguments)
        alone = await ask(bare(server, "small", temperature=0.3), way, WEATHER, **arguments)
        ours, theirs = server.bodies
        assert ours == theirs
        assert (ours["stop"], ours["seed"], ours["temperature"]) == (["four"], 7, 0.3)
        assert answer.text == alone.text == "small answers in "

    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_tokens_arrive_one_by_one(self, server, asynchronous):
        recorder = Recorder()
        chat, config = routed(server), {"callbacks": [recorder]}
        if asynchronous:
            chunks = await collect(chat.astream(SONNET, config))
        else:
            chunks = list(chat.stream(SONNET, config))
        words = ["large", " answers", " in", " four", " words"]
        assert [chunk.text for chunk in chunks if chunk.text] == words
        assert [token for token in recorder.tokens if token] == words
        assert ["knnrouter" in chunk.response_metadata for chunk in chunks] == [
            True,
            *[False] * (len(chunks) - 1),
        ]
        assert [
            chunk.usage_metadata["total_tokens"] for chunk in chunks if chunk.usage_metadata
        ] == [10]

    def test_a_batch_goes_to_each_ones_model(self, server):
        answers = routed(server).batch([WEATHER, SONNET] * 4, {"max_concurrency": 4})
        assert [answer.text.split()[0] for answer in answers] == ["small", "large"] * 4
        assert sorted(server.asked) == ["large"] * 4 + ["small"] * 4

    async def test_an_awaited_batch_too(self, server):
        answers = await routed(server).abatch([WEATHER, SONNET] * 4)
        assert [answer.text.split()[0] for answer in answers] == ["small", "large"] * 4

    def test_a_forced_model(self, server):
        answer = routed(server).invoke(WEATHER, model="medium")
        assert server.asked == ["medium"]
        assert answer.response_metadata["knnrouter"]["reason_code"] == "forced"


class TestTools:
    @each_way
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"tool_choice": "tides"},
            {"tool_choice": "any", "parallel_tool_calls": False},
            {"strict": True},
            {"tool_choice": "none"},
        ],
        ids=str,
    )
    async def test_tools_are_sent_whole(self, server, way, options):
        tools = [weather, tides, Trip]
        answer = await ask(routed(server).bind_tools(tools, **options), way, WEATHER)
        alone = await ask(bare(server, "small").bind_tools(tools, **options), way, WEATHER)
        ours, theirs = server.bodies
        assert ours == theirs
        assert [each["function"]["name"] for each in ours["tools"]] == ["weather", "tides", "Trip"]
        assert answer.tool_calls == alone.tool_calls
        (call,) = answer.tool_calls
        assert (call["name"], call["args"]["days"]) == ("weather", 3)

    def test_a_tool_loop_stays_with_its_model(self, server):
        chat = routed(server).bind_tools([weather])
        history = [HumanMessage(WEATHER)]
        history.append(chat.invoke(history))
        call = history[-1].tool_calls[0]
        result = "Write a sonnet on the sea, the sea, the sea."  # a tool's text decides nothing
        history.append(ToolMessage(result, tool_call_id=call["id"]))
        answer = chat.invoke(history)
        assert server.asked == ["small", "small"]
        assert answer.text == "small answers in four words"
        assert [message["role"] for message in server.bodies[1]["messages"]] == [
            "user",
            "assistant",
            "tool",
        ]
        assert "knnrouter" not in str(server.bodies[1])


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")  # the client's own
class TestStructuredOutput:
    @each_way
    @pytest.mark.parametrize("include_raw", [False, True])
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"method": "json_schema", "strict": True},
            {"method": "function_calling", "strict": True},
            {"method": "json_mode"},
        ],
        ids=str,
    )
    async def test_it_is_asked_for_and_read_as_of_the_model(
        self, server, way, include_raw, options
    ):
        options = {**options, "include_raw": include_raw}
        ours = await self.last(routed(server).with_structured_output(Trip, **options), way)
        theirs = await self.last(bare(server, "small").with_structured_output(Trip, **options), way)
        assert server.bodies[0] == server.bodies[1]
        assert server.asked == ["small", "small"]
        if include_raw:
            assert ours["parsed"] == theirs["parsed"]
            assert ours["parsing_error"] is None
            assert isinstance(ours["raw"], AIMessage)
            ours = ours["parsed"]
        else:
            assert ours == theirs
        assert isinstance(ours, Trip)
        assert ours.days == 3

    async def last(self, chain, way):
        """What a chain gives in the end."""
        if way == "invoke":
            return chain.invoke(WEATHER)
        if way == "ainvoke":
            return await chain.ainvoke(WEATHER)
        if way == "stream":
            chunks = await asyncio.to_thread(lambda: list(chain.stream(WEATHER)))
        else:
            chunks = await collect(chain.astream(WEATHER))
        if isinstance(chunks[-1], dict):
            return {key: value for chunk in chunks for key, value in chunk.items()}
        return chunks[-1]

    def test_a_schema_in_json(self, server):
        schema = {
            "title": "Trip",
            "description": "A trip.",
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
            "additionalProperties": False,
        }
        ours = routed(server).with_structured_output(schema, strict=True).invoke(WEATHER)
        theirs = bare(server, "small").with_structured_output(schema, strict=True).invoke(WEATHER)
        assert server.bodies[0] == server.bodies[1]
        sent = server.bodies[0]["response_format"]["json_schema"]
        assert (sent["name"], sent["strict"], sent["schema"]["required"]) == (
            "Trip",
            True,
            ["city", "days"],
        )
        assert ours == theirs
        assert ours["days"] == 3

    def test_the_raw_answer_carries_the_decision(self, server):
        chain = routed(server).with_structured_output(Trip, include_raw=True)
        raw = chain.invoke(WEATHER)["raw"]
        assert raw.response_metadata["knnrouter"]["model"] == "small"


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
        server.behaviors["small"] = behavior
        server.behaviors["medium"] = Behavior(status=500)
        models = {name: bare(server, name) for name in NAMES}
        models["small"] = bare(server, "small", timeout=0.4)  # the others have all the time
        answer = await ask(ChatKNNRouter(router=ROUTER, models=models), way, WEATHER)
        assert server.asked == ["small", "medium", "large"]
        assert answer.text == "large answers in four words"
        carried = answer.response_metadata["knnrouter"]
        assert (carried["answered_by"], carried["reason_code"]) == ("large", "model_failed")
        assert [each["model"] for each in carried["failed"]] == ["small", "medium"]
        for each, kind in zip(carried["failed"], (error, openai.InternalServerError), strict=True):
            assert each["error"] in {known.__name__ for known in _descendants(kind)}

    async def test_the_error_of_the_last_is_the_callers(self, server):
        server.behaviors |= {
            "small": Behavior(status=500),
            "medium": Behavior(status=500),
            "large": Behavior(status=429),
        }
        with pytest.raises(openai.RateLimitError, match="refused with 429"):
            await routed(server).ainvoke(WEATHER)
        assert server.asked == ["small", "medium", "large"]

    def test_a_batch_falls_back_for_each(self, server):
        server.behaviors["small"] = Behavior(status=429)
        answers = routed(server).batch([WEATHER, SONNET])
        assert [answer.text.split()[0] for answer in answers] == ["medium", "large"]

    def test_only_the_errors_that_are_named(self, server):
        server.behaviors["small"] = Behavior(status=500)
        chat = routed(server).model_copy(update={"fallback_on": (openai.RateLimitError,)})
        with pytest.raises(openai.InternalServerError):
            chat.invoke(WEATHER)
        assert server.asked == ["small"]

    @pytest.mark.parametrize("after", [1, 3])
    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_a_stream_that_breaks_is_not_begun_again(self, server, asynchronous, after):
        server.behaviors["small"] = Behavior(breaks_after=after)
        chat, recorder, seen = routed(server), Recorder(), []
        chunks = (chat.astream if asynchronous else chat.stream)(WEATHER, {"callbacks": [recorder]})
        with pytest.raises((openai.APIConnectionError, httpx.RemoteProtocolError)):
            while True:
                chunk = await anext(chunks) if asynchronous else next(chunks)
                seen.append(chunk.text)
        assert server.asked == ["small"]
        assert seen == ["", "small", " answers"][:after]
        assert [kind for kind, _ in recorder.errors] == ["chat_model", "chain"]

    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_one_that_breaks_before_its_first_chunk_is(self, server, asynchronous):
        server.behaviors["small"] = Behavior(breaks_after=0)
        answer = await ask(routed(server), "astream" if asynchronous else "stream", WEATHER)
        assert server.asked == ["small", "medium"]
        assert answer.text == "medium answers in four words"

    def test_a_wrong_key_is_told_of(self, server):
        chat = routed(server, api_key="another")
        with pytest.raises(openai.AuthenticationError, match="refused with 401"):
            chat.invoke(WEATHER)
        assert server.asked == ["small", "medium", "large"]


def _descendants(kind):
    """A type and those made of it: clients raise types of their own."""
    return {kind}.union(*(_descendants(each) for each in kind.__subclasses__()))


class TestCapabilities:
    def test_images_go_to_the_model_that_sees(self, server):
        pool = ModelPool(
            models=[
                {"name": "small", "capabilities": ["tools"]},
                {"name": "medium", "capabilities": ["tools"]},
                {"name": "large", "capabilities": ["tools", "vision"]},
            ]
        )
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        query = [{"role": "user", "content": [{"type": "text", "text": WEATHER}, image]}]
        chat = routed(server, router=Router.fit(RECORDS, pool=pool))
        answer = chat.invoke(query)
        assert server.asked == ["large"]
        assert answer.response_metadata["knnrouter"]["ranking"] == ["large"]
        assert server.bodies[0]["messages"][0]["content"][1] == image
        server.behaviors["large"] = Behavior(status=500)
        with pytest.raises(openai.InternalServerError):
            chat.invoke(query)
        assert server.asked == ["large", "large"]

"""The middleware of agents: what it decides on, how long that holds, and what it leaves alone."""

import asyncio
import json
import logging
import threading
from dataclasses import dataclass

import pytest
from agents import WAYS, LoopChat, answers, invoke, look, stamps, who
from chat_stubs import StubChat
from keyword_router import CountingEmbedder, keyword_pool, keyword_router
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    ModelFallbackMiddleware,
    SummarizationMiddleware,
)
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command, interrupt
from pydantic import BaseModel, ValidationError
from routed_chats import CODE, NAMES, POEM, evidence, pool_of, stubs

from knnrouter.errors import EmptyPoolError, PolicyError, PoolError, UnknownModelError
from knnrouter.policies import Choice
from knnrouter.serving import Lazy
from langchain_llmrouter import KNNRouterMiddleware
from langchain_llmrouter.middleware import KNNRouterState

OWN = "own"
THREAD = {"configurable": {"thread_id": "1"}}
LONG = "Sort a list of numbers in C. " * 40
TOOLS = {"capabilities": ["tools"]}
VISION = {"capabilities": ["tools", "vision"]}
NATIVE = {"capabilities": ["tools", "structured_output"]}

each_way = pytest.mark.parametrize("call", WAYS, ids=lambda each: each.__name__)


@tool
def photograph() -> list:
    """Take a picture."""
    return [{"type": "image", "base64": "aGk=", "mime_type": "image/png"}]


@pytest.fixture(autouse=True)
def _warnings_are_kept(caplog):
    caplog.set_level(logging.WARNING)


@pytest.fixture
def models():
    return stubs(LoopChat)


def middleware_of(models, pool=None, **settings):
    router = evidence() if pool is None else evidence().with_pool(pool)
    return KNNRouterMiddleware(router=router, models=models, **settings)


def agent_of(models, *, pool=None, tools=(look,), beside=(), given=None, **settings):
    """An agent whose own model is no one's; `given` is for `create_agent`."""
    middleware = [middleware_of(models, pool, **settings), *beside]
    own = LoopChat(model=OWN)
    return create_agent(own, list(tools), middleware=middleware, **(given or {}))


def threaded(models, **settings):
    return agent_of(models, given={"checkpointer": InMemorySaver()}, **settings)


def called(models):
    return {name: len(model.seen) for name, model in models.items() if model.seen}


def ids(state):
    return [stamp["id"] for stamp in stamps(state)]


@each_way
class TestWhatDecides:
    def test_the_system_prompt_does_not(self, call, models):
        state = call(agent_of(models, given={"system_prompt": LONG}), POEM)
        assert who(state) == ["poet", "poet"]
        assert models["poet"].seen[0]["messages"][0] == SystemMessage(LONG)

    def test_but_it_counts_towards_the_window(self, call, models):
        pool = pool_of(poet={"context_window": 200})

        def count(messages):
            return sum(len(message.text) for message in messages)

        short = agent_of(models, pool=pool, count_tokens=count)
        long = agent_of(models, pool=pool, count_tokens=count, given={"system_prompt": LONG})
        assert who(call(short, POEM)) == ["poet", "poet"]
        assert who(call(long, POEM)) == ["clerk", "clerk"]

    def test_a_dynamic_system_prompt_counts_too(self, call, models):
        class Prompting(AgentMiddleware):
            def wrap_model_call(self, request, handler):
                return handler(request.override(system_message=SystemMessage(LONG)))

            async def awrap_model_call(self, request, handler):
                return await handler(request.override(system_message=SystemMessage(LONG)))

        pool = pool_of(poet={"context_window": 200})
        router = middleware_of(models, pool)
        agent = create_agent(StubChat(), [look], middleware=[Prompting(), router])
        assert who(call(agent, POEM)) == ["clerk", "clerk"]

    def test_models_without_tools_are_left_out_where_there_are_tools(self, call, models):
        pool = pool_of(poet={"capabilities": []}, clerk=TOOLS, coder=TOOLS)
        assert who(call(agent_of(models, pool=pool), POEM)) == ["clerk", "clerk"]
        assert who(call(agent_of(models, pool=pool, tools=()), POEM)) == ["poet"]

    def test_the_settings_hold(self, call, models):
        tagged = pool_of(clerk={"tags": ["eu"]}, coder={"tags": ["eu"]})
        assert who(call(agent_of(models, allow=["coder"]), POEM)) == ["coder", "coder"]
        assert who(call(agent_of(models, pool=tagged, require_tags=["eu"]), POEM))[0] == "clerk"
        seeing = pool_of(poet=TOOLS, clerk=TOOLS, coder=VISION)
        assert who(call(agent_of(models, pool=seeing, require=["vision"]), POEM))[0] == "coder"
        alphabet = Choice(ranking=("clerk", "coder", "poet"), reason="ABC", reason_code="abc")
        assert who(call(agent_of(models, policy=lambda _: alphabet), POEM))[0] == "clerk"


@dataclass
class Person:
    knnrouter_model: str | None = None
    knnrouter_policy: str | None = None


class Customer(BaseModel):
    knnrouter_model: str | None = None
    knnrouter_policy: str | None = None


@each_way
class TestContext:
    @pytest.mark.parametrize("kind", [dict, Person, Customer], ids=lambda kind: kind.__name__)
    def test_a_user_may_name_the_model(self, call, models, kind):
        agent = agent_of(models, given={"context_schema": kind})
        state = call(agent, POEM, context=kind(knnrouter_model="coder"))
        assert who(state) == ["coder", "coder"]
        assert [stamp["reason_code"] for stamp in stamps(state)] == ["forced", "forced"]
        assert who(call(agent, POEM, context=kind())) == ["poet", "poet"]

    @pytest.mark.parametrize("kind", [dict, Person, Customer], ids=lambda kind: kind.__name__)
    def test_a_user_may_have_a_policy(self, call, models, kind):
        prices = {"poet": 9.0, "clerk": 1.0, "coder": 2.0}
        specs = {
            name: {"price": {"input": price, "output": price}, "expected_output_tokens": 100}
            for name, price in prices.items()
        }
        agent = agent_of(models, pool=pool_of(**specs), given={"context_schema": kind})
        cheap = kind(knnrouter_policy="cheapest_above:min_score=0.4")
        state = call(agent, POEM, context=cheap)
        assert who(state) == ["clerk", "clerk"]
        assert stamps(state)[0]["policy"].startswith("cheapest_above")
        assert who(call(agent, POEM, context=kind())) == ["poet", "poet"]

    def test_the_configuration_may_state_the_same(self, call, models):
        config = {"configurable": {"knnrouter_model": "coder"}}
        assert who(call(agent_of(models), POEM, config)) == ["coder", "coder"]

    def test_the_context_goes_before_the_configuration(self, call, models):
        config = {"configurable": {"knnrouter_model": "coder"}}
        agent = agent_of(models, given={"context_schema": dict})
        state = call(agent, POEM, config, context={"knnrouter_model": "clerk"})
        assert who(state) == ["clerk", "clerk"]

    def test_a_named_model_stands_alone(self, call):
        models = stubs(LoopChat, clerk={"fails": TimeoutError("slow")})
        agent = agent_of(models, given={"context_schema": dict})
        with pytest.raises(TimeoutError, match="slow"):
            call(agent, POEM, context={"knnrouter_model": "clerk"})
        assert called(models) == {"clerk": 1}

    def test_a_named_model_holds_for_its_run_only(self, call, models):
        agent = agent_of(
            models, sticky="thread", given={"checkpointer": InMemorySaver(), "context_schema": dict}
        )
        assert who(call(agent, POEM, THREAD, context={"knnrouter_model": "clerk"}))[0] == "clerk"
        assert who(call(agent, POEM, THREAD, context={})) == ["poet", "poet"]

    def test_a_name_that_is_not_there_is_an_error(self, call, models):
        agent = agent_of(models, given={"context_schema": dict})
        with pytest.raises(UnknownModelError, match="'singer'"):
            call(agent, POEM, context={"knnrouter_model": "singer"})
        with pytest.raises(PolicyError, match="dearest"):
            call(agent, POEM, context={"knnrouter_policy": "dearest"})


@each_way
class TestHowLongItHolds:
    @pytest.mark.parametrize(
        ("sticky", "second_turn", "decisions"),
        [("call", "coder", 4), ("turn", "coder", 2), ("thread", "poet", 1)],
    )
    def test_call_turn_and_thread(self, call, models, sticky, second_turn, decisions):
        agent = threaded(models, sticky=sticky)
        first, second = call(agent, POEM, THREAD), call(agent, CODE, THREAD)
        assert (who(first), who(second)) == (["poet"] * 2, [second_turn] * 2)
        assert len({*ids(first), *ids(second)}) == decisions

    def test_the_pool_says_how_long(self, call, models):
        agent = threaded(models, pool=pool_of(router={"sticky": "thread"}))
        call(agent, POEM, THREAD)
        assert who(call(agent, CODE, THREAD)) == ["poet", "poet"]

    def test_another_thread_has_a_decision_of_its_own(self, call, models):
        agent = threaded(models, sticky="thread")
        call(agent, POEM, THREAD)
        assert who(call(agent, CODE, {"configurable": {"thread_id": "2"}})) == ["coder", "coder"]

    def test_the_same_words_again_are_a_new_turn(self, call, models):
        agent = threaded(models)
        first, second = call(agent, POEM, THREAD), call(agent, POEM, THREAD)
        assert ids(first)[0] != ids(second)[0]

    def test_a_message_that_is_edited_is_a_new_turn(self, call, models):
        agent = threaded(models)
        first = call(agent, {"messages": [HumanMessage(POEM, id="1")]}, THREAD)
        second = call(agent, {"messages": [HumanMessage(CODE, id="1")]}, THREAD)
        assert [who(first)[-1], who(second)[-1]] == ["poet", "coder"]

    def test_a_run_without_a_new_message_goes_on_with_the_turn(self, call, models):
        agent = threaded(models)
        first = call(agent, POEM, THREAD)
        second = call(agent, {"messages": []}, THREAD)
        assert {*ids(first)} == {*ids(second)}

    def test_a_summary_within_a_run_is_no_new_turn(self, call, models):
        summary = SummarizationMiddleware(
            StubChat(model="summarizer"), trigger=("messages", 3), keep=("messages", 2)
        )
        state = call(agent_of(models, beside=[summary]), POEM)
        assert state["messages"][0].text.startswith("Here is a summary")
        assert who(state) == ["poet", "poet"]
        assert len({*ids(state)}) == 1
        assert called(models) == {"poet": 2}

    @pytest.mark.parametrize("sticky", ["turn", "thread"])
    def test_a_model_that_may_not_read_a_picture_is_replaced(self, call, models, sticky):
        pool = pool_of(poet=TOOLS, clerk=TOOLS, coder=VISION)
        state = call(agent_of(models, pool=pool, tools=[photograph], sticky=sticky), POEM)
        assert who(state) == ["poet", "coder"]
        assert len({*ids(state)}) == 2

    def test_without_such_a_model_the_reason_is_told(self, call, models):
        pool = pool_of(poet=TOOLS, clerk=TOOLS, coder=TOOLS)
        with pytest.raises(EmptyPoolError, match="poet: lacks the capability 'vision'"):
            call(agent_of(models, pool=pool, tools=[photograph]), POEM)
        assert called(models) == {"poet": 1}

    def test_a_model_whose_window_is_full_is_replaced(self, call, models):
        pool = pool_of(poet={"context_window": 100}, clerk={"context_window": 100})

        @tool
        def read() -> str:
            """Read much."""
            return LONG

        state = call(agent_of(models, pool=pool, tools=[read]), POEM)
        assert who(state) == ["poet", "coder"]


@each_way
class TestState:
    def test_it_is_plain_and_outlives_a_checkpoint(self, call, models):
        agent = threaded(models)
        state = call(agent, POEM, THREAD)
        held = agent.get_state(THREAD).values["knnrouter"]
        assert held["decision"] == stamps(state)[0]
        assert held["decision"]["answered_by"] == "poet"
        assert set(held) == {"turn", "decision"}
        assert len(held["turn"]) == 16
        assert json.loads(json.dumps(held)) == held
        serde = JsonPlusSerializer()
        assert serde.loads_typed(serde.dumps_typed(held)) == held

    def test_it_is_neither_taken_nor_given(self, call, models):
        agent = threaded(models)
        state = call(agent, {"messages": [HumanMessage(POEM)], "knnrouter": {"turn": "x"}}, THREAD)
        assert set(state) == {"messages"}
        assert who(state) == ["poet", "poet"]
        assert agent.get_state(THREAD).values["knnrouter"]["turn"] != "x"
        for schema in (agent.get_input_jsonschema(), agent.get_output_jsonschema()):
            assert "knnrouter" not in schema["properties"]

    def test_nothing_is_held_of_single_calls_and_named_models(self, call, models):
        each, named = threaded(models, sticky="call"), threaded(models)
        call(each, POEM, THREAD)
        assert "knnrouter" not in each.get_state(THREAD).values
        call(named, POEM, {"configurable": {"thread_id": "1", "knnrouter_model": "clerk"}})
        assert set(named.get_state(THREAD).values["knnrouter"]) == {"turn"}

    def test_what_is_damaged_is_decided_anew(self, call, models):
        agent = threaded(models)
        call(agent, POEM, THREAD)
        held = agent.get_state(THREAD).values["knnrouter"]
        agent.update_state(THREAD, {"knnrouter": {**held, "decision": {"model": "coder"}}})
        state = call(agent, {"messages": []}, THREAD)
        assert who(state) == ["poet"] * 3
        assert len({*ids(state)}) == 2


def test_the_models_of_the_user_are_left_as_they_are(models, log):
    class Gauge(AgentMiddleware):
        seen = ()

        def wrap_model_call(self, request, handler):
            self.seen = (*self.seen, request.model)
            return handler(request)

    gauge = Gauge()
    invoke(agent_of(models, beside=[gauge]), POEM, {"callbacks": [log], "tags": ["mine"]})
    assert [each is models["poet"] for each in gauge.seen] == [True, True]
    assert models["poet"].tags is None
    bare = type(log)()
    invoke(create_agent(models["poet"], [look]), POEM, {"callbacks": [bare], "tags": ["mine"]})
    (run, _), (plain, _) = log.of("model"), bare.of("model")
    assert {*run.tags} - {*plain.tags} == {"knnrouter:poet"}
    assert {*plain.tags} - {*run.tags} == set()
    assert {key for key in run.metadata if key not in plain.metadata} == {
        f"knnrouter_{name}"
        for name in (
            *("model", "chosen", "decision", "score", "similarity", "policy", "reason"),
            "fallback",
        )
    }


@each_way
class TestFailures:
    def test_errors_that_are_not_listed_are_raised(self, call):
        models = stubs(LoopChat, poet={"fails": ValueError("bad key")})
        with pytest.raises(ValueError, match="bad key"):
            call(agent_of(models, fallback_on=(TimeoutError,)), POEM)
        assert called(models) == {"poet": 1}

    def test_the_run_of_each_model_has_its_own_tag(self, call, log):
        models = stubs(LoopChat, poet={"fails": TimeoutError()})
        call(agent_of(models, tools=()), POEM, {"callbacks": [log]})
        tags = [[tag for tag in run.tags if "knnrouter" in tag] for run in log.of("model")]
        assert tags == [["knnrouter:poet"], ["knnrouter:clerk"]]
        told = [
            [run.metadata[f"knnrouter_{name}"] for name in ("model", "chosen", "fallback")]
            for run in log.of("model")
        ]
        assert told == [["poet", "poet", False], ["clerk", "poet", True]]

    def test_the_last_error_is_raised_where_all_fail(self, call):
        models = stubs(LoopChat, **{name: {"fails": ValueError(name)} for name in NAMES})
        with pytest.raises(ValueError, match="coder"):
            call(agent_of(models), POEM)
        assert called(models) == {"poet": 1, "clerk": 1, "coder": 1}

    def test_the_pool_may_name_the_fallbacks(self, call):
        models = stubs(LoopChat, poet={"fails": TimeoutError()})
        agent = agent_of(models, pool=pool_of(router={"fallbacks": ["coder"]}))
        assert who(call(agent, POEM)) == ["coder", "coder"]

    def test_where_routing_fails_the_default_answers(self, call, caplog):
        embedder = CountingEmbedder()
        router = keyword_router(embedder, keyword_pool(default="all"))
        embedder.fails = ConnectionError("my secret")
        models = {name: LoopChat(model=name) for name in ("coder", "poet", "all")}
        agent = create_agent(
            StubChat(), [look], middleware=[KNNRouterMiddleware(router=router, models=models)]
        )
        state = call(agent, "the sea")
        assert who(state) == ["all", "all"]
        assert [stamp["reason_code"] for stamp in stamps(state)] == ["routing_failed"] * 2
        assert len({*ids(state)}) == 1
        (warning,) = caplog.records
        assert (warning.levelname, warning.getMessage()) == (
            "WARNING",
            "routing failed (ConnectionError); all answers",
        )

    def test_without_a_default_the_error_is_raised(self, call):
        embedder = CountingEmbedder()
        router = keyword_router(embedder, keyword_pool())
        embedder.fails = ConnectionError("down")
        models = {name: LoopChat(model=name) for name in ("coder", "poet", "all")}
        middleware = KNNRouterMiddleware(router=router, models=models)
        with pytest.raises(ConnectionError, match="down"):
            call(create_agent(StubChat(), [look], middleware=[middleware]), "the sea")

    def test_an_empty_pool_says_why(self, call, models):
        pool = pool_of(poet=TOOLS, clerk=TOOLS, coder=TOOLS, router={"default": "clerk"})
        with pytest.raises(EmptyPoolError, match="poet: lacks the capability 'audio'"):
            call(agent_of(models, pool=pool, require=["audio"]), POEM)
        assert called(models) == {}

    def test_a_fallback_inside_answers_first(self, call):
        models = stubs(LoopChat, poet={"fails": TimeoutError()})
        backup = LoopChat(model="backup")
        state = call(agent_of(models, beside=[ModelFallbackMiddleware(backup)]), POEM)
        assert who(state) == ["backup", "backup"]
        assert called(models) == {"poet": 2}


@each_way
class TestInterrupts:
    def test_a_human_in_the_loop_goes_on_with_the_same_model(self, call, models):
        human = HumanInTheLoopMiddleware(interrupt_on={"look": True})
        agent = threaded(models, beside=[human])
        halted = call(agent, POEM, THREAD)
        assert halted["__interrupt__"]
        assert called(models) == {"poet": 1}
        state = call(agent, Command(resume={"decisions": [{"type": "approve"}]}), THREAD)
        assert who(state) == ["poet", "poet"]
        assert len({*ids(state)}) == 1

    def test_an_interrupt_within_the_call_is_no_failure(self, call, models, caplog):
        class Asking(AgentMiddleware):
            def wrap_model_call(self, request, handler):
                interrupt("May I?")
                return handler(request)

            async def awrap_model_call(self, request, handler):
                interrupt("May I?")
                return await handler(request)

        agent = threaded(models, tools=(), beside=[Asking()])
        assert call(agent, POEM, THREAD)["__interrupt__"][0].value == "May I?"
        assert called(models) == {}
        state = call(agent, Command(resume="yes"), THREAD)
        assert who(state) == ["poet"]
        assert caplog.records == []


class Verse(BaseModel):
    """A line of verse."""

    line: str


class FormatChat(LoopChat):
    """Answers in JSON where it is asked for."""

    def _answer(self, messages, kwargs):
        text, calls, metadata = super()._answer(messages, kwargs)
        return ('{"line": "O!"}' if kwargs.get("response_format") else text), calls, metadata


@each_way
class TestStructuredOutput:
    def test_a_tool_strategy_reaches_the_chosen_model(self, call, models):
        given = {"response_format": ToolStrategy(Verse)}
        state = call(agent_of(models, tools=(), given=given), POEM)
        assert state["structured_response"] == Verse(line="你好 こんにちは")
        assert who(state) == ["poet"]
        arguments = models["poet"].seen[0]["arguments"]
        assert arguments["tools"][0]["function"]["name"] == "Verse"
        assert arguments["tool_choice"] == "any"
        assert ["knnrouter" in each.response_metadata for each in state["messages"]] == [
            *(False, True, False),  # the last is the tool's
        ]

    def test_it_needs_tools(self, call, models):
        pool = pool_of(poet={"capabilities": ["structured_output"]}, clerk=TOOLS, coder=TOOLS)
        agent = agent_of(
            models, pool=pool, tools=(), given={"response_format": ToolStrategy(Verse)}
        )
        assert who(call(agent, POEM)) == ["clerk"]

    def test_a_provider_strategy_reaches_the_chosen_model(self, call):
        models = stubs(FormatChat)
        agent = agent_of(models, tools=(), given={"response_format": ProviderStrategy(Verse)})
        state = call(agent, POEM)
        assert state["structured_response"] == Verse(line="O!")
        assert (who(state), stamps(state)[0]["answered_by"]) == (["poet"], "poet")
        asked = models["poet"].seen[0]["arguments"]["response_format"]
        assert asked["json_schema"]["schema"]["title"] == "Verse"

    def test_it_needs_structured_output(self, call):
        pool = pool_of(poet=TOOLS, clerk=NATIVE, coder=NATIVE)
        given = {"response_format": ProviderStrategy(Verse)}
        assert who(call(agent_of(stubs(FormatChat), pool=pool, tools=(), given=given), POEM)) == [
            "clerk"
        ]

    @pytest.mark.parametrize("native", [True, False])
    def test_a_bare_schema_is_made_as_the_chosen_model_can(self, call, native):
        profile = {"structured_output": native, "tool_calling": True}
        models = stubs(FormatChat, poet={"profile": profile})
        agent = agent_of(models, tools=(), given={"response_format": Verse})
        state = call(agent, POEM)
        assert (who(state), type(state["structured_response"])) == (["poet"], Verse)
        arguments = models["poet"].seen[0]["arguments"]
        assert ("response_format" in arguments) is native
        assert bool(arguments.get("tools")) is not native

    def test_an_answer_out_of_shape_lets_the_next_model_answer(self, call):
        models = stubs(FormatChat) | {"poet": LoopChat(model="poet")}
        agent = agent_of(models, tools=(), given={"response_format": ProviderStrategy(Verse)})
        state = call(agent, POEM)
        assert (who(state), state["structured_response"]) == (["clerk"], Verse(line="O!"))
        assert stamps(state)[0]["failed"] == [
            {"model": "poet", "error": "StructuredOutputValidationError"}
        ]


@each_way
class TestShadow:
    def test_the_own_model_answers_and_the_decision_is_recorded(self, call, models, log):
        state = call(agent_of(models, shadow=True), POEM, {"callbacks": [log]})
        assert who(state) == [OWN, OWN]
        assert called(models) == {}
        first, last = stamps(state)
        assert first == last
        assert (first["model"], first["answered_by"], first["shadow"]) == ("poet", None, True)
        run = log.of("model")[0]
        assert [tag for tag in run.tags if tag.startswith("knnrouter")] == []
        assert run.metadata["knnrouter_chosen"] == "poet"
        assert (run.metadata["knnrouter_shadow"], run.metadata["knnrouter_fallback"]) == (
            True,
            False,
        )
        assert "knnrouter_model" not in run.metadata

    def test_a_model_that_the_caller_names_answers(self, call, models):
        config = {"configurable": {"knnrouter_model": "coder"}}
        state = call(agent_of(models, shadow=True), POEM, config)
        assert who(state) == ["coder", "coder"]
        assert [stamp["shadow"] for stamp in stamps(state)] == [False, False]

    def test_a_failure_of_the_own_model_is_its_own(self, call, models):
        own = StubChat(model=OWN, fails=TimeoutError("slow"))
        agent = create_agent(own, [look], middleware=[middleware_of(models, shadow=True)])
        with pytest.raises(TimeoutError, match="slow"):
            call(agent, POEM)
        assert (called(models), len(own.seen)) == ({}, 1)

    def test_what_goes_wrong_in_deciding_stops_nobody(self, call, models, caplog):
        pool = pool_of(poet=TOOLS, clerk=TOOLS, coder=TOOLS)
        agent = agent_of(models, pool=pool, require=["audio"], shadow=True, tools=())
        (answer,) = answers(call(agent, POEM))
        assert answer.text == f"{OWN}: {POEM}"
        assert "knnrouter" not in answer.response_metadata
        (warning,) = caplog.records
        assert (warning.levelname, warning.getMessage()) == (
            "WARNING",
            "deciding failed (EmptyPoolError); nothing is recorded",
        )


class TestMaking:
    def test_what_is_wrong_is_told(self, models):
        with pytest.raises(TypeError, match=r"router is a str; give a knnrouter\.Router"):
            KNNRouterMiddleware(router="pool.yaml", models=models)
        with pytest.raises(TypeError, match="give a mapping from names of the pool"):
            middleware_of([])
        with pytest.raises(UnknownModelError, match="models has nothing for clerk, poet"):
            middleware_of({"coder": models["coder"]})
        with pytest.raises(PolicyError, match=r"^unknown policy 'dearest'"):
            middleware_of(models, policy="dearest")
        with pytest.raises(ValidationError, match=r"for KNNRouterMiddleware\nsticky\n"):
            middleware_of(models, sticky="always")

    def test_a_file_is_enough_and_loads_late(self, saved, models):
        middleware = KNNRouterMiddleware.from_yaml(saved.path, models=models, sticky="thread")
        assert saved.loads == []
        agent = create_agent(StubChat(), [look], middleware=[middleware])
        assert (who(invoke(agent, POEM)), who(invoke(agent, CODE))) == (
            ["poet", "poet"],
            ["coder", "coder"],
        )
        assert len(saved.loads) == 1

    def test_warmup_loads_and_builds_at_once(self, saved, models):
        built = []
        lazy = {name: Lazy(lambda name=name: built.append(name) or models[name]) for name in NAMES}
        KNNRouterMiddleware.from_yaml(saved.path, models=lazy).warmup()
        assert (len(saved.loads), built) == (1, [*NAMES])

    def test_without_models_the_file_must_name_their_providers(self, saved):
        with pytest.raises(PoolError, match=r"models\[coder\].provider is not set"):
            KNNRouterMiddleware.from_yaml(saved.path)

    def test_the_clients_of_the_file_are_built_when_they_are_asked(self, tmp_path, monkeypatch):
        evidence().save(tmp_path / "router")
        monkeypatch.setenv("KEY", "abcdef")
        lines = ["version: 1", "router: {index: router}", "models:"]
        lines += [f"  - {{name: {n}, provider: openai, api_key_env: KEY}}" for n in NAMES]
        (tmp_path / "pool.yaml").write_text("\n".join(lines))
        middleware = KNNRouterMiddleware.from_yaml(tmp_path / "pool.yaml")
        asked = []

        class Instead(AgentMiddleware):
            def wrap_model_call(self, request, handler):
                asked.append(request.model.model_name)
                return handler(request.override(model=StubChat()))

            async def awrap_model_call(self, request, handler):
                asked.append(request.model.model_name)
                return await handler(request.override(model=StubChat()))

        agent = create_agent(StubChat(), [look], middleware=[middleware, Instead()])
        for call in WAYS:
            call(agent, POEM)
        assert asked == ["poet"] * 4

    def test_its_name_and_state_are_stable(self, models):
        middleware = middleware_of(models)
        assert (middleware.name, middleware.state_schema) == ("KNNRouterMiddleware", KNNRouterState)
        assert "coder" not in repr(middleware)


def test_the_event_loop_builds_no_client(models):
    threads = []
    lazy = {
        name: Lazy(lambda name=name: threads.append(threading.current_thread()) or models[name])
        for name in NAMES
    }
    agent = agent_of(lazy)
    assert threads == []
    state = asyncio.run(agent.ainvoke({"messages": [HumanMessage(POEM)]}))
    assert (who(state), len(threads)) == (["poet", "poet"], 1)
    assert threads[0] is not threading.current_thread()


def test_the_event_loop_does_not_route():
    embedder = CountingEmbedder()
    router = keyword_router(embedder, keyword_pool())
    models = {name: LoopChat(model=name) for name in ("coder", "poet", "all")}
    middleware = KNNRouterMiddleware(router=router, models=models)
    agent = create_agent(StubChat(), [look], middleware=[middleware])
    asyncio.run(agent.ainvoke({"messages": [HumanMessage("the sea")]}))
    assert embedder.calls == [["the sea"]]
    assert threading.current_thread() not in embedder.threads

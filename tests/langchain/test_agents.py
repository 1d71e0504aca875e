"""A real loop of two steps, model and tool, in agents and graphs, with each surface."""

import warnings
from typing import Annotated, TypedDict

import pytest
from agents import (
    WAYS,
    LoopChat,
    answers,
    atokens,
    look,
    stamps,
    tokens,
    who,
)
from chat_stubs import StubChat
from langchain.agents import create_agent
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from routed_chats import CODE, POEM, evidence, routed, stubs

from langchain_llmrouter import ChatKNNRouter, KNNRouter, KNNRouterMiddleware, RunnableByModel


def of_chat_model(models, **arguments):
    return create_agent(routed(models), [look], **arguments)


def of_middleware(models, **arguments):
    middleware = KNNRouterMiddleware(router=evidence(), models=models)
    return create_agent(StubChat(model="own"), [look], middleware=[middleware], **arguments)


def _prebuilt(model, tools, **arguments):
    from langgraph.prebuilt import create_react_agent

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="create_react_agent has been moved")
        return create_react_agent(model, tools, **arguments)


def of_react_agent(models, **arguments):
    return _prebuilt(routed(models), [look], **arguments)


def of_react_agent_bound(models, **arguments):
    return _prebuilt(routed(models).bind_tools([look]), [look], **arguments)


SURFACES = (of_chat_model, of_middleware, of_react_agent, of_react_agent_bound)
each_surface = pytest.mark.parametrize("agent_of", SURFACES, ids=lambda each: each.__name__)
each_way = pytest.mark.parametrize("call", WAYS, ids=lambda each: each.__name__)


@pytest.fixture
def models():
    return stubs(LoopChat)


def seen(models):
    return {name: len(model.seen) for name, model in models.items() if model.seen}


@each_surface
@each_way
class TestTurns:
    def test_one_decision_and_one_model_a_turn(self, agent_of, call, models):
        state = call(agent_of(models), POEM)
        first, last = answers(state)
        assert [each["name"] for each in first.tool_calls] == ["look"]
        assert (last.text, last.tool_calls) == (f"poet: {CODE}", [])  # what the tool brought
        assert who(state) == ["poet", "poet"]
        assert len({stamp["id"] for stamp in stamps(state)}) == 1
        assert [stamp["answered_by"] for stamp in stamps(state)] == ["poet", "poet"]
        assert seen(models) == {"poet": 2}

    def test_a_new_turn_is_decided_anew(self, agent_of, call, models):
        agent = agent_of(models, checkpointer=InMemorySaver())
        thread = {"configurable": {"thread_id": "1"}}
        first, second = call(agent, POEM, thread), call(agent, CODE, thread)
        assert (who(first), who(second)) == (["poet", "poet"], ["coder", "coder"])
        assert stamps(first)[0]["id"] != stamps(second)[0]["id"]
        assert len({stamp["id"] for stamp in stamps(second)}) == 1

    def test_a_trivial_follow_up_keeps_the_evidence_of_the_turn_before(
        self, agent_of, call, models
    ):
        agent = agent_of(models, checkpointer=InMemorySaver())
        thread = {"configurable": {"thread_id": "1"}}
        first, second = call(agent, POEM, thread), call(agent, "do it", thread)
        assert who(second) == ["poet", "poet"]
        assert stamps(second)[0]["id"] != stamps(first)[0]["id"]
        assert stamps(second)[0]["scores"] == stamps(first)[0]["scores"]

    def test_usage_is_counted_once(self, agent_of, call, models, log):
        usage = UsageMetadataCallbackHandler()
        call(agent_of(models), POEM, {"callbacks": [usage, log]})
        assert {name: each["total_tokens"] for name, each in usage.usage_metadata.items()} == {
            "poet": 20
        }
        runs = log.of("model")
        assert [run.ended for run in runs] == [["end"], ["end"]]
        assert [run.metadata["knnrouter_model"] for run in runs] == ["poet", "poet"]
        assert ["knnrouter:poet" in run.tags for run in runs] == [True, True]

    def test_the_next_model_answers_for_the_rest_of_the_turn(self, agent_of, call):
        models = stubs(LoopChat, poet={"fails_at": (1,)})
        state = call(agent_of(models), POEM)
        assert who(state) == ["clerk", "clerk"]
        assert seen(models) == {"poet": 1, "clerk": 2}
        first, last = stamps(state)
        assert first["failed"] == [{"model": "poet", "error": "ConnectionError"}]
        assert (last["failed"], last["model"], last["id"]) == ([], "clerk", first["id"])


@each_surface
@pytest.mark.parametrize("call", [tokens, atokens], ids=["stream", "astream"])
def test_each_token_is_streamed_once(agent_of, call, models):
    parts = call(agent_of(models), POEM)
    of_model = [text for text, node in parts if node != "tools" and text]
    assert of_model == ["poet: ", *(f"{word} " for word in CODE.split())]
    assert [text for text, node in parts if node == "tools"] == [CODE]


class Chat(TypedDict):
    messages: Annotated[list, add_messages]


@each_way
class TestGraphs:
    def test_chains_by_model_as_a_node(self, call, models):
        bound = {name: model.bind_tools([look]) for name, model in models.items()}
        chain = RunnableByModel(router=evidence(), runnables=bound)
        graph = StateGraph(Chat)
        graph.add_node("model", RunnableLambda(_messages) | chain | _as_state)
        graph.add_node("tools", _run_tool)
        graph.add_edge(START, "model")
        graph.add_conditional_edges("model", _wants_tool, ["tools", END])
        graph.add_edge("tools", "model")
        usage = UsageMetadataCallbackHandler()
        state = call(graph.compile(), POEM, {"callbacks": [usage]})
        assert who(state) == ["poet", "poet"]
        assert len({stamp["id"] for stamp in stamps(state)}) == 1
        assert usage.usage_metadata["poet"]["total_tokens"] == 20

    @pytest.mark.parametrize(("text", "name"), [(POEM, "poet"), (CODE, "coder")])
    def test_the_decision_as_an_edge(self, call, models, text, name):
        graph = StateGraph(Chat)
        for each, model in models.items():
            graph.add_node(each, RunnableLambda(_messages) | model | _as_state)
            graph.add_edge(each, END)
        graph.add_conditional_edges(START, KNNRouter(router=evidence()).name_only(), [*models])
        assert who(call(graph.compile(), text)) == [name]

    def test_the_decision_as_the_edge_of_a_loop(self, call, models):
        graph = StateGraph(Chat)
        for each, model in models.items():
            graph.add_node(each, RunnableLambda(_messages) | model.bind_tools([look]) | _as_state)
            graph.add_conditional_edges(each, _wants_tool, ["tools", END])
        graph.add_node("tools", _run_tool)
        name_only = KNNRouter(router=evidence()).name_only()
        graph.add_conditional_edges(START, name_only, [*models])
        graph.add_conditional_edges("tools", name_only, [*models])
        state = call(graph.compile(), POEM)
        assert who(state) == ["poet", "poet"]  # though what the tool brought is about code
        assert seen(models) == {"poet": 2}

    def test_a_routed_chat_model_within_a_tool(self, call, models):
        helpers = stubs(StubChat)
        helper: ChatKNNRouter = routed(helpers)

        @tool
        def ask(question: str) -> str:
            """Ask somebody."""
            return helper.invoke(CODE).text

        middleware = KNNRouterMiddleware(router=evidence(), models=models)
        agent = create_agent(StubChat(), [ask], middleware=[middleware])
        state = call(agent, POEM, {"configurable": {"knnrouter_allow": ["poet", "coder"]}})
        assert who(state) == ["poet", "poet"]
        assert state["messages"][2].text == f"coder: {CODE}"


def _run_tool(state):
    (called,) = state["messages"][-1].tool_calls
    return {"messages": [ToolMessage(look.invoke(called["args"]), tool_call_id=called["id"])]}


def _wants_tool(state):
    return "tools" if state["messages"][-1].tool_calls else END


def _messages(state):
    return state["messages"]


def _as_state(message):
    assert isinstance(message, AIMessage)
    return {"messages": [message]}


@each_way
def test_a_failure_between_two_calls_keeps_the_new_model_for_the_calls_after_it(call):
    models = stubs(LoopChat, poet={"rounds": 2, "fails_at": (2,)}, clerk={"rounds": 2})
    state = call(of_middleware(models), POEM)
    assert who(state) == ["poet", "clerk", "clerk"]
    assert seen(models) == {"poet": 2, "clerk": 2}
    assert [stamp["model"] for stamp in stamps(state)] == ["poet", "clerk", "clerk"]
    assert len({stamp["id"] for stamp in stamps(state)}) == 1

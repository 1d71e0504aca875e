"""What tracers see of a call: one run of the router, and in it one of the chosen model."""

import asyncio
import uuid

import pytest
from calling import BATCHES, ONE_CALL, invoke
from chat_stubs import StubChat
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, MessagesState, StateGraph
from routed_chats import CODE, POEM, evidence, pool_of, routed, stubs
from run_log import RunLog

pytestmark = pytest.mark.filterwarnings("ignore:.*is in beta.*")

ONCE = {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}


@pytest.mark.parametrize("call", ONE_CALL, ids=lambda call: call.__name__)
def test_a_call_is_one_run_of_the_router_and_in_it_one_of_the_model(chat, log, call):
    call(chat, CODE, {"callbacks": [log]})
    parent, child = log.runs.values()
    assert (parent.kind, parent.name, parent.parent) == ("chain", "ChatKNNRouter", None)
    assert (child.kind, child.parent) == ("model", parent.id)
    assert log.endings == [("model", "end"), ("chain", "end")]


@pytest.mark.parametrize("call", BATCHES, ids=lambda call: call.__name__)
def test_a_batch_is_as_many_calls(chat, log, call):
    call(chat, CODE, {"callbacks": [log]})
    assert sorted(log.endings) == [("chain", "end")] * 2 + [("model", "end")] * 2
    assert {run.parent for run in log.of("model")} == {run.id for run in log.of("chain")}


@pytest.mark.parametrize("call", ONE_CALL + BATCHES, ids=lambda call: call.__name__)
def test_the_run_of_the_model_tells_the_decision_in_flat_values(chat, log, call):
    call(chat, CODE, {"callbacks": [log]})
    decision = evidence().route(CODE)
    run = log.of("model")[0]
    facts = {key: value for key, value in run.metadata.items() if key.startswith("knnrouter_")}
    assert facts.pop("knnrouter_decision")
    assert facts == {
        "knnrouter_model": "coder",
        "knnrouter_chosen": "coder",
        "knnrouter_score": pytest.approx(decision.scores["coder"]),
        "knnrouter_similarity": pytest.approx(decision.similarity),
        "knnrouter_policy": "best_score",
        "knnrouter_reason": "best_score",
        "knnrouter_fallback": False,
    }
    assert "knnrouter:coder" in run.tags
    assert run.metadata["ls_model_name"] == "coder"
    assert not any(key.startswith("__knnrouter") for key in run.metadata)


@pytest.mark.parametrize("call", ONE_CALL, ids=lambda call: call.__name__)
def test_what_a_configuration_says_arrives(chat, log, call):
    run_id = uuid.uuid4()
    call(
        chat,
        CODE,
        {
            "callbacks": [log],
            "tags": ["mine"],
            "metadata": {"user": "7"},
            "run_name": "ask",
            "run_id": run_id,
        },
    )
    parent, child = log.runs.values()
    assert (parent.id, parent.name) == (run_id, "ask")
    assert (child.id != run_id, child.name != "ask") == (True, True)
    assert "mine" in parent.tags
    assert parent.metadata["user"] == child.metadata["user"] == "7"
    assert "mine" in child.tags


@pytest.mark.parametrize("call", ONE_CALL + BATCHES, ids=lambda call: call.__name__)
def test_what_the_router_was_made_with_arrives(models, log, call):
    chat = routed(models, callbacks=[log], tags=["own"], metadata={"team": "a"})
    call(chat, CODE, {"tags": ["mine"]})
    for run in log.runs.values():
        assert {"own", "mine"} <= set(run.tags)
        assert run.metadata["team"] == "a"
    assert len(log.of("model")) == (2 if call in BATCHES else 1)


def test_callbacks_and_tags_of_the_model_itself_hold(log):
    models = stubs(coder={"callbacks": [log], "tags": ["fast"]})
    routed(models).invoke(CODE)
    assert [run.kind for run in log.runs.values()] == ["model"]
    assert set(log.of("model")[0].tags) == {"fast", "knnrouter:coder"}


def test_settings_of_with_config_hold_at_each_call(chat, log):
    chat.with_config(run_name="ask", tags=["mine"], callbacks=[log]).invoke(CODE)
    assert [(run.name, "mine" in run.tags) for run in log.of("chain")] == [("ask", True)]


def _within_a_function(chat):
    return RunnableLambda(lambda text: text) | chat


def _in_a_chain(chat):
    return ChatPromptTemplate.from_messages([("human", "{text}")]) | chat | StrOutputParser()


def _alone(chat):
    return chat


def _called_by_a_function(chat):
    return RunnableLambda(lambda text: chat.invoke(text))


def _graph(chat):
    def answer(state):
        return {"messages": [chat.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    return graph.compile()


def _in_a_graph(chat):
    return RunnableLambda(lambda text: {"messages": [HumanMessage(text)]}) | _graph(chat)


@pytest.mark.parametrize(
    "chain_of", [_alone, _within_a_function, _in_a_chain, _called_by_a_function, _in_a_graph]
)
@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream"])
def test_usage_is_counted_once(chat, log, chain_of, how):
    chain, usage = chain_of(chat), UsageMetadataCallbackHandler()
    config = {"callbacks": [usage, log]}
    if how == "invoke":
        chain.invoke(CODE, config)
    elif how == "ainvoke":
        asyncio.run(chain.ainvoke(CODE, config))
    elif how == "stream":
        list(chain.stream(CODE, config))
    else:

        async def read():
            return [chunk async for chunk in chain.astream(CODE, config)]

        asyncio.run(read())
    assert usage.usage_metadata == {"coder": ONCE}
    (model,) = log.of("model")
    assert log.runs[model.parent].name == "ChatKNNRouter"


def _tokens(parts):
    return "".join(message.text for message, _ in parts).rstrip()


def test_a_graph_streams_each_token_once(chat):
    given = {"messages": [HumanMessage(CODE)]}
    parts = list(_graph(chat).stream(given, stream_mode="messages"))
    assert _tokens(parts) == f"coder: {CODE}"
    assert {metadata["langgraph_node"] for _, metadata in parts} == {"answer"}
    assert {metadata["knnrouter_model"] for _, metadata in parts} == {"coder"}


async def test_a_graph_streams_each_token_once_where_it_is_awaited(chat):
    async def answer(state):
        return {"messages": [await chat.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    given = {"messages": [HumanMessage(POEM)]}
    stream = graph.compile().astream(given, stream_mode="messages")
    assert _tokens([part async for part in stream]) == f"poet: {POEM}"


def test_a_graph_streams_no_token_of_a_model_that_failed_before_its_first():
    models = stubs(coder={"fails": TimeoutError()})
    given = {"messages": [HumanMessage(CODE)]}
    parts = list(_graph(routed(models)).stream(given, stream_mode="messages"))
    assert _tokens(parts) == f"clerk: {CODE}"


@pytest.mark.parametrize("call", ONE_CALL, ids=lambda call: call.__name__)
def test_a_model_that_fails_is_one_failed_run_within_the_call(log, call):
    call(routed(stubs(coder={"fails": TimeoutError()})), CODE, {"callbacks": [log]})
    assert log.endings == [("model", "error"), ("model", "end"), ("chain", "end")]
    failed, answered = log.of("model")
    assert ("knnrouter:coder" in failed.tags, "knnrouter:clerk" in answered.tags) == (True, True)
    facts = {key: answered.metadata[f"knnrouter_{key}"] for key in ("model", "chosen", "fallback")}
    assert facts == {"model": "clerk", "chosen": "coder", "fallback": True}


@pytest.mark.parametrize("call", ONE_CALL, ids=lambda call: call.__name__)
def test_where_all_models_fail_every_run_ends_once_and_the_error_is_the_last_models(log, call):
    fails = {name: {"fails": OSError(name)} for name in ("coder", "clerk", "poet")}
    with pytest.raises(OSError, match="poet"):
        call(routed(stubs(**fails)), CODE, {"callbacks": [log]})
    assert log.endings == [("model", "error")] * 3 + [("chain", "error")]


async def test_if_one_prompt_fails_the_others_are_waited_for(log):
    class Slow(StubChat):
        async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
            await asyncio.sleep(0 if self.fails else 0.02)
            return self._generate(messages, stop, **kwargs)

    chat = routed(stubs(Slow, coder={"fails": TimeoutError("slow")}), fallback_on=())
    with pytest.raises(TimeoutError, match="slow"):
        await chat.agenerate([[HumanMessage(CODE)], [HumanMessage(POEM)]], callbacks=[log])
    assert log.endings == [
        ("model", "error"), ("chain", "error"), ("model", "end"), ("chain", "end"),
    ]  # fmt: skip


def test_a_call_that_cannot_be_routed_ends_its_run_too(chat, log):
    with pytest.raises(LookupError, match="nobody"):
        chat.invoke(CODE, {"callbacks": [log]}, model="nobody")
    assert log.endings == [("chain", "error")]


def test_the_options_of_the_router_end_there(models, log):
    """They are for this router, not for one that a model may hold."""
    inner_models = stubs()
    outer = routed({**models, "coder": routed(inner_models)})
    config = {"callbacks": [log], "configurable": {"knnrouter_model": "coder"}}
    answer = outer.invoke(POEM, config)
    assert answer.text == f"poet: {POEM}"
    assert [name for name, model in inner_models.items() if model.seen] == ["poet"]


def test_what_a_batch_has_decided_is_not_for_a_router_within():
    inner = routed(allow=("poet",))
    outer = routed({**stubs(), "coder": inner})
    answers = outer.batch([CODE, CODE])
    assert [answer.text for answer in answers] == [f"poet: {CODE}"] * 2


@pytest.mark.parametrize("how", ["invoke", "batch"])
def test_a_model_that_asks_another_router_does_not_hand_its_plan_on(how):
    """The configuration of a run reaches what is called in it, named or not."""
    inner = routed()

    class _Asks(type(stubs()["coder"])):
        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            answer = super()._generate(messages, stop, run_manager, **kwargs)
            answer.generations[0].message.content = inner.invoke(POEM).text
            return answer

    outer = routed(stubs(_Asks))
    answer = outer.invoke(CODE) if how == "invoke" else outer.batch([CODE, CODE])[0]
    assert answer.text == f"poet: {POEM}"


def test_costs_are_told_where_they_are_known(log):
    price = {"input": 1.0, "output": 1.0}
    pool = pool_of(coder={"price": price, "expected_output_tokens": 1000})
    routed(pool=pool).invoke(CODE, {"callbacks": [log]})
    assert log.of("model")[0].metadata["knnrouter_cost"] == pytest.approx(0.001007, abs=1e-6)


def test_the_log_sees_what_it_should():
    """The log fails loudly: a run that starts twice is an error."""
    log = RunLog()
    invoke(routed(), CODE, {"callbacks": [log]})
    with pytest.raises(AssertionError):
        log.on_chain_start({}, {}, run_id=next(iter(log.runs)))

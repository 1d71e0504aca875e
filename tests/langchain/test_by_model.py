"""RunnableByModel: any chains by the names of models."""

import copy
import threading
from operator import itemgetter
from typing import Any

import pytest
from chat_stubs import Recorder, StubChat, echo
from keyword_router import CountingEmbedder, keyword_pool, keyword_router, write_pool
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import (
    ConfigurableField,
    RunnableConfig,
    RunnableLambda,
    RunnablePassthrough,
)
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from pydantic import ValidationError

from knnrouter.errors import (
    EmptyPoolError,
    PoolError,
    QueryError,
    StoreError,
    UnknownModelError,
)
from langchain_llmrouter import KNNRouter, RunnableByModel

CODE, SEA, SUM = "Write code.", "A poem on the sea.", "What is the sum?"
NAMES = ("coder", "poet", "all")


@pytest.fixture
def embedder():
    return CountingEmbedder()


def echoes(**others):
    return {name: echo(name) for name in NAMES} | others


def by_model(embedder=None, *, pool=None, others=(), **fields):
    """The three echoes, some of them replaced by `others`."""
    return RunnableByModel(
        router=keyword_router(embedder, pool), runnables=echoes(**dict(others)), **fields
    )


def failing(error, asked=None):
    """A runnable that notes that it was asked, and fails."""

    def fail(given):
        if asked is not None:
            asked.append(given)
        raise error

    return RunnableLambda(fail)


def words(text, *, fails_after=None):
    """A generator of the words of a text."""

    def stream(inputs):
        list(inputs)
        for place, word in enumerate(text.split()):
            if place == fails_after:
                raise ConnectionError("broken")
            yield f"{word} "

    return stream


def awords(text, *, fails_after=None):
    """`words`, awaited."""

    async def stream(inputs):
        given = [each async for each in inputs]
        for word in words(text, fails_after=fails_after)(given):
            yield word

    return stream


# Calls


async def test_the_chosen_one_answers(embedder):
    chain = by_model(embedder)
    assert chain.invoke(SEA) == f"poet: {SEA}"
    assert await chain.ainvoke(CODE) == f"coder: {CODE}"
    assert list(chain.stream(SUM)) == [f"all: {SUM}"]
    assert [each async for each in chain.astream(SEA)] == [f"poet: {SEA}"]
    assert embedder.calls == [[SEA], [CODE], [SUM], [SEA]]


async def test_a_batch_is_one_embedding(embedder):
    chain = by_model(embedder)
    expected = [f"coder: {CODE}", f"poet: {SEA}", f"all: {SUM}"]
    assert chain.batch([CODE, SEA, SUM]) == expected
    assert await chain.abatch([CODE, SEA, SUM]) == expected
    assert embedder.calls == [[CODE, SEA, SUM]] * 2
    assert chain.batch([]) == []


async def test_one_that_fails_leaves_the_others_of_a_batch_alone():
    chain = by_model(others={"poet": failing(OSError("down"))}, input_key="q", fallback_on=())
    for found in (
        chain.batch([CODE, SEA, {"x": SUM}], return_exceptions=True),
        await chain.abatch([CODE, SEA, {"x": SUM}], return_exceptions=True),
    ):
        assert found[0] == f"coder: {CODE}"
        assert [type(each) for each in found[1:]] == [OSError, QueryError]
    with pytest.raises(OSError, match="down"):
        chain.batch([CODE, SEA])


async def test_functions_dicts_and_generators_are_runnables_too():
    async def rhyme(text):
        return f"awaited: {text}"

    chain = by_model(
        others={"poet": rhyme, "coder": {"code": len, "text": str}, "all": words("one two three")}
    )
    assert chain.invoke(CODE) == {"code": len(CODE), "text": CODE}
    assert await chain.ainvoke(SEA) == f"awaited: {SEA}"
    assert list(chain.stream(SUM)) == ["one ", "two ", "three "]
    assert chain.invoke(SUM) == "one two three "


def test_the_runnable_gets_the_whole_input_and_its_arguments():
    def solve(given, *, steps=1, tools=()):
        return given, steps, tools

    pool = keyword_pool(coder={"capabilities": []}, poet={"capabilities": ["tools"]})
    chain = by_model(pool=pool, others={"coder": solve}, input_key="topic")
    given = {"topic": CODE, "question": SEA}
    assert chain.invoke(given, steps=3, tools=["t"]) == (given, 3, ["t"])  # no need of "tools"
    assert chain.bind(steps=2).batch([given, given]) == [(given, 2, ())] * 2


def test_a_conversation_tells_what_is_needed():
    pool = keyword_pool(coder={"capabilities": ["tools"]}, poet={"capabilities": ["vision"]})
    chain = by_model(pool=pool, others={name: lambda given, name=name: name for name in NAMES})
    image = {"role": "user", "content": [{"type": "text", "text": CODE}, {"type": "image"}]}
    assert chain.invoke([image]) == "poet"
    assert chain.invoke({"messages": [image]}) == "poet"
    with pytest.raises(EmptyPoolError, match="vision"):
        chain.invoke([image], model="coder")


def test_a_chat_model_tells_what_it_can_do():
    """Where the pool is silent."""
    models = {name: StubChat(model=name) for name in NAMES}
    models["poet"] = StubChat(model="poet", profile={"image_inputs": True})
    chain = RunnableByModel(router=keyword_router(pool=keyword_pool()), runnables=models)
    image = {"role": "user", "content": [{"type": "text", "text": CODE}, {"type": "image"}]}
    assert chain.invoke([image]).response_metadata["model_name"] == "poet"
    bound = {name: model.bind(stop=["."]) for name, model in models.items()}
    chain = RunnableByModel(router=chain.router, runnables=bound)
    assert chain.invoke([image]).response_metadata["model_name"] == "poet"


# Options


async def test_a_forced_one_answers_alone(embedder):
    asked = []
    chain = by_model(embedder, others={"coder": failing(OSError("down"), asked)})
    assert chain.invoke(SEA, model="all") == f"all: {SEA}"
    configured = chain.with_config(configurable={"knnrouter_model": "all"})
    assert configured.invoke(SEA) == f"all: {SEA}"
    assert embedder.calls == []
    with pytest.raises(OSError, match="down"):
        await chain.ainvoke(SEA, model="coder")
    assert asked == [SEA]
    with pytest.raises(UnknownModelError, match="did you mean poet"):
        chain.invoke(SEA, model="poett")


def test_fields_and_configuration_decide():
    chain = by_model(allow=("coder", "all"))
    assert chain.invoke(SEA) == f"all: {SEA}"
    configs = [
        RunnableConfig(configurable={"knnrouter_allow": ["coder"]}),
        RunnableConfig(configurable={"knnrouter_allow": ["poet"]}),
    ]
    assert chain.batch([SEA, SEA], configs) == [f"coder: {SEA}", f"poet: {SEA}"]


async def test_what_is_meant_for_the_router_ends_there():
    seen = []

    def note(given, config: RunnableConfig):
        seen.append(config["configurable"])
        return "noted"

    chain = by_model(others={"coder": note})
    config = {"configurable": {"knnrouter_allow": ["coder"], "user": "u1"}}
    chain.invoke(SEA, config)
    await chain.ainvoke(SEA, config)
    chain.batch([SEA, SEA], config)
    assert seen == [{"user": "u1"}] * 4


# Names


def test_names_are_checked_at_construction():
    router = keyword_router(pool=keyword_pool(poet={"aliases": ["bard"]}))
    with pytest.raises(UnknownModelError) as caught:
        RunnableByModel(
            router=router, runnables={"coder": len, "bard": len, "poet": len, "al": len}
        )
    message = str(caught.value)
    assert "runnables['al']: the pool has no model 'al'" in message
    assert "runnables['poet'] is poet again" in message
    assert "runnables has nothing for all" in message
    chain = RunnableByModel(router=router, runnables={"all": len, "coder": len, "bard": len})
    assert tuple(chain.runnables) == NAMES


def test_a_model_that_cannot_be_chosen_needs_no_runnable():
    router = keyword_router(pool=keyword_pool(all={"enabled": False}))
    chain = RunnableByModel(router=router, runnables={"coder": echo("coder"), "poet": echo("poet")})
    assert chain.invoke(SUM) == f"coder: {SUM}"


@pytest.mark.parametrize("given", [None, {}, [echo("coder")], echo("coder")])
def test_runnables_are_a_mapping(given):
    with pytest.raises(TypeError, match="give a mapping from names of the pool to runnables"):
        RunnableByModel(router=keyword_router(), runnables=given)


def test_what_cannot_run_is_told_all_at_once():
    with pytest.raises(TypeError, match=r"\['coder'\] is of type int; .*\['all'\] is of type str"):
        by_model(others={"coder": 3, "all": "text"})


def test_fields_that_do_not_exist_are_errors():
    with pytest.raises(TypeError, match=r"shadwo \(did you mean shadow\?\)"):
        by_model(shadwo=True)
    with pytest.raises(TypeError, match=r"give a knnrouter\.Router"):
        RunnableByModel(router=None, runnables=echoes())
    with pytest.raises(ValidationError, match=r"1 validation error.*\s+router\s+Field required"):
        RunnableByModel(runnables=echoes())


# Fallback


async def test_the_next_of_the_ranking_answers_where_one_fails():
    asked = []
    chain = by_model(
        others={"poet": failing(TimeoutError(), asked), "all": failing(OSError(), asked)}
    )
    assert chain.invoke(SEA) == f"coder: {SEA}"
    assert await chain.ainvoke(SEA) == f"coder: {SEA}"
    assert list(chain.stream(SEA)) == [f"coder: {SEA}"]
    assert [each async for each in chain.astream(SEA)] == [f"coder: {SEA}"]
    assert chain.batch([SEA, CODE]) == [f"coder: {SEA}", f"coder: {CODE}"]
    assert asked == [SEA] * 10


async def test_only_the_stated_errors_let_another_answer():
    chain = by_model(others={"poet": failing(ValueError("mine"))}, fallback_on=(OSError,))
    with pytest.raises(ValueError, match="mine"):
        chain.invoke(SEA)
    with pytest.raises(ValueError, match="mine"):
        await chain.ainvoke(SEA)
    chain = by_model(others={"poet": failing(ConnectionError())}, fallback_on=(OSError,))
    assert chain.invoke(SEA) == f"all: {SEA}"


def test_if_all_fail_the_last_error_is_raised():
    chain = by_model(others={name: failing(OSError(name)) for name in NAMES})
    with pytest.raises(OSError, match=r"^coder$"):
        chain.invoke(SEA)


async def test_a_stream_that_began_is_not_begun_again():
    chain = by_model(others={"poet": words("O waves of", fails_after=1)})
    seen = []
    with pytest.raises(ConnectionError, match="broken"):
        seen.extend(chain.stream(SEA))
    assert seen == ["O "]
    chunks = by_model(others={"poet": awords("O waves of", fails_after=1)}).astream(SEA)
    assert await anext(chunks) == "O "
    with pytest.raises(ConnectionError, match="broken"):
        await anext(chunks)
    early = by_model(others={"poet": words("O waves of", fails_after=0)})
    assert list(early.stream(SEA)) == [f"all: {SEA}"]


async def test_a_graph_can_be_interrupted_within():
    asked = []

    def confirm(state):
        asked.append("poet")
        return {"messages": [AIMessage(f"poet: {interrupt('sure?')}")]}

    chain = by_model(others={"poet": confirm})
    graph = (
        StateGraph(MessagesState)
        .add_node("answer", chain)
        .add_edge(START, "answer")
        .compile(checkpointer=InMemorySaver())
    )
    config = {"configurable": {"thread_id": "1"}}
    stopped = graph.invoke({"messages": [HumanMessage(SEA)]}, config)
    assert [each.value for each in stopped["__interrupt__"]] == ["sure?"]
    found = graph.invoke(Command(resume="yes"), config)
    assert found["messages"][-1].content == "poet: yes"
    config = {"configurable": {"thread_id": "2"}}
    stopped = await graph.ainvoke({"messages": [HumanMessage(SEA)]}, config)
    assert [each.value for each in stopped["__interrupt__"]] == ["sure?"]
    found = await graph.ainvoke(Command(resume="yes"), config)
    assert found["messages"][-1].content == "poet: yes"
    assert asked == ["poet"] * 4  # before and after each interrupt, and nobody else


# Shadow


async def test_in_shadow_the_default_answers_and_the_decision_is_recorded():
    chain = by_model(
        pool=keyword_pool(default="all"),
        shadow=True,
        others={"all": StubChat(model="all")},
    )
    recorder = Recorder()
    answer = chain.invoke(SEA, {"callbacks": [recorder]})
    assert answer.content == f"all: {SEA}"
    stamp = answer.response_metadata["knnrouter"]
    assert (stamp["model"], stamp["answered_by"], stamp["shadow"]) == ("poet", "all", True)
    [metadata] = [run["metadata"] for kind, run in recorder.starts if kind == "chat_model"]
    assert metadata["knnrouter_chosen"] == "poet"
    assert metadata["knnrouter_shadow"] is True
    assert (await chain.ainvoke(CODE)).response_metadata["knnrouter"]["model"] == "coder"
    assert [each.content for each in chain.batch([SEA, CODE])] == [f"all: {SEA}", f"all: {CODE}"]


def test_shadow_needs_a_default():
    with pytest.raises(PoolError, match=r"router\.default"):
        by_model(shadow=True)


# The decision on its way


def chat_chains(**others):
    """A chain of a prompt and a model for each name."""
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
    models = {name: StubChat(model=name) for name in NAMES} | others
    return {name: prompt | model for name, model in models.items()}


async def test_a_message_carries_the_decision():
    chain = RunnableByModel(
        router=keyword_router(), runnables=chat_chains(poet=StubChat(fails=OSError()))
    )
    given = {"question": SEA}
    merged = None
    for chunk in chain.stream(given):
        merged = chunk if merged is None else merged + chunk
    for answer in (chain.invoke(given), await chain.ainvoke(given), merged):
        stamp = answer.response_metadata["knnrouter"]
        assert (stamp["model"], stamp["answered_by"], stamp["fallback"]) == ("all", "all", True)
        assert stamp["failed"] == [{"model": "poet", "error": "OSError"}]
        assert stamp["scores"]["poet"] == 1.0
        assert answer.response_metadata["model_name"] == "all"


def test_runs_are_one_parent_and_what_the_chain_opens():
    recorder = Recorder()
    chain = RunnableByModel(
        router=keyword_router(), runnables={n: StubChat(model=n) for n in NAMES}
    )
    chain.invoke(SEA, {"callbacks": [recorder]})
    (parent_kind, parent), (kind, child) = recorder.starts
    assert (parent_kind, kind) == ("chain", "chat_model")
    assert child["parent_run_id"] == parent["run_id"]
    assert child["tags"] == ["knnrouter:poet"]
    assert child["metadata"]["knnrouter_model"] == "poet"
    assert child["metadata"]["knnrouter_score"] == 1.0
    assert [kind for kind, _ in recorder.ends] == ["chat_model", "chain"]


def test_a_turn_stays_with_the_one_that_answered():
    """Also after a fallback, with what stands in the history and nothing else."""
    asked = []

    class Flaky(StubChat):
        def _answer(self, messages, kwargs):
            asked.append(self.model)
            return super()._answer(messages, kwargs)

    models = {name: Flaky(model=name) for name in NAMES}
    chain = RunnableByModel(router=keyword_router(), runnables=models)
    models["poet"].fails = OSError()
    history = [HumanMessage(SEA)]
    answer = chain.invoke(history)
    answer = answer.model_copy(update={"tool_calls": [{"name": "t", "args": {}, "id": "1"}]})
    history += [answer, ToolMessage("found", tool_call_id="1")]
    models["poet"].fails = None
    chain.invoke(history)
    chain.batch([ChatPromptValue(messages=history)])
    of_state = RunnableByModel(
        router=chain.router,
        runnables={name: itemgetter("messages") | model for name, model in models.items()},
    )
    of_state.invoke({"messages": history})
    chain.invoke([*history, AIMessage("done"), HumanMessage("Another sea?")])
    assert asked == ["poet", "all", "all", "all", "all", "poet"]


# In chains


async def test_in_a_chain_each_token_appears_once():
    chain = (
        RunnablePassthrough()
        | RunnableByModel(router=keyword_router(), runnables=chat_chains())
        | StrOutputParser()
    )
    given = {"question": "one two sea"}
    assert [part for part in chain.stream(given) if part] == ["poet: ", "one ", "two ", "sea "]
    assert "".join([part async for part in chain.astream(given)]) == "poet: one two sea "
    tokens = [
        event["data"]["chunk"].content
        async for event in chain.astream_events(given, version="v2")
        if event["event"] == "on_chat_model_stream"
    ]
    assert [token for token in tokens if token] == ["poet: ", "one ", "two ", "sea "]


def test_after_a_prompt():
    chain = PromptTemplate.from_template("On the {what}.") | by_model(
        others={name: lambda prompt, name=name: f"{name}: {prompt.text}" for name in NAMES}
    )
    assert chain.invoke({"what": "sea"}) == "poet: On the sea."


def test_routers_within_routers():
    inner = by_model(pool=keyword_pool(default="poet"))
    outer = by_model(others={"coder": inner})
    assert outer.invoke(CODE) == f"coder: {CODE}"
    assert outer.invoke(SEA, model="coder") == f"poet: {SEA}"
    config = {"configurable": {"knnrouter_model": "coder"}}
    assert outer.invoke(SEA, config) == f"poet: {SEA}"  # the outer one was meant


# Types


def test_types_are_those_of_the_runnables():
    def length(text: str) -> int:
        return len(text)

    def upper(text: str) -> str:
        return text.upper()

    chain = by_model(others={"coder": length, "poet": upper, "all": upper})
    assert chain.InputType is str
    assert chain.OutputType == int | str
    assert chain.get_input_jsonschema()["type"] == "string"
    assert [each["type"] for each in chain.get_output_jsonschema()["anyOf"]] == [
        "integer",
        "string",
    ]
    assert by_model(others={"coder": length}).InputType is Any  # that of the echoes


def test_the_schema_of_the_input_is_that_of_the_runnables_where_they_agree():
    prompts = RunnableByModel(router=keyword_router(), runnables=chat_chains())
    assert prompts.get_input_jsonschema()["required"] == ["question"]
    other = PromptTemplate.from_template("{topic} {question}")
    mixed = RunnableByModel(router=prompts.router, runnables=chat_chains() | {"all": other})
    schema = mixed.get_input_jsonschema()
    assert (schema["title"], schema["type"]) == ("RunnableByModelInput", "object")
    assert "required" not in schema


def test_settings_of_the_runnables_are_settings_of_the_whole():
    poet = PromptTemplate.from_template("{question}").configurable_fields(
        template=ConfigurableField(id="template")
    )
    chain = by_model(
        others={
            "poet": poet | (lambda prompt: prompt.text),
            "all": KNNRouter(router=keyword_router()),
        }
    )
    assert sorted(spec.id for spec in chain.config_specs) == [
        "knnrouter_allow",
        "knnrouter_model",
        "knnrouter_policy",
        "knnrouter_require",
        "knnrouter_tags",
        "template",
    ]
    config = {"configurable": {"template": "O {question}!"}}
    assert chain.invoke({"question": SEA}, config) == f"O {SEA}!"


def test_configurable_fields():
    chain = by_model().configurable_fields(allow=ConfigurableField(id="who"))
    assert chain.invoke(SEA) == f"poet: {SEA}"
    assert chain.invoke(SEA, {"configurable": {"who": ("coder",)}}) == f"coder: {SEA}"


def test_a_copy_shares_what_cannot_be_copied():
    lock = threading.Lock()  # as clients hold them
    chain = by_model(others={"poet": RunnableLambda(lambda text: lock.locked())})
    assert copy.deepcopy(chain).invoke(SEA) is False
    assert repr(by_model(name="mine", allow=("coder",))) == (
        "RunnableByModel(name='mine', allow=('coder',))"
    )


# From a file


async def test_from_yaml_loads_the_router_when_it_is_first_needed(tmp_path, embedder):
    chain = RunnableByModel.from_yaml(
        write_pool(tmp_path), runnables=echoes(), embedder=embedder, allow=("poet", "all")
    )
    with pytest.raises(StoreError, match="saved"):
        chain.invoke(CODE)
    assert chain.invoke(CODE, model="coder") == f"coder: {CODE}"
    keyword_router(embedder).save(tmp_path / "saved")
    assert chain.invoke(CODE) == f"all: {CODE}"
    assert await chain.ainvoke(SEA) == f"poet: {SEA}"
    with pytest.raises(UnknownModelError, match="nothing for poet, all"):
        RunnableByModel.from_yaml(write_pool(tmp_path), runnables={"coder": len})
    with pytest.raises(PoolError):
        RunnableByModel.from_yaml(tmp_path / "none.yaml", runnables=echoes())

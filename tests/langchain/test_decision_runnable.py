"""KNNRouter: a runnable from inputs to decisions."""

import asyncio
import copy
import json
import logging
import math
import shutil
import threading

import pytest
from chat_stubs import Recorder
from keyword_router import (
    RANKINGS,
    ROWS,
    CountingEmbedder,
    keyword_pool,
    keyword_router,
    write_pool,
)
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import (
    ConfigurableField,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.runnables.router import RouterRunnable
from langsmith._internal._serde import dumps_json

from knnrouter import Decision
from knnrouter.errors import (
    EmptyPoolError,
    NoTextError,
    PolicyError,
    PoolError,
    QueryError,
    StoreError,
    UnknownModelError,
)
from knnrouter.index import FaissIndex
from langchain_llmrouter import KNNRouter

CODE, SEA, SUM = "Write code.", "A poem on the sea.", "What is the sum?"
THRESHOLD = "threshold:strong=coder,weak=poet,threshold=0.9"
"""Chooses the poet wherever nothing speaks for the coder."""


@pytest.fixture
def embedder():
    return CountingEmbedder()


@pytest.fixture
def router(embedder):
    return KNNRouter(router=keyword_router(embedder))


@pytest.fixture
def searches(monkeypatch):
    """The shapes of what is looked up in an index."""
    found, search = [], FaissIndex.search

    def counted(self, vectors, k):
        found.append(vectors.shape)
        return search(self, vectors, k)

    monkeypatch.setattr(FaissIndex, "search", counted)
    return found


def models(decisions):
    return [decision.model for decision in decisions]


# Inputs


@pytest.mark.parametrize(
    "given",
    [
        SEA,
        PromptTemplate.from_template("A {what} on the sea.").invoke({"what": "poem"}),
        ChatPromptTemplate.from_messages([("system", "code"), ("user", "{q}")]).invoke({"q": SEA}),
        HumanMessage(SEA),
        [SystemMessage("You write code."), HumanMessage(SEA)],
        [("system", "You write code."), ("user", SEA)],
        [{"role": "user", "content": [{"type": "text", "text": SEA}]}],
        {"question": SEA, "context": CODE},
        {"input": SEA},
        {"query": SEA},
        {"messages": [HumanMessage(SEA)]},
        {"messages": [{"role": "user", "content": SEA}], "system": CODE},
    ],
)
async def test_takes_whatever_holds_a_query(router, embedder, given):
    assert router.invoke(given).ranking == RANKINGS["sea"]
    assert (await router.ainvoke(given)).ranking == RANKINGS["sea"]
    assert embedder.calls == [[SEA], [SEA]]


def test_the_last_user_turn_decides_also_within_a_tool_loop(router):
    loop = [
        HumanMessage(SEA),
        AIMessage("", tool_calls=[{"name": "t", "args": {}, "id": "1"}]),
        ToolMessage("code code code", tool_call_id="1"),
    ]
    assert router.invoke(loop).model == "poet"
    assert router.invoke(
        [*loop, AIMessage("done"), HumanMessage("Now some code in C++")]
    ).model == ("coder")
    thread = KNNRouter(router=router.router, sticky="thread")
    assert thread.invoke([*loop, AIMessage("done"), HumanMessage(CODE)]).model == "poet"


def test_input_key_names_the_query_of_any_dict(router):
    keyed = KNNRouter(router=router.router, input_key="topic")
    assert keyed.invoke({"topic": SEA, "question": CODE}).model == "poet"
    assert keyed.invoke({"topic": [HumanMessage(SUM)]}).model == "all"
    assert keyed.invoke(CODE).model == "coder"  # no dict
    with pytest.raises(QueryError, match=r"'topic'.* keys 'question', 'lang'; name the one"):
        keyed.invoke({"question": CODE, "lang": "C"})
    with pytest.raises(QueryError, match="'topic'"):
        router.invoke({"topic": SEA})


def test_the_messages_of_a_state_are_what_is_counted(embedder):
    seen = []
    router = KNNRouter(
        router=keyword_router(embedder, keyword_pool(coder={"context_window": 10})),
        count_tokens=lambda query: seen.append(query) or 11,
    )
    messages = [HumanMessage(CODE)]
    assert router.invoke({"messages": messages}).ranking == ("all", "poet")
    prompt = ChatPromptTemplate.from_messages(messages).invoke({})
    assert router.invoke(prompt).ranking == ("all", "poet")
    given = {"messages": messages, "system": "Be brief."}
    assert router.invoke(given).ranking == ("all", "poet")
    assert all(query in (messages, given) for query in seen)
    assert (seen[0], seen[-1]) == (messages, given)  # what stands beside the messages counts


# Batches


async def test_a_batch_is_one_embedding_and_one_search(router, embedder, searches):
    texts = [CODE, SEA, {"question": SUM}, [("user", SEA)]]
    expected = ["coder", "poet", "all", "poet"]
    assert models(router.batch(texts)) == expected
    assert embedder.calls == [[CODE, SEA, SUM, SEA]]
    assert searches == [(4, 3)]
    assert models(await router.abatch(texts)) == expected
    assert embedder.calls == [[CODE, SEA, SUM, SEA]] * 2
    assert searches == [(4, 3)] * 2


async def test_an_empty_batch_asks_nobody(router, embedder):
    assert router.batch([]) == []
    assert await router.abatch([]) == []
    assert embedder.calls == []


def test_a_batch_decides_as_one_by_one(router):
    texts = [CODE, SEA, SUM, "sea and code and code"]
    for single, batched in zip(map(router.invoke, texts), router.batch(texts), strict=True):
        assert batched.ranking == single.ranking
        assert batched.scores == pytest.approx(single.scores, abs=1e-6)


async def test_each_of_a_batch_has_its_own_options(router, embedder):
    configs = [
        RunnableConfig(configurable=configurable)
        for configurable in (
            {},
            {"knnrouter_policy": THRESHOLD},
            {"knnrouter_model": "all"},
            {"knnrouter_allow": ["coder"]},
            {},
        )
    ]
    given = [SUM, SUM, SEA, SEA, CODE]
    assert models(router.batch(given, configs)) == ["all", "poet", "all", "coder", "coder"]
    assert embedder.calls == [[SUM, CODE], [SUM], [SEA]]  # one for those of equal options
    assert models(await router.abatch(given, configs)) == ["all", "poet", "all", "coder", "coder"]
    assert models(router.batch([SUM, CODE], policy=THRESHOLD)) == ["poet", "coder"]


async def test_one_that_fails_leaves_the_others_of_a_batch_alone(embedder):
    router = KNNRouter(router=keyword_router(embedder), input_key="q")
    given = [CODE, {"other": SEA}, SEA, 7, ""]
    for found in (
        router.batch(given, return_exceptions=True),
        await router.abatch(given, return_exceptions=True),
    ):
        assert models([found[0], found[2]]) == ["coder", "poet"]
        assert [type(each) for each in found[1::2]] == [QueryError, QueryError]
        assert type(found[4]) is NoTextError
    with pytest.raises(QueryError, match="input_key"):
        router.batch(given)
    with pytest.raises(QueryError, match="input_key"):
        await router.abatch(given)


def test_each_of_a_batch_has_a_run_of_its_own(router):
    recorder = Recorder()
    router.batch([CODE, "", SEA], {"callbacks": [recorder]}, return_exceptions=True)
    assert [kind for kind, _ in recorder.starts] == ["chain"] * 3
    assert models(output for _, output in recorder.ends) == ["coder", "poet"]
    assert [type(error) for _, error in recorder.errors] == [NoTextError]


# Streams


async def test_a_stream_is_the_one_decision(router):
    assert models(router.stream(SEA)) == ["poet"]
    assert models([each async for each in router.astream(SEA)]) == ["poet"]
    chain = PromptTemplate.from_template("The {q}?") | router
    assert models(chain.stream({"q": "sum"})) == ["all"]
    assert models([each async for each in chain.astream({"q": "sum"})]) == ["all"]


# Options


def test_arguments_go_before_the_configuration_and_that_before_the_fields(embedder):
    router = KNNRouter(router=keyword_router(embedder), policy=THRESHOLD)
    assert router.invoke(SUM).model == "poet"
    configured = router.with_config(configurable={"knnrouter_policy": "best_score"})
    assert configured.invoke(SUM).model == "all"
    assert configured.invoke(SUM, policy=THRESHOLD).model == "poet"
    assert router.bind(policy="best_score").invoke(SUM).model == "all"
    assert router.invoke(SUM, policy=None).model == "poet"


def test_all_options_of_a_call():
    pool = keyword_pool(
        coder={"capabilities": ["tools"], "tags": ["eu"]},
        poet={"capabilities": ["vision"]},
        all={"capabilities": ["tools"], "aliases": ["everyman"]},
    )
    router = KNNRouter(router=keyword_router(pool=pool))
    assert router.invoke(SEA).ranking == RANKINGS["sea"]
    assert router.invoke(SEA, require=["tools"]).ranking == ("all", "coder")
    assert router.invoke(SEA, require="tools", tags="eu").ranking == ("coder",)
    assert router.invoke(SEA, allow=["coder", "all"]).ranking == ("all", "coder")
    forced = router.invoke(SEA, model="everyman")
    assert (forced.model, forced.policy, forced.ranking) == ("all", "forced", ("all",))
    configured = router.with_config(
        configurable={"knnrouter_require": ["tools"], "knnrouter_tags": ["eu"]}
    )
    assert configured.invoke(SEA).ranking == ("coder",)
    image = [{"role": "user", "content": [{"type": "text", "text": CODE}, {"type": "image"}]}]
    assert router.invoke(image).ranking == ("poet",)
    with pytest.raises(EmptyPoolError, match="vision"):
        router.invoke(SEA, require=["tools", "vision"])
    with pytest.raises(UnknownModelError, match=r"poett.*did you mean poet"):
        router.invoke(SEA, model="poett")


async def test_an_option_of_another_name_is_an_error(router, embedder):
    message = r"no option 'temperature', 'polcy'; the options are model, policy, allow, require"
    given = {"temperature": 0, "polcy": "best_score"}
    with pytest.raises(TypeError, match=message):
        router.invoke(SEA, **given)
    with pytest.raises(TypeError, match=message):
        await router.ainvoke(SEA, **given)
    with pytest.raises(TypeError, match=message):
        router.batch([SEA], return_exceptions=True, **given)
    with pytest.raises(TypeError, match=message):
        await router.abatch([SEA], return_exceptions=True, **given)
    with pytest.raises(TypeError, match=message):
        next(router.stream(SEA, **given))
    assert embedder.calls == []


def test_fields_that_do_not_exist_or_are_wrong_are_errors(router):
    with pytest.raises(TypeError, match=r"polcy \(did you mean policy\?\)"):
        KNNRouter(router=router.router, polcy="best_score")
    with pytest.raises(PolicyError, match="cheapest_abov"):
        KNNRouter(router=router.router, policy="cheapest_abov:min_score=1")
    with pytest.raises(TypeError, match=r"give a knnrouter\.Router"):
        KNNRouter(router=7)


async def test_configurable_fields(router, embedder):
    open_ = router.configurable_fields(
        policy=ConfigurableField(id="p"), allow=ConfigurableField(id="who")
    )
    assert open_.invoke(SUM).model == "all"
    assert open_.invoke(SUM, {"configurable": {"p": THRESHOLD}}).model == "poet"
    chosen = open_.with_config(configurable={"who": ("coder", "poet")})
    assert chosen.invoke(SUM).ranking == ("coder", "poet")
    assert (await chosen.ainvoke(SUM)).ranking == ("coder", "poet")
    embedder.calls.clear()
    assert models(open_.with_config(configurable={"p": THRESHOLD}).batch([SUM, CODE])) == [
        "poet",
        "coder",
    ]
    assert sorted(spec.id for spec in open_.config_specs) == [
        "knnrouter_allow",
        "knnrouter_model",
        "knnrouter_policy",
        "knnrouter_require",
        "knnrouter_tags",
        "p",
        "who",
    ]


# In chains


async def test_in_chains(router, embedder):
    prompt = ChatPromptTemplate.from_messages([("system", "code"), ("user", "On the {what}.")])
    chain = prompt | router | (lambda decision: decision.ranking)
    assert chain.invoke({"what": "sea"}) == RANKINGS["sea"]
    assert await chain.ainvoke({"what": "sum"}) == RANKINGS["sum"]
    embedder.calls.clear()
    assert chain.batch([{"what": "sea"}, {"what": "code"}]) == [RANKINGS["sea"], RANKINGS["code"]]
    assert embedder.calls == [["On the sea.", "On the code."]]


async def test_assigned_to_a_key(router):
    chain = RunnablePassthrough.assign(route=router)
    found = chain.invoke({"question": SEA})
    assert (found["question"], found["route"].model) == (SEA, "poet")
    found = await chain.ainvoke({"question": SEA})
    assert found["route"].model == "poet"
    parts = list(chain.stream({"question": SEA}))
    assert parts[0] == {"question": SEA}
    assert models([parts[1]["route"]]) == ["poet"]


async def test_the_name_alone_is_the_key_of_langchains_router(router, embedder):
    chains = {name: RunnableLambda(lambda text, name=name: f"{name}: {text}") for name in RANKINGS}
    chains = {RANKINGS[word][0]: chains[word] for word in RANKINGS}
    dispatch = {"key": router.name_only(), "input": RunnablePassthrough()} | RouterRunnable(chains)
    assert dispatch.invoke(SEA) == f"sea: {SEA}"
    assert await dispatch.ainvoke(CODE) == f"code: {CODE}"
    assert dispatch.batch([SUM, SEA]) == [f"sum: {SUM}", f"sea: {SEA}"]
    embedder.calls.clear()
    names = router.name_only()
    assert names.batch([SUM, SEA]) == ["all", "poet"]
    assert embedder.calls == [[SUM, SEA]]
    assert names.invoke(SUM, policy=THRESHOLD) == "poet"
    assert list(names.stream(SEA)) == ["poet"]
    assert names.get_output_jsonschema()["type"] == "string"


# Types


def test_the_output_schema_is_that_of_a_decision_as_json(router):
    decision = router.invoke(SEA)
    schema = router.get_output_schema()
    assert list(schema.model_fields) == list(decision.to_dict())
    assert list(router.get_output_jsonschema()["properties"]) == list(decision.to_dict())
    read = schema.model_validate(decision.to_dict())
    assert read.model_dump() == decision.to_dict()
    assert (
        schema.model_validate(decision).neighbors[0].model_dump()
        == (decision.to_dict()["neighbors"][0])
    )
    assert router.OutputType is Decision


def test_what_it_takes_and_what_a_chain_with_it_gives_can_be_written_as_json(router):
    kinds = [each.get("type") for each in router.get_input_jsonschema()["anyOf"]]
    assert kinds == ["string", None, None, "array", "object"]
    given = router.get_input_schema().model_validate([HumanMessage(SEA)])
    assert router.invoke(given.root).model == "poet"
    assigned = RunnablePassthrough.assign(route=router).get_output_jsonschema()
    assert "model" in assigned["$defs"]["Decision"]["properties"]
    both = RunnableParallel(route=router, name=router.name_only()).get_output_jsonschema()
    assert both["required"] == ["route", "name"]
    prompt = PromptTemplate.from_template("{q}")
    assert json.dumps((prompt | router).get_graph().to_json())


def test_the_configuration_has_a_schema(router):
    fields = router.get_config_jsonschema()["$defs"]["Configurable"]["properties"]
    assert list(fields) == [
        "knnrouter_model",
        "knnrouter_policy",
        "knnrouter_allow",
        "knnrouter_require",
        "knnrouter_tags",
    ]
    assert all(field["description"] for field in fields.values())


# Runs


async def test_the_event_loop_goes_on_meanwhile(router, embedder):
    texts = [CODE, SEA, SUM] * 10
    found = await asyncio.gather(*(router.ainvoke(text) for text in texts))
    assert models(found) == ["coder", "poet", "all"] * 10
    await router.abatch(texts)
    assert threading.main_thread() not in embedder.threads


def test_a_run_tells_the_decision_and_no_evidence(router):
    recorder = Recorder()
    config = {"callbacks": [recorder], "tags": ["mine"], "run_name": "choice"}
    decision = router.invoke(SEA, config)
    [(kind, start)] = recorder.starts
    assert (kind, start["name"], start["tags"]) == ("chain", "choice", ["mine"])
    [(kind, output)] = recorder.ends
    assert (kind, output) == ("chain", decision)
    written = json.loads(dumps_json({"output": output}))["output"]  # as LangSmith does
    assert written["model"] == "poet"
    assert "neighbors" not in written
    evidence = [row["query"] for row in ROWS]
    assert len(decision.neighbors) == 3
    for shown in (json.dumps(written), repr(output), str(decision.to_dict())):
        assert not any(query in shown for query in evidence)


def test_a_copy_shares_the_router_and_a_repr_hides_it(router, embedder):
    for copied in (copy.copy(router), copy.deepcopy(router), router.model_copy()):
        assert copied.router is router.router
        assert copied.invoke(SEA).model == "poet"
    named = KNNRouter(router=router.router, policy="best_score", name="chooser")
    assert repr(named) == "KNNRouter(name='chooser', policy='best_score')"


def test_where_routing_fails_the_default_is_decided_and_a_warning_logged(embedder, caplog):
    router = KNNRouter(router=keyword_router(embedder, keyword_pool(default="all")))
    embedder.fails = ConnectionError("secret sea")
    with caplog.at_level(logging.WARNING, logger="knnrouter.serving"):
        decision = router.invoke(SEA)
        batched = router.batch([SEA, CODE])
    assert (decision.model, decision.fallback, decision.reason_code) == (
        "all",
        True,
        "routing_failed",
    )
    assert math.isnan(decision.scores["all"])
    assert models(batched) == ["all", "all"]
    assert "ConnectionError" in caplog.text
    assert "sea" not in caplog.text
    embedder.fails = None
    assert router.invoke(SEA).model == "poet"


# From a file


def test_from_yaml_loads_the_router_when_it_is_first_needed(tmp_path, embedder):
    router = KNNRouter.from_yaml(write_pool(tmp_path), embedder=embedder, policy=THRESHOLD)
    assert router.pool.names == ("coder", "poet", "all")
    with pytest.raises(StoreError, match="saved"):
        router.invoke(SUM)
    keyword_router(embedder).save(tmp_path / "saved")
    assert router.invoke(SUM).model == "poet"
    assert router.invoke(SUM, policy="best_score").model == "all"


def test_from_yaml_of_a_file_without_an_index_fails_at_once(tmp_path):
    path = tmp_path / "pool.yaml"
    path.write_text("version: 1\nmodels:\n  - name: coder\n")
    with pytest.raises(PoolError, match="index"):
        KNNRouter.from_yaml(path)


def test_warmup_loads_the_router(tmp_path, embedder):
    router = KNNRouter.from_yaml(write_pool(tmp_path), embedder=embedder)
    keyword_router(embedder).save(tmp_path / "saved")
    router.warmup()
    shutil.rmtree(tmp_path / "saved")
    assert router.invoke(SEA).model == "poet"

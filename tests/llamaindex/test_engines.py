"""Engines and retrievers behind a KNNSelector, over real indexes; one engine for each model."""

import asyncio
import sys

import pytest
from keyword_router import RANKINGS, keyword_pool, keyword_router
from llama_index.core import Document, SummaryIndex, VectorStoreIndex
from llama_index.core.base.base_selector import BaseSelector
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.retrievers import RouterRetriever
from llama_index.core.schema import QueryBundle
from llama_index.core.tools import QueryEngineTool, RetrieverTool
from llm_stubs import StubLLM
from word_embedding import WordEmbedding

from knnrouter import RecordSet, Router
from knnrouter.errors import PoolError, UnknownModelError
from llamaindex_llmrouter import KNNRouterLLM, KNNSelector, query_engine_per_model

NAMES = ("coder", "poet", "all")
DOCUMENTS = [
    Document(text="The code of the parser is in three files.", id_="parser"),
    Document(text="The sea is salt, and the sea is deep.", id_="sea"),
    Document(text="The sum of all prices is 12.", id_="prices"),
]
ABOUT = {"code": "parser", "sea": "sea", "sum": "prices"}
"""The document that is about each word."""


@pytest.fixture
def selector():
    return KNNSelector(keyword_router())


@pytest.fixture
def index():
    return VectorStoreIndex.from_documents(DOCUMENTS, embed_model=WordEmbedding())


@pytest.fixture
def stubs():
    return {name: StubLLM(model=name) for name in NAMES}


@pytest.fixture
def engine(selector, index, stubs):
    return routed(selector, query_engine_per_model(index, stubs, similarity_top_k=1))


def routed(selector, tools):
    """The engine that routes among tools; its own LLM only sums up several answers."""
    return RouterQueryEngine(selector=selector, query_engine_tools=tools, llm=StubLLM(model="sum"))


def query(engine, text):
    return engine.query(text)


def aquery(engine, text):
    return asyncio.run(engine.aquery(text))


def seen(stubs):
    return {name: len(stub.seen) for name, stub in stubs.items() if stub.seen}


# One engine for each model


@pytest.mark.parametrize("ask", [query, aquery])
@pytest.mark.parametrize("word", list(RANKINGS))
def test_the_best_model_answers_from_the_right_document(engine, stubs, ask, word):
    answer = ask(engine, f"a question on {word}")
    best = RANKINGS[word][0]
    assert str(answer).startswith(f"{best}: ")
    assert [node.node.ref_doc_id for node in answer.source_nodes] == [ABOUT[word]]
    assert seen(stubs) == {best: 1}
    result = answer.metadata["selector_result"]
    assert result.decision["model"] == best
    assert result.ind == NAMES.index(best)


async def test_a_hundred_at_once_each_get_the_right_engine(engine, stubs):
    words = [list(RANKINGS)[place % 3] for place in range(100)]
    answers = await asyncio.gather(
        *(engine.aquery(f"{word}, number {place}") for place, word in enumerate(words))
    )
    for word, answer in zip(words, answers, strict=True):
        assert str(answer).startswith(f"{RANKINGS[word][0]}: ")
        assert answer.metadata["selector_result"].decision["model"] == RANKINGS[word][0]
        assert [node.node.ref_doc_id for node in answer.source_nodes] == [ABOUT[word]]
    assert seen(stubs) == {"coder": 34, "poet": 33, "all": 33}
    ids = {answer.metadata["selector_result"].decision["id"] for answer in answers}
    assert len(ids) == 100


def test_the_tools_are_named_as_the_models(index, stubs):
    tools = query_engine_per_model(index, stubs)
    assert all(isinstance(tool, QueryEngineTool) for tool in tools)
    assert [(tool.metadata.name, tool.metadata.description) for tool in tools] == [
        (name, f"The model {name}.") for name in NAMES
    ]


def test_what_an_engine_takes_is_handed_on(index, stubs):
    tools = query_engine_per_model(index, stubs, similarity_top_k=2)
    assert len(tools[0].query_engine.query("code").source_nodes) == 2


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ({}, "models is an empty dict; give a mapping"),
        ([StubLLM()], "models is a list; give a mapping"),
        ({"a": StubLLM(), "b": "gpt", "c": 7}, r"models\['b'\] is a str, models\['c'\] is a int"),
    ],
)
def test_only_llms_are_taken(index, models, told):
    with pytest.raises(TypeError, match=told):
        query_engine_per_model(index, models)


# The models of a routing LLM


def routing_llm(stubs, **pool):
    return KNNRouterLLM(router=keyword_router(pool=keyword_pool(**pool)), models=stubs)


@pytest.mark.parametrize("ask", [query, aquery])
def test_the_models_of_a_routing_llm_have_engines(selector, index, stubs, ask):
    llm = routing_llm(stubs, all={"context_window": 8000})
    tools = query_engine_per_model(index, llm, similarity_top_k=1)
    assert [tool.metadata.name for tool in tools] == list(NAMES)
    assert tools[2].metadata.description == "The model all: 8,000 tokens of context."
    answer = ask(routed(selector, tools), "the sea")
    assert str(answer).startswith("poet: ")
    assert [node.node.ref_doc_id for node in answer.source_nodes] == ["sea"]


def test_models_that_are_not_enabled_have_none(index, stubs):
    tools = query_engine_per_model(index, routing_llm(stubs, poet={"enabled": False}))
    assert [tool.metadata.name for tool in tools] == ["coder", "all"]


POOL = """
version: 1
router: {index: saved}
models:
  - {name: coder, provider: openai, model: gpt-5-mini, api_key_env: NO_SUCH_KEY}
  - {name: poet, provider: anthropic, model: claude, api_key_env: NO_SUCH_KEY}
  - {name: all, provider: openai, model: gpt-5, api_key_env: NO_SUCH_KEY}
"""


def test_a_client_is_built_when_its_engine_is_first_asked(tmp_path, index, monkeypatch):
    """No key need be set, and no client's package imported, of a model that is not asked."""
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    keyword_router().save(tmp_path / "saved")
    (tmp_path / "pool.yaml").write_text(POOL)
    llm = KNNRouterLLM.from_yaml(tmp_path / "pool.yaml")
    built = []

    def build(name):
        built.append(name)
        return StubLLM(model=name)

    monkeypatch.setattr(KNNRouterLLM, "llm_of", lambda self, name: build(name))
    engine = routed(KNNSelector(keyword_router()), query_engine_per_model(index, llm))
    assert built == []
    assert str(engine.query("the sea")).startswith("poet: ")
    assert str(asyncio.run(engine.aquery("the deep sea"))).startswith("poet: ")
    assert built == ["poet"]
    assert "llama_index.llms.anthropic" not in sys.modules


def test_a_key_that_is_not_set_is_told_when_it_is_needed(tmp_path, index, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    keyword_router().save(tmp_path / "saved")
    (tmp_path / "pool.yaml").write_text(POOL)
    tools = query_engine_per_model(index, KNNRouterLLM.from_yaml(tmp_path / "pool.yaml"))
    with pytest.raises(PoolError, match=r"models\[coder\]: .*NO_SUCH_KEY is not set"):
        tools[0].query_engine.query("some code")


def test_a_routing_llm_hands_out_its_models(stubs):
    llm = routing_llm(stubs, poet={"aliases": ["bard"]})
    assert llm.llm_of("coder") is stubs["coder"]
    assert llm.llm_of("bard") is stubs["poet"]
    with pytest.raises(UnknownModelError, match="no model 'clerk'"):
        llm.llm_of("clerk")


def test_a_late_engine_does_all_that_its_engine_does(index, stubs):
    (late, *_) = query_engine_per_model(index, routing_llm(stubs), similarity_top_k=1)
    (ready, *_) = query_engine_per_model(index, stubs, similarity_top_k=1)
    late, ready = late.query_engine, ready.query_engine
    bundle = QueryBundle("the sea")
    nodes = late.retrieve(bundle)
    assert [node.node.ref_doc_id for node in nodes] == ["sea"]
    expected = str(ready.synthesize(bundle, nodes))
    assert expected.startswith("coder: ")
    assert str(late.synthesize(bundle, nodes)) == expected
    assert str(asyncio.run(late.asynthesize(bundle, nodes))) == expected
    names = set(late.get_prompts())
    assert {f"engine:{name}" for name in ready.get_prompts()} == names


def test_a_late_engine_fires_the_events_of_a_query_once(index, stubs, events):
    (tool, *_) = query_engine_per_model(index, routing_llm(stubs))
    tool.query_engine.query("the sea")
    assert events.names("Query") == ["QueryStartEvent", "QueryEndEvent"]


# Selecting asks no LLM and no key


@pytest.mark.parametrize("ask", [query, aquery])
def test_only_the_engines_own_llm_is_called(engine, events, ask):
    ask(engine, "some code")
    names = [
        name
        for name in events.names("LLM", "RouteDecision")
        if name in ("RouteDecisionEvent", "LLMChatStartEvent", "LLMChatEndEvent")
    ]
    assert names == ["RouteDecisionEvent", "LLMChatStartEvent", "LLMChatEndEvent"]


def test_a_model_that_fails_is_the_callers_to_see(selector, index, stubs):
    """A selector only selects: the error of what it selected is not swallowed."""
    stubs["poet"] = StubLLM(model="poet", fails=ConnectionError("no key"))
    engine = routed(selector, query_engine_per_model(index, stubs))
    with pytest.raises(ConnectionError, match="no key"):
        engine.query("the sea")
    assert str(engine.query("some code")).startswith("coder: ")


# Several at once


@pytest.mark.parametrize("ask", [query, aquery])
def test_the_answers_of_several_are_summed_up(index, stubs, ask):
    selector = KNNSelector(keyword_router(), top_n=2)
    answer = ask(routed(selector, query_engine_per_model(index, stubs)), "the sea")
    assert str(answer).startswith("sum: ")
    assert seen(stubs) == {"poet": 1, "all": 1}
    assert answer.metadata["selector_result"].inds == [1, 2]


# Retrievers


@pytest.fixture
def shelves():
    """A retriever for each of two places; the records say which knows what."""
    rows = [
        {"query": "What does the handbook say on holidays?", "handbook": 1, "tickets": 0},
        {"query": "How many days of leave do I have?", "handbook": 1, "tickets": 0},
        {"query": "Which bugs were filed on the login page?", "handbook": 0, "tickets": 1},
        {"query": "Is the crash at upload solved?", "handbook": 0, "tickets": 1},
    ]
    texts = {"tickets": "Ticket 7: crash at upload, open.", "handbook": "Leave is 30 days."}
    tools = [
        RetrieverTool.from_defaults(
            retriever=SummaryIndex.from_documents([Document(text=text, id_=name)]).as_retriever(),
            name=name,
            description=f"What is in the {name}.",
        )
        for name, text in texts.items()
    ]
    selector = KNNSelector(Router.fit(RecordSet.from_rows(rows)))
    return RouterRetriever(selector=selector, retriever_tools=tools, llm=MockLLM())


ASKED = {"Were bugs filed on upload?": "tickets", "How many holidays do I have?": "handbook"}


@pytest.mark.parametrize(("text", "place"), ASKED.items())
def test_the_right_retriever_answers(shelves, text, place):
    assert [node.node.ref_doc_id for node in shelves.retrieve(text)] == [place]
    found = asyncio.run(shelves.aretrieve(text))
    assert [node.node.ref_doc_id for node in found] == [place]


async def test_a_hundred_retrievals_at_once(shelves):
    texts = [list(ASKED)[place % 2] for place in range(100)]
    found = await asyncio.gather(*map(shelves.aretrieve, texts))
    assert [[node.node.ref_doc_id for node in nodes] for nodes in found] == [
        [ASKED[text]] for text in texts
    ]


def test_a_choice_that_is_no_model_is_told(index, stubs):
    tools = query_engine_per_model(index, {**stubs, "web": StubLLM()})
    engine = routed(KNNSelector(keyword_router()), tools)
    with pytest.raises(UnknownModelError, match="'web'; the pool has coder, poet, all"):
        engine.query("some code")


def test_it_is_a_selector_without_prompts(selector, engine):
    assert isinstance(selector, BaseSelector)
    assert selector.get_prompts() == {}
    assert all(name.startswith("summarizer") for name in engine.get_prompts())
    selector.update_prompts({})

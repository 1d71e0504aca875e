"""What listeners are told: the decision first, then one start and one end, of the chosen LLM."""

import asyncio
import json

import pytest
from llama_index.core import Document, Settings, SummaryIndex
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation.events.llm import LLMChatStartEvent
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llm_stubs import SECRET
from routed_chats import CODE, CODE_RANKING, POEM, pool_of
from routed_llms import (
    CHATS,
    COMPLETES,
    LOOK,
    WITH_TOOLS,
    called,
    chat,
    name_of,
    routed,
    stamp_of,
    stubs,
)

from llamaindex_llmrouter import RouteDecisionEvent

ENDS = ("RouteDecision", "LLMChatStart", "LLMChatEnd", "LLMCompletionStart", "LLMCompletionEnd")
EVERY = pytest.mark.parametrize("call", (*CHATS, *COMPLETES, *WITH_TOOLS), ids=name_of)


@EVERY
def test_the_decision_is_told_before_the_one_pair_of_the_chosen_llm(call, llm, events):
    stamp = stamp_of(call(llm)[-1])
    kind = "LLMCompletion" if call in COMPLETES else "LLMChat"
    assert events.names(*ENDS) == ["RouteDecisionEvent", f"{kind}StartEvent", f"{kind}EndEvent"]
    decision, start, _ = events.of("RouteDecisionEvent", f"{kind}StartEvent", f"{kind}EndEvent")
    assert decision.decision_id == stamp["id"]
    assert start.model_dict["model_name"] == "coder"


def test_what_the_event_tells(llm, events):
    answer = llm.chat([ChatMessage(CODE)])
    (event,) = events.of("RouteDecisionEvent")
    assert isinstance(event, RouteDecisionEvent)
    assert (event.model, tuple(event.ranking)) == ("coder", CODE_RANKING)
    assert (event.policy, event.reason_code, event.fallback, event.shadow) == (
        "best_score",
        "best_score",
        False,
        False,
    )
    assert event.scores == stamp_of(answer)["scores"]
    assert event.costs == stamp_of(answer)["costs"]
    assert 0.5 < event.similarity <= 1
    assert event.elapsed_ms >= 0
    assert event.reason
    assert CODE not in json.dumps(event.model_dump(), default=str)


def test_a_named_llm_and_shadow_are_told(llm, events):
    llm.complete(CODE, model="poet")
    routed(pool=pool_of(router={"default": "clerk"}), shadow=True).complete(CODE)
    forced, shadow = events.of("RouteDecisionEvent")
    assert (forced.model, forced.reason_code, forced.scores["poet"]) == ("poet", "forced", None)
    assert (shadow.model, shadow.shadow) == ("coder", True)


def test_a_fallback_tells_one_decision(events):
    chat(routed(stubs(coder={"fails": TimeoutError("slow")})))
    starts = events.of("LLMChatStartEvent")
    assert [start.model_dict["model_name"] for start in starts] == ["coder", "clerk"]
    assert len(events.of("RouteDecisionEvent")) == 1
    assert len(events.of("LLMChatEndEvent")) == 1


def test_no_event_holds_a_secret(llm, events):
    for call in (*CHATS, *COMPLETES, *WITH_TOOLS):
        call(llm)
    told = [json.dumps(event.model_dump(), default=repr) for event in events.told]
    assert len(told) > 20
    assert not [text for text in told if SECRET in text]


@EVERY
def test_a_counter_of_tokens_counts_once(call):
    counter = TokenCountingHandler(tokenizer=str.split)
    models = stubs()
    call(routed(models, callback_manager=CallbackManager([counter])))
    (counted,) = counter.llm_token_counts
    assert counted.prompt_token_count > 0
    assert called(models) == {"coder": 1}


def test_handlers_of_the_router_reach_llms_that_have_none():
    own, first, second = (TokenCountingHandler(tokenizer=str.split) for _ in range(3))
    models = stubs(poet={"callback_manager": CallbackManager([own])})
    llm = routed(models)
    llm.complete(CODE)
    llm.callback_manager = CallbackManager([first])
    llm.complete(CODE)
    llm.complete(POEM)
    llm.callback_manager = CallbackManager([second])
    llm.complete(CODE)
    assert [len(each.llm_token_counts) for each in (own, first, second)] == [1, 1, 1]


# In the places where LLMs of LlamaIndex stand.


@pytest.fixture
def index():
    return SummaryIndex.from_documents([Document(text=CODE)])


def test_as_the_llm_of_all(index, events):
    counter = TokenCountingHandler(tokenizer=str.split)
    models = stubs()
    Settings.llm = routed(models)
    Settings.callback_manager = CallbackManager([counter])
    assert str(index.as_query_engine().query(POEM)).startswith("poet: ")
    assert called(models) == {"poet": 1}
    assert len(counter.llm_token_counts) == 1
    assert len(events.of("RouteDecisionEvent")) == 1


@pytest.mark.parametrize("mode", ["simple", "context", "condense_plus_context"])
async def test_a_chat_engine_is_routed_turn_by_turn(index, mode):
    models = stubs()
    llm = routed(models)
    Settings.llm = llm
    memory = ChatMemoryBuffer.from_defaults(token_limit=1000, tokenizer_fn=str.split)
    engine = index.as_chat_engine(chat_mode=mode, llm=llm, memory=memory)
    assert str(engine.chat(POEM)).startswith("poet: ")
    engine.reset()
    assert str(await engine.achat(CODE)).startswith("coder: ")
    engine.reset()
    assert "".join(engine.stream_chat(POEM).response_gen).startswith("poet: ")
    engine.reset()
    streamed = await engine.astream_chat(CODE)
    tokens = [token async for token in streamed.async_response_gen()]
    assert "".join(tokens).startswith("coder: ")
    assert called(models) == {"coder": 2, "poet": 2}


def test_the_span_of_the_router_is_around_that_of_the_llm(llm, events):
    chat(llm)
    decision, start = events.of("RouteDecisionEvent", "LLMChatStartEvent")
    assert isinstance(start, LLMChatStartEvent)
    assert decision.span_id.startswith("KNNRouterLLM.chat-")
    assert start.span_id.startswith("StubLLM.chat-")


def test_predict_and_call_tells_one_decision(llm, events):
    asyncio.run(llm.apredict_and_call([LOOK], POEM))
    assert events.names(*ENDS) == ["RouteDecisionEvent", "LLMChatStartEvent", "LLMChatEndEvent"]

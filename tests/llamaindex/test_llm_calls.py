"""Each call is routed, and the chosen LLM answers it: chats, completions and prompts."""

import asyncio
import dataclasses
import json

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.types import BaseOutputParser
from pydantic import BaseModel
from routed_chats import CODE, CODE_RANKING, POEM, evidence, pool_of
from routed_llms import (
    CHATS,
    COMPLETES,
    SAID,
    WITH_TOOLS,
    called,
    name_of,
    routed,
    stamp_of,
    stubs,
)

from knnrouter.errors import EmptyPoolError, UnknownModelError
from knnrouter.policies import BestScore
from llamaindex_llmrouter import KNNRouterLLM

EVERY = pytest.mark.parametrize("call", (*CHATS, *COMPLETES), ids=name_of)


@EVERY
def test_the_chosen_llm_answers_and_every_chunk_tells_the_decision(call, llm, models):
    chunks = call(llm)
    last = chunks[-1]
    text = last.message.content if call in CHATS else last.text
    assert text == f"coder: {CODE}"
    assert called(models) == {"coder": 1}
    assert {stamp_of(chunk)["id"] for chunk in chunks} == {stamp_of(last)["id"]}
    stamp = stamp_of(last)
    assert (stamp["model"], stamp["answered_by"], stamp["shadow"]) == ("coder", "coder", False)
    assert tuple(stamp["ranking"]) == CODE_RANKING
    json.dumps(stamp)


@EVERY
def test_deltas_make_the_whole(call, llm):
    chunks = call(llm)
    if len(chunks) > 1:
        assert "".join(chunk.delta for chunk in chunks) == f"coder: {CODE}"


@EVERY
def test_the_message_itself_carries_nothing_of_the_router(call, llm):
    """It is replayed to providers, which would refuse it."""
    last = call(llm)[-1]
    if call in CHATS:
        assert last.message.additional_kwargs == {"made_by": "coder"}


@EVERY
def test_a_call_may_name_the_llm(call, llm, models):
    stamp = stamp_of(call(llm, model="poet", knnrouter_tags="none", temperature=0.5)[-1])
    assert (stamp["answered_by"], stamp["reason_code"]) == ("poet", "forced")
    assert called(models) == {"poet": 1}
    assert models["poet"].seen[0]["arguments"] == {"temperature": 0.5}


GOES_ON = [
    *SAID,
    ChatMessage("I look.", role="assistant"),
    ChatMessage(POEM, role="tool", additional_kwargs={"tool_call_id": "1"}),
]


def test_an_llm_that_was_named_goes_on_with_its_turn(llm):
    """As LangChain's router has it, where the history carries the decision."""
    first = stamp_of(llm.chat(SAID, model="clerk"))
    again = stamp_of(llm.chat(GOES_ON))
    assert (again["answered_by"], again["id"]) == ("clerk", first["id"])
    assert stamp_of(llm.chat(GOES_ON, model="poet"))["answered_by"] == "poet"
    assert stamp_of(llm.chat(SAID))["answered_by"] == "coder"


def test_in_shadow_nothing_is_kept():
    llm = routed(pool=pool_of(router={"default": "clerk"}), shadow=True)
    first = stamp_of(llm.chat(SAID, model="poet"))
    again = stamp_of(llm.chat(GOES_ON))
    assert (again["answered_by"], again["shadow"]) == ("clerk", True)
    assert again["id"] != first["id"]


@EVERY
def test_an_unknown_name_is_an_error(call, llm):
    with pytest.raises(UnknownModelError, match=r"'poett'.*did you mean poet"):
        call(llm, model="poett")


@EVERY
def test_options_hold_for_one_call(call, llm, models):
    assert stamp_of(call(llm, knnrouter_allow="poet")[-1])["model"] == "poet"
    assert stamp_of(call(llm)[-1])["model"] == "coder"
    assert [each["arguments"] for model in models.values() for each in model.seen] == [{}, {}]


@EVERY
def test_a_misspelled_option_is_an_error(call, llm):
    with pytest.raises(TypeError, match="unknown options: knnrouter_alow"):
        call(llm, knnrouter_alow="poet")


@pytest.mark.parametrize(
    "fields",
    [{"allow": "poet"}, {"allow": ("poet",)}, {"require_tags": "eu"}, {"require": "vision"}],
)
def test_fields_hold_for_every_call(fields):
    pool = pool_of(
        poet={"tags": ["eu"], "capabilities": ["vision"]}, coder={"capabilities": ["tools"]}
    )
    llm = routed(pool=pool, **fields)
    assert stamp_of(llm.chat(SAID))["model"] == "poet"


def test_nobody_who_may_answer_is_an_error(llm):
    with pytest.raises(EmptyPoolError):
        llm.complete(CODE, knnrouter_tags="eu")


def test_a_policy_may_be_an_object_or_a_text():
    for policy in (BestScore(), "best_score"):
        assert stamp_of(routed(policy=policy).complete(POEM))["model"] == "poet"


class _Down:
    """An embedder whose service is down."""

    id, dim = evidence().embedder.id, evidence().embedder.dim

    def embed(self, texts):
        raise ConnectionError("down")


@EVERY
def test_where_routing_fails_the_default_answers(call, caplog):
    router = dataclasses.replace(
        evidence().with_pool(pool_of(router={"default": "clerk"})), embedder=_Down()
    )
    stamp = stamp_of(call(KNNRouterLLM(router=router, models=stubs()))[-1])
    assert (stamp["answered_by"], stamp["reason_code"], stamp["fallback"]) == (
        "clerk",
        "routing_failed",
        True,
    )
    assert caplog.messages == ["routing failed (ConnectionError); clerk answers"]


@EVERY
def test_without_a_default_the_failure_is_told(call):
    router = dataclasses.replace(evidence(), embedder=_Down())
    with pytest.raises(ConnectionError, match="down"):
        call(KNNRouterLLM(router=router, models=stubs()))


# Fallbacks.


@pytest.mark.parametrize("call", (*CHATS, *COMPLETES, *WITH_TOOLS), ids=name_of)
def test_the_next_of_the_ranking_answers_where_one_fails(call):
    models = stubs(coder={"fails": TimeoutError("too slow for sk-plain-secret")})
    stamp = stamp_of(call(routed(models))[-1])
    assert (stamp["model"], stamp["answered_by"]) == ("clerk", "clerk")
    assert stamp["failed"] == [{"model": "coder", "error": "TimeoutError"}]
    assert called(models) == {"coder": 1, "clerk": 1}


@pytest.mark.parametrize("call", (*CHATS, *COMPLETES), ids=name_of)
def test_other_errors_are_the_callers(call):
    models = stubs(coder={"fails": TimeoutError("slow")})
    with pytest.raises(TimeoutError, match="slow"):
        call(routed(models, fallback_on=ConnectionError))
    assert called(models) == {"coder": 1}


@pytest.mark.parametrize("call", (*CHATS[2:], *COMPLETES[2:]), ids=name_of)
def test_after_the_first_chunk_an_error_is_the_callers(call):
    models = stubs(coder={"fails": TimeoutError("slow"), "fails_after": 2})
    with pytest.raises(TimeoutError, match="slow"):
        call(routed(models))
    assert called(models) == {"coder": 1}
    models = stubs(coder={"fails": TimeoutError("slow"), "fails_after": 0})
    assert stamp_of(call(routed(models))[-1])["answered_by"] == "clerk"


# Shadow.


@pytest.mark.parametrize("call", (*CHATS, *COMPLETES, *WITH_TOOLS), ids=name_of)
def test_in_shadow_the_default_answers(call):
    models = stubs()
    llm = routed(models, pool=pool_of(router={"default": "clerk"}), shadow=True)
    stamp = stamp_of(call(llm)[-1])
    assert (stamp["model"], stamp["answered_by"], stamp["shadow"]) == ("coder", "clerk", True)
    assert called(models) == {"clerk": 1}
    assert stamp_of(call(llm, model="poet")[-1])["answered_by"] == "poet"


# Prompts.

ASK = PromptTemplate("Answer: {query_str}")


def test_prompts_are_worded_and_answered_by_the_chosen_llm(llm, models):
    assert llm.predict(ASK, query_str=POEM) == f"poet: Answer: {POEM}"
    assert asyncio.run(llm.apredict(ASK, query_str=POEM)) == f"poet: Answer: {POEM}"
    assert "".join(llm.stream(ASK, query_str=POEM)) == f"poet: Answer: {POEM}"

    async def read():
        return "".join([token async for token in await llm.astream(ASK, query_str=POEM)])

    assert asyncio.run(read()) == f"poet: Answer: {POEM}"
    assert called(models) == {"poet": 4}


def test_values_of_a_prompt_are_the_prompts(llm):
    about = PromptTemplate("Write a funny limerick on {model}.")
    assert llm.predict(about, model="coder").startswith("poet: Write a funny limerick on coder.")
    assert llm.predict(about, model="x", knnrouter_model="clerk").startswith("clerk: ")


@pytest.mark.parametrize("call", ["predict", "stream"])
def test_a_misspelled_option_is_no_value_of_a_prompt(call, llm):
    with pytest.raises(TypeError, match="unknown options: knnrouter_alow"):
        getattr(llm, call)(ASK, query_str=POEM, knnrouter_alow="poet")
    with pytest.raises(TypeError, match="unknown options: knnrouter_alow"):
        llm.structured_predict(Place, ASK, query_str=POEM, knnrouter_alow="poet")


def test_a_system_prompt_of_the_router_reaches_the_chosen_llm():
    models = stubs()
    llm = routed(models, system_prompt="Be {brief}.")
    assert llm.predict(ASK, query_str=POEM) == f"poet: Answer: {POEM}"
    llm.structured_predict(Place, ASK, query_str=POEM)
    for call in models["poet"].seen:
        assert [message.content for message in call["messages"]] == [
            "Be {brief}.",
            f"Answer: {POEM}",
        ]


class Place(BaseModel):
    """A place."""

    name: str
    size: int


def test_structured_output_is_made_by_the_chosen_llm(llm, models):
    async def read():
        awaited = await llm.astream_structured_predict(Place, ASK, query_str=POEM)
        return [each async for each in awaited][-1]

    made = [
        llm.structured_predict(Place, ASK, query_str=POEM),
        asyncio.run(llm.astructured_predict(Place, ASK, query_str=POEM)),
        [*llm.stream_structured_predict(Place, ASK, query_str=POEM)][-1],
        asyncio.run(read()),
    ]
    assert [type(each) for each in made[:2]] == [Place] * 2
    assert [each.size for each in made] == [3] * 4
    assert called(models) == {"poet": 4}


def test_a_structured_llm_routes_each_call(llm, models):
    places = llm.as_structured_llm(Place)
    assert Place.model_validate_json(places.chat([ChatMessage(POEM)]).message.content).size == 3
    assert called(models) == {"poet": 1}
    places.chat([ChatMessage(POEM)], model="clerk", temperature=0.5)
    assert called(models) == {"poet": 1, "clerk": 1}
    assert models["clerk"].seen[0]["arguments"]["temperature"] == 0.5
    assert "model" not in models["clerk"].seen[0]["arguments"]


def test_arguments_for_the_llm_are_left_as_they_are(llm):
    given = {"tool_choice": "auto", "temperature": 0}
    llm.structured_predict(Place, ASK, given, query_str=POEM)
    assert given == {"tool_choice": "auto", "temperature": 0}


def test_structured_output_falls_back():
    models = stubs(poet={"fails": TimeoutError()})
    made = routed(models).structured_predict(Place, ASK, query_str=POEM)
    assert (made.size, called(models)) == (3, {"poet": 1, "clerk": 1})


def test_a_chat_prompt_is_routed_by_its_messages(llm):
    prompt = ChatPromptTemplate.from_messages([("system", CODE), ("user", "{ask}")])
    assert llm.predict(prompt, ask=POEM) == f"poet: {POEM}"


class _Shouts(BaseOutputParser):
    """Makes the answer loud."""

    def parse(self, output):
        return output.upper()

    def format(self, query):
        return query


async def test_an_output_parser_of_the_router_reads_what_was_predicted():
    llm = routed(output_parser=_Shouts())
    assert llm.predict(ASK, query_str=POEM) == f"poet: Answer: {POEM}".upper()
    assert await llm.apredict(ASK, query_str=POEM) == f"poet: Answer: {POEM}".upper()
    with pytest.raises(NotImplementedError, match="cannot read streams"):
        llm.stream(ASK, query_str=POEM)
    with pytest.raises(NotImplementedError, match="cannot read streams"):
        await llm.astream(ASK, query_str=POEM)

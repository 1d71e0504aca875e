"""Every way to call the chat model: the same model answers, and the answer carries the decision."""

import asyncio
import dataclasses

import pytest
from calling import WAYS, invoke
from chat_stubs import StubChat
from langchain_core.messages import HumanMessage
from pydantic import Field
from routed_chats import (
    CODE,
    CODE_RANKING,
    POEM,
    POEM_RANKING,
    CountingEmbedder,
    evidence,
    pool_of,
    routed,
    stamp_of,
    stubs,
    told,
)

from langchain_llmrouter import ChatKNNRouter

pytestmark = pytest.mark.filterwarnings("ignore:.*is in beta.*")

KEYS = {
    *("id", "model", "ranking", "scores", "costs", "stderr", "support", "similarity", "reason"),
    *("reason_code", "fallback", "policy", "elapsed_ms", "answered_by", "failed", "shadow"),
}


@pytest.mark.parametrize("call", WAYS, ids=lambda call: call.__name__)
@pytest.mark.parametrize(("text", "ranking"), [(CODE, CODE_RANKING), (POEM, POEM_RANKING)])
def test_the_favored_model_answers_and_the_answer_says_so(chat, models, call, text, ranking):
    answer = call(chat, text)
    stamp = stamp_of(answer)
    assert answer.text.rstrip() == f"{ranking[0]}: {text}"
    assert (stamp["model"], stamp["answered_by"], tuple(stamp["ranking"])) == (
        *ranking[:1],
        *ranking[:1],
        ranking,
    )
    assert (stamp["failed"], stamp["shadow"], set(stamp)) == ([], False, KEYS)
    assert answer.response_metadata["model_name"] == ranking[0]
    assert [name for name, model in models.items() if model.seen] == [ranking[0]]


@pytest.mark.parametrize("call", WAYS, ids=lambda call: call.__name__)
def test_all_ways_decide_as_the_router_itself(chat, call):
    decision = evidence().route(POEM).summary()
    assert told(stamp_of(call(chat, POEM))) == {
        **told(decision),
        "answered_by": "poet",
        "failed": [],
        "shadow": False,
    }


@pytest.mark.parametrize("call", WAYS, ids=lambda call: call.__name__)
def test_arguments_reach_the_chosen_model(chat, models, call):
    answer = call(chat, "Sort a list STOP of numbers in C.", stop=["STOP"], temperature=0.5)
    assert answer.text.rstrip() == "coder: Sort a list"
    arguments = models["coder"].seen[0]["arguments"]
    assert (arguments["stop"], arguments["temperature"]) == (["STOP"], 0.5)


@pytest.mark.parametrize("call", WAYS, ids=lambda call: call.__name__)
def test_a_stop_that_is_not_given_is_not_made_up(chat, models, call):
    call(chat, CODE)
    assert models["coder"].seen[0]["arguments"] == {"stop": None}  # the base class's own default


def test_usage_and_tool_calls_of_the_model_are_left_as_they_are(chat):
    answer = chat.invoke(CODE)
    assert answer.usage_metadata == {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}


def test_only_the_first_chunk_carries_the_decision(chat):
    first, *others = chat.stream(CODE)
    assert stamp_of(first)["model"] == "coder"
    assert len(others) > 3
    assert not any("knnrouter" in chunk.response_metadata for chunk in others)


async def test_only_the_first_chunk_carries_the_decision_where_it_is_awaited(chat):
    first, *others = [chunk async for chunk in chat.astream(CODE)]
    assert stamp_of(first)["model"] == "coder"
    assert not any("knnrouter" in chunk.response_metadata for chunk in others)


@pytest.mark.filterwarnings("ignore:astream_events version='v1' is deprecated")
@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_events_of_older_versions_are_those_of_one_model_within_the_router(chat, version):
    events = [each async for each in chat.astream_events(CODE, version=version)]
    kinds = [(each["event"], each["name"]) for each in events]
    assert kinds.count(("on_chain_start", "ChatKNNRouter")) == 1
    assert kinds.count(("on_chat_model_start", "StubChat")) == 1
    assert kinds.count(("on_chain_end", "ChatKNNRouter")) == 1
    texts = [
        each["data"]["chunk"].text for each in events if each["event"] == "on_chat_model_stream"
    ]
    assert "".join(texts).rstrip() == f"coder: {CODE}"
    routed_chunks = [each["data"]["chunk"] for each in events if each["event"] == "on_chain_stream"]
    assert stamp_of(routed_chunks[0])["model"] == "coder"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_batches_decide_as_single_calls(chat, asynchronous):
    texts = [CODE, POEM, "Reverse an array in C.", "Write an ode to the moon.", "Hello there."]
    single = [told(stamp_of(chat.invoke(text))) for text in texts]
    answers = asyncio.run(chat.abatch(texts)) if asynchronous else chat.batch(texts)
    assert [told(stamp_of(answer)) for answer in answers] == single


@pytest.mark.parametrize("asynchronous", [False, True])
def test_generate_answers_each_prompt_by_its_model(chat, asynchronous):
    prompts = [[HumanMessage(CODE)], [HumanMessage(POEM)]]
    result = asyncio.run(chat.agenerate(prompts)) if asynchronous else chat.generate(prompts)
    messages = [row[0].message for row in result.generations]
    assert [stamp_of(message)["model"] for message in messages] == ["coder", "poet"]
    assert len(result.run) == 2
    empty = asyncio.run(chat.agenerate([])) if asynchronous else chat.generate([])
    assert empty.generations == []


def test_an_empty_batch_is_empty(chat):
    assert chat.batch([]) == []
    assert asyncio.run(chat.abatch([])) == []


@pytest.fixture
def counted():
    embedder = CountingEmbedder(evidence().embedder)
    router = dataclasses.replace(evidence(), embedder=embedder)
    return ChatKNNRouter(router=router, models=stubs()), embedder


@pytest.mark.parametrize("how", ["batch", "abatch", "generate", "agenerate"])
def test_many_inputs_are_embedded_at_once(counted, how):
    chat, embedder = counted
    texts = [CODE, POEM, CODE]
    given = [[HumanMessage(text)] for text in texts] if "generate" in how else texts
    answers = getattr(chat, how)(given)
    if how.startswith("a"):
        asyncio.run(answers)
    assert embedder.calls == [texts]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_each_input_of_a_batch_has_its_own_configuration(chat, asynchronous):
    configs = [
        {"configurable": {"knnrouter_model": "clerk"}},
        {"configurable": {"knnrouter_allow": ["poet", "clerk"]}},
        {},
    ]
    given = [CODE, POEM, CODE]
    batch = asyncio.run(chat.abatch(given, configs)) if asynchronous else chat.batch(given, configs)
    assert [stamp_of(answer)["answered_by"] for answer in batch] == ["clerk", "poet", "coder"]
    assert configs[2] == {}, "the caller's configurations are left alone"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_batch_can_return_the_errors_of_some_inputs(chat, asynchronous):
    configs = [{"configurable": {"knnrouter_model": name}} for name in ("coder", "nobody")]
    given = [CODE, CODE, 7]
    configs.append({})
    call = chat.abatch if asynchronous else chat.batch
    got = call(given, configs, return_exceptions=True)
    fine, unknown, unreadable = asyncio.run(got) if asynchronous else got
    assert fine.text == f"coder: {CODE}"
    assert "nobody" in str(unknown)
    assert type(unreadable) is ValueError
    with pytest.raises(LookupError, match="nobody"):
        asyncio.run(call(given[:2], configs[:2])) if asynchronous else call(given[:2], configs[:2])


class _Crowded(StubChat):
    """Keeps how many calls run at the same time, at most."""

    running: list = Field(default_factory=list, exclude=True)
    most: list = Field(default_factory=lambda: [0], exclude=True)

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
        self.running.append(1)
        self.most[0] = max(self.most[0], len(self.running))
        await asyncio.sleep(0.01)
        self.running.pop()
        return self._generate(messages, stop, **kwargs)


@pytest.mark.parametrize(("allowed", "most"), [(2, 2), (1, 1), (None, 6)])
async def test_max_concurrency_holds_for_batches(allowed, most):
    models = stubs(_Crowded)
    await routed(models).abatch([CODE] * 6, {"max_concurrency": allowed})
    assert models["coder"].most[0] == most


def test_the_capabilities_of_the_pool_do_not_change_the_decision(models):
    pool = pool_of(coder={"capabilities": ["tools"]})
    assert told(stamp_of(invoke(routed(models, pool=pool), CODE))) == told(
        stamp_of(invoke(routed(models), CODE))
    )

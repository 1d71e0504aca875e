"""Prompts that LlamaIndex fills up to a window fit into it."""

import pytest
from llama_index.core import Document, SummaryIndex
from llama_index.core.base.llms.types import ChatMessage
from routed_chats import CODE, NAMES, evidence, pool_of
from routed_llms import routed, stamp_of, stubs

from knnrouter.errors import EmptyPoolError
from llamaindex_llmrouter import KNNRouterLLM

PLAIN = "The committee met on Tuesday to talk about a new library downtown. "


@pytest.mark.parametrize("mode", ["compact", "tree_summarize"])
async def test_an_engine_may_fill_the_window(mode):
    models = stubs()
    index = SummaryIndex.from_documents([Document(text=f"{PLAIN * 60}{k}") for k in range(8)])
    engine = index.as_query_engine(llm=routed(models), response_mode=mode)
    assert str(engine.query(CODE)).startswith("coder: ")
    assert str(await engine.aquery(CODE)).startswith("coder: ")
    asked = [call["messages"] for call in models["coder"].seen]
    sizes = [sum(len(message.content) for message in messages) for messages in asked]
    assert max(sizes) > 8000, "two bytes a token would make this more than the 4,000 of the window"


@pytest.mark.parametrize("prompt", [PLAIN * 400, [ChatMessage(PLAIN * 400)]])
def test_what_does_not_fit_is_an_error(prompt):
    llm = routed()
    with pytest.raises(EmptyPoolError, match="context window 4,000 is under 5,"):
        llm.complete(prompt) if isinstance(prompt, str) else llm.chat(prompt)


def test_a_short_prompt_is_priced_as_without_the_counter():
    pool = pool_of(**{name: {"price": {"input": 1, "output": 1}} for name in NAMES})
    router = evidence().with_pool(pool)
    made = stamp_of(routed(pool=pool).complete(CODE))
    assert made["costs"] == router.route(CODE).summary()["costs"]


def test_the_counter_of_the_router_goes_first():
    router = evidence().with_pool(pool_of(), count_tokens=lambda prompt: 3999)
    llm = KNNRouterLLM(router=router, models=stubs())
    assert llm.complete(PLAIN * 400).raw == {"model": "coder"}
    strict = routed(count_tokens=lambda prompt: 4001)
    with pytest.raises(EmptyPoolError, match="4,001"):
        strict.complete(CODE)

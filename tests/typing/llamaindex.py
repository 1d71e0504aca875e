"""What users write against the LlamaIndex LLM, as in `api.py`."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from llama_index.core import Settings
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse
from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import LLM, ToolSelection
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from knnrouter import ModelPool, Router, policies
from llamaindex_llmrouter import KNNRouterLLM, RouteDecisionEvent


class Place(BaseModel):
    """A place."""

    name: str


def make(router: Router, path: Path, small: LLM, large: FunctionCallingLLM) -> KNNRouterLLM:
    """An LLM that is two, in every way."""
    assert_type(KNNRouterLLM.from_yaml("pool.yaml"), KNNRouterLLM)
    assert_type(KNNRouterLLM.from_yaml(path, embedder="static", shadow=True), KNNRouterLLM)
    llm = KNNRouterLLM(
        router=router,
        models={"small": small, "large": large},
        policy=policies.BestScore(),
        allow=("small",),
        sticky="thread",
        fallback_on=(TimeoutError,),
    )
    Settings.llm = llm
    assert_type(llm.pool, ModelPool)
    return KNNRouterLLM.from_dict(llm.to_dict(), models={"small": small})


async def call(llm: KNNRouterLLM) -> list[ToolSelection]:
    """Calls of every kind."""
    said = [ChatMessage("text")]
    assert_type(llm.chat(said, model="small"), ChatResponse)
    assert_type(llm.complete("text", knnrouter_allow="small"), CompletionResponse)
    assert_type([chunk.delta async for chunk in await llm.astream_chat(said)], list[str | None])
    tool = FunctionTool.from_defaults(len)
    assert_type(await llm.apredict_and_call([tool], "text"), AgentChatResponse)
    prompt = PromptTemplate("{query_str}")
    assert_type(llm.predict(prompt, query_str="text"), str)
    assert_type(llm.structured_predict(Place, prompt, query_str="text"), Place)
    answer = await llm.achat_with_tools([tool], "text", tool_required=True)
    return llm.get_tool_calls_from_response(answer, error_on_no_tool_call=False)


def heard(event: RouteDecisionEvent) -> tuple[str, float | None]:
    """What the event tells."""
    return event.model, event.scores[event.model]


def refused(router: Router, small: LLM) -> None:
    """What mypy must not let pass."""
    KNNRouterLLM(router="pool.yaml")  # type: ignore[arg-type]
    KNNRouterLLM(router=router, models=[small])  # type: ignore[arg-type]
    KNNRouterLLM(router)  # type: ignore[call-arg]
    KNNRouterLLM.from_yaml(router)  # type: ignore[arg-type]

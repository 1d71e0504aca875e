"""What users write against the LangChain adapters, as in `api.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, assert_type

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    ConfigurableField,
    Runnable,
    RunnableLambda,
    RunnablePassthrough,
)
from langchain_core.runnables.router import RouterRunnable
from numpy.typing import NDArray

from knnrouter import Decision, RecordSet, Router, embedders, policies
from langchain_llmrouter import ChatKNNRouter, KNNRouter, LangChainEmbedder, RunnableByModel
from langchain_llmrouter.inputs import RoutedInput


def decide(router: Router) -> list[str]:
    """Decisions, of every kind of input."""
    decides = KNNRouter(router=router, policy="best_score", input_key="topic")
    assert_type(decides.invoke("text"), Decision)
    assert_type(decides.invoke([HumanMessage("text")], model="small"), Decision)
    assert_type(decides.invoke({"topic": "text"}, {"tags": ["mine"]}), Decision)
    assert_type(decides.batch(["text", {"topic": "text"}], allow=["small"]), list[Decision])
    assert_type(decides.stream("text"), Iterator[Decision])
    assert_type(decides.astream("text"), AsyncIterator[Decision])
    names = decides.name_only()
    assert_type(names, Runnable[RoutedInput, str])
    return names.batch(["text"])


async def decide_meanwhile(path: Path) -> Decision:
    """Awaited decisions of a pool.yaml."""
    decides = KNNRouter.from_yaml(path, embedder="static", policy=policies.BestScore())
    assert_type(decides, KNNRouter)
    assert_type(await decides.abatch([("user", "text")]), list[Decision])
    return await decides.ainvoke("text", policy="cheapest_above:min_score=0.6")


def chain(router: Router) -> Runnable[Any, Any]:
    """A decision within chains."""
    decides = KNNRouter(router=router)
    prompt = ChatPromptTemplate.from_messages([("user", "{question}")])
    model = RunnableLambda[Decision, str](lambda decision: decision.model)
    after: Runnable[dict[str, Any], str] = prompt | decides | model
    open_ = decides.configurable_fields(policy=ConfigurableField(id="policy"))
    assert_type(open_.with_config(configurable={"policy": "best_score"}).invoke("x"), Decision)
    assigned = RunnablePassthrough.assign(route=decides)
    keyed: Runnable[Any, Any] = {
        "key": decides.name_only(),
        "input": RunnablePassthrough(),
    } | RouterRunnable[Any]({"small": after})
    return assigned | keyed


def dispatch(router: Router, path: Path) -> Any:
    """Chains, functions and dicts by the names of models."""
    by_model = RunnableByModel(
        router=router,
        runnables={"small": len, "large": {"length": len}},
        fallback_on=(TimeoutError,),
        shadow=False,
    )
    assert_type(RunnableByModel.from_yaml(path, runnables={"small": len}), RunnableByModel)
    return by_model.invoke("text", model="small")


def chat(router: Router, small: BaseChatModel, large: BaseChatModel) -> BaseChatModel:
    """A chat model that is two."""
    models = {"small": small, "large": large}
    assert_type(ChatKNNRouter.from_yaml("pool.yaml"), ChatKNNRouter)
    return ChatKNNRouter(router=router, models=models, shadow=True)


def embed(records: RecordSet, embeddings: Embeddings) -> Router:
    """LangChain's embeddings as an embedder."""
    embedder = LangChainEmbedder(embeddings, id="mine-v1")
    assert_type(embedder.embed(["text"]), NDArray[np.float32])
    assert_type(embedder.dim, int)
    protocol: embedders.Embedder = embedder
    return Router.fit(records, embedder=protocol)


def refused(router: Router, embeddings: Embeddings) -> None:
    """What mypy must not let pass."""
    decides = KNNRouter(router=router)
    decides.invoke(7)  # type: ignore[arg-type]
    decides.batch("text")  # type: ignore[arg-type]
    KNNRouter.from_yaml(router)  # type: ignore[arg-type]
    RunnableByModel.from_yaml("pool.yaml")  # type: ignore[call-arg]
    LangChainEmbedder(len, id="length")  # type: ignore[arg-type]
    LangChainEmbedder(embeddings, 3)  # type: ignore[call-arg]

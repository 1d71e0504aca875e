"""The types that a user of the selector, the engines and the embedder sees; mypy reads this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_type

import numpy as np
from llama_index.core.base.base_selector import BaseSelector, SelectorResult
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.indices.base import BaseIndex
from llama_index.core.llms.llm import LLM
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.schema import QueryBundle
from llama_index.core.tools import QueryEngineTool, ToolMetadata
from numpy.typing import NDArray

from knnrouter import ModelPool, RecordSet, Router
from knnrouter.embedders import Embedder
from llamaindex_llmrouter import (
    KNNRouterLLM,
    KNNSelector,
    KNNSelectorResult,
    LlamaIndexEmbedder,
    query_engine_per_model,
)


def selector(router: Router) -> None:
    made = KNNSelector(router, top_n=2, unknown="prior", default_index=0, allow=["small"])
    assert_type(KNNSelector.from_yaml("pool.yaml", shadow=True, default_index=0), KNNSelector)
    assert_type(made.choices(), list[ToolMetadata])
    assert_type(made.pool, ModelPool)
    KNNSelector(router, unknown="guess")  # type: ignore[arg-type]
    KNNSelector("pool.yaml")  # type: ignore[arg-type]
    assert_type(made.select(["small"], "Why?"), KNNSelectorResult)
    as_base: BaseSelector = made
    assert_type(as_base.select(made.choices(), QueryBundle("Why?")), SelectorResult)


def result(found: KNNSelectorResult) -> None:
    assert_type(found.inds, list[int])
    assert_type(found.scores, dict[str, float | None])
    assert_type(found.neighbors, list[dict[str, Any]])
    assert_type(found.decision, dict[str, Any] | None)


def engines(index: BaseIndex[Any], small: LLM, router: KNNRouterLLM, chosen: KNNSelector) -> None:
    tools = query_engine_per_model(index, {"small": small}, similarity_top_k=3)
    assert_type(tools, list[QueryEngineTool])
    assert_type(query_engine_per_model(index, router), list[QueryEngineTool])
    assert_type(router.llm_of("small"), LLM)
    query_engine_per_model(index, {"small": "gpt"})  # type: ignore[dict-item]
    RouterQueryEngine(selector=chosen, query_engine_tools=tools, llm=small)


def embedder(embedding: BaseEmbedding, records: RecordSet, texts: Sequence[str]) -> None:
    made = LlamaIndexEmbedder(embedding, dim=256, id="mine")
    as_embedder: Embedder = made
    assert_type(made.embed(texts), NDArray[np.float32])
    assert_type(made.row([0.0, 1.0]), NDArray[np.float32] | None)
    router = Router.fit(records, embedder=as_embedder)
    router.route("Why?", vector=made.row([0.0, 1.0]))
    router.route_many(texts, vectors=[None, [0.0, 1.0]])

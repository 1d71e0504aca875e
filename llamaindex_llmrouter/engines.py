"""One query engine for each model, over one index."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.indices.base import BaseIndex
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import NodeWithScore, QueryBundle, QueryType
from llama_index.core.tools.query_engine import QueryEngineTool
from llama_index.core.tools.types import ToolMetadata

from knnrouter.serving import Lazy, loaded

from .choices import choice_of
from .llm import KNNRouterLLM
from .settings import checked_llms

__all__ = ["query_engine_per_model"]


def query_engine_per_model(
    index: BaseIndex[Any], models: Mapping[str, LLM] | KNNRouterLLM, **kwargs: Any
) -> list[QueryEngineTool]:
    """An engine over the index for each model, ready for `RouterQueryEngine`.

    Each tool has the name of its model, by which a `KNNSelector` finds it.

    Args:
        index: The index that all engines query.
        models: LLMs by their names in the pool. Or a `KNNRouterLLM`: there is an engine for each
            enabled model of its pool, and an LLM is built when its engine is first asked.
        **kwargs: What `index.as_query_engine` takes, such as `similarity_top_k=3`.

    Raises:
        TypeError: `models` is neither, or holds something else than LLMs.

    Example:
        >>> from llama_index.core import Document, MockEmbedding, SummaryIndex
        >>> from llama_index.core.llms import MockLLM
        >>> index = SummaryIndex.from_documents([Document(text="The sea is salt.")])
        >>> tools = query_engine_per_model(index, {"small": MockLLM(), "large": MockLLM()})
        >>> [tool.metadata.name for tool in tools]
        ['small', 'large']
    """
    if isinstance(models, KNNRouterLLM):
        return [
            _tool(choice_of(spec), _late(index, models, spec.name, kwargs))
            for spec in models.pool.enabled
        ]
    return [
        _tool(
            ToolMetadata(description=f"The model {name}.", name=name),
            index.as_query_engine(llm=loaded(llm), **kwargs),
        )
        for name, llm in checked_llms(models).items()
    ]


def _tool(metadata: ToolMetadata, engine: BaseQueryEngine) -> QueryEngineTool:
    return QueryEngineTool(query_engine=engine, metadata=metadata)


def _late(
    index: BaseIndex[Any], router: KNNRouterLLM, name: str, kwargs: Mapping[str, Any]
) -> BaseQueryEngine:
    return _LateEngine(Lazy(lambda: index.as_query_engine(llm=router.llm_of(name), **kwargs)))


class _LateEngine(BaseQueryEngine):
    """An engine that is made when it is first asked; it fires no events of its own."""

    def __init__(self, engine: Lazy[BaseQueryEngine]) -> None:
        super().__init__(callback_manager=None)
        self._engine = engine

    def query(self, str_or_query_bundle: QueryType) -> RESPONSE_TYPE:
        return self._engine.get().query(str_or_query_bundle)

    async def aquery(self, str_or_query_bundle: QueryType) -> RESPONSE_TYPE:
        engine = await asyncio.to_thread(self._engine.get)  # which may have a client to build
        return await engine.aquery(str_or_query_bundle)

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._engine.get().retrieve(query_bundle)

    def synthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        return self._engine.get().synthesize(query_bundle, nodes, additional_source_nodes)

    async def asynthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        engine = await asyncio.to_thread(self._engine.get)
        return await engine.asynthesize(query_bundle, nodes, additional_source_nodes)

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        return self.query(query_bundle)

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        return await self.aquery(query_bundle)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {"engine": self._engine.get()}

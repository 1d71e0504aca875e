"""LlamaIndex adapters of `knnrouter`: the model for each call is chosen from measured evidence.

`KNNSelector` chooses among engines, retrievers or tools, `KNNRouterLLM` is an LLM, also for agents,
`query_engine_per_model` makes an engine for each model, `LlamaIndexEmbedder` embeds with
LlamaIndex's embeddings, and `RouteDecisionEvent` tells listeners of each decision. Routing itself
happens in `knnrouter`; here it is only translated.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

from knnrouter.errors import MissingExtraError

if TYPE_CHECKING:
    from .embedder import LlamaIndexEmbedder
    from .engines import query_engine_per_model
    from .events import RouteDecisionEvent
    from .llm import KNNRouterLLM
    from .selector import KNNSelector, KNNSelectorResult

__all__ = [
    "KNNRouterLLM",
    "KNNSelector",
    "KNNSelectorResult",
    "LlamaIndexEmbedder",
    "RouteDecisionEvent",
    "query_engine_per_model",
]

_HOMES = {
    "KNNRouterLLM": "llm",
    "KNNSelector": "selector",
    "KNNSelectorResult": "selector",
    "LlamaIndexEmbedder": "embedder",
    "RouteDecisionEvent": "events",
    "query_engine_per_model": "engines",
}

if not TYPE_CHECKING:  # else a type checker would take any name to be there

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if not _installed():
            raise MissingExtraError(f"{__name__}.{name}", extra="llamaindex")
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value  # so that this is asked once a name
        return value


def _installed() -> bool:
    """Whether llama-index-core is there: other packages of LlamaIndex make `llama_index` too."""
    above = importlib.util.find_spec("llama_index")
    return above is not None and importlib.util.find_spec("llama_index.core") is not None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

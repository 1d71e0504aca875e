"""LangChain adapters of `knnrouter`: the model for each call is chosen from measured evidence.

`KNNRouter` decides, `RunnableByModel` decides and runs a chain, `ChatKNNRouter` is a chat model,
`KNNRouterMiddleware` serves agents, and `LangChainEmbedder` embeds with LangChain's embeddings.
Routing itself happens in `knnrouter`; here it is only translated.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

from knnrouter.errors import MissingExtraError

if TYPE_CHECKING:
    from .by_model import RunnableByModel
    from .chat_model import ChatKNNRouter
    from .decision_runnable import KNNRouter
    from .embedder import LangChainEmbedder
    from .middleware import KNNRouterMiddleware

__all__ = [
    "ChatKNNRouter",
    "KNNRouter",
    "KNNRouterMiddleware",
    "LangChainEmbedder",
    "RunnableByModel",
]

_HOMES = {
    "ChatKNNRouter": "chat_model",
    "KNNRouter": "decision_runnable",
    "KNNRouterMiddleware": "middleware",
    "LangChainEmbedder": "embedder",
    "RunnableByModel": "by_model",
}
_NEEDS = {"KNNRouterMiddleware": ("langchain", "agents")}

if not TYPE_CHECKING:  # else a type checker would take any name to be there

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        package, extra = _NEEDS.get(name, ("langchain_core", "langchain"))
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(f"{__name__}.{name}", extra=extra)
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value  # so that this is asked once a name
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

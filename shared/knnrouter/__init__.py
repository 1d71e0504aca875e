"""Pick the right language model for each query, from measured evidence.

The nearest benchmark queries, found in a FAISS index, let each model's measured outcomes vote; a
policy weighs quality against price; and every decision says why.

The public names are imported when they are first used, so that the command can answer Ctrl-C from
its first moment on, and no one waits for what they do not use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from knnrouter.pool import ModelPool, ModelSpec
    from knnrouter.records import RecordSet

    from . import embedders, errors, estimators, evaluation, policies
    from .decision import Decision
    from .estimators import Estimates
    from .ingest import read_records
    from .router import Router

__all__ = [
    "Decision",
    "Estimates",
    "ModelPool",
    "ModelSpec",
    "RecordSet",
    "Router",
    "embedders",
    "errors",
    "estimators",
    "evaluation",
    "policies",
    "read_records",
]

__version__ = "0.1.0"

_HOMES = {
    "Decision": "decision",
    "Estimates": "estimators",
    "ModelPool": "pool",
    "ModelSpec": "pool",
    "RecordSet": "records",
    "Router": "router",
    "read_records": "ingest",
}
"""The module of each public name that is no module itself."""

if not TYPE_CHECKING:  # else a type checker would take any name to be there

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = importlib.import_module(f".{_HOMES.get(name, name)}", __name__)
        value = getattr(home, name) if name in _HOMES else home
        globals()[name] = value  # so that this is asked once a name
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

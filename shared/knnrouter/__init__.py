"""Pick the right language model for each query, from measured evidence.

The nearest benchmark queries, found in a FAISS index, let each model's measured outcomes vote; a
policy weighs quality against price; and every decision says why.
"""

from __future__ import annotations

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

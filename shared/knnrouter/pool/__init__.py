"""The models to choose from: what each is called, costs, can do and can take in."""

from __future__ import annotations

from knnrouter.records import Price

from .columns import PoolColumns
from .eligibility import count_tokens, eligible
from .model_pool import ModelPool
from .spec import KNOWN_CAPABILITIES, ModelSpec, RouterSettings

__all__ = [
    "KNOWN_CAPABILITIES",
    "ModelPool",
    "ModelSpec",
    "PoolColumns",
    "Price",
    "RouterSettings",
    "count_tokens",
    "eligible",
]

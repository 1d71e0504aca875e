"""The models to choose from: what each is called, costs, can do and can take in."""

from __future__ import annotations

from .model_pool import (
    KNOWN_CAPABILITIES,
    ModelPool,
    ModelSpec,
    PoolColumns,
    Price,
    RouterSettings,
    cost_usd,
    count_tokens,
    eligible,
)

__all__ = [
    "KNOWN_CAPABILITIES",
    "ModelPool",
    "ModelSpec",
    "PoolColumns",
    "Price",
    "RouterSettings",
    "cost_usd",
    "count_tokens",
    "eligible",
]

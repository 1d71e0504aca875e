"""Routers by clusters: k-means, Avengers-Pro and UniRoute."""

from __future__ import annotations

from .avengers_pro import AvengersPro, FittedAvengersPro
from .fitted import FittedClusters, FittedWordClusters
from .plain import Clusters, UniRoute

__all__ = [
    "AvengersPro",
    "Clusters",
    "FittedAvengersPro",
    "FittedClusters",
    "FittedWordClusters",
    "UniRoute",
]

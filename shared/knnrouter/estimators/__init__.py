"""What to expect of each model on a query: one family of estimators a module."""

from __future__ import annotations

from .base import (
    Estimates,
    Estimator,
    Evidence,
    FittedEstimator,
    ReadsText,
    Setting,
    TellsProgress,
    Updates,
)
from .blend import Blend
from .causal_lm import CausalLM
from .classifiers import MultiLabel, Separate
from .clusters import AvengersPro, Clusters, UniRoute
from .correctness import CorrectnessKNN
from .encoders import EncoderMultiLabel, EncoderSeparate, EncoderWinRate
from .knn import KNN
from .matrix_factorization import MatrixFactorization
from .similarity_weighted import SimilarityWeighted
from .specs import default, from_settings, parse, settings_of, spec

__all__ = [
    "KNN",
    "AvengersPro",
    "Blend",
    "CausalLM",
    "Clusters",
    "CorrectnessKNN",
    "EncoderMultiLabel",
    "EncoderSeparate",
    "EncoderWinRate",
    "Estimates",
    "Estimator",
    "Evidence",
    "FittedEstimator",
    "MatrixFactorization",
    "MultiLabel",
    "ReadsText",
    "Separate",
    "Setting",
    "SimilarityWeighted",
    "TellsProgress",
    "UniRoute",
    "Updates",
    "default",
    "from_settings",
    "parse",
    "settings_of",
    "spec",
]

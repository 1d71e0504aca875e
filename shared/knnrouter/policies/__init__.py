"""Given what to expect of each model, and what it costs: which one to take."""

from __future__ import annotations

from .base import Candidates, Choice, Policy, ranked
from .drawing import RandomAmongTop
from .efficiency import PerformanceEfficiency
from .predicting import Prediction
from .reserved import Reserved
from .rules import BestScore, CheapestAbove, Guarded, MaxLatency, ScoreMinusCost, Threshold
from .specs import named_models, parse, spec

__all__ = [
    "BestScore",
    "Candidates",
    "CheapestAbove",
    "Choice",
    "Guarded",
    "MaxLatency",
    "PerformanceEfficiency",
    "Policy",
    "Prediction",
    "RandomAmongTop",
    "Reserved",
    "ScoreMinusCost",
    "Threshold",
    "named_models",
    "parse",
    "ranked",
    "spec",
]

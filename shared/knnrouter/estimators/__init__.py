"""What to expect of each model on a query: one family of estimators a module."""

from __future__ import annotations

from .base import Estimates, Estimator, Evidence, FittedEstimator, ReadsText, Setting, Updates
from .knn import KNN
from .specs import from_settings, parse, settings_of, spec

__all__ = [
    "KNN",
    "Estimates",
    "Estimator",
    "Evidence",
    "FittedEstimator",
    "ReadsText",
    "Setting",
    "Updates",
    "from_settings",
    "parse",
    "settings_of",
    "spec",
]

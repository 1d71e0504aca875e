"""Classifiers: the chance that each model is right on a query, learned from its scores."""

from __future__ import annotations

from .linear import FittedClassifier, MultiLabel, Separate

__all__ = ["FittedClassifier", "MultiLabel", "Separate"]

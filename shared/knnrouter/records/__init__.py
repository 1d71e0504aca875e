"""The evidence: what each model scored, cost and took on each benchmark query."""

from __future__ import annotations

from .comparisons import preferences_as_records
from .record_set import FloatMatrix, FloatVector, Preference, Price, RecordSet, ScoreMatrix

__all__ = [
    "FloatMatrix",
    "FloatVector",
    "Preference",
    "Price",
    "RecordSet",
    "ScoreMatrix",
    "preferences_as_records",
]

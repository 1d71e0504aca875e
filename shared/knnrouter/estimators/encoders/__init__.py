"""Estimators that fine-tune a transformer which reads the text of a query; the extra `train`."""

from __future__ import annotations

from .classifiers import EncoderMultiLabel, EncoderSeparate
from .win_rate import EncoderWinRate

__all__ = ["EncoderMultiLabel", "EncoderSeparate", "EncoderWinRate"]

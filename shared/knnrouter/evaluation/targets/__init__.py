"""From a goal (a budget, a share of one model's calls, a level of quality) to a policy setting."""

from __future__ import annotations

from .calibrating import calibrate
from .goals import Budget, Goal, Quality, Share
from .result import Calibration
from .shares import win_rate_threshold

__all__ = ["Budget", "Calibration", "Goal", "Quality", "Share", "calibrate", "win_rate_threshold"]

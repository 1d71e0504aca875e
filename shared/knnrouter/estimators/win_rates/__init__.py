"""Who wins: what estimators of win rates share."""

from __future__ import annotations

from .battles import Battles
from .bradley_terry import mean_win_rates, win_rate

__all__ = ["Battles", "mean_win_rates", "win_rate"]

"""A report as matplotlib figures, for notebooks and for the page.

Each function takes a `Report` and gives a `matplotlib.figure.Figure` of its own: no window, no
backend and no setting of matplotlib changes. The extra `plots` brings matplotlib.
"""

from __future__ import annotations

from .ahead import advantages
from .heatmap import task_heatmap
from .pairs import pair_curve
from .plane import cost_quality
from .reliabilities import reliability
from .shares import selection_shares
from .similarities import regret_by_similarity

__all__ = [
    "advantages",
    "cost_quality",
    "pair_curve",
    "regret_by_similarity",
    "reliability",
    "selection_shares",
    "task_heatmap",
]

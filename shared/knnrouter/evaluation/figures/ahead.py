"""By how much routing is ahead of everything it is compared with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from knnrouter.errors import EvaluationError

from .canvas import COLORS, bare, drawn, score_ticks, sheet
from .naming import short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from knnrouter.evaluation.report import Report

__all__ = ["advantages"]

_ROW = 0.4
"""Inches."""


@drawn
def advantages(report: Report) -> Figure:
    """Score points that routing is ahead of each reference, with intervals, from the most down.

    Raises:
        EvaluationError: Nothing was compared.
        MissingExtraError: The extra `plots` is not installed.
    """
    found = [each for each in report.references if math.isfinite(each.ahead.estimate)]
    if not found:
        raise EvaluationError(
            "the report compares routing with nothing; draw one with at least one reference"
        )
    found = sorted(found, key=lambda each: -each.ahead.estimate)
    figure, axes = sheet(_ROW * len(found) + 0.55, left=0.22, right=0.22, bottom=0.5, top=0.05)
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.axvline(0, color=COLORS["single"], lw=1)
    for height, each in enumerate(found):
        ahead, place = each.ahead, height + 0.2
        color = COLORS["oracle" if each.in_hindsight else "routing"]
        axes.plot([ahead.low, ahead.high], [place, place], color=color, lw=2)
        shape = "^" if each.in_hindsight else "o"
        axes.plot(ahead.estimate, place, shape, color=color, ms=7, mec=COLORS["surface"], mew=0.9)
        axes.annotate(
            short(each.name, 60),
            (0.0, height - 0.18),
            xycoords=("axes fraction", "data"),
            va="center_baseline",
            bbox={"fc": COLORS["surface"], "ec": "none", "pad": 1},
        )
    axes.margins(x=0.06)
    axes.set_yticks([])
    bare(axes, "left")
    score_ticks(axes.xaxis, sign=True)
    axes.set_xlabel("score of routing less that of each; triangles: in hindsight")
    return figure

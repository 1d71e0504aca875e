"""Two models and a threshold between them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from knnrouter.errors import EvaluationError

from .amounts import percent
from .canvas import COLORS, drawn, heading, score_ticks, sheet
from .naming import short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from knnrouter.evaluation.report import Report

__all__ = ["pair_curve"]


@drawn
def pair_curve(report: Report) -> Figure:
    """Quality by the share of calls to the strong model, as the threshold moves.

    Raises:
        EvaluationError: The report is of no pair of models.
        MissingExtraError: The extra `plots` is not installed.
    """
    pair = report.pair
    if pair is None:
        raise EvaluationError(
            "the report is of no pair of models; evaluate two models, or name them as `pair`"
        )
    figure, axes = sheet(3.7, left=0.5, right=0.25, bottom=0.98, top=0.32)
    qualities = {each.name: each.quality for each in report.singles}
    ends = [qualities.get(name, math.nan) for name in (pair.weak, pair.strong)]
    axes.plot([0, 1], ends, color=COLORS["single"], lw=1.2, ls=(0, (4, 2)), label="at random")
    axes.plot(
        pair.shares,
        pair.quality,
        "o-",
        color=COLORS["routing"],
        ms=4.5,
        mec=COLORS["surface"],
        lw=1.8,
        label="by the expected advantage",
    )
    axes.plot(
        report.behavior.shares.get(pair.strong, math.nan),
        report.quality.estimate,
        "D",
        color=COLORS["routing"],
        ms=7.5,
        mec=COLORS["surface"],
        label="routing as it is",
        zorder=5,
    )
    axes.set_xlim(-0.03, 1.03)
    axes.xaxis.set_major_formatter(lambda value, _: percent(value))
    score_ticks(axes.yaxis, most=6)
    axes.set_xlabel(f"share of calls to {short(pair.strong, 26)}")
    heading(axes, "quality")
    figure.legend(loc="lower center", ncols=2, borderaxespad=0.1)
    return figure

"""Whether expected scores can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knnrouter.errors import EvaluationError

from .canvas import COLORS, drawn, heading, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from knnrouter.evaluation.report import Report

__all__ = ["reliability"]


@drawn
def reliability(report: Report) -> Figure:
    """Measured by expected score, ten bins of as many cells of a query and a model each.

    Raises:
        EvaluationError: Expected scores are not known.
        MissingExtraError: The extra `plots` is not installed.
    """
    if report.reliability is None:
        raise EvaluationError(
            "the report knows no expected scores, which only a router or estimates tell; evaluate "
            "one of these"
        )
    bins = report.reliability.bins
    figure, axes = sheet(3.4, left=0.42, bottom=0.74, top=0.32)
    axes.plot([0, 1], [0, 1], color=COLORS["single"], lw=1.2, ls=(0, (4, 2)), label="as expected")
    axes.plot(
        [each.expected for each in bins],
        [each.measured for each in bins],
        "o-",
        color=COLORS["routing"],
        lw=1.4,
        ms=6.5,
        mec=COLORS["surface"],
        label="measured",
    )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("expected score")
    heading(axes, "measured score")
    figure.legend(loc="lower center", ncols=2, borderaxespad=0.1)
    return figure

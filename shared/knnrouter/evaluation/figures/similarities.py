"""Whether routing is worse where nothing similar was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from knnrouter.errors import EvaluationError

from .amounts import decimal
from .canvas import COLORS, drawn, heading, score_ticks, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from knnrouter.evaluation.report import Report
    from knnrouter.evaluation.report_parts import SimilarityFigures

__all__ = ["regret_by_similarity"]


@drawn
def regret_by_similarity(report: Report) -> Figure:
    """What is lost against the best model of each query, by similarity of the nearest neighbor.

    Beside it, what is won over the best single model.

    Raises:
        EvaluationError: Similarities are not known.
        MissingExtraError: The extra `plots` is not installed.
    """
    parts = [each for each in report.by_similarity if math.isfinite(each.low)]
    if not parts:
        raise EvaluationError(
            "the report knows no similarities, which only a router tells; evaluate a router"
        )
    figure, axes = sheet(3.1, left=0.58, bottom=0.98, top=0.32)
    places = range(len(parts))
    axes.bar(
        places,
        [each.regret for each in parts],
        width=0.62,
        color=COLORS["worse"],
        label="lost against the best model of each query",
    )
    axes.plot(
        places,
        [each.ahead for each in parts],
        "D-",
        color=COLORS["routing"],
        lw=1.4,
        ms=6,
        mec=COLORS["surface"],
        label="won over the best single model",
    )
    axes.axhline(0, color=COLORS["single"], lw=1)
    axes.set_xticks(places, _ranges(parts))
    axes.xaxis.grid(visible=False)
    axes.margins(y=0.12)
    score_ticks(axes.yaxis)
    axes.set_xlabel("similarity of the nearest neighbor")
    heading(axes, "score")
    figure.legend(loc="lower center", ncols=1, borderaxespad=0.1)
    return figure


def _ranges(parts: Sequence[SimilarityFigures]) -> list[str]:
    """From the least to the greatest similarity of each part, in as many digits as tell."""
    for digits in (2, 3):
        ends = [(decimal(each.low, digits), decimal(each.high, digits)) for each in parts]
        if digits == 2 and all(low != high for low, high in ends):
            return [f"{low.replace('0.', '.')}–{high.replace('0.', '.')}" for low, high in ends]
    return [f"from {low.replace('0.', '.')}" for low, _ in ends]

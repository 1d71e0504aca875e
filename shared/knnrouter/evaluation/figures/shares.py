"""Who gets the queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .amounts import percent
from .canvas import COLORS, bare, drawn
from .naming import labels
from .rows import rows_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from knnrouter.evaluation.report import Report

__all__ = ["selection_shares"]

_MOST = 14
"""Beyond so many models, those with the least shares stand together."""


@drawn
def selection_shares(report: Report) -> Figure:
    """Part of the queries that each model got, from the most down.

    Raises:
        MissingExtraError: The extra `plots` is not installed.
    """
    best = report.best_single.name
    ordered = sorted(report.behavior.shares.items(), key=lambda each: -each[1])
    names = labels([name for name, _ in ordered[:_MOST]])
    bars = [
        (label, share, name == best) for label, (name, share) in zip(names, ordered, strict=False)
    ]
    rest = ordered[_MOST:]
    if rest:
        bars.append((f"{len(rest)} others", sum(share for _, share in rest), False))
    figure, axes = rows_of([label for label, *_ in bars], right=0.6, bottom=0.34)
    for height, (_, share, is_best) in enumerate(bars):
        axes.barh(
            height,
            share,
            height=0.62,
            facecolor=COLORS["best" if is_best else "routing"],
            hatch="///" if is_best else None,
            edgecolor=COLORS["surface"],
            lw=0,
        )
        axes.annotate(
            percent(share),
            (share, height),
            xytext=(4, 0),
            textcoords="offset points",
            va="center_baseline",
            annotation_clip=False,
        )
    axes.set_xlim(0, max(share for _, share, _ in bars) or 1)
    axes.set_xticks([])
    axes.set_xlabel("share of queries; hatched: best single model", loc="right")
    bare(axes, "bottom")
    return figure

"""Qualities of all that is compared, where costs are not known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .amounts import decimal
from .canvas import COLORS, score_ticks
from .naming import labels
from .rows import rows_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from knnrouter.evaluation.report import Report

__all__ = ["qualities"]

_MOST = 24
"""Beyond so many models, the worst are left out."""


def qualities(report: Report) -> Figure:
    """Routing with its interval, each model alone, and the oracles above them, best first."""
    entries = sorted(_entries(report), key=lambda entry: -entry[1])
    figure, axes = rows_of([name for name, *_ in entries], right=0.55)
    axes.axvspan(report.quality.low, report.quality.high, color=COLORS["grid"], lw=0)
    for height, (_, quality, shape, color) in enumerate(entries):
        axes.plot(quality, height, shape, color=COLORS[color], ms=6.5)
        axes.annotate(
            decimal(quality),
            (1.02, height),
            xycoords=("axes fraction", "data"),
            va="center_baseline",
            annotation_clip=False,
        )
    axes.margins(x=0.06)
    score_ticks(axes.xaxis)
    axes.set_xlabel("quality; gray band: interval of routing", loc="right")
    return figure


def _entries(report: Report) -> list[tuple[str, float, str, str]]:
    """Label, quality, mark and color of each."""
    singles = sorted(report.singles, key=lambda each: -each.quality)
    best = report.best_single.name
    kept = singles[:_MOST] + [each for each in singles[_MOST:] if each.name == best]
    top = singles[0].quality
    found = [("routing", report.quality.estimate, "D", "routing")]
    for label, each in zip(labels([each.name for each in kept]), kept, strict=True):
        found.append(
            (label, each.quality, *(("s", "best") if each.name == best else ("o", "single")))
        )
    found += [
        (each.name.removesuffix(", in hindsight"), each.quality, "^", "oracle")
        for each in report.references
        if each.in_hindsight and each.quality > top
    ]
    return [entry for entry in found if math.isfinite(entry[1])]

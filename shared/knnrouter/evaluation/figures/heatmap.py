"""Who is good at what: tasks by models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .amounts import decimal
from .canvas import COLORS, WIDTH, bare, drawn
from .naming import labels, short, width_of
from .rows import rows_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from knnrouter.evaluation.report import Report
    from knnrouter.evaluation.report_parts import TaskFigures

__all__ = ["LARGEST", "task_heatmap"]

LARGEST = 30
"""So many tasks are drawn, unless asked otherwise."""

_COLUMN = 0.31
"""Inches."""

_FULL = 0.15
"""A difference of so many score points has the full color."""

_DEEPEST = 0.6
"""How opaque the full color is: letters on it stay readable, in the light and in the dark."""


@drawn
def task_heatmap(report: Report, *, most: int = LARGEST) -> Figure:
    """Mean scores by task: routing, each model alone, and the best model of each query.

    Colors say how much better or worse than the best single model; a frame shows the model that
    got most of the task's queries.

    Args:
        report: What to draw.
        most: Draw the largest tasks only, at most so many.

    Raises:
        MissingExtraError: The extra `plots` is not installed.
    """
    tasks = sorted(report.tasks, key=lambda task: -task.n)[:most]
    models = [each.name for each in report.singles]
    names = [f"{short(task.task or '(no task)', 18)} ({task.n:,})" for task in tasks]
    shown = ["routing", *labels(models, 26), "oracle"]
    above = max(map(width_of, shown)) + 0.12
    left = max(map(width_of, names)) + 0.16
    width = max(WIDTH, left + _COLUMN * len(shown) + 0.1)
    figure, axes = rows_of(names, top=above, bottom=0.08, right=0.1, width=width)
    axes.set_xlim(-0.5, len(shown) - 0.5)
    axes.grid(visible=False)
    for height, task in enumerate(tasks):
        values = [task.quality, *(task.scores.get(name, math.nan) for name in models), task.oracle]
        _row(axes, height, values, task.single)
        _frame(axes, height, task, models)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(shown)), shown, rotation=90, color=COLORS["ink"])
    bare(axes, "top", "bottom")
    return figure


def _row(axes: Axes, height: int, values: Sequence[float], single: float) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    for column, value in enumerate(values):
        if math.isnan(value):
            continue
        ahead = 0.0 if math.isnan(single) else value - single
        depth = _DEEPEST * min(1.0, abs(ahead) / _FULL)
        color = COLORS["better" if ahead > 0 else "worse"]
        cell = Rectangle((column - 0.5, height - 0.5), 1, 1, lw=0, fc=to_rgba(color, depth))
        axes.add_patch(cell)
        text = decimal(value, 2)
        axes.text(
            column,
            height,
            "1.0" if text == "1.00" else text.removeprefix("0"),
            ha="center",
            va="center_baseline",
        )


def _frame(axes: Axes, height: int, task: TaskFigures, models: Sequence[str]) -> None:
    """Mark the model that got most of the queries."""
    from matplotlib.patches import Rectangle

    shares = [task.shares.get(name, 0.0) for name in models]
    if max(shares, default=0.0) > 0:
        column = 1 + shares.index(max(shares))
        axes.add_patch(
            Rectangle(
                (column - 0.46, height - 0.44), 0.92, 0.88, fill=False, ec=COLORS["ink"], lw=1.1
            )
        )

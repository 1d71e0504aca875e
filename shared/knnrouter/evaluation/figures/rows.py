"""Figures of named rows: the names on the left, in a column as wide as they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .canvas import COLORS, WIDTH, bare, sheet
from .naming import width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["rows_of"]

_ROW = 0.25
"""Inches."""


def rows_of(
    names: Sequence[str],
    *,
    bottom: float = 0.5,
    top: float = 0.1,
    right: float = 0.15,
    width: float = WIDTH,
    row: float = _ROW,
) -> tuple[Figure, Axes]:
    """A figure with one row a name, the first on top, at heights 0, 1, 2 and so on.

    Args:
        names: What stands on the left, short enough for it.
        bottom: Margin, inches.
        top: Margin, inches.
        right: Margin, inches.
        width: Of the figure, inches.
        row: Height of a row, inches.
    """
    left = max(map(width_of, names), default=0.0) + 0.16
    height = row * len(names)
    figure, axes = sheet(
        height + top + bottom, width=width, left=left, right=right, top=top, bottom=bottom
    )
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names, color=COLORS["ink"])
    axes.yaxis.grid(visible=False)
    bare(axes, "left")
    return figure, axes

"""What all figures share: size, colors, letters, and how they are made.

Figures are narrow, so that their letters can still be read where a phone shows them. Every color
has a name, so that a page can give it another value in the dark.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

from knnrouter.errors import MissingExtraError

from .amounts import decimal, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = [
    "COLORS",
    "LETTERS",
    "WIDTH",
    "bare",
    "drawn",
    "heading",
    "score_ticks",
    "settings",
    "sheet",
]

WIDTH = 4.2
"""Inches."""

LETTERS = 9.5
"""Points."""

COLORS = {
    "ink": "#1b1f27",
    "muted": "#545b68",
    "grid": "#dfe2e8",
    "surface": "#ffffff",
    "routing": "#0868ac",
    "best": "#b34700",
    "oracle": "#00754f",
    "single": "#6f7685",
    "better": "#3d8fd1",
    "worse": "#e08a3c",
}
"""By what they stand for. Blue, orange and green stay apart for the color-blind, and none of them
says anything that a shape or a word does not say too."""

_STYLE: dict[str, Any] = {
    **dict.fromkeys(
        (
            *("font.size", "axes.labelsize", "axes.titlesize", "legend.fontsize"),
            *("xtick.labelsize", "ytick.labelsize"),
        ),
        LETTERS,
    ),
    "text.parse_math": False,  # a name may hold dollar signs
    "text.color": COLORS["ink"],
    "axes.labelcolor": COLORS["muted"],
    "axes.edgecolor": COLORS["single"],
    "axes.facecolor": COLORS["surface"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": COLORS["grid"],
    "grid.linewidth": 0.8,
    "xtick.color": COLORS["single"],
    "ytick.color": COLORS["single"],
    "xtick.labelcolor": COLORS["muted"],
    "ytick.labelcolor": COLORS["muted"],
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "legend.handletextpad": 0.5,
    "figure.facecolor": COLORS["surface"],
    "savefig.facecolor": "auto",
    "svg.fonttype": "none",  # letters stay letters: they can be read aloud, and found
    "svg.hashsalt": "knnrouter",  # the same figure has the same bytes
}

_Arguments = ParamSpec("_Arguments")


@contextmanager
def settings() -> Iterator[None]:
    """Within, matplotlib draws as the figures here are meant; afterwards as before.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        if error.name != "matplotlib":
            raise
        raise MissingExtraError("drawing a report", extra="plots") from None
    defaults: dict[Any, Any] = {
        name: value
        for name, value in matplotlib.rcParamsDefault.items()
        if not name.startswith(("backend", "interactive"))
    }
    with warnings.catch_warnings(), matplotlib.rc_context(defaults | _STYLE):
        # Only sizes are taken from matplotlib's own font: whoever shows the figure has others.
        warnings.filterwarnings("ignore", message=".*missing from font.*")
        yield


def drawn(figure: Callable[_Arguments, Figure]) -> Callable[_Arguments, Figure]:
    """Let a function draw under `settings`."""

    @wraps(figure)
    def within(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Figure:
        with settings():
            return figure(*args, **kwargs)

    return within


def sheet(
    height: float,
    *,
    width: float = WIDTH,
    left: float = 0.5,
    right: float = 0.12,
    top: float = 0.12,
    bottom: float = 0.5,
) -> tuple[Figure, Axes]:
    """A figure with one pair of axes; everything in inches, margins around the axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    area = (
        left / width,
        bottom / height,
        (width - left - right) / width,
        (height - top - bottom) / height,
    )
    return figure, figure.add_axes(area)


def bare(axes: Axes, *sides: str) -> None:
    """Take the lines and the tick marks off these sides of the axes."""
    for side in sides:
        axes.spines[side].set_visible(False)
    off: dict[str, Any] = dict.fromkeys(sides, False)
    axes.tick_params(length=0, **off)


def heading(axes: Axes, text: str) -> None:
    """Say above the axes, at the left edge, what goes up; a sideways text is hard to read."""
    axes.annotate(
        text,
        (0, 1),
        (3, -3),
        xycoords="figure fraction",
        textcoords="offset points",
        va="top",
        color=COLORS["muted"],
        annotation_clip=False,
    )


def score_ticks(axis: Axis, *, most: int = 5, sign: bool = False) -> None:
    """At most so many steps between ticks, each written with all digits that it has."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))

    def written(value: float, _: object) -> str:
        low, high = sorted(axis.get_view_interval())
        digits = max(1, math.ceil(-math.log10(max(high - low, 1e-6) / most)))
        return (signed if sign else decimal)(value, digits)

    axis.set_major_formatter(written)

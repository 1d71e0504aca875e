"""The plane of cost and quality: whom routing beats, and at what price."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from knnrouter.evaluation import Hull, hull

from .amounts import dollars
from .canvas import COLORS, LETTERS, drawn, heading, score_ticks, sheet
from .naming import labels, width_of
from .placing import Box, pieces, place
from .qualities import qualities

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from knnrouter.evaluation.report import Report
    from knnrouter.evaluation.report_parts import Reference

__all__ = ["cost_quality"]

_WIDE = 10.0
"""From such a ratio of the greatest cost to the least on, the axis is logarithmic."""

_TICKS = 5
"""At most so many ticks on the axis of costs."""


@drawn
def cost_quality(report: Report) -> Figure:
    """Quality by cost: each model alone, mixtures of them, routing at all prices, the oracle.

    Where costs are not known, the qualities alone, from the best down.

    Raises:
        MissingExtraError: The extra `plots` is not installed.
    """
    known = [each for each in report.singles if math.isfinite(each.cost + each.quality)]
    if report.cost is None or not known:
        return qualities(report)
    figure, axes = sheet(4.1, left=0.5, bottom=1.14, top=0.34)
    zero = hull([each.cost for each in known], [each.quality for each in known])
    _scale(axes, list(_points(report)))
    _lines(axes, report, zero)
    marked = [mark for mark in _marks(axes, report, zero) if np.isfinite(mark[1:3]).all()]
    _labels(axes, marked)
    axes.set_xlabel("cost per 1,000 queries, USD")
    heading(axes, "quality")
    figure.legend(loc="lower center", ncols=2, borderaxespad=0.1)
    return figure


def _oracle(report: Report) -> Reference | None:
    """The best model of each query."""
    found = [each for each in report.references if each.in_hindsight and math.isfinite(each.cost)]
    return max(found, key=lambda each: each.quality, default=None)


def _points(report: Report) -> Iterator[tuple[float, float]]:
    """All that must be seen, by cost per 1,000 queries and quality."""
    for each in report.singles:
        yield 1000 * each.cost, each.quality
    if report.curve is not None:
        for point in report.curve.points:
            yield 1000 * point.cost, point.quality
    if report.cost is not None:
        yield 1000 * report.cost.low, report.quality.low
        yield 1000 * report.cost.high, report.quality.high
        yield 1000 * report.cost.estimate, report.quality.estimate
    oracle = _oracle(report)
    if oracle is not None:
        yield 1000 * oracle.cost, oracle.quality


def _scale(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """Leave room around the points, and write the ticks out."""
    finite = np.array([point for point in points if np.isfinite(point).all()])
    (left, low), (right, high) = finite.min(axis=0).tolist(), finite.max(axis=0).tolist()
    pad = 0.1 * (high - low) or 0.05
    axes.set_ylim(low - pad, high + pad)
    score_ticks(axes.yaxis)
    if left > 0 and right / left > _WIDE:
        room = (right / left) ** 0.07
        axes.set_xscale("log")
        axes.set_xlim(left / room, right * room)
        axes.set_xticks(_decades(left, right))
        axes.xaxis.minorticks_off()
    else:
        pad = 0.08 * (right - left) or 0.1 * right or 1.0
        axes.set_xlim(left - pad, right + pad)
        axes.locator_params(axis="x", nbins=4, steps=[1, 2, 5, 10])
    axes.xaxis.set_major_formatter(lambda value, _: _tick(value))


def _tick(cost: float) -> str:
    """Dollars, without cents where there are none."""
    return dollars(cost).removesuffix(".00")


def _decades(left: float, right: float) -> list[float]:
    """1, 2 and 5 times powers of ten between these; only the powers where that is too many."""
    powers = range(math.floor(math.log10(left)), math.ceil(math.log10(right)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in powers for step in steps]
        ticks = [tick for tick in ticks if left <= tick * 1.001 and tick <= right * 1.001]
        if len(ticks) <= _TICKS:
            return ticks
    return ticks[:: math.ceil(len(ticks) / _TICKS)]


def _lines(axes: Axes, report: Report, zero: Hull) -> None:
    end = axes.get_xlim()[1] / 1000
    costs = np.unique(np.concatenate([np.linspace(zero.costs[0], end, 200), zero.costs]))
    reached = np.interp(costs, zero.costs, zero.quality)  # straight in dollars, bent where log
    style: dict[str, Any] = {"color": COLORS["single"], "lw": 1.2, "ls": (0, (4, 2))}
    axes.plot(1000 * costs, reached, label="models mixed at random", **style)
    if report.curve is not None:
        points = np.array([(1000 * each.cost, each.quality) for each in report.curve.points])
        axes.plot(*points.T, color=COLORS["routing"], lw=1.8, label="routing at all prices")


def _marks(axes: Axes, report: Report, zero: Hull) -> Iterator[tuple[str, float, float, str]]:
    """Draw the points; give label, place and color of each, the weightiest first."""
    cost, quality = report.cost, report.quality
    assert cost is not None
    x, y = 1000 * cost.estimate, quality.estimate
    axes.errorbar(
        x,
        y,
        xerr=[[max(0.0, x - 1000 * cost.low)], [max(0.0, 1000 * cost.high - x)]],
        yerr=[[max(0.0, y - quality.low)], [max(0.0, quality.high - y)]],
        **_mark("D", "routing", 7.5),
        ecolor=COLORS["routing"],
        elinewidth=1.2,
        label="routing, with interval",
        zorder=5,
    )
    yield "routing", x, y, "routing"
    oracle = _oracle(report)
    best = report.best_single
    others = [each for each in report.singles if each.name != best.name]
    if math.isfinite(best.cost):
        ring = _mark("s", "best", 11) | {"mfc": "none", "mec": COLORS["best"], "mew": 1.8}
        axes.plot(1000 * best.cost, best.quality, **ring, label="best single model")
        yield best.name, 1000 * best.cost, best.quality, "best"
    if others:
        spots = np.array([(1000 * each.cost, each.quality) for each in others])
        axes.plot(*spots.T, **_mark("o", "single", 5.5), label="other models")
    if oracle is not None:
        x = 1000 * oracle.cost
        axes.plot(x, oracle.quality, **_mark("^", "oracle", 7.5), label="best of each query")
        yield "oracle", x, oracle.quality, "oracle"
    on_hull = {float(value) for value in zero.quality}
    for each in sorted(others, key=lambda each: (each.quality not in on_hull, -each.quality)):
        if math.isfinite(each.cost):
            yield each.name, 1000 * each.cost, each.quality, "muted"


def _mark(shape: str, color: str, size: float) -> dict[str, Any]:
    return {
        "marker": shape,
        "ms": size,
        "mfc": COLORS[color],
        "mec": COLORS["surface"],
        "mew": 0.9,
        "ls": "none",
    }


def _labels(axes: Axes, marked: Sequence[tuple[str, float, float, str]]) -> None:
    """Write the names beside the points, where there is room; the table has them all."""
    scale = 72 / axes.figure.dpi
    points = [tuple(scale * axes.transData.transform((x, y))) for _, x, y, _ in marked]
    names = labels([name for name, *_ in marked], 22)
    sizes = [(72 * width_of(name) + 2, LETTERS + 2) for name in names]
    frame = axes.bbox.frozen()
    edges = Box(*(scale * value for value in frame.extents))
    bounds = Box(edges.left + 1, edges.bottom + 1, edges.right + 8, edges.top + 6)
    spots = place(
        points,
        sizes,
        bounds=bounds,
        hard=[Box(x - 4, y - 4, x + 4, y + 4) for x, y in points],
        soft=list(_pieces(axes, scale)),
        gap=7,
    )
    for name, point, spot, (_, _, _, color) in zip(names, points, spots, marked, strict=True):
        if spot is None:
            continue
        box = spot.box
        if spot.lead:
            last = spot.lead[-1]
            _leader(axes, point, ((last.left + last.right) / 2, (last.bottom + last.top) / 2))
        axes.annotate(
            name,
            ((box.left + box.right) / 2, (box.bottom + box.top) / 2),
            xycoords="figure points",
            ha="center",
            va="center_baseline",
            color=COLORS[color],
            bbox={"fc": COLORS["surface"], "ec": "none", "alpha": 0.75, "pad": 0.5},
            annotation_clip=False,
        )


def _leader(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A thin line from a point to its label."""
    axes.annotate(
        "",
        end,
        start,
        xycoords="figure points",
        textcoords="figure points",
        arrowprops={"arrowstyle": "-", "lw": 0.6, "color": COLORS["single"]},
    )


def _pieces(axes: Axes, scale: float) -> Iterator[Box]:
    """The drawn lines as small boxes."""
    for line in axes.get_lines():
        if line.get_linestyle() == "None":
            continue
        points = np.array(line.get_xydata())
        drawn_at = scale * axes.transData.transform(points[np.isfinite(points).all(axis=1)])
        for start, end in itertools.pairwise(drawn_at):
            yield from pieces(tuple(start), tuple(end))

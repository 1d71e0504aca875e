"""Where labels of points go, so that they cover neither points nor one another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Box", "Spot", "pieces", "place"]

_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""From the point to its label: what is tried first is taken of equally good ones."""

_DISTANCES = (1.0, 2.0, 3.0, 4.5, 6.0)
"""In gaps."""

_FAR = 4.0
"""What a step away costs, in places of the order in which directions are tried."""

_CROSSED = 3.0
"""What it costs to cross a piece of a line."""

_NEAR = 14.0
"""What it costs to stand beside another point."""

_PIECE = 4.0
"""How long the pieces are that a line is cut into."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    left: float
    bottom: float
    right: float
    top: float

    def holds(self, other: Box) -> bool:
        """Whether the other lies within.

        Example:
            >>> Box(0, 0, 4, 4).holds(Box(1, 1, 2, 5))
            False
        """
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.bottom <= other.bottom
            and other.top <= self.top
        )

    def meets(self, other: Box) -> bool:
        """Whether they have some area in common.

        Example:
            >>> Box(0, 0, 2, 2).meets(Box(1, 1, 3, 3)), Box(0, 0, 2, 2).meets(Box(2, 0, 3, 3))
            (True, False)
        """
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a label goes."""

    box: Box
    """What it covers."""
    lead: tuple[Box, ...]
    """The line that leads there, in pieces; empty where the label stands beside its point."""


def place(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    *,
    bounds: Box,
    hard: Sequence[Box] = (),
    soft: Sequence[Box] = (),
    gap: float = 6.0,
) -> list[Spot | None]:
    """Find a spot for the label of each point; the first ones choose first.

    Args:
        points: Their places.
        sizes: Width and height of their labels.
        bounds: What the labels must stay within.
        hard: What no label may cover, such as marks.
        soft: What it should rather not cover, such as pieces of lines.
        gap: Between a point and its label.

    Returns:
        One spot a label; None where there is no room for it.

    Example:
        >>> [spot] = place([(5, 5)], [(4, 2)], bounds=Box(0, 0, 20, 10), gap=1)
        >>> spot.box
        Box(left=6.0, bottom=4.0, right=10.0, top=6.0)
    """
    taken = list(hard)
    spots: list[Spot | None] = []
    for own, (point, size) in enumerate(zip(points, sizes, strict=True)):
        others = [_around(each, 2 * gap) for place, each in enumerate(points) if place != own]
        best: Spot | None = None
        least = math.inf
        for effort, spot in _candidates(point, size, gap):
            if not bounds.holds(spot.box) or _meet((spot.box, *spot.lead), taken):
                continue
            crossed, near = (sum(map(spot.box.meets, each)) for each in (soft, others))
            harm = effort + _CROSSED * crossed + _NEAR * near
            if harm < least:
                best, least = spot, harm
        spots.append(best)
        if best is not None:
            taken += (best.box, *best.lead)
    return spots


def pieces(start: tuple[float, float], end: tuple[float, float]) -> tuple[Box, ...]:
    """A straight line as small boxes.

    Example:
        >>> len(pieces((0, 0), (6, 8)))
        4
    """
    count = max(2, math.ceil(math.dist(start, end) / _PIECE) + 1)
    parts = (step / (count - 1) for step in range(count))
    right, up = end[0] - start[0], end[1] - start[1]
    places = ((start[0] + part * right, start[1] + part * up) for part in parts)
    return tuple(_around(place, 0.8) for place in places)


def _meet(some: Iterable[Box], others: Sequence[Box]) -> bool:
    return any(one.meets(other) for one in some for other in others)


def _around(point: tuple[float, float], reach: float) -> Box:
    """What is so near to a point that a label there would seem to be its own."""
    x, y = point
    return Box(x - reach, y - reach, x + reach, y + reach)


def _candidates(
    point: tuple[float, float], size: tuple[float, float], gap: float
) -> Iterator[tuple[float, Spot]]:
    """Spots around a point and what each costs, from the point outwards."""
    for step, distance in enumerate(_DISTANCES):
        for rank, (right, up) in enumerate(_DIRECTIONS):
            reach = gap * distance * (0.7 if right and up else 1.0)
            left = point[0] + right * reach - size[0] * (1 - right) / 2
            bottom = point[1] + up * reach - size[1] * (1 - up) / 2
            box = Box(left, bottom, left + size[0], bottom + size[1])
            lead = pieces(*_ends(point, box))[2:] if step else ()
            yield _FAR * step + rank, Spot(box, lead)


def _ends(point: tuple[float, float], box: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    """The point, and the place of the box that is nearest to it."""
    x = min(max(point[0], box.left), box.right)
    y = min(max(point[1], box.bottom), box.top)
    return point, (x, y)

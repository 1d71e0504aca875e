"""Where labels of points go, so that they cover neither points nor one another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Box", "Spot", "place"]

_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""From the point to its label: what is tried first is taken of equally good ones."""

_DISTANCES = (1.0, 2.0, 3.5, 5.0)
"""In gaps."""


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
    far: bool
    """Whether it stands so far from its point that a line should lead there."""


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
    taken: list[Box] = []
    spots: list[Spot | None] = []
    for own, (point, size) in enumerate(zip(points, sizes, strict=True)):
        others = [_around(each, gap) for place, each in enumerate(points) if place != own]
        best: Spot | None = None
        least = math.inf
        for rank, spot in enumerate(_candidates(point, size, gap)):
            if not bounds.holds(spot.box) or any(map(spot.box.meets, (*hard, *taken))):
                continue
            harm = 4 * sum(map(spot.box.meets, (*soft, *others))) + rank
            if harm < least:
                best, least = spot, harm
        spots.append(best)
        if best is not None:
            taken.append(best.box)
    return spots


def _around(point: tuple[float, float], reach: float) -> Box:
    """What is so near to a point that a label there would seem to be its own."""
    x, y = point
    return Box(x - reach, y - reach, x + reach, y + reach)


def _candidates(point: tuple[float, float], size: tuple[float, float], gap: float) -> list[Spot]:
    found = []
    for distance in _DISTANCES:
        for right, up in _DIRECTIONS:
            reach = gap * distance * (0.7 if right and up else 1.0)
            left = point[0] + right * reach - size[0] * (1 - right) / 2
            bottom = point[1] + up * reach - size[1] * (1 - up) / 2
            box = Box(left, bottom, left + size[0], bottom + size[1])
            found.append(Spot(box, far=distance > _DISTANCES[0]))
    return found

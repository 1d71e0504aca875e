"""Some results are known, and the others are asked for together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["filled"]

T = TypeVar("T")


def filled(known: Sequence[T | None], rest: Callable[[Sequence[int]], Sequence[T]]) -> list[T]:
    """What is known, each in its place, and in the other places what is asked for at once.

    Args:
        known: A result for each place; None where there is none yet.
        rest: Gives the results of these places, in their order; not asked when nothing is left.

    Example:
        >>> filled([5, None, None], lambda places: [10 * place for place in places])
        [5, 10, 20]
    """
    left = [place for place, value in enumerate(known) if value is None]
    asked = dict(zip(left, rest(left), strict=True)) if left else {}
    return [asked[place] if value is None else value for place, value in enumerate(known)]

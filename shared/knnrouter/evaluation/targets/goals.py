"""What a router is to keep to: a budget, a share of one model's calls, a level of quality."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from knnrouter.errors import EvaluationError

__all__ = ["Budget", "Goal", "Quality", "Share", "check_between"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """At most so many USD per 1,000 queries.

    Raises:
        EvaluationError: The amount is negative or no number.

    Example:
        >>> print(Budget(usd_per_1000=2))
        at most $2 per 1,000 queries
    """

    usd_per_1000: float

    def __post_init__(self) -> None:
        check_between("usd_per_1000", self.usd_per_1000, 0.0, math.inf, such_as="2")

    def __str__(self) -> str:
        return f"at most ${self.usd_per_1000:.6g} per 1,000 queries"


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """At most such a part of the calls to one model.

    Raises:
        EvaluationError: The share is outside of (0, 1].

    Example:
        >>> print(Share(model="gpt-4", at_most=0.3))
        at most 30 % of the calls to gpt-4
    """

    model: str
    at_most: float

    def __post_init__(self) -> None:
        if self.at_most == 0:
            raise EvaluationError(
                f"at_most is 0, which keeps {self.model} from all calls; give a share above 0, or "
                "set `enabled: false` for the model in pool.yaml"
            )
        check_between("at_most", self.at_most, 0.0, 1.0, such_as="0.3", above=True)

    def __str__(self) -> str:
        return f"at most {100 * self.at_most:.6g} % of the calls to {self.model}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """At least such a part of the best single model's mean score, promised at a confidence.

    Attributes:
        of_best: The part, in (0, 1].
        confidence: How often a promise given like this holds, at least; in [0.5, 1).

    Raises:
        EvaluationError: One of the two is outside of its range.

    Example:
        >>> print(Quality(of_best=0.98))
        at least 98 % of the best model's quality, with a confidence of 95 %
    """

    of_best: float
    confidence: float = 0.95

    def __post_init__(self) -> None:
        check_between("of_best", self.of_best, 0.0, 1.0, such_as="0.98", above=True)
        check_between("confidence", self.confidence, 0.5, 1.0, such_as="0.95", below=True)

    def __str__(self) -> str:
        return (
            f"at least {100 * self.of_best:.6g} % of the best model's quality, with a confidence "
            f"of {100 * self.confidence:.6g} %"
        )


Goal: TypeAlias = Budget | Share | Quality


def check_between(
    name: str,
    value: object,
    least: float,
    most: float,
    *,
    such_as: str,
    above: bool = False,
    below: bool = False,
) -> None:
    """Refuse what is no number of a range.

    Args:
        name: What the message calls the value.
        value: The value.
        least: The lower end of the range.
        most: The upper end; a range without one ends below infinity.
        such_as: A value to try.
        above: Whether the lower end itself is too low.
        below: Whether the upper end itself is too high.

    Raises:
        EvaluationError: The value is named with the range.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        inside = least <= value <= most and value < math.inf
        if inside and not (above and value == least) and not (below and value == most):
            return
    low = f"above {least:g}" if above else f"of at least {least:g}"
    high = "" if most == math.inf else f" and {'below' if below else 'at most'} {most:g}"
    raise EvaluationError(f"{name} is {value!r}; give a number {low}{high}, such as {such_as}")

"""Does routing pay? One answer, from two paired differences and their intervals.

Routing is compared with the best single model, chosen on what the router learned from. It

* "pays" where its quality is higher (the interval lies above 0) at no more cost, or at most
  `MARGIN` lower (the interval lies above -`MARGIN`) at lower cost; without costs, where its quality
  is higher;
* "does not pay" where both are ruled out, or where the single model is always chosen;
* else one "cannot tell", and how many more labeled queries would.

A cost is lower, or no more, where its interval says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from .resampling import Interval

__all__ = ["MARGIN", "Answer", "Verdict", "verdict"]

Answer = Literal["pays", "does not pay", "cannot tell"]

MARGIN = 0.01
"""How much quality a lower cost may lose: one point in a hundred."""

_POWER = (1.96 + 0.84) / 1.96
"""A difference so many half-widths away from a bound is told from it four times in five."""

_LEAST = 30
"""Of fewer queries in all no interval is trusted to tell."""

_FAR = 100
"""Beyond so many times the queries at hand, no number is worth naming."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The answer, and what it rests on. `str` is one line.

    Example:
        >>> print(verdict(Interval(0.03, 0.02, 0.04), None, n=900, single="large", routed=0.8))
        pays: quality is 0.0300 [0.0200, 0.0400] higher than large alone (n = 900, costs unknown)
    """

    answer: Answer
    """"pays", "does not pay" or "cannot tell"."""

    text: str
    """Why, in words."""

    n: int
    """How many queries it rests on."""

    single: str
    """The model that routing is compared with."""

    quality: Interval
    """Mean score of routing less that of the single model."""

    cost: Interval | None
    """Mean cost of routing less that of the single model, USD per query; None where unknown."""

    more_queries: float = math.nan
    """About how many more labeled queries would tell; NaN where it can be told, infinite where
    hardly any number would."""

    def __str__(self) -> str:
        return f"{self.answer}: {self.text}"


def verdict(
    quality: Interval,
    cost: Interval | None,
    *,
    n: int,
    single: str,
    routed: float,
    margin: float = MARGIN,
) -> Verdict:
    """Answer whether routing pays, by the rule of this module.

    Args:
        quality: Mean score of routing less that of the single model, in [-1, 1].
        cost: The same for costs, USD per query; None where they are not known.
        n: How many queries were drawn from.
        single: The name of the single model.
        routed: On which part of the queries another model than this one was chosen, in [0, 1].
        margin: What a lower cost may lose.

    Example:
        >>> dearer = Interval(0.002, 0.001, 0.003)
        >>> verdict(Interval(0.03, 0.02, 0.04), dearer, n=900, single="large", routed=0.8).answer
        'does not pay'
        >>> cheaper = Interval(-0.002, -0.003, -0.001)
        >>> verdict(Interval(0.0, -0.006, 0.006), cheaper, n=900, single="large", routed=1).answer
        'pays'
        >>> wide = Interval(0.01, -0.01, 0.03)
        >>> verdict(wide, None, n=100, single="large", routed=0.5).more_queries
        717.0
    """
    cheaper: bool | None = False
    if cost is None:
        better = _above(quality, 0.0)
    else:
        no_dearer, lower = _below(cost, 0.0, or_at=True), _below(cost, 0.0)
        better = _both(_above(quality, 0.0), no_dearer)
        cheaper = _both(_above(quality, -margin), lower)
    answer: Answer
    if routed > 0 and (better or cheaper):
        answer = "pays"
    elif routed == 0 or (better is False and cheaper is False):
        answer = "does not pay"
    else:
        answer = "cannot tell"
    more = math.nan
    if answer == "cannot tell":
        more = _more(quality, cost, n=n, margin=margin)
    text = _text(answer, quality, cost, n=n, single=single, routed=routed, more=more)
    return Verdict(
        answer=answer,
        text=text,
        n=n,
        single=single,
        quality=quality,
        cost=cost,
        more_queries=more,
    )


def _above(found: Interval, bound: float) -> bool | None:
    """Whether it is above the bound; None where the interval holds the bound."""
    if found.low > bound:
        return True
    return False if found.high <= bound else None


def _below(found: Interval, bound: float, *, or_at: bool = False) -> bool | None:
    if found.high < bound or (or_at and found.high == bound):
        return True
    return False if found.low > bound or (found.low == bound and not or_at) else None


def _both(one: bool | None, other: bool | None) -> bool | None:
    """Whether both hold; None where that is open."""
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _more(quality: Interval, cost: Interval | None, *, n: int, margin: float) -> float:
    """How many more queries would put what is open on one side of its bound."""
    lower = cost is not None and cost.estimate < 0
    needed = _needed(quality, -margin if lower else 0.0, n)
    if cost is not None and _below(cost, 0.0, or_at=True) is None:
        needed = max(needed, _needed(cost, 0.0, n))
    return needed - n if needed <= _FAR * n else math.inf


def _needed(found: Interval, bound: float, n: int) -> float:
    """With how many queries in all the interval would most likely leave the bound out."""
    gap = abs(found.estimate - bound)
    half = (found.high - found.low) / 2
    if half == 0:
        return n
    if gap == 0:
        return math.inf
    return float(max(n + 1, _LEAST, math.ceil(n * (half * _POWER / gap) ** 2)))


def _text(
    answer: Answer,
    quality: Interval,
    cost: Interval | None,
    *,
    n: int,
    single: str,
    routed: float,
    more: float,
) -> str:
    if routed == 0:
        return f"every query goes to {single}, the best single model, so nothing is won (n = {n:,})"
    higher = "higher" if quality.estimate >= 0 else "lower"
    facts = f"quality is {_size(quality)} {higher} than {single} alone"
    if cost is None:
        facts += f" (n = {n:,}, costs unknown)"
    else:
        dearer = "more" if cost.estimate >= 0 else "less"
        facts += f", at ${_size(cost, 1000)} {dearer} per 1,000 queries (n = {n:,})"
    if answer == "cannot tell":
        many = (
            f"about {more:,.0f} more labeled queries would"
            if more < math.inf
            else (f"more than {_FAR} times as many would be needed")
        )
        return f"with n = {n:,}; {many}. So far, {facts}"
    if answer == "does not pay" and cost is not None and quality.low > 0:
        facts += "; better, but dearer: a trade, not a gain"
    return facts


def _size(found: Interval, times: float = 1.0) -> str:
    """The size of a difference and its interval, both without the sign of the estimate."""
    sign = times if found.estimate >= 0 else -times
    ends = sorted((sign * found.low, sign * found.high))
    low, high = (round(end, 4) + 0.0 for end in ends)  # no -0.0
    return f"{sign * found.estimate:.4f} [{low:.4f}, {high:.4f}]"

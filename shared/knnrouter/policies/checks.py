"""What the settings of a policy, and the candidates that it is asked about, must be."""

from __future__ import annotations

import math

from knnrouter.errors import PolicyError, UnpricedError

from .base import Candidates, Policy

__all__ = ["SLACK", "check_number", "check_policy", "check_priced"]

SLACK = 1e-9
"""How far below a limit a score still reaches it: sums of fractions end a little beside it."""


def check_priced(candidates: Candidates, policy: Policy) -> None:
    """Refuse candidates without a cost.

    Raises:
        UnpricedError: Some have none; it names them.
    """
    if any(map(math.isnan, candidates.costs)):
        pairs = zip(candidates.models, candidates.costs, strict=True)
        unpriced = [name for name, cost in pairs if math.isnan(cost)]
        raise UnpricedError(unpriced, policy=type(policy).__name__)


def check_policy(policy: object, inner: object) -> None:
    """Refuse an inner policy that cannot be asked.

    Raises:
        PolicyError: It is none.
    """
    if isinstance(inner, type) or not callable(inner):
        raise PolicyError(
            f"{type(policy).__name__}: policy is {inner!r:.80}; give a policy, such as BestScore()"
        )


def check_number(policy: object, name: str, *, least: float, most: float = math.inf) -> None:
    """Refuse a setting that is no number, or is out of its range.

    Raises:
        PolicyError: The value is named with the range.
    """
    value = getattr(policy, name)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and least <= value <= most and value < math.inf:
        return
    allowed = f"of at least {least:g}" if most == math.inf else f"between {least:g} and {most:g}"
    kind = type(policy).__name__
    raise PolicyError(f"{kind}: {name} is {value!r}; give a number {allowed}")

"""What the settings of a policy, and the candidates that it is asked about, must be."""

from __future__ import annotations

import math

from knnrouter.errors import PolicyError, UnpricedError

from .base import Candidates, Policy

__all__ = ["SLACK", "check_number", "check_policy", "check_priced", "number_fault", "refuse"]

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
    refuse(policy, number_fault(name, getattr(policy, name), least=least, most=most))


def refuse(policy: object, *faults: str | None) -> None:
    """Refuse the settings of a policy that have faults.

    Raises:
        PolicyError: There is a fault; all are named.
    """
    found = [fault for fault in faults if fault is not None]
    if found:
        raise PolicyError(f"{type(policy).__name__}: {'; '.join(found)}")


def number_fault(
    name: str, value: object, *, least: float, most: float = math.inf, whole: bool = False
) -> str | None:
    """What is wrong with a setting that should be a number in a range; None for nothing.

    Example:
        >>> number_fault("top", 2.5, least=1, whole=True)
        'top is 2.5; give a whole number of at least 1'
        >>> number_fault("threshold", 0.5, least=0, most=1)
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and least <= value < math.inf and value <= most and (not whole or value % 1 == 0):  # type: ignore[operator]
        return None
    kind = "a whole number" if whole else "a number"
    allowed = f"of at least {least:g}" if most == math.inf else f"between {least:g} and {most:g}"
    return f"{name} is {value!r}; give {kind} {allowed}"

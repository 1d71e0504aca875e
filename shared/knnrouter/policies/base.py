"""Given what to expect of each model, and what it costs: which one to take.

A policy is anything that takes `Candidates` and gives a `Choice`.

Ties follow one rule everywhere: the higher mean score over all records, then the cheaper, then the
order of the pool. NaN ranks last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from knnrouter.errors import PolicyError

__all__ = ["Candidates", "Choice", "Policy", "asked", "ranked"]

_TIE_DIGITS = 9
_TIE = 2 * 10.0**-_TIE_DIGITS
"""Beyond this gap, rounding to so many digits cannot make two utilities alike."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """The eligible models for one query and what is expected of them, in the order of the pool.

    Example:
        >>> two = Candidates(models=("small", "large"), scores=(0.7, 0.8), costs=(0.001, 0.02))
        >>> two.scores
        (0.7, 0.8)
    """

    models: tuple[str, ...]
    """Names in the pool; at least one."""

    scores: Sequence[float]
    """Expected quality in [0, 1]; NaN for no evidence."""

    costs: Sequence[float]
    """Expected USD for the query; NaN for unpriced."""

    means: Sequence[float] = ()
    """Mean score over all records, for ties; NaN for no evidence."""

    latency_ms: Sequence[float] = ()
    """Expected milliseconds; NaN for not measured; empty where nothing was."""

    strengths: Sequence[float] = ()
    """Log-odds to win, of estimators that learn who wins (see `Estimates`); empty elsewhere."""

    similarity: float = math.nan
    """Cosine similarity of the nearest neighbor."""

    def only(self, places: Sequence[int]) -> Candidates:
        """Those at these places, in their order."""

        def pick(values: Sequence[float]) -> tuple[float, ...]:
            return tuple(values[place] for place in places) if values else ()

        return Candidates(
            models=tuple(self.models[place] for place in places),
            scores=pick(self.scores),
            costs=pick(self.costs),
            means=pick(self.means),
            latency_ms=pick(self.latency_ms),
            strengths=pick(self.strengths),
            similarity=self.similarity,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What a policy decided.

    Example:
        >>> Choice(ranking=("large", "small"), reason="asked for", reason_code="forced").ranking[0]
        'large'
    """

    ranking: tuple[str, ...]
    """The candidates, best first; the first is taken, the others stand in for it, in order."""

    reason: str
    """Why, in words."""

    reason_code: str
    """Why, as a fixed name."""

    fallback: bool = False
    """Whether the policy could not choose as it is meant to."""


Policy: TypeAlias = Callable[[Candidates], Choice]


def asked(policy: Policy, candidates: Candidates) -> Choice:
    """What a policy chooses; it may be anybody's function, so its answer is checked.

    Raises:
        PolicyError: It gave something else than a `Choice`.

    Example:
        >>> def first(candidates):
        ...     return Choice(ranking=candidates.models, reason="first", reason_code="first")
        >>> two = Candidates(models=("small", "large"), scores=(0.7, 0.8), costs=(0.001, 0.02))
        >>> asked(first, two).ranking
        ('small', 'large')
    """
    choice: object = policy(candidates)
    if not isinstance(choice, Choice):
        name = getattr(policy, "__name__", type(policy).__name__)
        raise PolicyError(
            f"the policy {name} gave {choice!r:.80}, of type {type(choice).__name__}; a policy "
            "returns a Choice: policies.Choice(ranking=names, best first, reason=..., "
            "reason_code=...)"
        )
    return choice


def ranked(candidates: Candidates, utility: Sequence[float]) -> tuple[str, ...]:
    """The candidates' names by falling utility; ties by the rule of this module, NaN last.

    Utilities that are alike in nine decimals tie.

    Example:
        >>> three = Candidates(models=("a", "b", "c"), scores=(0.5,) * 3, costs=(3.0, 1.0, 2.0))
        >>> ranked(three, (0.5, 0.5, float("nan")))
        ('b', 'a', 'c')
    """
    order = sorted([(-value, place) for place, value in enumerate(utility)])
    last = -math.inf
    for value, _ in order:
        if not value > last + _TIE:  # a tie, or NaN, which no sorting of numbers can place
            return _by_rule(candidates, utility)
        last = value
    return tuple([candidates.models[place] for _, place in order])


def _by_rule(candidates: Candidates, utility: Sequence[float]) -> tuple[str, ...]:
    means = candidates.means or utility
    keys = [
        (_falling(value), _falling(means[place]), _rising(candidates.costs[place]), place)
        for place, value in enumerate(utility)
    ]
    return tuple(candidates.models[key[3]] for key in sorted(keys))


def _falling(value: float) -> float:
    return math.inf if math.isnan(value) else -round(value, _TIE_DIGITS)


def _rising(value: float) -> float:
    return math.inf if math.isnan(value) else value

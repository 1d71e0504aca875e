"""The policies that come with the library: small frozen objects, each one rule."""

from __future__ import annotations

import math
from dataclasses import dataclass

from knnrouter.errors import PolicyError

from .base import Candidates, Choice, Policy, asked, ranked
from .checks import SLACK, check_number, check_policy, check_priced

__all__ = ["BestScore", "CheapestAbove", "Guarded", "MaxLatency", "ScoreMinusCost", "Threshold"]

_MOST = 700.0
"""The largest exponent whose power is a finite number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BestScore:
    """The highest expected score, whatever it costs.

    Example:
        >>> two = Candidates(models=("small", "large"), scores=(0.7, 0.8), costs=(0.001, 0.02))
        >>> BestScore()(two).ranking
        ('large', 'small')
    """

    def __call__(self, candidates: Candidates) -> Choice:
        """Rank by score."""
        return Choice(
            ranking=ranked(candidates, candidates.scores),
            reason="best expected score",
            reason_code="best_score",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreMinusCost:
    """The highest score less `cost_weight` times the cost.

    Attributes:
        cost_weight: What a dollar is worth in score points, per query, >= 0. With 20, a model may
            cost one cent more if it scores 0.2 better.

    Raises:
        PolicyError: The weight is negative or no number.
        UnpricedError: A candidate has no cost (when called, and only with a weight above zero).

    Example:
        >>> two = Candidates(models=("small", "large"), scores=(0.7, 0.8), costs=(0.001, 0.02))
        >>> ScoreMinusCost(cost_weight=20)(two).ranking  # 0.7 - 0.02 against 0.8 - 0.4
        ('small', 'large')
    """

    cost_weight: float

    def __post_init__(self) -> None:
        check_number(self, "cost_weight", least=0.0)

    def __call__(self, candidates: Candidates) -> Choice:
        """Rank by score less weighted cost."""
        utility = candidates.scores
        if self.cost_weight > 0:
            check_priced(candidates, self)
            pairs = zip(candidates.scores, candidates.costs, strict=True)
            utility = [score - self.cost_weight * cost for score, cost in pairs]
        return Choice(
            ranking=ranked(candidates, utility),
            reason=f"best score less {self.cost_weight:g} per USD",
            reason_code="score_minus_cost",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class CheapestAbove:
    """The cheapest model that is expected to score at least `min_score`; else the best one.

    Attributes:
        min_score: The least expected score that will do, in [0, 1].

    Raises:
        PolicyError: `min_score` is outside [0, 1].
        UnpricedError: A candidate has no cost (when called).

    Example:
        >>> two = Candidates(models=("small", "large"), scores=(0.7, 0.8), costs=(0.001, 0.02))
        >>> [CheapestAbove(min_score=least)(two).ranking[0] for least in (0.6, 0.9)]
        ['small', 'large']
    """

    min_score: float

    def __post_init__(self) -> None:
        check_number(self, "min_score", least=0.0, most=1.0)

    def __call__(self, candidates: Candidates) -> Choice:
        """Rank those that will do by cost, of equal costs by score; then the others by score."""
        check_priced(candidates, self)
        will_do = [score >= self.min_score - SLACK for score in candidates.scores]
        if not any(will_do):
            return Choice(
                ranking=ranked(candidates, candidates.scores),
                reason=f"no model is expected to reach {self.min_score:g}; best expected score",
                reason_code="none_above",
                fallback=True,
            )
        pairs = [
            (cost, -score) for cost, score in zip(candidates.costs, candidates.scores, strict=True)
        ]
        place = sorted(pair for pair, does in zip(pairs, will_do, strict=True) if does).index
        utility = [
            float(-place(pair) if does else -pair[1] - len(pairs) - 1)
            for pair, does in zip(pairs, will_do, strict=True)
        ]
        return Choice(
            ranking=ranked(candidates, utility),
            reason=f"cheapest with an expected score of at least {self.min_score:g}",
            reason_code="cheapest_above",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """The strong model if and only if its win rate reaches the threshold (RouteLLM, 2406.18665).

    The win rate is the estimator's own where it learns who wins: 1 / (1 + exp(strength of the weak
    - strength of the strong)). Elsewhere it is (1 + score of the strong - score of the weak) / 2:
    the chance that the strong model wins, a tie counting half, when scores are chances to be right.

    Attributes:
        strong: The name of the better, dearer model.
        weak: The name of the cheaper one.
        threshold: In [0, 1]; 0 always takes the strong model, 1 only where it alone is right.

    Raises:
        PolicyError: The threshold is outside [0, 1], the two are one model, or (when called)
            neither is eligible.

    Example:
        >>> two = Candidates(models=("small", "large"), scores=(0.7, 0.8), costs=(0.001, 0.02))
        >>> Threshold(strong="large", weak="small", threshold=0.6)(two).ranking  # 0.55 < 0.6
        ('small', 'large')
    """

    strong: str
    weak: str
    threshold: float

    def __post_init__(self) -> None:
        check_number(self, "threshold", least=0.0, most=1.0)
        if self.strong == self.weak:
            raise PolicyError(
                f"threshold: strong and weak are both {self.strong!r}; name two different models"
            )

    def __call__(self, candidates: Candidates) -> Choice:
        """Put one of the two first, the other second, the rest by score."""
        scores = dict(zip(candidates.models, candidates.scores, strict=True))
        pair = [name for name in (self.strong, self.weak) if name in scores]
        strengths = dict(zip(candidates.models, candidates.strengths, strict=False))
        known = [name for name in pair if not math.isnan(scores[name] + strengths.get(name, 0.0))]
        if not pair:
            raise PolicyError(
                f"threshold: neither {self.strong!r} nor {self.weak!r} is eligible; "
                f"eligible: {', '.join(candidates.models)}"
            )
        by_score = ranked(candidates, candidates.scores)
        rest = tuple(name for name in by_score if name not in known)
        if len(known) < 2:
            judged = f"only {known[0]}" if known else "none"
            return Choice(
                ranking=(*known, *rest),
                reason=f"{judged} of {self.strong} and {self.weak} can be judged",
                reason_code="threshold_alone",
                fallback=True,
            )
        rate = self.win_rate(candidates)
        reached = rate >= self.threshold - SLACK
        first, second = (self.strong, self.weak) if reached else (self.weak, self.strong)
        sign = ">=" if reached else "<"
        return Choice(
            ranking=(first, second, *rest),
            reason=f"win rate of {self.strong} is {rate:.3f} {sign} {self.threshold:g}",
            reason_code="threshold",
        )

    def win_rate(self, candidates: Candidates) -> float:
        """The strong model's chance to win, in [0, 1]; both must be among the candidates.

        Example:
            >>> two = Candidates(models=("small", "large"), scores=(0.7, 0.9), costs=(1.0, 2.0))
            >>> round(Threshold(strong="large", weak="small", threshold=0.5).win_rate(two), 3)
            0.6
            >>> even = Candidates(models=("small", "large"), scores=(0.5, 0.5), costs=(1.0, 2.0),
            ...                   strengths=(0.0, math.log(3)))
            >>> round(Threshold(strong="large", weak="small", threshold=0.5).win_rate(even), 3)
            0.75
        """
        if candidates.strengths:
            strengths = dict(zip(candidates.models, candidates.strengths, strict=True))
            return 1 / (1 + math.exp(min(strengths[self.weak] - strengths[self.strong], _MOST)))
        scores = dict(zip(candidates.models, candidates.scores, strict=True))
        return (1 + scores[self.strong] - scores[self.weak]) / 2


@dataclass(frozen=True, kw_only=True, slots=True)
class MaxLatency:
    """Another policy's choice among the models expected to answer within `ms`.

    A model whose latency was never measured is not within the limit.

    Attributes:
        ms: Milliseconds to the whole answer, above 0.
        policy: What chooses among the models within the limit.

    Raises:
        PolicyError: `ms` is not above zero, or `policy` is none.

    Example:
        >>> two = Candidates(models=("small", "large"), scores=(0.7, 0.8), costs=(0.001, 0.02),
        ...                  latency_ms=(200.0, 900.0))
        >>> MaxLatency(ms=500, policy=BestScore())(two).ranking
        ('small', 'large')
    """

    ms: float
    policy: Policy

    def __post_init__(self) -> None:
        check_number(self, "ms", least=1e-9)
        check_policy(self, self.policy)

    def __call__(self, candidates: Candidates) -> Choice:
        """Let the inner policy rank those within the limit; the others follow, fastest first."""
        times = candidates.latency_ms or (math.nan,) * len(candidates.models)
        quick = [place for place, time in enumerate(times) if time <= self.ms]
        by_speed = ranked(candidates, [-time for time in times])
        if not quick:
            return Choice(
                ranking=by_speed,
                reason=f"no model is known to answer within {self.ms:g} ms; fastest first",
                reason_code="none_in_time",
                fallback=True,
            )
        inner = asked(self.policy, candidates.only(quick))
        rest = tuple(name for name in by_speed if name not in inner.ranking)
        return Choice(
            ranking=inner.ranking + rest,
            reason=f"{inner.reason}, within {self.ms:g} ms",
            reason_code=inner.reason_code,
            fallback=inner.fallback,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Guarded:
    """Another policy's choice, unless nothing in the evidence is like the query.

    Attributes:
        policy: What chooses where the evidence speaks.
        min_similarity: The least similarity of the nearest neighbor, in [-1, 1].
        fallback: The name of the model that answers below it.

    Raises:
        PolicyError: `min_similarity` is outside [-1, 1], or `policy` is none.

    Example:
        >>> two = Candidates(models=("small", "large"), scores=(0.9, 0.8), costs=(0.001, 0.02),
        ...                  similarity=0.12)
        >>> Guarded(policy=BestScore(), min_similarity=0.3, fallback="large")(two).ranking
        ('large', 'small')
    """

    policy: Policy
    min_similarity: float
    fallback: str

    def __post_init__(self) -> None:
        check_number(self, "min_similarity", least=-1.0, most=1.0)
        check_policy(self, self.policy)

    def __call__(self, candidates: Candidates) -> Choice:
        """Ask the inner policy; below the similarity, put the fallback before its ranking.

        Where the fallback may not answer, the inner ranking stands, and the choice says so.
        """
        inner = asked(self.policy, candidates)
        if candidates.similarity >= self.min_similarity:
            return inner
        eligible = self.fallback in candidates.models
        rest = tuple(name for name in inner.ranking if name != self.fallback)
        but = "" if eligible else f", and {self.fallback} may not answer: {inner.reason}"
        return Choice(
            ranking=(self.fallback, *rest) if eligible else rest,
            reason=(
                f"nothing in the evidence is like the query (nearest {candidates.similarity:.2f} "
                f"< {self.min_similarity:g}){but}"
            ),
            reason_code="low_similarity",
            fallback=True,
        )

"""A model that is held back: it answers only where it is clearly ahead of all others."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from .base import Candidates, Choice, Policy, asked
from .checks import SLACK, check_number, check_policy
from .rules import BestScore

__all__ = ["Reserved"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reserved:
    """One model only where it is expected to lead the best of the others by a margin.

    Elsewhere another policy chooses among the others, and the model stands in for them last. So a
    dear or rationed model gets the queries on which it matters most. With two models it is
    `Threshold` at (1 + margin) / 2.

    Attributes:
        model: The name of the model that is held back.
        margin: By how much its expected score must be ahead of the highest of the others, >= -1;
            above 1 it never answers while another can.
        policy: What ranks the others.

    Raises:
        PolicyError: `margin` is below -1 or no number, or `policy` is none.

    Example:
        >>> three = Candidates(models=("a", "b", "large"), scores=(0.6, 0.7, 0.8), costs=(1, 2, 9))
        >>> [Reserved(model="large", margin=by)(three).ranking[0] for by in (0.05, 0.2)]
        ['large', 'b']
    """

    model: str
    margin: float
    policy: Policy = field(default_factory=BestScore)

    def __post_init__(self) -> None:
        check_number(self, "margin", least=-1.0)
        check_policy(self, self.policy)

    def __call__(self, candidates: Candidates) -> Choice:
        """Put the model first or last, and let the inner policy rank the others.

        Where only the model can be judged or may answer, it answers; where the model cannot be
        judged or may not answer, the others do.
        """
        places = [at for at, name in enumerate(candidates.models) if name != self.model]
        if len(places) == len(candidates.models):
            return asked(self.policy, candidates)
        if not places:
            return self._alone("may answer", ())
        inner = asked(self.policy, candidates.only(places))
        lead = self.lead(candidates)
        if lead == math.inf:
            return self._alone("can be judged", inner.ranking)
        known = not math.isnan(lead)
        if not known or lead < self.margin - SLACK:
            by = f"leads by {lead:.3f} < {self.margin:g}" if known else "cannot be judged"
            return Choice(
                ranking=(*inner.ranking, self.model),
                reason=f"{self.model} {by}: {inner.reason}",
                reason_code=inner.reason_code,
                fallback=inner.fallback,
            )
        return Choice(
            ranking=(self.model, *inner.ranking),
            reason=f"{self.model} leads by {lead:.3f} >= {self.margin:g}",
            reason_code="reserved",
        )

    def lead(self, candidates: Candidates) -> float:
        """The model's expected score less the highest of the others.

        Infinity where no other can be judged; NaN where the model cannot, or may not answer.

        Example:
            >>> two = Candidates(models=("small", "large"), scores=(0.5, 0.75), costs=(1, 2))
            >>> Reserved(model="large", margin=0.1).lead(two)
            0.25
        """
        scores = dict(zip(candidates.models, candidates.scores, strict=True))
        own = scores.pop(self.model, math.nan)
        others = [score for score in scores.values() if not math.isnan(score)]
        return own - max(others) if others else own + math.inf

    def _alone(self, what: str, rest: tuple[str, ...]) -> Choice:
        return Choice(
            ranking=(self.model, *rest),
            reason=f"only {self.model} {what}",
            reason_code="reserved_alone",
            fallback=True,
        )

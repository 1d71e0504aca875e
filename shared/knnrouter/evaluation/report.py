"""What an evaluation found: plain values, the verdict first. Nothing is printed or drawn.

Figures are over the queries of the evaluation. NaN is "cannot be had here", such as a cost where
none is known; what was left out stands in the notes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knnrouter.decision import as_json

from .outcomes import Basis
from .report_parts import (
    Behavior,
    CostCurve,
    Overhead,
    PairFigures,
    Ratios,
    Reference,
    ReliabilityFigures,
    SimilarityFigures,
    Single,
    TaskFigures,
    WorstQuery,
)
from .resampling import Interval
from .verdicts import Verdict

if TYPE_CHECKING:
    from .outcomes import Outcomes

__all__ = ["Report"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """All of an evaluation. `print(report)` is a summary, the verdict first."""

    verdict: Verdict
    """Whether routing pays against the best single model."""
    against_mixture: Interval | None
    """By how much routing scores more than the random mixture of single models that costs as much
    (the hull is in hindsight); None where costs are unknown."""
    n: int
    """How many queries."""
    confidence: float
    """How much of the draws each interval holds."""
    draws: int
    """How many times the queries were drawn again."""
    seed: int
    """Where the draws came from."""
    clustered: bool
    """Whether whole groups of queries were drawn, rather than queries."""
    quality: Interval
    """Mean score over queries."""
    macro_quality: float
    """Mean over tasks of the mean score."""
    cost: Interval | None
    """Mean cost, USD per query; None where unknown."""
    basis: Basis
    """Where the best single model was chosen."""
    best_single: Single
    """The best single model."""
    singles: tuple[Single, ...]
    """All models, in their order."""
    references: tuple[Reference, ...]
    """What routing is compared with."""
    ratios: Ratios
    """Quality in relation to references."""
    pair: PairFigures | None
    """Where two models are compared by a threshold."""
    curve: CostCurve | None
    """Where costs and expected scores are known."""
    behavior: Behavior
    """How the router chooses."""
    reliability: ReliabilityFigures | None
    """Where expected scores are known."""
    tasks: tuple[TaskFigures, ...]
    """By task."""
    by_similarity: tuple[SimilarityFigures, ...]
    """By similarity of the nearest neighbor, fifths; empty where unknown."""
    worst: tuple[WorstQuery, ...]
    """The queries where the choice lost most, at most 20."""
    overhead: Overhead | None
    """Where decisions were timed."""
    notes: tuple[str, ...]
    """What was left out, and how figures are known."""
    outcomes: Outcomes
    """What all of it was computed from."""

    @property
    def cautions(self) -> tuple[str, ...]:
        """What must be said beside any verdict, a sentence each; mostly nothing."""
        found = []
        if self.behavior.collapsed:
            found.append("the router has collapsed: one model gets more than 95 % of the queries")
        if self.against_mixture is not None and self.against_mixture.low <= 0:
            worse = self.against_mixture.high <= 0
            found.append(
                f"{'no better' if worse else 'not shown to be better'} than the Zero router: a "
                "random mixture of single models at the same cost "
                f"{'scores' if worse else 'may score'} at least as much"
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON takes it: NaN is None. `outcomes` stay out."""
        values = {
            "verdict": self.verdict.answer,
            "verdict_text": self.verdict.text,
            "n": self.n,
            "quality": self.quality.estimate,
            "cost": math.nan if self.cost is None else self.cost.estimate,
            "best_single": self.best_single,
            "interval": self.verdict.quality,
            "cost_interval": self.verdict.cost,
            "more_queries": self.verdict.more_queries,
            "quality_interval": self.quality,
            "cautions": self.cautions,
        }
        rest = (name for name in self.__dataclass_fields__ if name not in {*values, "outcomes"})
        return {name: as_json(value) for name, value in values.items()} | {
            name: as_json(getattr(self, name)) for name in rest
        }

    def to_html(self, path: str | Path | None = None, *, title: str = "Does routing pay?") -> str:
        """The report as one page that needs no network; see `evaluation.html`.

        Args:
            path: Where to write it too; None: nowhere.
            title: Its title.

        Raises:
            MissingExtraError: The extra `plots` is not installed.
        """
        from .html import page

        text = page(self, title=title)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def __str__(self) -> str:
        lines = [str(self.verdict)]
        if self.against_mixture is not None:
            lines.append(
                f"against the random mixture of single models at the same cost: "
                f"{self.against_mixture}"
            )
        lines.append(f"quality {self.quality}, {_cost(self.cost)}")
        width = max(len(each.name) for each in self.references)
        lines += [
            f"  {each.name:<{width}}  {each.quality:.4f}  ahead by {each.ahead}"
            for each in self.references
        ]
        lines += self.cautions
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _cost(cost: Interval | None) -> str:
    if cost is None:
        return "costs unknown"
    ends = f"[{1000 * cost.low:.4f}, {1000 * cost.high:.4f}]"
    return f"${1000 * cost.estimate:.4f} {ends} per 1,000 queries"

"""What calibrating found: a policy, and what it does on queries that had no part in the choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from knnrouter import policies
from knnrouter.decision import as_json
from knnrouter.evaluation.resampling import Interval
from knnrouter.policies import Policy
from knnrouter.policies.specs import as_mapping

from .goals import Goal

__all__ = ["Calibration"]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Calibration:
    """A policy that keeps to a goal, and what is known of it. `str` is a few lines.

    Example:
        >>> from knnrouter.evaluation import Budget
        >>> found = Calibration(
        ...     goal=Budget(usd_per_1000=2), policy=policies.ScoreMinusCost(cost_weight=20),
        ...     used=60, held_out=40, figures={"usd_per_1000": Interval(1.9, 1.7, 2.1)},
        ...     shares={"small": 0.75, "large": 0.25}, confidence=0.95, notes=(),
        ... )
        >>> print(found)
        at most $2 per 1,000 queries: score_minus_cost:cost_weight=20
        on 40 queries held out: usd_per_1000 1.9000 [1.7000, 2.1000]; small 75 %, large 25 %
        >>> print(found.yaml)
        router:
          policy: {kind: score_minus_cost, cost_weight: 20}
    """

    goal: Goal
    """What was asked for."""

    policy: Policy
    """What keeps to it: give it to `route`, or state it in the pool."""

    used: int
    """How many queries it was chosen on."""

    held_out: int
    """How many queries the figures are of; they had no part in the choice."""

    figures: Mapping[str, Interval]
    """What the policy does on the queries held out, by name: `usd_per_1000`, expected, and
    `best_score_usd_per_1000`, what `BestScore` is expected to cost there; `share` of the goal's
    model; where they were measured `measured_usd_per_1000`, `quality`, and `of_best`, the quality
    as a part of the best single model's. Empty where nothing was held out."""

    shares: Mapping[str, float]
    """Which part of the queries held out each model gets, by its name."""

    confidence: float
    """The confidence of the intervals."""

    notes: tuple[str, ...]
    """What the reader should know, a sentence each."""

    @property
    def spec(self) -> str:
        """The policy as text, as `--policy` takes it."""
        return policies.spec(self.policy)

    @property
    def yaml(self) -> str:
        """The lines that state the policy in a pool.yaml."""
        line = yaml.safe_dump(
            as_mapping(self.policy),
            default_flow_style=True,
            sort_keys=False,
            width=float("inf"),
            allow_unicode=True,
        )
        return f"router:\n  policy: {line.strip()}"

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON takes it; NaN is None."""
        kind = type(self.goal).__name__.lower()
        figures = {name: asdict(value) for name, value in self.figures.items()}
        found: dict[str, Any] = as_json(
            {
                "goal": {"kind": kind, **asdict(self.goal)},
                "policy": self.spec,
                "yaml": self.yaml,
                "used": self.used,
                "held_out": self.held_out,
                "figures": figures,
                "shares": dict(self.shares),
                "confidence": self.confidence,
                "notes": list(self.notes),
            }
        )
        return found

    def __str__(self) -> str:
        lines = [f"{self.goal}: {self.spec}"]
        if self.figures:
            told = "; ".join(f"{name} {value}" for name, value in self.figures.items())
            parts = {name: 100 * share for name, share in self.shares.items() if share}
            shares = ", ".join(f"{name} {part:.0f} %" for name, part in parts.items())
            lines.append(f"on {self.held_out:,} queries held out: {told}; {shares}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

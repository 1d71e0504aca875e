"""What an evaluation found: plain values, the verdict first. Nothing is printed or drawn.

Figures are over the queries of the evaluation. NaN is "cannot be had here", such as a cost where
none is known; what was left out stands in the notes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knnrouter.decision import Neighbor, as_json

from .outcomes import Basis
from .resampling import Interval
from .verdicts import Verdict

if TYPE_CHECKING:
    from .outcomes import Outcomes

__all__ = [
    "Behavior",
    "CostCurve",
    "Overhead",
    "PairFigures",
    "Ratios",
    "Reference",
    "RegretPoint",
    "ReliabilityBin",
    "ReliabilityFigures",
    "Report",
    "SimilarityFigures",
    "Single",
    "SolverRecall",
    "TaskFigures",
    "WorstQuery",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A way to choose that the router is compared with."""

    name: str
    """What it is, in words."""
    in_hindsight: bool
    """Whether it looks at the test scores, so that nobody could have had it."""
    quality: float
    """Its mean score, in [0, 1]."""
    cost: float
    """Its mean cost, USD per query; NaN where unknown."""
    ahead: Interval
    """By how much routing scores more, on the same queries."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Single:
    """One model that answers everything."""

    name: str
    """Its name in the pool."""
    quality: float
    """Its mean score, in [0, 1]."""
    cost: float
    """Its mean cost, USD per query; NaN where unknown."""
    share: float
    """Part of the queries for which the router chose it, in [0, 1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratios:
    """Quality in relation to references; each formula stands at the function of the same name."""

    ratio_to_best: float
    """Mean over tasks of quality over that of the task's best model, in hindsight."""
    gain_at_best: float
    """Quality over the best single model's, less 1."""
    gain_at_random: float
    """Quality over a random model's, less 1."""
    gap_at_oracle: float
    """Mean over tasks of 1 less quality over the query oracle's."""
    oracle_gap_closed: float
    """Part of the way from the best single model to the query oracle."""
    arena_score: float
    """RouterArena's score of quality and cost, in [0, 1]; NaN without costs."""
    optimal_selection: float
    """Part of the queries where the cheapest model that is right was chosen; NaN without costs."""
    optimal_cost: float
    """What the cheapest right models cost, over what was paid; NaN without costs."""
    optimal_accuracy: float
    """Quality over the query oracle's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairFigures:
    """Two models and a threshold between them, as in RouteLLM."""

    strong: str
    """The better model."""
    weak: str
    """The other."""
    pgr: float
    """Performance gap recovered by the choices as they are."""
    apgr: float
    """Its average over all shares of strong calls."""
    cpt: Mapping[int, float]
    """Least share of strong calls that recovers 20, 50, 80, 95 percent of the gap."""
    shares: tuple[float, ...]
    """Shares of strong calls of the curve's points."""
    quality: tuple[float, ...]
    """Mean score at each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegretPoint:
    """What choices lose at one price of a dollar against the best choice of each query."""

    cost_weight: float
    """Score points per USD."""
    quality: float
    """Mean score of the router's choices at this weight."""
    cost: float
    """Their mean cost, USD per query."""
    regret: float
    """Mean utility that the router loses, in score points."""
    single_regret: float
    """What the best single model at this weight loses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CostCurve:
    """The router at all prices of a dollar, and the models alone, by cost and quality."""

    points: tuple[RegretPoint, ...]
    """The router's choices by score less weight times cost, the weights ascending."""
    aiq: float
    """Average improvement in quality of the router's hull, over the range of the models' costs."""
    aiq_of_singles: float
    """The same of the hull of the models alone: the Zero router."""
    aiq_by_max: float
    """The router's, as RouterBench's code divides: by the largest cost."""
    aiq_of_singles_by_max: float
    """The models', as RouterBench's code divides."""
    cost_save: float
    """Part of the best single model's cost that is saved at no less quality; NaN if never."""
    hull: tuple[tuple[str, float, float], ...]
    """Vertices of the hull of the models alone: name, cost, quality."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SolverRecall:
    """Quality on the queries that just so many models solve."""

    solvers: int
    """How many of the models solve them."""
    queries: int
    """How many such queries there are."""
    recall: float
    """On which part of them the chosen model is one that does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Behavior:
    """How the router chooses, whatever comes of it."""

    shares: Mapping[str, float]
    """Part of the queries that each model got."""
    entropy: float
    """Of the shares, in bits: 0 where one model got all."""
    collapsed: bool
    """Whether one model got more than 95 percent."""
    single_share: float
    """Part of the queries for which the best single model was chosen."""
    average_rank: float
    """Of the chosen model among all, by measured score; 1 is the best."""
    recall: tuple[SolverRecall, ...]
    """By how many models solve a query."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReliabilityBin:
    """Cells (a query and a model) of like expectation."""

    expected: float
    """Mean expected score."""
    measured: float
    """Mean measured score."""
    count: int
    """How many cells."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReliabilityFigures:
    """Whether expected scores can be believed; over all cells of a query and a model."""

    brier: float
    """Mean squared error."""
    log_loss: float
    """Mean negative log likelihood, in nats."""
    ece: float
    """Expected calibration error, ten bins of as many cells each."""
    roc_auc: float
    """Chance that a right answer was expected more than a wrong one; of scores above one half."""
    pearson: float
    """Correlation of expected and measured scores over all cells."""
    spearman: float
    """The same of their ranks."""
    task_pearson: float
    """Mean over tasks of the correlation over models of mean expected and measured scores."""
    task_spearman: float
    """The same of their ranks."""
    bins: tuple[ReliabilityBin, ...]
    """Ten, by falling or equal expectation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskFigures:
    """One task."""

    task: str
    """Its name; "" for queries without one."""
    n: int
    """How many queries."""
    quality: float
    """Mean score of routing."""
    single: float
    """Mean score of the best single model."""
    oracle: float
    """Mean score of the best model of each query."""
    cost: float
    """Mean cost of routing, USD per query; NaN where unknown."""
    scores: Mapping[str, float]
    """Mean score of each model alone."""
    shares: Mapping[str, float]
    """Part of its queries that each model got."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SimilarityFigures:
    """Queries whose nearest neighbor is about as similar."""

    low: float
    """The least similarity among them."""
    high: float
    """The greatest."""
    n: int
    """How many queries."""
    regret: float
    """Mean score lost against the best model of each query."""
    ahead: float
    """Mean score won over the best single model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorstQuery:
    """A query where the choice lost most, with the evidence that led to it."""

    id: str
    """Its id in the records."""
    query: str | None
    """Its text; None where not kept."""
    task: str | None
    """Its task; None where unknown."""
    model: str
    """The chosen model."""
    score: float
    """What it scored."""
    best: tuple[str, ...]
    """The models that scored most."""
    best_score: float
    """What they scored."""
    similarity: float
    """Of the nearest neighbor; NaN where unknown."""
    reason: str
    """Why the model was chosen; "" where unknown."""
    neighbors: tuple[Neighbor, ...]
    """The nearest of those that voted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overhead:
    """How long a decision took, in milliseconds; in batches, the batch's time over its size."""

    mean: float
    """Mean."""
    p50: float
    """Median."""
    p95: float
    """95th percentile."""


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
        if self.behavior.collapsed:
            lines.append("the router has collapsed: one model gets more than 95 % of the queries")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _cost(cost: Interval | None) -> str:
    if cost is None:
        return "costs unknown"
    ends = f"[{1000 * cost.low:.4f}, {1000 * cost.high:.4f}]"
    return f"${1000 * cost.estimate:.4f} {ends} per 1,000 queries"

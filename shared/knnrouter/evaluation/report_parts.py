"""The parts of a report: plain values that check nothing and compute nothing.

NaN is "cannot be had here", such as a cost where none is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from knnrouter.decision import Neighbor

from .resampling import Interval

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
    """The nearest of its neighbors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overhead:
    """How long a decision took, in milliseconds; in batches, the batch's time over its size."""

    mean: float
    """Mean."""
    p50: float
    """Median."""
    p95: float
    """95th percentile."""

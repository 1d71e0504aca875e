"""Routing beside other ways to choose, all on the same queries: differences, intervals, verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.errors import EvaluationError

from .arrays import group_numbers
from .behavior import selection_shares
from .hulls import hull
from .measured import best_column
from .outcomes import Outcomes
from .ratios import task_means
from .references import chance_corrected_oracle, oracle_columns
from .report_parts import Reference
from .resampling import Interval, interval, resampled_means, widening
from .ties import first_choice
from .verdicts import Verdict, verdict

__all__ = ["Compared", "Drawing", "Rival", "compared", "drawing_problems", "rivals"]

_Floats = NDArray[np.float64]

_ANYWHERE = (-math.inf, math.inf)
_SCORES = (0.0, 1.0)
_DIFFERENCES = (-1.0, 1.0)
_COSTS = (0.0, math.inf)

_SAME_COST = 1e-9
"""Costs that differ by less, in parts of them, differ by how they were computed."""


def drawing_problems(draws: int, confidence: float) -> list[str]:
    """What is wrong with the settings of intervals, a sentence each."""
    problems = []
    if draws < 1:
        problems.append(f"draws is {draws}; give at least 1, such as 2000")
    if not 0 < confidence < 1:
        problems.append(f"confidence is {confidence}; give a part between 0 and 1, such as 0.95")
    elif 1 <= draws < (least := math.ceil(round(1 / (1 - confidence), 6))):
        problems.append(
            f"draws is {draws}, of which a {confidence:g} interval would leave out none; give at "
            f"least {least:,}, such as 2000"
        )
    return problems


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """How queries are drawn again for intervals.

    Raises:
        EvaluationError: `draws` or `confidence` are out of their range.
    """

    clusters: NDArray[np.generic] | None = None
    """What is drawn as a whole: a label a query, shape (n,); None: the queries themselves."""
    draws: int = 2000
    """How many times."""
    confidence: float = 0.95
    """How much of the draws an interval holds, in (0, 1)."""
    seed: int = 0
    """Where the draws come from."""

    def __post_init__(self) -> None:
        if problems := drawing_problems(self.draws, self.confidence):
            raise EvaluationError(problems)

    def means(self, values: _Floats) -> _Floats:
        """Means of the columns over queries drawn again; shape (draws, p)."""
        return resampled_means(values, clusters=self.clusters, draws=self.draws, seed=self.seed)

    def interval(self, values: _Floats, *, within: tuple[float, float] = _ANYWHERE) -> Interval:
        """The mean of one column, with its interval."""
        drawn = self.means(values[:, None])[:, 0]
        return self.around(float(values.mean()), drawn, within=within)

    def around(
        self, estimate: float, drawn: ArrayLike, *, within: tuple[float, float] = _ANYWHERE
    ) -> Interval:
        """A figure with the interval of its draws, wider where few clusters were drawn.

        Args:
            estimate: The figure.
            drawn: What it was in each draw.
            within: What it can be at all.
        """
        found = interval(estimate, drawn, self.confidence)
        if self.clusters is None:
            return found
        wider = widening(len(np.unique(self.clusters)), self.confidence)
        middle = float(np.mean(np.asarray(drawn, dtype=np.float64)))
        ends = middle - wider * (middle - found.low), middle + wider * (found.high - middle)
        low, high = np.clip(ends, *within).tolist()
        return Interval(estimate, low, high)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Rival:
    """What another way to choose scores and costs on each query."""

    name: str
    """What it is, in words."""
    in_hindsight: bool
    """Whether it looks at the test scores."""
    scores: _Floats
    """Shape (n,)."""
    costs: _Floats | None
    """USD; shape (n,); None where unknown."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Compared:
    """Routing beside its rivals."""

    quality: Interval
    cost: Interval | None
    references: tuple[Reference, ...]
    against_mixture: Interval | None
    verdict: Verdict


def compared(outcomes: Outcomes, *, drawing: Drawing, chance: ArrayLike | None = None) -> Compared:
    """Compare the router's choices with every reference, and say whether they pay.

    Args:
        outcomes: What was chosen.
        drawing: How intervals are made.
        chance: The probability to be right by guessing, in [0, 1): one number, or one a query,
            shape (n,); None where unknown.
    """
    others = rivals(outcomes)
    routed, paid = outcomes.routed, outcomes.paid
    drawn = drawing.means(np.column_stack([routed, *(routed - each.scores for each in others)]))
    ahead = [
        drawing.around(float((routed - each.scores).mean()), drawn[:, place], within=_DIFFERENCES)
        for place, each in enumerate(others, start=1)
    ]
    found = [
        Reference(
            name=each.name,
            in_hindsight=each.in_hindsight,
            quality=float(each.scores.mean()),
            cost=math.nan if each.costs is None else float(each.costs.mean()),
            ahead=lead,
        )
        for each, lead in zip(others, ahead, strict=True)
    ]
    quality = drawing.around(float(routed.mean()), drawn[:, 0], within=_SCORES)
    if chance is not None:
        found.append(_without_luck(outcomes, chance, quality))
    return Compared(
        quality=quality,
        cost=None if paid is None else drawing.interval(paid, within=_COSTS),
        references=tuple(found),
        against_mixture=_against_mixture(outcomes, drawing),
        verdict=_verdict(outcomes, drawing),
    )


def rivals(outcomes: Outcomes) -> list[Rival]:
    """The references that have a score on each query, the best single model first."""
    scores, costs = outcomes.scores, outcomes.costs
    models = scores.shape[1]
    shares = selection_shares(outcomes.chosen, models)
    hindsight = outcomes.basis == "hindsight"
    chosen = "in hindsight" if hindsight else "in training"
    found = [
        _fixed(
            outcomes, f"best single model, chosen {chosen}", outcomes.single, in_hindsight=hindsight
        ),
        _mixed(outcomes, "random model", np.full(models, 1 / models)),
        _mixed(outcomes, "random model, as often as the router chose it", shares),
    ]
    if not hindsight:
        best = best_column(outcomes.models, scores.mean(axis=0), costs)
        columns = np.full(len(outcomes), best)
        found.append(
            _fixed(outcomes, "best single model, in hindsight", columns, in_hindsight=True)
        )
    if len(set(outcomes.tasks)) > 1:
        columns = _best_of_tasks(outcomes)
        found.append(
            _fixed(outcomes, "best model of each task, in hindsight", columns, in_hindsight=True)
        )
    oracle = oracle_columns(scores, costs)
    found.append(
        _fixed(outcomes, "best model of each query, in hindsight", oracle, in_hindsight=True)
    )
    return found


def _fixed(
    outcomes: Outcomes,
    name: str,
    columns: NDArray[np.int64],
    *,
    in_hindsight: bool,
) -> Rival:
    rows, costs = np.arange(len(outcomes)), outcomes.costs
    return Rival(
        name=name,
        in_hindsight=in_hindsight,
        scores=outcomes.scores[rows, columns],
        costs=None if costs is None else costs[rows, columns],
    )


def _mixed(outcomes: Outcomes, name: str, shares: _Floats) -> Rival:
    costs = outcomes.costs
    return Rival(
        name=name,
        in_hindsight=False,
        scores=outcomes.scores @ shares,
        costs=None if costs is None else costs @ shares,
    )


def _best_of_tasks(outcomes: Outcomes) -> NDArray[np.int64]:
    """The column of the best model of each query's task, over these very queries; shape (n,)."""
    labels = outcomes.task_labels.tolist()
    _, task = group_numbers(labels, len(outcomes))
    _, means = task_means(outcomes.scores, labels)
    spent = None if outcomes.costs is None else task_means(outcomes.costs, labels)[1]
    return first_choice(means, costs=spent)[task]


def _without_luck(outcomes: Outcomes, chance: ArrayLike, quality: Interval) -> Reference:
    """The query oracle, less what guessing models would have right by luck."""
    reached = chance_corrected_oracle(outcomes.scores, chance)
    return Reference(
        name="best model of each query, in hindsight, without lucky guesses",
        in_hindsight=True,
        quality=reached,
        cost=math.nan,
        ahead=Interval(quality.estimate - reached, quality.low - reached, quality.high - reached),
    )


def _against_mixture(outcomes: Outcomes, drawing: Drawing) -> Interval | None:
    """By how much routing scores more than the hull of the single models at the same cost.

    The hull is drawn anew with the queries. Below the cheapest model's cost it counts as that
    model's quality, so that a router is not flattered by what nobody else can reach.
    """
    paid, costs = outcomes.paid, outcomes.costs
    if paid is None or costs is None:
        return None
    models = len(outcomes.models)
    values = np.column_stack([outcomes.routed, paid, outcomes.scores, costs])

    def ahead(means: _Floats) -> float:
        reached = hull(means[2 + models :], means[2 : 2 + models])
        return float(means[0] - reached.quality_at(max(means[1], reached.costs[0])))

    drawn = [ahead(means) for means in drawing.means(values)]
    return drawing.around(ahead(values.mean(axis=0)), drawn, within=_DIFFERENCES)


def _verdict(outcomes: Outcomes, drawing: Drawing) -> Verdict:
    """The verdict against the best single model.

    The quality's interval is drawn from two queries more, one that each side wins by a full point
    (after Agresti & Min 2005): without them a handful of queries, all won, would prove everything.
    """
    ahead = outcomes.routed - outcomes.alone
    smoothed = np.concatenate([ahead, [1.0, -1.0]])[:, None]
    clusters = drawing.clusters
    if clusters is not None:
        _, numbers = np.unique(clusters, return_inverse=True)
        clusters = np.concatenate([numbers, [len(ahead), len(ahead) + 1]])
    drawn = resampled_means(smoothed, clusters=clusters, draws=drawing.draws, seed=drawing.seed)[
        :, 0
    ]
    rows, paid, costs = np.arange(len(outcomes)), outcomes.paid, outcomes.costs
    spent = None
    if paid is not None and costs is not None:
        alone = costs[rows, outcomes.single]
        same = np.isclose(paid, alone, rtol=_SAME_COST, atol=0)
        spent = drawing.interval(np.where(same, 0.0, paid - alone))
    return verdict(
        drawing.around(float(ahead.mean()), drawn, within=_DIFFERENCES),
        spent,
        n=len(outcomes),
        single=outcomes.single_name,
        routed=float((outcomes.chosen != outcomes.single).mean()),
    )

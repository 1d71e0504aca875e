"""The sections of a report on what is traded: quality for cost, a strong model for a weak one."""

from __future__ import annotations

import numpy as np

from . import curves, ratios
from .hulls import Hull, aiq, hull
from .outcomes import Outcomes
from .regret import cost_weight_grid, regret_curve
from .report_parts import CostCurve, PairFigures, RegretPoint

__all__ = ["curve_of", "pair_of"]

_RECOVERED = (20, 50, 80, 95)


def curve_of(outcomes: Outcomes) -> CostCurve | None:
    """The router at a grid of cost weights; None where costs or expected scores are unknown.

    Where it expects no cost, it goes by what each model costs on average, as a price list would.
    """
    scores, costs = outcomes.scores, outcomes.costs
    expected, prices = outcomes.estimated_scores, outcomes.estimated_costs
    if costs is None or expected is None or np.isnan(expected).all(axis=1).any():
        return None
    means = costs.mean(axis=0)
    if np.ptp(means) == 0:
        return None
    prices = np.broadcast_to(means, costs.shape) if prices is None else prices
    prices = np.where(np.isnan(prices), means, prices)
    found = regret_curve(
        expected, prices, scores, costs, cost_weight_grid(costs), train_means=outcomes.train_means
    )
    rows = zip(
        *(found.weights, found.quality, found.cost, found.regret, found.single_regret), strict=True
    )
    routed = hull(found.cost, found.quality)
    alone = hull(means, scores.mean(axis=0))
    low, high = float(means.min()), float(means.max())
    return CostCurve(
        points=tuple(
            RegretPoint(
                cost_weight=float(weight),
                quality=float(quality),
                cost=float(cost),
                regret=float(regret),
                single_regret=float(single_regret),
            )
            for weight, quality, cost, regret, single_regret in rows
        ),
        aiq=aiq(routed, low=low, high=high),
        aiq_of_singles=aiq(alone, low=low, high=high),
        aiq_by_max=aiq(routed, high=high, normalization="max"),
        aiq_of_singles_by_max=aiq(alone, high=high, normalization="max"),
        cost_save=ratios.cost_save(
            found.cost,
            found.quality,
            best_cost=float(costs[np.arange(len(outcomes)), outcomes.single].mean()),
            best_quality=float(outcomes.alone.mean()),
        ),
        hull=_named(alone, outcomes.models),
    )


def _named(found: Hull, models: tuple[str, ...]) -> tuple[tuple[str, float, float], ...]:
    return tuple(
        (models[column], float(cost), float(quality))
        for column, cost, quality in zip(
            found.columns.tolist(), found.costs, found.quality, strict=True
        )
    )


def pair_of(outcomes: Outcomes, pair: tuple[str, str] | None) -> PairFigures | None:
    """Two models and a threshold between them.

    Args:
        outcomes: What was chosen.
        pair: The strong model and the weak one; None: where there are just two, and one of
            them is better, the best single model is the strong one.
    """
    if pair is None:
        means = outcomes.scores.mean(axis=0).tolist()
        if len(means) != 2 or means[0] == means[1]:
            return None  # no pair was asked for, and none suggests itself
        strong = outcomes.models.index(outcomes.single_name)
        weak = 1 - strong
    else:
        strong, weak = (outcomes.models.index(name) for name in pair)
    expected, scores = outcomes.estimated_scores, outcomes.scores
    if expected is None or np.isnan(expected[:, [strong, weak]]).any():
        return None
    curve = curves.strong_fraction_curve(
        expected[:, strong] - expected[:, weak], scores[:, weak], scores[:, strong]
    )
    return PairFigures(
        strong=outcomes.models[strong],
        weak=outcomes.models[weak],
        pgr=curves.pgr(float(outcomes.routed.mean()), weak=curve.weak, strong=curve.strong),
        apgr=curves.apgr(curve),
        cpt={percent: curves.cpt(curve, percent / 100) for percent in _RECOVERED},
        shares=tuple(curve.shares.tolist()),
        quality=tuple(curve.quality.tolist()),
    )

"""The threshold, or the margin, that keeps one model to a share of the calls."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from knnrouter.errors import EvaluationError
from knnrouter.estimators.win_rates.bradley_terry import win_rate
from knnrouter.evaluation.arrays import Floats, vectors

from .asking import Asked
from .goals import check_between

__all__ = ["share_threshold", "win_rate_threshold"]

_SLACK = 1e-9
"""How far below a threshold a win rate still reaches it, as policies have it."""


def win_rate_threshold(win_rates: ArrayLike, share: float) -> float:
    """The threshold that gives the strong model at most such a share of these queries.

    It is quantile_{1 - share} of the win rates, as RouteLLM calibrates it (arXiv 2406.18665, and
    its calibrate_threshold); where that gives the strong model more than the share, because win
    rates tie or the quantile is itself a win rate, it is halfway to the next higher win rate that
    keeps to the share.

    Args:
        win_rates: The strong model's chance to win on each query, in [0, 1]; shape (n,).
        share: At most so much of the queries go to the strong model, in [0, 1].

    Raises:
        EvaluationError: A win rate is outside of [0, 1] or NaN, or more queries than the share have
            a win rate of 1, which every threshold lets through.

    Example:
        >>> win_rate_threshold([0.1, 0.2, 0.3, 0.4], 0.5)
        0.25
        >>> round(win_rate_threshold([0.2, 0.5, 0.5, 0.6], 0.5), 3)  # 0.5 would let three through
        0.55
    """
    (rates,) = vectors(win_rates=win_rates)
    check_between("share", share, 0.0, 1.0, such_as="0.3")
    if rates.min() < 0 or rates.max() > 1:
        raise EvaluationError(
            f"win rates go from {rates.min():g} to {rates.max():g}; give chances in [0, 1]"
        )
    most = share * len(rates) + _SLACK
    threshold = float(np.quantile(rates, 1 - share))
    if np.count_nonzero(rates >= threshold - _SLACK) <= most:
        return threshold
    higher = np.unique(rates[rates >= threshold - _SLACK])
    for below, above in zip(higher, [*higher[1:], 1 + 4 * _SLACK], strict=True):
        halfway = float((below + min(above, 1.0)) / 2)
        if np.count_nonzero(rates >= halfway - _SLACK) <= most:
            return halfway
    raise EvaluationError(
        f"the share is {share:g}, and {np.mean(rates >= 1 - _SLACK):.4g} of the queries have a win "
        "rate of 1, which every threshold lets through; give at least that share"
    )


def share_threshold(asked: Asked, model: str, share: float) -> float:
    """The threshold on (1 + lead) / 2 that keeps a model to a share of these calls; at least 1/2.

    Its lead is how far its expected score is ahead of the highest of the others. Of two models of
    which the estimator knows who wins, it is a threshold on the win rate itself. Below 1/2 the
    model would answer where another is expected to be better: a share is a limit, and no target.

    Raises:
        EvaluationError: The model answers more than the share whatever the threshold.
    """
    rates, always = _win_rates(asked, asked.models.index(model))
    if always > share * len(asked) + _SLACK:
        raise EvaluationError(
            f"the share is {share:g}, and {model} answers {always / len(asked):.4g} of the queries "
            "whatever the policy, as the default, as the fallback of a guard, or as the only model "
            "that may; give at least that share, or another default"
        )
    left = share if not always else (share * len(asked) - always) / max(len(rates), 1)
    return max(0.5, win_rate_threshold(rates, min(left, 1.0))) if len(rates) else 0.5


def _win_rates(asked: Asked, column: int) -> tuple[Floats, int]:
    """The model's win rate on each query where it can be kept out; on how many it cannot.

    It is 0 where another model answers whatever the policy, or nothing is known of this one.
    """
    scores = np.where(asked.options, asked.scores, np.nan)
    own, others = scores[:, column], np.delete(scores, column, axis=1)
    rival = np.where(np.isnan(others), -np.inf, others).max(axis=1, initial=-np.inf)
    always = (asked.fixed == column) | (~np.isnan(own) & np.isinf(rival))
    wins = (1 + own - rival) / 2
    if asked.strengths is not None and len(asked.models) == 2:  # as `Threshold` has it
        wins = win_rate(asked.strengths[:, column], asked.strengths[:, 1 - column])
    rates = np.where(np.isnan(own), 0.0, wins)[~always]
    return np.clip(rates, 0.0, 1.0), int(always.sum())

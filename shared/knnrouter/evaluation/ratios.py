"""A router's quality and cost as parts of those of a reference: one number each.

The names are those of the benchmarks that publish them: Shnitzer et al. 2023 (arXiv 2309.15789),
LLMRouterBench (2601.07206).
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from knnrouter.errors import EvaluationWarning

from .arrays import Floats, alike, group_numbers, table, undefined, vectors

__all__ = [
    "cost_save",
    "gain_at_best",
    "gain_at_random",
    "gap_at_oracle",
    "oracle_gap_closed",
    "perf_gain",
    "ratio_to_best",
    "task_means",
]

_SLACK = 1e-9
"""How far below another quality one counts as equal: sums of fractions end a little beside it."""


def task_means(values: ArrayLike, tasks: Sequence[Hashable]) -> tuple[tuple[Hashable, ...], Floats]:
    """The tasks in the order of their first query, and the mean over the queries of each.

    Args:
        values: A number a query, shape (n,); or a row a query, shape (n, m).
        tasks: The task of each query; None is one too.

    Returns:
        The names, and means of shape (d,) or (d, m).

    Raises:
        EvaluationError: There is not one task a query, or a value is missing.

    Example:
        >>> names, means = task_means([1, 0, 1], ["math", "law", "math"])
        >>> names, means.tolist()
        (('math', 'law'), [1.0, 0.0])
    """
    given = np.asarray(values, dtype=np.float64)
    measured = table(given, name="values") if given.ndim == 2 else vectors(values=given)[0]
    names, numbers = group_numbers(tasks, len(measured))
    sums = np.zeros((len(names), *measured.shape[1:]))
    np.add.at(sums, numbers, measured)
    counts = np.bincount(numbers, minlength=len(names)).astype(np.float64)
    return names, sums / counts.reshape(-1, *[1] * (measured.ndim - 1))


def ratio_to_best(chosen: ArrayLike, best: ArrayLike) -> float:
    """Shnitzer's ratio to best: the mean over the tasks of A_d / B_d.

    Args:
        chosen: Mean score of the choices on each task, A_d; shape (d,).
        best: Mean score of the best model of each task, B_d; shape (d,).

    Returns:
        1 where every task got its best model. Tasks on which the best scored 0 have no ratio and do
        not count, with a warning; NaN where that is all of them.

    Example:
        >>> ratio_to_best([0.6, 0.5], [0.8, 0.5])
        0.875
    """
    ours, theirs = vectors(chosen=chosen, best=best)
    return _mean_ratio(ours, theirs, "the ratio to the best model")


def gap_at_oracle(chosen: ArrayLike, oracle: ArrayLike) -> float:
    """LLMRouterBench's Gap@O: the mean over the tasks of 1 - A_d / O_d.

    Args:
        chosen: Mean score of the choices on each task, A_d; shape (d,).
        oracle: Mean score of the query oracle on each task, O_d; shape (d,).

    Returns:
        0 where every query got its best model. As in `ratio_to_best`, tasks without a ratio do not
        count.

    Example:
        >>> gap_at_oracle([0.6, 0.5], [0.8, 1.0])
        0.375
    """
    ours, theirs = vectors(chosen=chosen, oracle=oracle)
    return 1.0 - _mean_ratio(ours, theirs, "the gap to the oracle")


def gain_at_best(quality: float, best: float) -> float:
    """LLMRouterBench's Gain@B: A / best - 1, against the best single model; NaN for a best of 0.

    Example:
        >>> gain_at_best(0.75, 0.6)
        0.25
    """
    return _gain(quality, best, "the gain over the best single model")


def gain_at_random(quality: float, random: float) -> float:
    """LLMRouterBench's Gain@R: A / random - 1, against a random model; NaN for a random of 0.

    Example:
        >>> gain_at_random(0.75, 0.5)
        0.5
    """
    return _gain(quality, random, "the gain over a random model")


def oracle_gap_closed(quality: float, *, best: float, oracle: float) -> float:
    """What part of the way from the best single model to the oracle was gone: (A - B) / (O - B).

    Below 0 where the single model is better; NaN where the oracle is no better than it.

    Example:
        >>> oracle_gap_closed(0.625, best=0.5, oracle=1.0)
        0.25
    """
    if alike(oracle, best):
        return undefined(
            "the part of the oracle gap that is closed",
            f"the best single model is as good as the oracle, {best:g}",
        )
    return (quality - best) / (oracle - best)


def perf_gain(quality: ArrayLike, best: float) -> float:
    """LLMRouterBench's PerfGain: max(A) / best - 1, the best of a router's settings.

    The setting is picked by the very scores that it is judged by, in hindsight.

    Args:
        quality: Mean score of each of its settings; shape (p,).
        best: Mean score of the best single model.

    Example:
        >>> perf_gain([0.5, 0.75, 0.7], 0.6)
        0.25
    """
    (reached,) = vectors(quality=quality)
    return _gain(float(reached.max()), best, "the gain of the best setting")


def cost_save(
    costs: ArrayLike, quality: ArrayLike, *, best_cost: float, best_quality: float
) -> float:
    """LLMRouterBench's CostSave: 1 - C / best cost, C the cheapest setting as good as the best.

    The setting is picked by the very scores that it is judged by, in hindsight. What may be
    promised beforehand is less: see `calibrate`.

    Args:
        costs: Mean cost of each of a router's settings; shape (p,).
        quality: Mean score of each; shape (p,).
        best_cost: Mean cost of the best single model.
        best_quality: Its mean score.

    Returns:
        Below 0 where as good is only had for more; NaN where no setting is as good.

    Example:
        >>> cost_save([1.0, 3.0, 9.0], [0.5, 0.75, 0.8], best_cost=4.0, best_quality=0.75)
        0.25
        >>> cost_save([1.0], [0.5], best_cost=4.0, best_quality=0.75)
        nan
    """
    spent, reached = vectors(costs=costs, quality=quality)
    as_good = reached >= best_quality - _SLACK
    if not as_good.any():
        return float("nan")
    if best_cost == 0:
        return undefined("the saving", "the best single model costs nothing")
    return float(1.0 - spent[as_good].min() / best_cost)


def _mean_ratio(ours: Floats, theirs: Floats, figure: str) -> float:
    has_ratio = theirs != 0
    if not has_ratio.any():
        return undefined(figure, "the reference scores 0 on every task")
    if not has_ratio.all():
        warnings.warn(
            f"{figure} is a mean over {has_ratio.sum()} of {len(theirs)} tasks: on the others the "
            "reference scores 0, which has no ratio",
            EvaluationWarning,
            stacklevel=3,
        )
    return float((ours[has_ratio] / theirs[has_ratio]).mean())


def _gain(quality: float, reference: float, figure: str) -> float:
    if reference == 0:
        return undefined(figure, "the reference scores 0")
    return quality / reference - 1.0

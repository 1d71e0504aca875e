"""The greatest cost weight whose quality can be promised (Learn then Test, arXiv 2110.01052).

For each weight of a fixed grid, from 0 up, the hypothesis that it fails the goal is tested on
labeled queries; the last weight before the first hypothesis that stands is taken. The grid is the
same for all data, so its order owes nothing to the labels, and the promise holds for the weight
that is taken: it fails its goal with a probability of at most 1 - confidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EvaluationError
from knnrouter.evaluation.risk import betting_p_value, certified, rows_needed

from .asking import Asked
from .goals import Quality

__all__ = ["GRID", "Labeled", "kept_weight"]

_PREFERRED = (1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.3, 8.0)
_DECADES = range(-3, 9)

GRID = (0.0, *(float(f"{step}e{decade}") for decade in _DECADES for step in _PREFERRED))
"""Cost weights, rising, in score points per USD: ten a decade (the series R10 of ISO 3)."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Labeled:
    """What was measured on the queries that were asked.

    Attributes:
        scores: What each model of the pool scored, in [0, 1]; shape (n, m); NaN where not measured.
        kin: A number for each query, the same for queries that belong together; shape (n,).
        single: The column of the best single model, by the router's own evidence.
    """

    scores: NDArray[np.float64]
    kin: NDArray[np.int64]
    single: int

    def gains(
        self, asked: Asked, columns: NDArray[np.int64], of_best: float
    ) -> NDArray[np.float64]:
        """By how much choices beat the part of the best single model; the mean of all kin; (u,)."""
        gain = asked.at(self.scores, columns) - of_best * self.scores[:, self.single]
        _, unit = np.unique(self.kin, return_inverse=True)
        return np.asarray(np.bincount(unit, weights=gain) / np.bincount(unit))


def usable(asked: Asked, scores: NDArray[np.float64], single: int) -> NDArray[np.bool_]:
    """Rows on which every model was measured that some weight chooses, and the single one; (n,)."""
    there = ~np.isnan(scores)
    good = there[:, single].copy()
    for weight in GRID:
        good &= there[np.arange(len(asked)), asked.columns_at(weight)]
    return good


def kept_weight(asked: Asked, labeled: Labeled, goal: Quality, *, seed: int) -> float:
    """The least weight with the choices of the greatest one that can be promised.

    Raises:
        EvaluationError: Not even weight 0, the best expected score, can be.
    """
    level = 1 - goal.confidence
    order = np.random.default_rng(seed).permutation(len(np.unique(labeled.kin)))
    weights: list[float] = []
    p_values: list[float] = []
    for weight, columns in _choices(asked):
        gains = labeled.gains(asked, columns, goal.of_best)[order]
        weights.append(weight)
        p_values.append(betting_p_value(gains, 0.0, low=-goal.of_best, high=1.0, level=level))
        if p_values[-1] > level:  # no later one would count
            break
    count = certified(p_values, level)
    if not count:
        raise EvaluationError(_refused(asked, labeled, goal))
    return weights[count - 1]


def _choices(asked: Asked) -> Iterator[tuple[float, NDArray[np.int64]]]:
    """The weights of the grid that change a choice, each with the columns that it chooses."""
    before: NDArray[np.int64] | None = None
    for weight in GRID:
        columns = asked.columns_at(weight)
        if before is None or not np.array_equal(columns, before):
            yield weight, columns
        before = columns


def _refused(asked: Asked, labeled: Labeled, goal: Quality) -> str:
    columns = asked.columns_at(0.0)
    gains = labeled.gains(asked, columns, goal.of_best)
    lead, spread = float(gains.mean()), float(gains.std(ddof=1)) if len(gains) > 1 else math.inf
    need = rows_needed(lead, spread, width=1 + goal.of_best, level=1 - goal.confidence)
    name, alone = asked.models[labeled.single], labeled.scores[:, labeled.single].mean()
    if not alone:
        return (
            f"{goal}: {name}, the best by the router's records, scores 0 on all {len(gains):,} "
            "labeled queries, so no part of it can be promised; look whether its answers were "
            "graded as they were meant, or give other queries"
        )
    reached = asked.at(labeled.scores, columns).mean() / alone
    advice = (
        f"about {_rounded(need):,} like them might; give more, fewer held out, a lower part of the "
        "best, or a lower confidence"
        if math.isfinite(need)
        else "more of them will not help: give a lower part of the best, or the router more records"
    )
    return (
        f"{goal}: {len(gains):,} labeled queries cannot promise it, not even at the best expected "
        f"score, which reaches {100 * reached:.4g} % of {name} on them; "
        f"{advice}"
    )


def _rounded(number: float) -> int:
    """Up to two digits."""
    step = 10 ** max(0, len(str(int(number))) - 2)
    return int(math.ceil(number / step) * step)

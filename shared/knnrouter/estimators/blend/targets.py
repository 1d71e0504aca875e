"""What is learned of each row: how hard it is for all models, and how far each one is from that.

The score of model j on row i is taken as level_i + lead_ij. Only leads change a choice; the level
makes them an expected score. Of rows that measured some models only, the level is the mean of their
scores, each less what its model is ahead by on average (two-way analysis of variance, by turns).
A model that no row measured beside another has nothing to be compared with within rows: its leads
are taken from the mean level, and its rows tell nothing of levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.estimators.ballots import exact_scores
from knnrouter.records import RecordSet

__all__ = ["Targets"]

Floats = NDArray[np.float64]

_TURNS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """The targets of `n` rows and `m` models."""

    levels: Floats
    """Shape (n,); NaN for a row that measured nothing, or nothing that can be compared."""

    leads: Floats
    """Shape (n, m); NaN where not measured, or where nothing is there to compare with."""

    grand: float
    """The mean of the levels."""

    @property
    def together(self) -> Floats:
        """The leads, and how far the level is from the mean level; shape (n, m + 1)."""
        return np.column_stack([self.leads, self.levels - self.grand])

    @classmethod
    def of(cls, records: RecordSet) -> Targets:
        """The targets of records.

        Where most scores stand alone in their row, as in a log of what was asked, there is too
        little to compare within rows: the level is one for all, and leads are taken from it.

        Example:
            >>> records = RecordSet.from_rows([{"query": "a", "x": 1, "y": 0},
            ...                                {"query": "b", "x": 1, "y": 1}])
            >>> found = Targets.of(records)
            >>> found.levels.tolist(), found.leads.tolist()
            ([0.5, 1.0], [[0.5, -0.5], [0.0, 0.0]])
        """
        scores = exact_scores(records)
        measured = ~np.isnan(scores)
        counts = measured.sum(axis=1)
        if counts[counts > 1].sum() <= (counts == 1).sum():
            grand = float(np.average(scores[measured], weights=_spread(records)[measured]))
            levels = np.where(counts > 0, grand, np.nan)
            return cls(levels=levels, leads=scores - grand, grand=grand)
        compared = measured[counts > 1].any(axis=0)
        levels = _levels(scores, measured & compared, records.weights)
        told = ~np.isnan(levels)
        grand = float(np.average(levels[told], weights=records.weights[told]))
        leads = np.where((counts > 1)[:, None], scores - levels[:, None], np.nan)
        leads[:, ~compared] = scores[:, ~compared] - grand
        return cls(levels=levels, leads=leads, grand=grand)


def _levels(scores: Floats, measured: NDArray[np.bool_], weights: Floats) -> Floats:
    filled = np.where(measured, scores, 0.0)
    weighed = weights[:, None] * measured
    total = np.maximum(weighed.sum(axis=0), 1e-12)
    counts = measured.sum(axis=1)
    leads = np.zeros(scores.shape[1])
    for _ in range(_TURNS):
        levels = (filled - measured * leads).sum(axis=1) / np.maximum(counts, 1)
        leads = (weighed * (filled - levels[:, None])).sum(axis=0) / total
        leads -= leads[weighed.any(axis=0)].mean()
    return np.where(counts > 0, levels, np.nan)


def _spread(records: RecordSet) -> Floats:
    return np.broadcast_to(records.weights[:, None], records.scores.shape)

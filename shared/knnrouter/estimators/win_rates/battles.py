"""Battles: which of two models answered a query better, whatever the evidence was.

Every two models that were measured on one row fight: the higher score wins, equal scores tie. So
gold labels, a judge's scores and people's preferences all come in one form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from knnrouter.records import RecordSet

__all__ = ["Battles"]

_SLACK = 1e-6
"""Scores are float32: differences this close to the margin tie."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Battles:
    """`b` battles, by the pair of models that fights, then by row.

    Example:
        >>> records = RecordSet.from_rows([
        ...     {"query": "2 + 2?", "small": 1, "large": 1},
        ...     {"query": "Prove it.", "small": 0, "large": 1},
        ...     {"query": "Why?", "large": 1},
        ... ])
        >>> battles = Battles.of(records)  # nobody stands against the large one on the third row
        >>> battles.rows.tolist(), battles.outcomes.tolist()
        ([0, 1], [0.5, 0.0])
    """

    rows: NDArray[np.int64]
    """The row of the evidence; shape (b,)."""

    first: NDArray[np.int64]
    """The column of the one model, always the lower; shape (b,)."""

    second: NDArray[np.int64]
    """The column of the other; shape (b,)."""

    outcomes: NDArray[np.float64]
    """1 where the first won, 0 where the second did, 0.5 for a tie; shape (b,)."""

    weights: NDArray[np.float64]
    """How many measurements the row stands for; shape (b,)."""

    @classmethod
    def of(cls, records: RecordSet, *, tie_margin: float = 0.0) -> Battles:
        """All battles of the records.

        Args:
            records: Scores, `n` rows.
            tie_margin: Scores that differ by no more than this tie.
        """
        parts = list(_by_pair(records.scores, tie_margin + _SLACK))
        rows, first, second, outcomes = (
            np.concatenate([part[place] for part in parts]) if parts else np.empty(0)
            for place in range(4)
        )
        places = rows.astype(np.int64)
        return cls(
            rows=places,
            first=first.astype(np.int64),
            second=second.astype(np.int64),
            outcomes=outcomes.astype(np.float64),
            weights=records.weights[places],
        )

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, wanted: NDArray[np.bool_]) -> Battles:
        """Those of a mask, shape (b,).

        Example:
            >>> records = RecordSet.from_rows([{"query": "a", "x": 1, "y": 1, "z": 0}])
            >>> battles = Battles.of(records)
            >>> decided = battles.where(battles.outcomes != 0.5)
            >>> decided.first.tolist(), decided.second.tolist()
            ([0, 1], [2, 2])
        """
        return Battles(
            rows=self.rows[wanted],
            first=self.first[wanted],
            second=self.second[wanted],
            outcomes=self.outcomes[wanted],
            weights=self.weights[wanted],
        )

    def between(self, player_of: NDArray[np.int64]) -> Battles:
        """The same battles between players, such as tiers; those within a player say nothing.

        Args:
            player_of: The player that each model is part of; shape (m,).
        """
        players = Battles(
            rows=self.rows,
            first=player_of[self.first],
            second=player_of[self.second],
            outcomes=self.outcomes,
            weights=self.weights,
        )
        return players.where(players.first != players.second)


def _by_pair(
    scores: NDArray[np.float32], margin: float
) -> Iterator[tuple[NDArray[np.generic], ...]]:
    measured = ~np.isnan(scores)
    for first, second in combinations(range(scores.shape[1]), 2):
        rows = np.flatnonzero(measured[:, first] & measured[:, second])
        if len(rows):
            gap = scores[rows, first].astype(np.float64) - scores[rows, second]
            outcomes = np.where(np.abs(gap) <= margin, 0.5, gap > 0)
            yield rows, np.full(len(rows), first), np.full(len(rows), second), outcomes

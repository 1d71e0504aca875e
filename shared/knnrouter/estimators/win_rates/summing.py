"""Who beat whom, how often, as each query weighs it: the battles of all rows summed by pair.

The sum over battles of a row's weight is linear in the weights. For few players it is one matrix
product with a table of what each row adds to each pair. Where that table would be large and nearly
empty, as with many models and one battle a row, the entries are kept as a list, and summed by pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .battles import Battles

__all__ = ["Listed", "Tabled", "WinSums", "win_sums"]

_CELLS = 1 << 23
"""How large a table may be: 32 MiB."""


class WinSums(Protocol):
    """Sums the wins of each of `p` players over each other, as queries weigh the rows."""

    def __call__(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """The sums for the row weights of `q` queries, shape (q, n); shape (q, p, p)."""


def win_sums(battles: Battles, *, rows: int, players: int) -> WinSums:
    """The sums over these battles, in the form that suits their number.

    Args:
        battles: Between players; a tie is half a win for each.
        rows: How many rows there are, `n`.
        players: How many players there are, `p`.

    Example:
        >>> from knnrouter.records import RecordSet
        >>> records = RecordSet.from_rows([{"query": "a", "x": 1, "y": 0},
        ...                                {"query": "b", "x": 1, "y": 1}])
        >>> sums = win_sums(Battles.of(records), rows=2, players=2)
        >>> sums(np.array([[1.0, 0.5]], dtype=np.float32)).tolist()
        [[[0.0, 1.25], [0.25, 0.0]]]
    """
    kind = Tabled if rows * players * players <= _CELLS else Listed
    return kind.of(battles, rows=rows, players=players)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Tabled:
    """A table of what each row adds to each pair."""

    table: NDArray[np.float32]
    """Shape (n, p, p) as (n, p * p)."""

    players: int

    @classmethod
    def of(cls, battles: Battles, *, rows: int, players: int) -> Tabled:
        """Lay out the table."""
        places, pairs, weights = _entries(battles, players)
        cells = players * players
        table = np.bincount(places * cells + pairs, weights=weights, minlength=rows * cells)
        return cls(table=table.reshape(rows, cells).astype(np.float32), players=players)

    def __call__(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `WinSums`."""
        sums = (weights @ self.table).astype(np.float64)
        return sums.reshape(len(weights), self.players, self.players)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Listed:
    """Entries of the table that are not zero, by pair."""

    rows: NDArray[np.int64]
    """Of `e` entries; shape (e,)."""

    weights: NDArray[np.float64]
    """Shape (e,)."""

    pairs: NDArray[np.int64]
    """The pairs that have entries."""

    starts: NDArray[np.int64]
    """Where the entries of each of these pairs begin."""

    players: int

    @classmethod
    def of(cls, battles: Battles, *, rows: int, players: int) -> Listed:
        """List the entries."""
        places, pairs, weights = _entries(battles, players)
        order = np.argsort(pairs, kind="stable")
        found, starts = np.unique(pairs[order], return_index=True)
        return cls(
            rows=places[order],
            weights=weights[order],
            pairs=found,
            starts=starts,
            players=players,
        )

    def __call__(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `WinSums`."""
        sums = np.zeros((len(weights), self.players * self.players))
        for place, row in enumerate(weights):
            added = row[self.rows] * self.weights
            sums[place, self.pairs] = np.add.reduceat(added, self.starts)
        return sums.reshape(len(weights), self.players, self.players)


def _entries(
    battles: Battles, players: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The row, the winner and loser as one number, and the weight, of each win or half a win."""
    rows = np.concatenate([battles.rows, battles.rows])
    pairs = np.concatenate(
        [battles.first * players + battles.second, battles.second * players + battles.first]
    )
    shares = np.concatenate([battles.outcomes, 1.0 - battles.outcomes])
    counts = shares > 0
    weights = np.concatenate([battles.weights, battles.weights]) * shares
    return rows[counts], pairs[counts], weights[counts]

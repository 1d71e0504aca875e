"""Two models, a strong and a weak one: what is learned of them, and how win rates are given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError
from knnrouter.records import RecordSet

__all__ = ["Pair", "log_sum_exp", "wrong_names"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """The columns of two models among those of the records."""

    strong: int
    weak: int
    models: int

    @classmethod
    def of(cls, records: RecordSet, *, strong: str, weak: str) -> Pair:
        """Find the two by name.

        Raises:
            EstimatorError: The records have no such model; both are named if need be.
        """
        wrong = [
            f"{role} is {name!r}"
            for role, name in (("strong", strong), ("weak", weak))
            if name not in records.models
        ]
        if wrong:
            raise EstimatorError(
                f"{' and '.join(wrong)}, which the records do not measure; name two of "
                f"{', '.join(records.models)}"
            )
        return cls(
            strong=records.models.index(strong),
            weak=records.models.index(weak),
            models=len(records.models),
        )

    def win_rates(
        self, odds: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores and strengths, both of shape (q, m), from the log-odds that the strong one wins.

        The strong model's score is the probability P that it wins, the weak one's 1 - P; their
        strengths are the log-odds and 0. Others get NaN.

        Example:
            >>> pair = Pair(strong=2, weak=0, models=3)
            >>> scores, strengths = pair.win_rates(np.log([3.0]))
            >>> scores.round(3).tolist(), strengths.round(3).tolist()
            ([[0.25, nan, 0.75]], [[0.0, nan, 1.099]])
        """
        scores = np.full((len(odds), self.models), np.nan)
        strengths = scores.copy()
        scores[:, self.strong] = 0.5 * (1.0 + np.tanh(odds / 2))  # without overflow
        scores[:, self.weak] = 0.5 * (1.0 - np.tanh(odds / 2))
        strengths[:, self.strong], strengths[:, self.weak] = odds, 0.0
        return scores, strengths


def wrong_names(strong: object, weak: object) -> Iterator[str]:
    """What is wrong with the names of two models.

    Example:
        >>> list(wrong_names("a", "a"))
        ["strong and weak are both 'a'; name two models"]
    """
    named = {"strong": strong, "weak": weak}
    bad = [name for name, value in named.items() if not (isinstance(value, str) and value)]
    for name in bad:
        yield f"{name} is {named[name]!r}; give the name of a model of the records"
    if not bad and strong == weak:
        yield f"strong and weak are both {strong!r}; name two models"


def log_sum_exp(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm of the sum of exponentials of each row, without overflow; shape (q,).

    Example:
        >>> log_sum_exp(np.array([[1000.0, 1000.0]])).round(3).tolist()
        [1000.693]
    """
    top = logits.max(axis=1)
    found: NDArray[np.float64] = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return found

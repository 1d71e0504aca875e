"""Correctness predictors: of the k nearest benchmark queries, how many did the model get right?

Routing as Shnitzer et al. 2023 (arXiv 2309.15789) set it up: a score above a threshold eta is
"right", and each model has a predictor of its own, a vote of the k nearest rows by cosine,

    g(x) = sum of w_j [score_j > eta] / sum of w_j,

over those of the k nearest rows j that measured the model, with w_j the weight of the row. Their k
is 5, and so is ours; it is small, as their tasks are. One search serves all models.

To choose a model for each query, the paper adds a hundredth of the model's mean accuracy to g, as
a tie-break: five rows of one weight know only six values, a fifth apart, and many models tie.
`policies.BestScore` needs no such addend. It gives ties to the model with the higher mean score,
which chooses as the paper does wherever two different values of g lie further apart than a
hundredth: for every k below 100, where rows weigh alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError
from knnrouter.neighbors import Neighbors
from knnrouter.records import RecordSet

from .ballots import exact_scores
from .base import Estimates, Evidence, Setting
from .surroundings import Surroundings

__all__ = [
    "CorrectnessKNN",
    "Eta",
    "FittedCorrectnessKNN",
    "correctness",
    "eta_problems",
    "shares_right",
]

Eta: TypeAlias = float | Mapping[str, float]
"""Above which score an answer is right: one number, or one by task, and 0.5 for tasks not named."""

_UNNAMED = 0.5
"""The threshold of tasks that a mapping does not name."""


def correctness(records: RecordSet, eta: Eta) -> NDArray[np.float64]:
    """Which answers are right: 1 where the score is above eta (strictly), else 0.

    Args:
        records: `n` rows of `m` models.
        eta: The threshold, or one by task.

    Returns:
        Shape (n, m); NaN where not measured.

    Example:
        >>> rows = [{"query": name, "task": name, "m": 0.6} for name in ("law", "art")]
        >>> records = RecordSet.from_rows(rows)
        >>> correctness(records, 0.6).tolist(), correctness(records, {"law": 0.7}).tolist()
        ([[0.0], [0.0]], [[0.0], [1.0]])
    """
    scores = exact_scores(records)
    if isinstance(eta, Mapping):
        above = np.array([eta.get(task or "", _UNNAMED) for task in records.tasks])[:, None]
    else:
        above = np.array(eta)
    return np.where(np.isnan(scores), np.nan, scores > above)


def eta_problems(eta: object, name: str) -> list[str]:
    """What is wrong with a threshold of correctness, a sentence each."""
    values = eta if isinstance(eta, Mapping) else {"": eta}
    return [
        f"{name}{f' of {task!r}' if task else ''} is {value!r}; give a number of at least 0 and "
        "below 1, for a score above it is right and none is above 1"
        for task, value in values.items()
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1
    ]


def shares_right(
    right: NDArray[np.float64], weights: NDArray[np.float64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weighted share of the rows that a model got right, of those that measured it.

    Args:
        right: 1, 0 or NaN; shape (n, m).
        weights: Of the rows, > 0; shape (n,).
        rows: Of each query, its nearest rows; shape (q, k).

    Returns:
        Shares, shape (q, m), NaN where no row measured the model; and the weight of the rows that
        did, shape (q, m).

    Example:
        >>> right = np.array([[1.0, np.nan], [0.0, np.nan], [0.0, 1.0]])
        >>> share, weight = shares_right(right, np.array([3.0, 1.0, 1.0]), np.array([[0, 1]]))
        >>> share.tolist(), weight.tolist()
        ([[0.75, nan]], [[4.0, 0.0]])
    """
    known = ~np.isnan(right)
    votes = weights[:, None] * known
    counted = np.zeros((len(rows), right.shape[1]))
    hits = np.zeros_like(counted)
    won = votes * np.where(known, right, 0.0)
    for column in rows.T:
        counted += votes[column]
        hits += won[column]
    shares = np.full_like(counted, np.nan)
    np.divide(hits, counted, out=shares, where=counted > 0)
    return shares, counted


@dataclass(frozen=True, kw_only=True)
class CorrectnessKNN:
    """Settings of the correctness predictors.

    Attributes:
        k: How many of the nearest rows vote, at least 1.
        threshold: A score above it is right; at least 0 and below 1.

    Raises:
        EstimatorError: A setting is out of its range; all that are wrong are named.

    Example:
        >>> CorrectnessKNN().k
        5
        >>> CorrectnessKNN(threshold=1)
        Traceback (most recent call last):
        knnrouter.errors.EstimatorError: threshold is 1; give a number of at least 0 and below 1, \
for a score above it is right and none is above 1
    """

    kind: ClassVar[str] = "correctness_knn"

    k: int = 5
    threshold: float = 0.5

    def __post_init__(self) -> None:
        wrong = eta_problems(self.threshold, "threshold")
        if isinstance(self.k, bool) or not isinstance(self.k, int) or self.k < 1:
            wrong.insert(0, f"k is {self.k!r}; give a whole number of at least 1")
        if wrong:
            raise EstimatorError("; ".join(wrong))

    def fit(self, evidence: Evidence, *, seed: int = 0) -> FittedCorrectnessKNN:
        """Tell right from wrong in the evidence; nothing is chosen, and nothing drawn.

        Raises:
            EstimatorError: There is not a single row.
        """
        if len(evidence.records) == 0:
            raise EstimatorError("the records have no row, so there is nothing to learn from")
        return FittedCorrectnessKNN(
            knn=self,
            right=correctness(evidence.records, self.threshold),
            around=Surroundings(records=evidence.records),
        )

    def restore(
        self, evidence: Evidence, arrays: Mapping[str, NDArray[np.generic]]
    ) -> FittedCorrectnessKNN:
        """What `fit` gave: all of it follows from the records and the settings."""
        return self.fit(evidence)


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedCorrectnessKNN:
    """The predictors of certain evidence."""

    knn: CorrectnessKNN
    right: NDArray[np.float64]
    """1, 0 or NaN; shape (n, m)."""
    around: Surroundings

    @property
    def neighbors(self) -> int:
        """How many neighbors it wants to see: those that vote, and those that tell the costs."""
        return max(min(self.knn.k, len(self.right)), self.around.neighbors)

    @property
    def settings(self) -> Mapping[str, Setting]:
        """The settings as plain values."""
        return {"kind": self.knn.kind, "k": self.knn.k, "threshold": self.knn.threshold}

    @property
    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """None: the records hold all that is needed."""
        return {}

    def updated(self, evidence: Evidence) -> FittedCorrectnessKNN:
        """The same settings over other evidence; there is nothing to choose anew.

        Raises:
            EstimatorError: There is not a single row.
        """
        return self.knn.fit(evidence)

    def estimate(self, vectors: NDArray[np.float32], neighbors: Neighbors) -> Estimates:
        """The share of the k nearest rows that each model got right.

        `stderr` is the binomial one, sqrt(p (1 - p) / n), of n measurements with p = (n g + 1) /
        (n + 2): at g itself, five rows that agree would leave no doubt at all. `support` is n. A
        query whose vector is zero has no neighborhood: its scores are NaN.
        """
        voters = neighbors.first(self.knn.k)
        shares, counts = shares_right(self.right, self.around.records.weights, voters.rows)
        lost = ~vectors.any(axis=1)
        shares[lost], counts[lost] = np.nan, 0.0
        chance = (counts * shares + 1.0) / (counts + 2.0)
        variance = chance * (1.0 - chance) / np.where(counts > 0, counts, 1.0)
        found = self.around.estimates(shares, neighbors, stderr=np.sqrt(variance))
        return replace(found, support=counts)

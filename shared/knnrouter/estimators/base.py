"""What every estimator takes, Evidence, and what it gives, Estimates.

An estimator answers one question: what may be expected of each model on this query? Which model to
take then is a policy's question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from knnrouter.index import NeighborIndex
from knnrouter.neighbors import Neighbors
from knnrouter.records import RecordSet

__all__ = [
    "Estimates",
    "Estimator",
    "Evidence",
    "FittedEstimator",
    "ReadsText",
    "Setting",
    "TellsProgress",
    "Updates",
    "asked",
]

Setting: TypeAlias = str | int | float
"""A value of an estimator's setting, as it stands in a saved folder."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Evidence:
    """Records with the vectors of their queries, and an index over these vectors.

    Raises:
        ValueError: The three differ in their number of rows.
    """

    records: RecordSet
    """The outcomes; `n` rows."""

    vectors: NDArray[np.float32]
    """The unit row of each query; shape (n, d)."""

    index: NeighborIndex
    """An index over `vectors`."""

    def __post_init__(self) -> None:
        rows = (len(self.records), len(self.vectors), len(self.index))
        if len(set(rows)) > 1:
            raise ValueError(f"records, vectors and index have {rows} rows; they must have as many")


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Estimates:
    """What is expected of each of `m` models on each of `q` queries. NaN is "no evidence".

    Raises:
        ValueError: An array has another shape than (q, m), or (q,) for `similarity`.

    Example:
        >>> one = np.array([[0.5]])
        >>> Estimates(models=("a",), scores=one, costs=one, stderr=one, support=one,
        ...           similarity=np.array([0.9])).scores.shape
        (1, 1)
    """

    models: tuple[str, ...]
    """The columns' models: all models of the records, in their order."""

    scores: NDArray[np.float64]
    """Expected quality in [0, 1]; shape (q, m)."""

    costs: NDArray[np.float64]
    """Expected USD for the query; shape (q, m)."""

    stderr: NDArray[np.float64]
    """Standard error of `scores`; shape (q, m); NaN where the estimator does not know it."""

    support: NDArray[np.float64]
    """Effective number of measurements near the query, >= 0, never NaN; shape (q, m)."""

    similarity: NDArray[np.float64]
    """Cosine similarity of the nearest neighbor, in [-1, 1]; shape (q,); NaN without neighbors."""

    input_tokens: NDArray[np.float64] | None = None
    """Expected prompt tokens; shape (q, m); None where the records hold none."""

    output_tokens: NDArray[np.float64] | None = None
    """Expected answer tokens; shape (q, m); None where the records hold none."""

    latency_ms: NDArray[np.float64] | None = None
    """Expected milliseconds to the whole answer; shape (q, m); None where the records hold none."""

    strengths: NDArray[np.float64] | None = None
    """Of estimators that learn who wins: one model's answer beats another's with the probability
    1 / (1 + exp(strength of the other - its own)), a tie counting half (`encoder_win_rate` and
    `causal_lm` count it for the weak model, as RouteLLM does); shape (q, m); NaN for no evidence.
    `scores` then are mean win rates against the other models. None elsewhere."""

    def __post_init__(self) -> None:
        shape = (len(self.similarity), len(self.models))
        for name in _BY_MODEL:
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, not {shape}")


_BY_MODEL = (
    *("scores", "costs", "stderr", "support"),
    *("input_tokens", "output_tokens", "latency_ms", "strengths"),
)


class FittedEstimator(Protocol):
    """An estimator that has seen the evidence and can be asked."""

    @property
    def neighbors(self) -> int:
        """How many neighbors of a query it wants to see."""

    @property
    def settings(self) -> Mapping[str, Setting]:
        """Its settings, nothing left to choose, `kind` among them; `from_settings` reads them."""

    @property
    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """The arrays that it was fitted to, by name; saved beside the settings."""

    def estimate(self, vectors: NDArray[np.float32], neighbors: Neighbors) -> Estimates:
        """What to expect on the queries with these unit rows (q, d) and neighbors (q, k)."""


@runtime_checkable
class ReadsText(Protocol):
    """A fitted estimator that reads the queries' texts too, and cannot be asked without them."""

    def estimate_texts(
        self, texts: Sequence[str], vectors: NDArray[np.float32], neighbors: Neighbors
    ) -> Estimates:
        """What to expect on the queries with these routing texts, `q` of them; see `estimate`."""


@runtime_checkable
class TellsProgress(Protocol):
    """An estimator that takes long to fit, and tells how far the work is."""

    def fit_telling(
        self, evidence: Evidence, *, seed: int, told: Callable[[int, int], None]
    ) -> FittedEstimator:
        """As `fit`; `told` hears how many steps are done, and of how many."""


@runtime_checkable
class Updates(Protocol):
    """A fitted estimator that takes other evidence without choosing anything anew."""

    def updated(self, evidence: Evidence) -> FittedEstimator:
        """The same settings and structure over other evidence.

        Raises:
            EstimatorError: It cannot; the router must be fitted anew.
        """


@runtime_checkable
class Estimator(Protocol):
    """Settings of an estimator; fitting them to evidence gives one that can be asked."""

    def fit(self, evidence: Evidence, *, seed: int = 0) -> FittedEstimator:
        """Choose what is left open from the evidence, and prepare for queries."""

    def restore(
        self, evidence: Evidence, arrays: Mapping[str, NDArray[np.generic]]
    ) -> FittedEstimator:
        """What `fit` once gave, from its settings and its arrays, with nothing chosen anew."""


def asked(
    fitted: FittedEstimator,
    texts: Sequence[str],
    vectors: NDArray[np.float32],
    neighbors: Neighbors,
) -> Estimates:
    """What a fitted estimator expects, whether it reads texts or not."""
    reads = getattr(fitted, "estimate_texts", None)  # asking a protocol takes longer than voting
    found: Estimates = (
        fitted.estimate(vectors, neighbors) if reads is None else reads(texts, vectors, neighbors)
    )
    return found

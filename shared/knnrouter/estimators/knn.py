"""The vote: each model is expected to do what it did on the nearest benchmark queries.

For a query with neighbors i, similarities s_i and row weights c_i, the kernel K_i is

* uniform: 1;
* similarity: max(s_i, 0);
* softmax: exp((s_i - s_1) / temperature), with s_1 the largest similarity;

and the estimate of a model's score is (e * mean + shrinkage * prior) / (e + shrinkage). There
`mean` is the mean of its scores weighted by c_i K_i over the neighbors that measured it; `e` is the
effective number of measurements, (sum c_i K_i)² / sum c_i K_i² (Kish 1965); and `prior` is the
model's mean in the tasks of the neighbors, shrunk toward what is expected there (`ballots`).
Shrinkage counts measurements: with 32, what is known of the neighbors' tasks weighs as much as
thirty-two neighbors.

With a = e / (e + shrinkage), the vote's part in the estimate, its squared standard error is

    v (a² / e + (1 - a²) u) + (1 - a)² t

where `v` is the variance of a score near the query; `u` the uncertainty of the prior per unit of
that, whose covariance with the vote is v u as well, since the neighbors are part of their tasks;
and `t` says how far the truth strays from the prior, measured by leave-one-out (see
`tuning.prior_variance`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError
from knnrouter.neighbors import Neighbors

from .ballots import Ballots, Tally, task_numbers
from .base import Estimates, Evidence, Setting

__all__ = [
    "KNN",
    "FittedKNN",
    "Kernel",
    "fixed",
    "kernel_weights",
    "local_variance",
    "shrunk_scores",
]

Kernel = Literal["uniform", "similarity", "softmax"]
_KERNELS: tuple[Kernel, ...] = get_args(Kernel)

_VARIANCE_WEIGHT = 10.0
"""How many measurements a model's overall score variance counts for, next to the local one."""


@dataclass(frozen=True, kw_only=True)
class KNN:
    """Settings of the vote. Whatever is `"auto"` is chosen by leave-one-out when it is fitted.

    Attributes:
        k: How many neighbors vote, at least 1.
        weights: How a neighbor's vote depends on its similarity; see the module.
        temperature: Of the softmax weights, above 0; others ignore it. Similarity differences of
            this size change a vote's weight by a factor of e.
        shrinkage: For how many measurements the prior counts, >= 0; 0 is the plain vote, in which
            a model that no neighbor measured has a NaN score.

    Raises:
        EstimatorError: A setting is out of its range; all that are wrong are named.

    Example:
        >>> KNN(k=40, weights="uniform").k
        40
        >>> KNN(k=0)
        Traceback (most recent call last):
        knnrouter.errors.EstimatorError: k is 0; give a whole number of at least 1, or "auto"
    """

    k: int | Literal["auto"] = "auto"
    weights: Kernel | Literal["auto"] = "auto"
    temperature: float | Literal["auto"] = "auto"
    shrinkage: float | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        wrong = []
        whole = isinstance(self.k, int) and not isinstance(self.k, bool)
        if self.k != "auto" and not (whole and self.k >= 1):
            wrong.append(f'k is {self.k!r}; give a whole number of at least 1, or "auto"')
        if self.weights not in (*_KERNELS, "auto"):
            allowed = ", ".join(f'"{name}"' for name in (*_KERNELS, "auto"))
            wrong.append(f"weights is {self.weights!r}; give one of {allowed}")
        if not _auto_or_at_least(self.temperature, 1e-6):
            wrong.append(
                f'temperature is {self.temperature!r}; give a number of at least 1e-6, or "auto"'
            )
        if not _auto_or_at_least(self.shrinkage, 0.0):
            wrong.append(f'shrinkage is {self.shrinkage!r}; give a number >= 0, or "auto"')
        if wrong:
            raise EstimatorError("; ".join(wrong))

    def fit(self, evidence: Evidence, *, seed: int = 0) -> FittedKNN:
        """Choose what is "auto" by leave-one-out over the evidence, and lay out the ballots.

        Args:
            evidence: Records, their vectors and an index over these.
            seed: Draws the rows that are left out in turn, where there are many.

        Raises:
            EstimatorError: There is not a single row.
        """
        from .tuning import prior_variance, tuned

        if len(evidence.records) == 0:
            raise EstimatorError("the records have no row, so there is nothing to learn from")
        ballots = Ballots(evidence.records, task_numbers(evidence, seed=seed))
        knn = tuned(self, evidence, ballots, seed=seed)
        return FittedKNN(
            knn=knn,
            models=evidence.records.models,
            ballots=ballots,
            prior_variance=prior_variance(knn, evidence, ballots, seed=seed),
        )

    def restore(self, evidence: Evidence, arrays: Mapping[str, NDArray[np.generic]]) -> FittedKNN:
        """What `fit` gave, from its settings and arrays; these settings have no "auto".

        Raises:
            EstimatorError: An array is missing or does not fit the records.
        """
        records = evidence.records
        task_of = _array(arrays, "task_of", len(records), "rows").astype(np.int64)
        if not ((task_of >= 0) & (task_of < len(records))).all():
            raise EstimatorError(
                f"the array `task_of` numbers the tasks of {len(records)} rows, and holds numbers "
                f"outside [0, {len(records)}); fit the router anew"
            )
        strays = _array(arrays, "prior_variance", len(records.models), "models")
        return FittedKNN(
            knn=self,
            models=records.models,
            ballots=Ballots(records, task_of),
            prior_variance=strays.astype(np.float64),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedKNN:
    """The vote over certain evidence; nothing in it is "auto" any more."""

    knn: KNN
    models: tuple[str, ...]
    ballots: Ballots
    prior_variance: NDArray[np.float64]
    """How far the truth strays from each model's prior, squared, on average; shape (m,)."""

    @property
    def neighbors(self) -> int:
        """How many neighbors vote."""
        assert self.knn.k != "auto"
        return self.knn.k

    @property
    def settings(self) -> Mapping[str, Setting]:
        """The settings as plain values."""
        from .specs import settings_of

        return settings_of(self.knn)

    @property
    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """Saved beside the settings: each row's task, and each model's `prior_variance`."""
        return {
            "task_of": self.ballots.task_means.task_of.astype(np.int32),
            "prior_variance": self.prior_variance,
        }

    def updated(self, evidence: Evidence) -> FittedKNN:
        """The same settings over other evidence: what they give when they are fitted to it.

        Tasks are numbered and `prior_variance` is measured anew, both with seed 0; so it does not
        matter in how many steps the evidence became what it is.
        """
        return self.knn.fit(evidence)

    def estimate(self, vectors: NDArray[np.float32], neighbors: Neighbors) -> Estimates:
        """Count the votes of the neighbors.

        A query whose vector is zero, in which the embedder knows no word, has no neighborhood: its
        support is 0, and its scores are the models' levels; NaN with a shrinkage of 0.
        """
        near = neighbors.first(self.neighbors)
        nearest = _nearest(near)
        kernel = kernel_weights(near.similarities, self.knn)
        if 0.0 in nearest.tolist():  # a zero query is at similarity 0 to everything
            kernel = kernel * np.asarray(vectors.any(axis=1))[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):  # NaN is the documented answer
            tally = self.ballots.tally(near.rows, kernel)
            scores, stderr = self._scores(tally)
        costs = tally.side.get("costs")
        return Estimates(
            models=self.models,
            scores=scores,
            stderr=stderr,
            costs=np.full_like(scores, np.nan) if costs is None else costs,
            support=tally.support,
            similarity=nearest,
            input_tokens=tally.side.get("input_tokens"),
            output_tokens=tally.side.get("output_tokens"),
            latency_ms=tally.side.get("latency_ms"),
        )

    def _scores(self, tally: Tally) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        shrinkage = float(self.knn.shrinkage)
        total = tally.support + shrinkage
        vote, rest = tally.support / total, shrinkage / total  # their parts in the estimate
        doubt = vote / total + (1.0 - vote * vote) * tally.prior_uncertainty
        variance = local_variance(tally, self.ballots) * doubt + rest * rest * self.prior_variance
        return shrunk_scores(tally, shrinkage), np.sqrt(variance)


def local_variance(tally: Tally, ballots: Ballots) -> NDArray[np.float64]:
    """The variance of a score near each query; shape (q, m).

    A model's variance over all rows counts for `_VARIANCE_WEIGHT` measurements more.
    """
    support = tally.support
    spread = tally.mean_square - tally.mean * tally.mean
    variance: NDArray[np.float64] = (
        support * spread + _VARIANCE_WEIGHT * ballots.score_variance
    ) / (support + _VARIANCE_WEIGHT)
    return np.maximum(variance, 0.0)


def kernel_weights(similarities: NDArray[np.float64], knn: KNN) -> NDArray[np.float64]:
    """How much each neighbor's vote counts; nearest first; shapes (q, k).

    Example:
        >>> knn = KNN(weights="softmax", temperature=0.1)
        >>> kernel_weights(np.array([[0.9, 0.8]]), knn).round(3).tolist()
        [[1.0, 0.368]]
    """
    if knn.weights == "uniform":
        return np.ones_like(similarities)
    if knn.weights == "similarity":
        return np.maximum(similarities, 0.0)
    weights: NDArray[np.float64] = np.exp(
        (similarities - similarities[:, :1]) / float(knn.temperature)
    )
    return weights


def shrunk_scores(tally: Tally, shrinkage: float) -> NDArray[np.float64]:
    """The mean of the votes, shrunk toward the prior; NaN where neither is known."""
    total = tally.support + shrinkage
    return tally.support / total * tally.mean + shrinkage / total * tally.prior


def _array(
    arrays: Mapping[str, NDArray[np.generic]], name: str, count: int, what: str
) -> NDArray[np.generic]:
    found = arrays.get(name)
    if found is None or found.shape != (count,):
        shape = "none" if found is None else str(found.shape)
        raise EstimatorError(
            f"the vote over {count} {what} needs an array `{name}` with as many numbers; found "
            f"{shape}; fit the router anew"
        )
    return found


def fixed(knn: KNN, **settings: Setting) -> KNN:
    """The same settings, with these instead of what is "auto"."""
    chosen = {name: value for name, value in settings.items() if getattr(knn, name) == "auto"}
    return replace(knn, **chosen)  # type: ignore[arg-type]  # KNN checks every value itself


def _nearest(near: Neighbors) -> NDArray[np.float64]:
    return near.similarities[:, 0] if near.k else np.full(len(near.rows), np.nan)


def _auto_or_at_least(value: float | str, least: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value == "auto"
    return least <= value < float("inf")

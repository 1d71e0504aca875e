"""What is lost among the queries that are similar enough, as more of them are let through.

At a threshold t, coverage is the share of queries whose nearest neighbor has a similarity of t and
more, and risk is the mean loss of these. The bounds hold at all thresholds at once, so the
threshold may be picked after looking at them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.errors import EvaluationError

from .arrays import Floats, group_numbers, vectors

__all__ = ["CoverageRisk", "coverage_risk"]

_STEPS = 100
"""Thresholds are hundredths: a number that stands in a pool.yaml is one that people can read."""

_LEAST_ROWS = 30
"""Below so many covered queries a mean that never varied proves nothing."""

_LEAST_COVERAGE = 0.1
"""A guard that lets less through is no use; leaving such thresholds out narrows all bounds."""

_LEAST_CLUSTERS = 5
"""Below so many covered tasks their spread is not known."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class CoverageRisk:
    """The curve, at `t` thresholds in ascending order; the first covers every query."""

    thresholds: Floats
    """Least similarity of the queries that are covered; shape (t,), hundredths."""

    coverages: Floats
    """Which share of the queries is covered; shape (t,), falling from 1."""

    risks: Floats
    """Their mean loss; shape (t,)."""

    bounds: Floats
    """What the mean loss on other tasks does not exceed, at all thresholds at once, at the stated
    confidence; shape (t,); NaN where fewer than 30 queries, a tenth of all, or too few tasks
    are covered."""

    confidence: float
    """How sure the bounds are, in (0, 1)."""


def coverage_risk(
    similarity: ArrayLike,
    loss: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    weights: ArrayLike | None = None,
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> CoverageRisk:
    """The mean loss of the queries at or above each similarity, with upper bounds.

    Queries of one task succeed and fail together, and what comes next is another task. So tasks are
    what is drawn: with a_g the summed loss and b_g the number of the covered queries of task g, the
    risk is R = sum a / sum b, and its squared standard error, over the G tasks that are covered, is
    G / (G - 1) * sum (a_g - R b_g)² / (sum b)². Each draw gives the residuals a_g - R b_g random
    signs (the wild bootstrap, Liu 1988, by cluster as Cameron, Gelbach & Miller 2008) and takes the
    greatest of the thresholds' deviations, each in its own standard errors of that draw. The bound
    is R plus as many standard errors as the `confidence` quantile of these, and no less than the
    normal bound of queries that have nothing to do with one another.

    Args:
        similarity: Of the nearest neighbor, in [-1, 1]; shape (n,).
        loss: What was lost on the query; shape (n,).
        clusters: The task of each query; shape (n,).
        weights: How much each query counts, > 0; shape (n,); all alike when omitted.
        confidence: In (0, 1).
        draws: How many random signs are given to each task.
        seed: Where these come from.

    Raises:
        EvaluationError: The arrays differ in length, are empty or hold a NaN; a similarity, a
            weight, `confidence` or `draws` is out of range; or there are too few tasks.

    Example:
        >>> curve = coverage_risk([0.2, 0.8] * 5, [0.5, 0.1] * 5, list("aabbccddee"))
        >>> curve.thresholds[[0, -1]].tolist(), curve.coverages[[0, -1]].tolist()
        ([0.2, 0.8], [1.0, 0.5])
        >>> curve.risks[[0, -1]].round(3).tolist()
        [0.3, 0.1]
    """
    near, lost, counts = vectors(
        similarity=similarity,
        loss=loss,
        weights=np.ones(np.shape(loss)) if weights is None else weights,
    )
    _check_ranges(near, counts, draws)
    names, cluster = group_numbers(clusters, len(near))
    least = _least_clusters(confidence, tasks=len(names))
    step = np.floor(near * _STEPS + 1e-9).astype(np.int64)
    lowest = int(step.min())
    shape = (len(names), int(step.max()) - lowest + 1)
    rows, sizes, losses, *squares = (
        _from_above((cluster, step - lowest), values, shape)
        for values in (
            *(np.ones(len(near)), counts, counts * lost),
            *(counts**2, counts**2 * lost, counts**2 * lost**2),
        )
    )
    risks = losses.sum(axis=0) / sizes.sum(axis=0)
    errors = _errors_of_queries(risks, sizes, *squares)
    coverages = sizes.sum(axis=0) / sizes[:, 0].sum()
    enough = (rows.sum(axis=0) >= _LEAST_ROWS) & ((rows > 0).sum(axis=0) >= least)
    enough &= coverages >= _LEAST_COVERAGE
    bounds = np.full(shape[1], np.nan)
    if enough.any():
        bounds[enough] = _bounds(
            losses[:, enough], sizes[:, enough], errors[enough], confidence, draws, seed
        )
    return CoverageRisk(
        thresholds=np.arange(lowest, lowest + shape[1]) / _STEPS,
        coverages=coverages,
        risks=risks,
        bounds=bounds,
        confidence=confidence,
    )


def _check_ranges(near: Floats, counts: Floats, draws: int) -> None:
    wrong = []
    if np.abs(near).max() > 1.0 + 1e-6:
        wrong.append(
            f"similarity goes from {near.min():g} to {near.max():g}; give cosines, in [-1, 1]"
        )
    if counts.min() <= 0:
        wrong.append(f"weights go down to {counts.min():g}; give numbers above 0, or none at all")
    if draws < 1:
        wrong.append(f"draws is {draws}; give 1 or more, such as 2000")
    if wrong:
        raise EvaluationError(wrong)


def _least_clusters(confidence: float, *, tasks: int) -> int:
    """How many tasks must be covered for a bound: G of them have but 2 ** G signs."""
    if not 0.0 < confidence < 1.0:
        raise EvaluationError(
            f"confidence is {confidence!r}; give a share above 0 and below 1, such as 0.95"
        )
    least = max(_LEAST_CLUSTERS, math.ceil(-math.log2(1.0 - confidence)))
    if tasks < least:
        raise EvaluationError(
            f"there are {tasks} tasks; how much they differ tells what another one may bring, and "
            f"a confidence of {confidence:g} takes at least {least}: give records of more tasks"
        )
    return least


def _from_above(
    place: tuple[NDArray[np.int64], NDArray[np.int64]], values: Floats, shape: tuple[int, int]
) -> Floats:
    """The sum of each cluster's values at each step and above; shape (clusters, steps)."""
    sums = np.zeros(shape)
    np.add.at(sums, place, values)
    above: Floats = np.cumsum(sums[:, ::-1], axis=1)[:, ::-1]
    return above


def _errors_of_queries(
    risks: Floats, sizes: Floats, ones: Floats, losses: Floats, squares: Floats
) -> Floats:
    """The standard errors of the risks if each query stood for itself; (t,)."""
    sums = squares.sum(axis=0) - 2.0 * risks * losses.sum(axis=0) + risks**2 * ones.sum(axis=0)
    return np.asarray(np.sqrt(np.maximum(sums, 0.0)) / sizes.sum(axis=0))


def _bounds(
    losses: Floats, sizes: Floats, least: Floats, confidence: float, draws: int, seed: int
) -> Floats:
    """Upper bounds of the risks that hold together; clusters by thresholds in, (t,) out."""
    total = sizes.sum(axis=0)
    risks = losses.sum(axis=0) / total
    residuals = losses - sizes * risks
    covered = (sizes > 0).sum(axis=0)
    scale = np.sqrt(covered / (covered - 1)) / total
    errors = scale * np.sqrt((residuals**2).sum(axis=0))
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(draws, len(losses)))
    deviations = signs @ residuals / total
    squares = (
        (residuals**2).sum(axis=0)
        - 2.0 * deviations * (signs @ (residuals * sizes))
        + deviations**2 * (sizes**2).sum(axis=0)
    )  # of signs * residuals - sizes * deviations, the residuals of the draw
    beyond = NormalDist().inv_cdf(confidence) * least
    varies = errors > 1e-12
    if varies.any():
        own_errors = np.maximum(scale * np.sqrt(np.maximum(squares, 0.0)), 1e-12)
        greatest = (deviations[:, varies] / own_errors[:, varies]).max(axis=1)
        factor = np.quantile(greatest, confidence, method="higher")
        beyond = np.maximum(beyond, factor * errors)
    return np.asarray(risks + beyond)

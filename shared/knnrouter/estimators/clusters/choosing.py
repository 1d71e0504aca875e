"""How many clusters, and how much shrinkage: what would have served the evidence itself best.

Centers are found for several numbers of clusters, from several seeds. Each row in turn is a query:
its cluster's means are taken without it and without every row of its text, which needs no new fit.
(Centers know no scores, so they may know the row. The means over all clusters, in which a row
weighs little, still hold it.) The loss is the one that settles the vote, `losses.row_losses`; the
loss of a setting is its mean over the seeds.

Among the settings within one standard error of the best, those with the fewest clusters are kept,
and of these the one with the most shrinkage is taken: the rule of Breiman et al. 1984, section
3.4.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.estimators.ballots import exact_scores
from knnrouter.estimators.losses import comparable, row_losses, within_one_error
from knnrouter.records import RecordSet
from knnrouter.records.sets import group_by_text

from .means import ClusterMeans, shrunk

__all__ = ["Chosen", "choose"]

_CLUSTERS = (4, 8, 16, 32, 64, 128)
_SHRINKAGE = (0.0, 4.0, 16.0, 64.0, 256.0)
_SEEDS = 2
"""How many partitions of each number of clusters are tried."""

_FEWEST_ROWS = 8
"""How many rows a cluster has on average, at least, when the number of clusters is chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """What was chosen, or stated."""

    k: int
    shrinkage: float


def choose(
    records: RecordSet,
    clusters_of: Callable[[int, int], NDArray[np.int64]],
    *,
    k: int | str,
    shrinkage: float | str,
    seed: int,
) -> Chosen:
    """Choose what is "auto"; what is stated stays.

    Args:
        records: The outcomes, `n` rows.
        clusters_of: Gives each row's cluster, (n,), for a number of clusters and a seed.
        k: The number of clusters, or "auto".
        shrinkage: The shrinkage, or "auto".
        seed: The first of the seeds that are tried.
    """
    numbers = _numbers(len(records)) if isinstance(k, str) else [k]
    amounts = _SHRINKAGE if isinstance(shrinkage, str) else (float(shrinkage),)
    settings = [Chosen(k=number, shrinkage=amount) for amount in amounts for number in numbers]
    if len(settings) == 1:
        return settings[0]
    seeds = range(seed, seed + _SEEDS)
    _, texts = group_by_text(records.queries)
    losses = {
        number: np.mean(
            [left_out_losses(records, texts, clusters_of(number, each), amounts) for each in seeds],
            axis=0,
        )
        for number in numbers
    }
    table = np.concatenate(
        [np.stack([losses[number][i] for number in numbers]) for i in range(len(amounts))]
    )
    near_best = within_one_error(table, records.weights)
    alike = [each for each, near in zip(settings, near_best, strict=True) if near]
    return min(alike, key=lambda each: (each.k, -each.shrinkage))


def left_out_losses(
    records: RecordSet,
    texts: NDArray[np.int64],
    cluster_of: NDArray[np.int64],
    amounts: tuple[float, ...],
) -> NDArray[np.float64]:
    """The loss of each shrinkage on each row; shape (amounts, n).

    Args:
        records: The outcomes, `n` rows.
        texts: A number for each row's text; shape (n,).
        cluster_of: Each row's cluster; shape (n,).
        amounts: The shrinkages.
    """
    means = ClusterMeans.of(records, cluster_of, int(cluster_of.max()) + 1)
    scores = exact_scores(records)
    weights = records.weights[:, None] * ~np.isnan(scores)
    _, pair = np.unique(np.stack((texts, cluster_of)), axis=1, return_inverse=True)
    pair = pair.reshape(-1)
    own = np.zeros((2, int(pair.max()) + 1, scores.shape[1]))
    np.add.at(own[0], pair, weights * np.nan_to_num(scores))
    np.add.at(own[1], pair, weights)
    sums = means.sums[cluster_of] - own[0, pair]
    counts = np.maximum(means.counts[cluster_of] - own[1, pair], 0.0)
    prior, comparing = means.prior[cluster_of], comparable(scores)
    estimates = (shrunk(sums, counts, amount, prior, means.overall) for amount in amounts)
    return np.stack([row_losses(each, scores, comparing=comparing) for each in estimates])


def _numbers(rows: int) -> list[int]:
    most = max(1, rows // _FEWEST_ROWS)
    return [number for number in _CLUSTERS if number <= most] or [most]

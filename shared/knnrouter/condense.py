"""Records with text to fewer records without: averages over clusters of similar queries.

The result is small, fast to search, and private: it holds no text, and, with `smallest` above 1, no
single outcome.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnrouter.records import FloatVector, RecordSet
from knnrouter.records.sets import group_means

from .embedders import Embedder
from .errors import RecordsError
from .index import kmeans
from .vectors import query_vectors

__all__ = ["allot", "condense"]

_MATRICES = ("scores", "costs", "input_tokens", "output_tokens", "latency_ms")


def condense(
    records: RecordSet,
    embedder: Embedder,
    *,
    rows: int = 1500,
    smallest: float = 1,
    seed: int = 0,
) -> RecordSet:
    """Replace the rows by averages over clusters; see `RecordSet.condense`.

    A task's clusters come from weighted k-means on its own rows only (`None` is a task too), so no
    row mixes tasks. The weighted mean score of a fully measured model stays what it was.

    Args:
        records: Records with text, or with vectors of the same embedder.
        embedder: Turns the queries into unit rows.
        rows: How many rows to keep in all, >= 1; each task keeps at least one.
        smallest: The least weight of a row. Lighter clusters join the nearest heavier one of their
            task, so that fewer than `rows` are left; a task that is lighter keeps one row.
        seed: Seeds the k-means.

    Returns:
        Records with `vectors` and without text, groups, timestamps and preferences.

    Raises:
        RecordsError: If `rows` is below 1, there are no records, or a row has no text to embed.
        EmbedderError: If the embedder returns something else than unit rows.
    """
    if rows < 1 or not len(records):
        raise RecordsError(
            f"cannot condense {len(records)} records to {rows} rows; "
            "both must be at least 1: give more"
        )
    vectors = query_vectors(records, embedder)
    centers, group, tasks = _cluster(records, vectors, rows, smallest, seed)
    return _averages(records, embedder, centers=centers, group=group, tasks=tasks)


def allot(rows: int, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Share rows out among tasks: one each, then each further row to the most crowded task.

    Args:
        rows: How many rows there are to give.
        sizes: How many queries each task has, >= 1; shape (t,).

    Returns:
        Rows of each task, between 1 and its size, shape (t,); proportional to `sizes` as nearly
        as whole numbers can be, ties to the first task.

    Example:
        >>> allot(5, np.array([60, 20, 1])).tolist()
        [3, 1, 1]
    """
    given = np.ones_like(sizes)
    for _ in range(min(rows, int(sizes.sum())) - len(sizes)):
        given[np.argmax(sizes / given)] += 1  # a full task is the last to be the most crowded
    return given


def _cluster(
    records: RecordSet, vectors: NDArray[np.float32], rows: int, smallest: float, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str | None]]:
    """Give the centers (c, d), the center of each row (n,), and the task of each center (c,)."""
    names = list(dict.fromkeys(records.tasks))
    number = {name: position for position, name in enumerate(names)}
    task = np.array([number[name] for name in records.tasks])
    group = np.empty(len(records), dtype=np.int64)
    centers: list[NDArray[np.float32]] = []
    tasks: list[str | None] = []
    for position, k in enumerate(allot(rows, np.bincount(task)).tolist()):
        members = np.flatnonzero(task == position)
        found, nearest = kmeans(vectors[members], k, weights=records.weights[members], seed=seed)
        weights = records.weights[members]
        nearest = _joined(vectors[members], found, nearest, weights, smallest)
        group[members] = len(tasks) + nearest
        centers.append(_means(vectors[members], nearest, weights))
        tasks += [names[position]] * len(centers[-1])
    return np.vstack(centers), group, tasks


def _joined(
    vectors: NDArray[np.float32],
    centers: NDArray[np.float32],
    nearest: NDArray[np.int64],
    weights: FloatVector,
    smallest: float,
) -> NDArray[np.int64]:
    """Number the clusters anew, once each that is too light has joined the nearest heavier one.

    Where there is none heavy enough, all are one cluster. Clusters without a member vanish.
    """
    total = np.bincount(nearest, weights=weights, minlength=len(centers))
    heavy = np.flatnonzero(total >= smallest)
    if not heavy.size:
        return np.zeros_like(nearest)
    light = np.flatnonzero(total[nearest] < smallest)
    joined = nearest.copy()
    joined[light] = heavy[np.argmax(vectors[light] @ centers[heavy].T, axis=1)]
    return np.unique(joined, return_inverse=True)[1].reshape(-1)


def _means(
    vectors: NDArray[np.float32], group: NDArray[np.int64], weights: FloatVector
) -> NDArray[np.float32]:
    """The unit row in the direction of each group's mean; a zero row where the mean is zero."""
    sums = np.zeros((int(group.max()) + 1, vectors.shape[1]))
    np.add.at(sums, group, weights[:, None] * vectors)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    return (sums / np.where(norms > 0, norms, 1.0)).astype(np.float32)


def _averages(
    records: RecordSet,
    embedder: Embedder,
    *,
    centers: NDArray[np.float32],
    group: NDArray[np.int64],
    tasks: list[str | None],
) -> RecordSet:
    means: dict[str, Any] = {}
    for name in _MATRICES:
        values = getattr(records, name)
        if values is not None:
            means[name] = group_means(values, records.weights, group, len(tasks))
    note = f"condensed from {len(records):,} rows to {len(tasks):,}, within {len(set(tasks))} tasks"
    return RecordSet(
        **means,
        ids=_numbered(tasks),
        tasks=tuple(tasks),
        models=records.models,
        weights=np.bincount(group, weights=records.weights).astype(np.float64),
        prices=records.prices,
        vectors=centers,
        embedder=embedder.id,
        notes=(note,),
    )


def _numbered(tasks: list[str | None]) -> tuple[str, ...]:
    """Name rows after task and number: `math#1`; `#1` where there is no task, or a nameless one."""
    seen: Counter[str] = Counter()
    ids = []
    for name in (task or "" for task in tasks):
        seen[name] += 1
        ids.append(f"{name}#{seen[name]}")
    return tuple(ids)

"""Records with text to fewer records without: averages over clusters of similar queries.

The result is small, fast to search, and private: it holds no text and no single outcome unless a
cluster has one member only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._records_sets import group_means
from .embedders.base import checked_rows
from .errors import RecordsError
from .index import kmeans

if TYPE_CHECKING:
    from .embedders.base import Embedder
    from .records import RecordSet

__all__ = ["allot", "condense"]

_MATRICES = ("scores", "costs", "input_tokens", "output_tokens", "latency_ms")


def condense(
    records: RecordSet, embedder: Embedder, *, rows: int = 1500, seed: int = 0
) -> RecordSet:
    """Replace the rows by averages over clusters; see `RecordSet.condense`.

    A task's clusters come from weighted k-means on its own rows only (`None` is a task too), so no
    row mixes tasks. The weighted mean score of a fully measured model stays what it was.

    Args:
        records: Records with text, or with vectors of the same embedder.
        embedder: Turns the queries into unit rows.
        rows: How many rows to keep in all, >= 1; each task keeps at least one.
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
    vectors = _vectors_of(records, embedder)
    centers, group, tasks = _cluster(records, vectors, rows, seed)
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


def _vectors_of(records: RecordSet, embedder: Embedder) -> NDArray[np.float32]:
    if records.vectors is not None and records.embedder == embedder.id:
        return records.vectors
    texts = [query for query in records.queries if query is not None]
    if len(texts) < len(records):
        without = len(records) - len(texts)
        raise RecordsError(
            f"{without:,} of {len(records):,} rows have neither text nor vectors of "
            f"{embedder.id!r} (vectors: {records.embedder!r}); condense records that keep their "
            "queries, or use the embedder that made their vectors"
        )
    rows = embedder.embed(texts)
    return checked_rows(rows, count=len(texts), dim=embedder.dim, source=embedder.id)


def _cluster(
    records: RecordSet, vectors: NDArray[np.float32], rows: int, seed: int
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
        used, nearest = np.unique(nearest, return_inverse=True)  # a center may have no member
        group[members] = len(tasks) + nearest.ravel()
        centers.append(found[used])
        tasks += [names[position]] * len(used)
    return np.vstack(centers), group, tasks


def _averages(
    records: RecordSet,
    embedder: Embedder,
    *,
    centers: NDArray[np.float32],
    group: NDArray[np.int64],
    tasks: list[str | None],
) -> RecordSet:
    from .records import RecordSet

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
    """Name rows after task and number: `math#1`; `#1` where there is no task."""
    seen: dict[str | None, int] = {}
    ids = []
    for task in tasks:
        seen[task] = seen.get(task, 0) + 1
        ids.append(f"{task or ''}#{seen[task]}")
    return tuple(ids)

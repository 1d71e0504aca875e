"""Record sets in, a record set out: some of the rows, several sets together, duplicates merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.errors import RecordsError

if TYPE_CHECKING:
    from knnrouter.records.record_set import Price, RecordSet

__all__ = ["concat", "drop_duplicates", "group_by_text", "group_means", "select"]

_ROW_SEQUENCES = ("ids", "queries", "tasks", "groups", "timestamps")
_ROW_ARRAYS = ("weights", "vectors")
_MATRICES = ("scores", "costs", "input_tokens", "output_tokens", "latency_ms")


def group_means(
    values: NDArray[np.floating[Any]],
    weights: NDArray[np.float64],
    group: NDArray[np.int64],
    count: int,
) -> NDArray[np.float64]:
    """Average the rows of each group, per column, over what was measured.

    Args:
        values: Shape (n, m); NaN where not measured.
        weights: How much each row counts, > 0; shape (n,).
        group: The group of each row, in [0, count); shape (n,).
        count: How many groups there are.

    Returns:
        Weighted means, shape (count, m); NaN where a group measured nothing.

    Example:
        >>> group_means(np.array([[0.0], [1.0], [np.nan]]), np.array([1.0, 3.0, 9.0]),
        ...             np.array([0, 0, 1]), 2).tolist()
        [[0.75], [nan]]
    """
    measured = ~np.isnan(values)
    shares = measured * weights[:, None]
    sums = np.zeros((count, values.shape[1]))
    totals = np.zeros_like(sums)
    np.add.at(sums, group, shares * np.where(measured, values, 0.0))
    np.add.at(totals, group, shares)
    return np.divide(sums, totals, out=np.full_like(sums, np.nan), where=totals > 0)


def select(records: RecordSet, rows: ArrayLike) -> RecordSet:
    """See `RecordSet.select`."""
    from knnrouter.records.record_set import RecordSet

    return RecordSet(**records.as_dict() | _rows_of(records, _row_numbers(rows, len(records))))


def _row_numbers(rows: ArrayLike, available: int) -> NDArray[np.int64]:
    asked = np.asarray(rows)
    if asked.dtype == np.bool_ and asked.shape == (available,):
        return np.flatnonzero(asked)
    if asked.size == 0:
        return np.empty(0, dtype=np.int64)
    if asked.ndim != 1 or not np.issubdtype(asked.dtype, np.integer):
        raise RecordsError(
            f"rows have shape {asked.shape} and type {asked.dtype}; "
            f"give row numbers, or a mask of {available} bools"
        )
    wrong = asked[(asked < 0) | (asked >= available)]
    if wrong.size:
        raise RecordsError(
            f"row {wrong[0]} is asked for; rows are numbered from 0 to {available - 1}"
        )
    return asked.astype(np.int64)


def _rows_of(records: RecordSet, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Take these rows of every field that has one value a row."""
    taken: dict[str, Any] = {}
    for name in _ROW_SEQUENCES:
        value = getattr(records, name)
        taken[name] = None if value is None else tuple(value[row] for row in rows.tolist())
    for name in (*_ROW_ARRAYS, *_MATRICES):
        value = getattr(records, name)
        taken[name] = None if value is None else value[rows]
    return taken


def concat(parts: Sequence[RecordSet]) -> RecordSet:
    """See `RecordSet.concat`."""
    from knnrouter.records.record_set import RecordSet

    if not parts:
        raise RecordsError("there are no record sets to put together; give at least one")
    models = tuple(dict.fromkeys(model for part in parts for model in part.models))
    prices, faults = _merged_prices(parts)
    faults += _vector_faults(parts)
    if faults:
        raise RecordsError(faults)
    joined: dict[str, Any] = {name: _joined_rows(parts, name) for name in _ROW_SEQUENCES}
    joined |= {name: _joined_columns(parts, name, models) for name in _MATRICES}
    return RecordSet(
        **joined,
        models=models,
        weights=np.concatenate([part.weights for part in parts]),
        vectors=_joined_vectors(parts),
        embedder=parts[0].embedder,
        preferences=tuple(pair for part in parts for pair in part.preferences),
        prices=prices,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _merged_prices(parts: Sequence[RecordSet]) -> tuple[Mapping[str, Price], list[str]]:
    prices: dict[str, Price] = {}
    faults = []
    for part in parts:
        for model, price in part.prices.items():
            if prices.setdefault(model, price) != price:
                faults.append(
                    f"prices of {model!r} differ: {prices[model]} and {price}; a record set holds "
                    "one price a model: correct one of them, or leave it out"
                )
    return prices, faults


def _vector_faults(parts: Sequence[RecordSet]) -> list[str]:
    embedders = sorted({part.embedder or "none (text)" for part in parts})
    if len(embedders) == 1:
        return []
    return [
        f"vectors come from different embedders: {', '.join(embedders)}; put together records "
        "with text, or records condensed with one embedder"
    ]


def _joined_vectors(parts: Sequence[RecordSet]) -> NDArray[np.float32] | None:
    vectors = [part.vectors for part in parts if part.vectors is not None]
    return np.vstack(vectors) if vectors else None


def _joined_rows(parts: Sequence[RecordSet], name: str) -> tuple[str | None, ...] | None:
    values = [getattr(part, name) for part in parts]
    if all(value is None for value in values):
        return None
    return tuple(
        each
        for part, value in zip(parts, values, strict=True)
        for each in (value if value is not None else (None,) * len(part))
    )


def _joined_columns(
    parts: Sequence[RecordSet], name: str, models: tuple[str, ...]
) -> NDArray[Any] | None:
    if all(getattr(part, name) is None for part in parts):
        return None
    column = {model: number for number, model in enumerate(models)}
    joined = np.full((sum(map(len, parts)), len(models)), np.nan)
    start = 0
    for part in parts:
        values = getattr(part, name)
        if values is not None:
            joined[start : start + len(part), [column[model] for model in part.models]] = values
        start += len(part)
    return joined


def drop_duplicates(records: RecordSet) -> RecordSet:
    """See `RecordSet.drop_duplicates`."""
    from knnrouter.records.record_set import RecordSet

    first, group = group_by_text(records.queries)
    merged = len(records) - len(first)
    if not merged:
        return records
    fields = records.as_dict() | _rows_of(records, first)
    for name in _MATRICES:
        values = getattr(records, name)
        if values is not None:
            fields[name] = group_means(values, records.weights, group, len(first))
    fields["weights"] = np.bincount(group, weights=records.weights, minlength=len(first))
    fields["notes"] = (
        *records.notes,
        f"{merged:,} rows were merged into others with the same text",
    )
    return RecordSet(**fields)


def group_by_text(
    queries: Sequence[str | None],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group the rows of one text; rows without text all differ.

    Args:
        queries: The text of each row; `n` of them.

    Returns:
        The first row of each of the `g` groups, ascending, shape (g,); and the group of each row,
        numbered in the order of first appearance, shape (n,).

    Example:
        >>> first, group = group_by_text(("a", None, "a", None))
        >>> first.tolist(), group.tolist()
        ([0, 1, 3], [0, 1, 0, 2])
    """
    numbers: dict[str | int, int] = {}
    first: list[int] = []
    group = np.empty(len(queries), dtype=np.int64)
    for row, query in enumerate(queries):
        key = row if query is None else query
        if key not in numbers:
            numbers[key] = len(first)
            first.append(row)
        group[row] = numbers[key]
    return np.array(first, dtype=np.int64), group

"""What of records can be compared: the rows, the columns, and what each model cost there.

Only rows on which every model was measured count, so that all comparisons are of the same queries.
A model without a single score is left out itself. Both are told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EvaluationError
from knnrouter.pool import ModelPool
from knnrouter.records import RecordSet

from .ties import first_choice

__all__ = ["Measured", "best_column", "costs_of", "measured", "train_means"]

_Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Measured:
    """The rows and columns of records that can be compared."""

    records: RecordSet
    """All that was measured."""
    names: tuple[str, ...]
    """The `m` models, by the names that they are chosen by."""
    columns: NDArray[np.int64]
    """Their columns in the records; shape (m,)."""
    rows: NDArray[np.int64]
    """The `n` rows of the records, ascending; shape (n,)."""
    left_out: tuple[str, ...]
    """What was left out, and why, a sentence each."""

    @property
    def scores(self) -> _Floats:
        """What was measured there; shape (n, m); no NaN."""
        return self.of(self.records.scores)

    def of(self, values: NDArray[np.floating]) -> _Floats:
        """Those of the values, one for each row and model of the records; shape (n, m)."""
        return values[self.rows[:, None], self.columns].astype(np.float64)

    def each(self, values: Sequence[str | None]) -> tuple[str | None, ...]:
        """Those of the values, one for each row of the records."""
        return tuple(values[row] for row in self.rows.tolist())


def measured(
    records: RecordSet, columns: Mapping[str, int], known: NDArray[np.bool_] | None = None
) -> Measured:
    """What of these records can be compared.

    Args:
        records: What was measured.
        columns: The column of each model, by the name that it is chosen by.
        known: The rows that taught the router, shape (n,); they are left out, for it would know
            their answers.

    Raises:
        EvaluationError: No model was measured, or no row is left.
    """
    there = ~np.isnan(records.scores[:, list(columns.values())])
    counts = dict(zip(columns, there.sum(axis=0).tolist(), strict=True))
    names = tuple(name for name, count in counts.items() if count)
    if not names:
        raise EvaluationError(
            f"none of the models {', '.join(columns) or '(none)'} was measured in these records; "
            "give records that measure them, or aliases under which they do"
        )
    complete = np.asarray(there[:, [bool(count) for count in counts.values()]].all(axis=1))
    notes = [*_left_out(records, counts, complete, known)]
    kept = complete if known is None else complete & ~known
    if not kept.any():
        raise EvaluationError(
            f"no row is left to evaluate on: {'; '.join(notes) or 'the records are empty'}; give "
            "rows that the router has not seen and on which all models were measured, or evaluate "
            "by folds (by_folds, --folds 5)"
        )
    return Measured(
        records=records,
        names=names,
        columns=np.array([columns[name] for name in names]),
        rows=np.flatnonzero(kept),
        left_out=tuple(notes),
    )


def _left_out(
    records: RecordSet,
    counts: Mapping[str, int],
    complete: NDArray[np.bool_],
    known: NDArray[np.bool_] | None,
) -> list[str]:
    notes = []
    never = [name for name, count in counts.items() if not count]
    if never:
        notes.append(f"left out, never measured: {', '.join(never)}")
    if not complete.all():
        listed = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
        notes.append(
            f"{int((~complete).sum()):,} of {len(records):,} rows were left out, on which not "
            f"every model was measured (rows measured: {listed})"
        )
    if known is not None and known.any():
        notes.append(
            f"{int(known.sum()):,} of {len(records):,} rows were left out, whose text stands in "
            "the router's own evidence"
        )
    return notes


def costs_of(
    part: Measured, *, pool: ModelPool | None = None, expected: _Floats | None = None
) -> tuple[_Floats | None, tuple[str, ...]]:
    """What each model cost on each query, USD, and notes on how that is known.

    In this order: what was measured; the measured tokens at the pool's price, else at the price
    that the records state; what the router expects.

    Args:
        part: What is compared.
        pool: Prices of its models.
        expected: What the router expects, USD; shape (n, m).

    Returns:
        Costs, shape (n, m), without NaN; None unless they are known of all.
    """
    costs = part.of(part.records.costs)
    counts = {"measured": int((~np.isnan(costs)).sum())}
    for source, values in (
        ("measured tokens at their price", _priced(part, pool)),
        ("expected by the router", expected),
    ):
        if values is not None:
            fills = np.isnan(costs) & ~np.isnan(values)
            counts[source] = int(fills.sum())
            costs = np.where(fills, values, costs)
    unknown = [bool(np.isnan(column).any()) for column in costs.T]
    if all(unknown):
        return None, ()
    if any(unknown):
        bare = ", ".join(name for name, none in zip(part.names, unknown, strict=True) if none)
        return None, (f"costs are left out: some are not known of {bare}",)
    if counts["measured"] == costs.size:
        return costs, ()
    parts = ", ".join(f"{count / costs.size:.0%} {name}" for name, count in counts.items() if count)
    return costs, (f"costs are {parts}",)


def _priced(part: Measured, pool: ModelPool | None) -> _Floats | None:
    """The measured tokens at their price, USD, shape (n, m); NaN where either is not known."""
    records = part.records
    if records.input_tokens is None or records.output_tokens is None:
        return None
    prices = np.full((2, len(part.names)), np.nan)
    for place, (name, column) in enumerate(zip(part.names, part.columns.tolist(), strict=True)):
        stated = None if pool is None else pool.spec(name).price
        price = stated or records.prices.get(records.models[column])
        if price is not None:
            prices[:, place] = price.input / 1e6, price.output / 1e6
    inputs, outputs = part.of(records.input_tokens), part.of(records.output_tokens)
    priced: _Floats = inputs * prices[0] + outputs * prices[1]
    return priced


def train_means(train: RecordSet, names: Sequence[str]) -> _Floats:
    """Weighted mean score of each model over the rows that measured it; shape (m,).

    NaN for a model that was not measured.

    Example:
        >>> train = RecordSet.from_rows([{"query": "a", "m": 0}, {"query": "b", "m": 1}])
        >>> train_means(train, ["m", "other"]).tolist()
        [0.5, nan]
    """
    place = {name: column for column, name in enumerate(train.models)}
    means = np.full(len(names), np.nan)
    for number, name in enumerate(names):
        if name not in place:
            continue
        scores = train.scores[:, place[name]].astype(np.float64)
        there = ~np.isnan(scores)
        if there.any():
            means[number] = np.average(scores[there], weights=train.weights[there])
    return means


def best_column(names: Sequence[str], means: _Floats, costs: _Floats | None) -> int:
    """The column of the best single model: by mean score, then the cheaper, then the order.

    Raises:
        EvaluationError: No mean is known.

    Example:
        >>> best_column(["a", "b"], np.array([0.5, 0.5]), np.array([[0.2, 0.1]]))
        1
    """
    if np.isnan(means).all():
        raise EvaluationError(
            f"no mean score is known of {', '.join(names)} where the best single model is to be "
            "chosen; give `train`, the records that taught the router"
        )
    spent = None if costs is None else costs.mean(axis=0)
    return int(first_choice(means[None], costs=spent)[0])

"""What a router must be compared with. Each gives what its choices scored, a number a query.

`scores` are what was measured: shape (n, m), one row a query, one column a model, NaN where it was
not measured. Two kinds of references must never be mixed up: those that could be had in practice,
chosen on training queries (`best_single`, `by_length`, `random`), and those that look at the test
scores, and so bound what could be reached (`task_oracle`, `query_oracle`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["best_single", "by_length", "query_oracle", "random", "scored", "task_oracle"]

_Scores = NDArray[np.floating]


def scored(scores: _Scores, columns: ArrayLike) -> NDArray[np.float64]:
    """What the models in these columns, one for each query or one for all, scored; shape (n,).

    NaN where the model was not measured on the query.

    Example:
        >>> scored(np.array([[0.0, 1.0], [0.5, 0.0]]), [1, 0]).tolist()
        [1.0, 0.5]
    """
    chosen = np.broadcast_to(np.asarray(columns, dtype=np.int64), len(scores))
    return scores[np.arange(len(scores)), chosen].astype(np.float64)


def best_single(train: _Scores, test: _Scores) -> NDArray[np.float64]:
    """The one model with the best mean on the training queries answers everything.

    Give the test scores twice for the best in hindsight, and then say so.

    Example:
        >>> train, test = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 1.0]])
        >>> best_single(train, test).tolist()
        [0.0, 1.0]
    """
    return scored(test, _best_column(train))


def by_length(
    train_lengths: ArrayLike,
    train: _Scores,
    test_lengths: ArrayLike,
    test: _Scores,
    *,
    bins: int = 10,
) -> NDArray[np.float64]:
    """Prompt length alone: in each length class, the model with the best mean on training queries.

    Args:
        train_lengths: Lengths of the training queries, in any unit; shape (t,).
        train: Their scores; shape (t, m).
        test_lengths: Lengths of the test queries in the same unit; shape (n,).
        test: Their scores; shape (n, m).
        bins: How many classes, as many training queries in each.

    Example:
        >>> train = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> by_length([5, 50], train, [9, 99], np.array([[0.3, 0.7], [0.2, 0.8]]), bins=2).tolist()
        [0.3, 0.8]
    """
    edges = np.quantile(np.asarray(train_lengths), np.linspace(0.0, 1.0, bins + 1)[1:-1])
    train_class = np.searchsorted(edges, np.asarray(train_lengths))
    test_class = np.searchsorted(edges, np.asarray(test_lengths))
    columns = np.full(bins, _best_column(train))
    for each in np.unique(train_class):
        columns[each] = _best_column(train[train_class == each])
    return scored(test, columns[test_class])


def random(scores: _Scores) -> NDArray[np.float64]:
    """A model drawn anew for each query: what it scores on average; shape (n,).

    The mean is over the models that were measured; each query needs at least one.

    Example:
        >>> random(np.array([[0.0, 1.0], [0.5, np.nan]])).tolist()
        [0.5, 0.5]
    """
    return np.asarray(np.nanmean(scores.astype(np.float64), axis=1))


def task_oracle(scores: _Scores, tasks: Sequence[Hashable]) -> NDArray[np.float64]:
    """Knows each query's task, and which model is the best on it over these very queries.

    Example:
        >>> scores = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.5]])
        >>> task_oracle(scores, ["a", "a", "a", "b"]).tolist()
        [1.0, 1.0, 0.0, 0.5]
    """
    numbers: dict[Hashable, int] = {}
    task_of = np.array([numbers.setdefault(task, len(numbers)) for task in tasks])
    columns = np.array([_best_column(scores[task_of == task]) for task in range(len(numbers))])
    return scored(scores, columns[task_of])


def query_oracle(scores: _Scores) -> NDArray[np.float64]:
    """Knows which model is the best on each query; what it scores, shape (n,).

    Looks at the models that were measured; each query needs at least one.

    Example:
        >>> query_oracle(np.array([[0.0, 1.0], [0.5, np.nan]])).tolist()
        [1.0, 0.5]
    """
    return np.asarray(np.nanmax(scores, axis=1), dtype=np.float64)


def _best_column(scores: _Scores) -> int:
    """The first of the models with the highest mean; those that were never measured stand back."""
    measured = ~np.isnan(scores)
    sums = np.where(measured, scores, 0.0).sum(axis=0, dtype=np.float64)
    means = np.where(measured.any(axis=0), sums / np.maximum(measured.sum(axis=0), 1), -np.inf)
    return int(means.argmax())

"""What every measure demands of its arrays, and how a figure that cannot be had is told.

Arrays of the wrong shape, empty arrays and numbers that are not there are an `EvaluationError`: a
measure that left out rows on its own would be a wrong number of something else. A figure that the
arrays do not determine (a ratio to zero, a correlation with a constant) is NaN, with an
`EvaluationWarning` that says why.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.errors import EvaluationError, EvaluationWarning

__all__ = [
    "Floats",
    "alike",
    "columns",
    "group_numbers",
    "known_columns",
    "numbers",
    "table",
    "undefined",
    "vectors",
]

Floats = NDArray[np.float64]

_SLACK = 1e-9
"""Means that differ by less are equal: sums of fractions end a little beside it."""


def alike(one: float, other: float) -> bool:
    """Whether two means are the same but for rounding, in parts of the larger or as they stand.

    Example:
        >>> alike(0.1 + 0.2, 0.3), alike(0.3, 0.301)
        (True, False)
    """
    return math.isclose(one, other, rel_tol=_SLACK, abs_tol=_SLACK)


def numbers(values: ArrayLike, name: str) -> Floats:
    """An array of numbers, of any shape; NaN may be among them.

    Raises:
        EvaluationError: Something in it is no number, or its rows differ in length.

    Example:
        >>> numbers([[1, True], [None, 0.5]], "scores").tolist()
        [[1.0, 1.0], [nan, 0.5]]
    """
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise EvaluationError(
            f"{name} is no array of numbers ({error}); give numbers, and rows of one length"
        ) from error


def vectors(**given: ArrayLike) -> list[Floats]:
    """One number each for the same things, finite and at least one; shape (n,) each.

    Raises:
        EvaluationError: They differ in length, are empty, are no vectors, or miss a number.

    Example:
        >>> [each.tolist() for each in vectors(costs=[1, 2], quality=[True, False])]
        [[1.0, 2.0], [1.0, 0.0]]
        >>> vectors(costs=[1, float("nan")])
        Traceback (most recent call last):
        knnrouter.errors.EvaluationError: 1 of 2 values of costs are not finite, the first at 1; \
every value must be measured: leave out what is not
    """
    arrays = {name: numbers(values, name) for name, values in given.items()}
    shapes = [each.shape for each in arrays.values()]
    if any(len(shape) != 1 or not shape[0] for shape in shapes) or len(set(shapes)) > 1:
        raise EvaluationError(
            f"{_listed(arrays)} {'has shape' if len(shapes) == 1 else 'have shapes'} "
            f"{', '.join(map(str, shapes))}; give vectors of one length, at least 1: one number "
            "each for the same queries, tasks or points"
        )
    _check_finite(arrays)
    return list(arrays.values())


def table(
    values: ArrayLike, *, name: str = "scores", like: NDArray[np.generic] | None = None
) -> Floats:
    """One row a query, one column a model, all measured; shape (n, m), neither of them 0.

    Args:
        values: The numbers.
        name: What the message calls them.
        like: Another table of the same queries and models.

    Raises:
        EvaluationError: It is no such table, or a cell is not measured.

    Example:
        >>> table([[1, 0], [0, 1]]).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    array = numbers(values, name)
    wanted = "(n, m)" if like is None else str(like.shape)
    if array.ndim != 2 or not array.size or (like is not None and array.shape != like.shape):
        raise EvaluationError(
            f"{name} has shape {array.shape}, not {wanted}; give one row a query and one column a "
            "model, at least one of each"
        )
    _check_finite({name: array})
    return array


def known_columns(expected: ArrayLike, scores: Floats) -> tuple[Floats, Floats]:
    """The scores and the estimates of those models that are estimated on every query.

    Args:
        expected: Estimates, NaN where nothing is known of a model; shape (n, m).
        scores: What was measured; shape (n, m).

    Raises:
        EvaluationError: The shapes differ, or no model is left.

    Example:
        >>> nan = float("nan")
        >>> [each.tolist() for each in known_columns([[0.1, nan]], np.array([[0.0, 1.0]]))]
        [[[0.0]], [[0.1]]]
    """
    estimates = numbers(expected, "expected")
    if estimates.shape != scores.shape:
        table(estimates, name="expected", like=scores)
    known = np.asarray(~np.isnan(estimates).any(axis=0))
    if not known.any():
        raise EvaluationError(
            f"each of the {len(known)} models misses an estimate on some query; at least 1 must be "
            "estimated on all: leave out the queries on which nothing is known"
        )
    return scores[:, known], table(estimates[:, known], name="expected")


def columns(
    chosen: ArrayLike, rows: int, models: int, *, name: str = "chosen"
) -> NDArray[np.int64]:
    """The column of a model for each of the rows; shape (n,).

    Raises:
        EvaluationError: It is no whole number a row, or not the number of a column.

    Example:
        >>> columns([1, 0], 2, 2).tolist()
        [1, 0]
    """
    array = np.asarray(chosen)
    if array.shape != (rows,) or not np.issubdtype(array.dtype, np.integer):
        raise EvaluationError(
            f"{name} has shape {array.shape} and type {array.dtype}; give the number of a column, "
            f"a whole number, for each of the {rows} queries"
        )
    if array.min(initial=0) < 0 or array.max(initial=0) >= models:
        outside = array[(array < 0) | (array >= models)]
        raise EvaluationError(
            f"{name} holds {outside[0]} ({len(outside)} such); columns go from 0 to {models - 1}: "
            "count them as the columns of the scores"
        )
    return array.astype(np.int64)


def group_numbers(
    labels: Sequence[Hashable], rows: int
) -> tuple[tuple[Hashable, ...], NDArray[np.int64]]:
    """The different labels in the order of their first row, and the number of each row's label.

    Raises:
        EvaluationError: There is not one label a row.

    Example:
        >>> names, numbers = group_numbers(["math", None, "math"], 3)
        >>> names, numbers.tolist()
        (('math', None), [0, 1, 0])
    """
    if len(labels) != rows:
        raise EvaluationError(
            f"there are {len(labels)} tasks for {rows} queries; give the task of each query"
        )
    places: dict[Hashable, int] = {}
    found = [places.setdefault(label, len(places)) for label in labels]
    return tuple(places), np.array(found, dtype=np.int64)


def undefined(figure: str, why: str) -> float:
    """NaN, with a warning that says why.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     undefined("the ROC-AUC", "all queries are of one class")
        nan
        >>> str(caught[0].message)
        'the ROC-AUC cannot be had: all queries are of one class; it is NaN'
    """
    warnings.warn(f"{figure} cannot be had: {why}; it is NaN", EvaluationWarning, stacklevel=3)
    return float("nan")


def _check_finite(arrays: dict[str, Floats]) -> None:
    problems = []
    for name, array in arrays.items():
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            where = ", ".join(map(str, bad[0]))
            problems.append(
                f"{len(bad)} of {array.size} values of {name} are not finite, the first at "
                f"{where}; every value must be measured: leave out what is not"
            )
    if problems:
        raise EvaluationError(problems)


def _listed(names: dict[str, Floats]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last

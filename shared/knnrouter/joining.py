"""A model's outcomes beside the evidence's: which row each belongs to, and the column they make.

A row belongs to the row of the evidence that has its id, unless the texts of the two differ; else
to one that has exactly its text, of its task if there is one. Ids that a reader made up ("row-1")
therefore do no harm where texts are kept. Where the evidence keeps no text, the vector of the row's
text must be the evidence's.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from knnrouter.records import RecordSet

from .embedders import Embedder
from .errors import RecordsError
from .estimators import Evidence
from .vectors import query_vectors

__all__ = ["check_is_new", "rows_of_results", "with_column"]

_MATRICES = ("scores", "costs", "input_tokens", "output_tokens", "latency_ms")
_SAME = 0.999
"""The least cosine of two rows of one text."""


def with_column(evidence: Evidence, name: str, results: RecordSet, embedder: Embedder) -> RecordSet:
    """The evidence's records with one more model, NaN where it was not measured.

    Args:
        evidence: What is known; `n` rows.
        name: The new column.
        results: Outcomes of the model, in a column of this name; others are not looked at.
        embedder: What embedded the evidence.

    Raises:
        RecordsError: The column exists; the results hold no such column, or no score; or rows of
            them belong to no row of the evidence, or two to one.
    """
    column = _column(evidence.records, name, results)
    measured = np.flatnonzero(~np.isnan(results.scores[:, column]))
    if not len(measured):
        raise RecordsError(f"the results hold no score of {name!r}; give at least one")
    outcomes = results.select(measured)
    rows = rows_of_results(evidence, outcomes, embedder)
    known = evidence.records
    fields = known.as_dict() | {"models": (*known.models, name)}
    for matrix in _MATRICES:
        old, new = getattr(known, matrix), getattr(outcomes, matrix)
        if old is not None or new is not None:
            fields[matrix] = _widened(known, old, rows, None if new is None else new[:, column])
    price = results.prices.get(results.models[column])
    if price is not None:
        fields["prices"] = {**known.prices, name: price}
    note = f"{name} was added with outcomes on {len(rows):,} of {len(known):,} rows"
    return RecordSet(**fields | {"notes": (*known.notes, note)})


def rows_of_results(
    evidence: Evidence, outcomes: RecordSet, embedder: Embedder
) -> NDArray[np.int64]:
    """The row of the evidence that each outcome belongs to; see the module.

    Raises:
        RecordsError: Outcomes belong to none, or two to one; all are named.
    """
    by_id = _rows_by_id(evidence, outcomes, embedder)
    rows, problems = _rows_by_text(evidence.records, outcomes, by_id)
    if problems:
        raise RecordsError(problems)
    return np.array(rows, dtype=np.int64)


def check_is_new(known: RecordSet, name: str) -> None:
    """Check that a name can be that of a new model.

    Raises:
        RecordsError: It is blank, or some records have it already.
    """
    if not isinstance(name, str) or not name.strip():
        raise RecordsError(f"the model's name is {name!r}; give the name it shall have")
    if name in known.models:
        raise RecordsError(
            f"the evidence has a model {name!r} already; its models are {', '.join(known.models)}: "
            "give the new one another name"
        )


def _column(known: RecordSet, name: str, results: RecordSet) -> int:
    check_is_new(known, name)
    if name not in results.models:
        raise RecordsError(
            f"the results measure {', '.join(results.models)}, and none of these is {name!r}; name "
            "the column after the model"
        )
    return results.models.index(name)


def _widened(
    known: RecordSet,
    old: NDArray[np.floating] | None,
    rows: NDArray[np.int64],
    new: NDArray[np.floating] | None,
) -> NDArray[np.float64]:
    """The matrix with one more column; NaN for what was not measured."""
    wider = np.full((len(known), len(known.models) + 1), np.nan)
    if old is not None:
        wider[:, :-1] = old
    if new is not None:
        wider[rows, -1] = new
    return wider


def _rows_by_id(evidence: Evidence, outcomes: RecordSet, embedder: Embedder) -> list[int | None]:
    """The row with each outcome's id, where their texts do not differ."""
    known = evidence.records
    place = {name: row for row, name in enumerate(known.ids)}
    found: list[int | None] = []
    unsure: list[int] = []
    for number, (name, text) in enumerate(zip(outcomes.ids, outcomes.queries, strict=True)):
        row = place.get(name)
        kept = None if row is None else known.queries[row]
        found.append(row if text is None or kept is None or text == kept else None)
        if row is not None and kept is None and text is not None:
            unsure.append(number)
    if unsure:
        vectors = query_vectors(outcomes.select(unsure), embedder)
        for number, vector in zip(unsure, vectors, strict=True):
            there = evidence.vectors[found[number]]
            if not _alike(vector, there):
                found[number] = None
    return found


def _alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return float(one @ other) >= _SAME or not (one.any() or other.any())


def _rows_by_text(
    known: RecordSet, outcomes: RecordSet, by_id: Sequence[int | None]
) -> tuple[list[int], list[str]]:
    """The row of each outcome, by its text where not by its id; and what is wrong."""
    free = _free_rows(known, taken={row for row in by_id if row is not None})
    texts, used = set(known.queries), set[int]()
    rows, problems = list[int](), list[str]()
    for number, (name, text, claimed) in enumerate(
        zip(outcomes.ids, outcomes.queries, by_id, strict=True)
    ):
        row = claimed
        if row is None and text is not None:
            waiting = free[text, outcomes.tasks[number]], free[text, None]
            row = _first_free(waiting, used)
        if row is not None:
            rows.append(row)
            used.add(row)
        elif text is not None and text in texts:
            problems.append(
                f"{name!r}: each row of the evidence with its text has an outcome already; give "
                "one for each"
            )
        else:
            problems.append(f"{name!r}: {_unmatched(known, name, text)}")
    return rows, problems


def _free_rows(known: RecordSet, taken: set[int]) -> dict[tuple[str, str | None], deque[int]]:
    """The rows that no id claims, by text and task, and by text alone."""
    free: dict[tuple[str, str | None], deque[int]] = defaultdict(deque)
    for row, (text, task) in enumerate(zip(known.queries, known.tasks, strict=True)):
        if text is not None and row not in taken:
            for key in {(text, task), (text, None)}:
                free[key].append(row)
    return free


def _first_free(queues: Sequence[deque[int]], used: Collection[int]) -> int | None:
    for waiting in queues:
        while waiting:
            row = waiting.popleft()
            if row not in used:
                return row
    return None


def _unmatched(known: RecordSet, name: str, text: str | None) -> str:
    if name in known.ids and text is not None:
        return (
            "the row of the evidence with this id has another text; give the text as it is there, "
            "or leave it out"
        )
    return (
        "no row of the evidence has this id, or this text; give outcomes on rows of the evidence, "
        "such as knnrouter.onboarding proposes"
    )

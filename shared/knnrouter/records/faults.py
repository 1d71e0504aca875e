"""What can be wrong with a RecordSet: every fault of one, a sentence each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from knnrouter.records.record_set import RecordSet

__all__ = ["find_faults"]

_MATRICES = ("scores", "costs", "input_tokens", "output_tokens", "latency_ms")
_SEQUENCES = ("queries", "tasks", "groups", "timestamps")
_SHOWN_NAMES = 5
_UNIT_TOLERANCE = 1e-3  # float32 rows of 1,000 dimensions are well within it


def find_faults(records: RecordSet) -> list[str]:
    """Check a RecordSet.

    Args:
        records: Any RecordSet whose arrays hold numbers.

    Returns:
        A sentence for each fault; empty if there is none. Values are only looked at where the
        shapes are right.
    """
    faults = [*_name_faults(records), *_shape_faults(records)]
    return faults or [*_score_faults(records), *_amount_faults(records), *_vector_faults(records)]


def _name_faults(records: RecordSet) -> Iterator[str]:
    if not records.models:
        yield "there is no model; records need a score column for at least one model"
    yield from _repeated("models", records.models, "give every model a name of its own")
    yield from _repeated("ids", records.ids, "give every row an id of its own")


def _repeated(what: str, names: Iterable[str], advice: str) -> Iterator[str]:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        shown = ", ".join(repr(name) for name in repeated[:_SHOWN_NAMES])
        more = f" and {len(repeated) - _SHOWN_NAMES} more" if len(repeated) > _SHOWN_NAMES else ""
        yield f"{what}: {shown}{more} occur more than once; {advice}"


def _shape_faults(records: RecordSet) -> Iterator[str]:
    rows, models = len(records.ids), len(records.models)
    for name in _SEQUENCES:
        value = getattr(records, name)
        if value is not None and len(value) != rows:
            yield f"{name}: {len(value)} values for {rows} ids; give one a row"
    for name in _MATRICES:
        yield from _wrong_shape(name, getattr(records, name), (rows, models), "(rows, models)")
    yield from _wrong_shape("weights", records.weights, (rows,), "(rows,)")
    vectors = records.vectors
    if vectors is not None and (vectors.ndim != 2 or len(vectors) != rows):
        yield f"vectors: shape {vectors.shape}, but it must be ({rows}, d): one vector a row"


def _wrong_shape(
    name: str, array: NDArray[Any] | None, shape: tuple[int, ...], meaning: str
) -> Iterator[str]:
    if array is not None and array.shape != shape:
        yield f"{name}: shape {array.shape}, but ids and models make it {meaning} = {shape}"


def _score_faults(records: RecordSet) -> Iterator[str]:
    scores = records.scores
    outside = ~((scores >= 0) & (scores <= 1)) & ~np.isnan(scores)
    if outside.any():
        yield (
            f"scores: {_first(records, scores, outside)} outside [0, 1]; map another range onto it "
            "with `scale=(low, high)`, or make scores 0/1 with `threshold=`"
        )
    if scores.size and np.isnan(scores).all():
        yield (
            "scores: not one is measured (NaN everywhere); give at least one score, "
            "and check the names of the columns"
        )


def _amount_faults(records: RecordSet) -> Iterator[str]:
    for name in _MATRICES[1:]:
        array = getattr(records, name)
        if array is None:
            continue
        wrong = ~((array >= 0) & (array < np.inf)) & ~np.isnan(array)
        if wrong.any():
            yield (
                f"{name}: {_first(records, array, wrong)} negative or infinite; "
                "give a finite number >= 0, or NaN where it was not measured"
            )
    wrong = ~((records.weights > 0) & (records.weights < np.inf))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        yield (
            f"weights: {int(wrong.sum())} are not above zero (the first is {records.weights[row]} "
            f"for id {records.ids[row]!r}); give how many measurements a row stands for"
        )


def _first(records: RecordSet, array: NDArray[Any], wrong: NDArray[np.bool_]) -> str:
    row, column = (int(i) for i in np.argwhere(wrong)[0])
    count = int(wrong.sum())
    return (
        f"{count:,} {'value is' if count == 1 else 'values are'} (the first is {array[row, column]}"
        f" for id {records.ids[row]!r}, model {records.models[column]!r})"
    )


def _vector_faults(records: RecordSet) -> Iterator[str]:
    if (records.vectors is None) != (records.embedder is None):
        yield (
            f"embedder is {records.embedder!r} and vectors are "
            f"{'absent' if records.vectors is None else 'present'}; give both or neither"
        )
    if records.vectors is None:
        return
    norms = np.linalg.norm(records.vectors, axis=1)
    wrong = ~((np.abs(norms - 1) <= _UNIT_TOLERANCE) | (norms == 0))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        yield (
            f"vectors: {int(wrong.sum())} rows do not have length 1 (the first is id "
            f"{records.ids[row]!r} with {norms[row]}); divide each by its length"
        )

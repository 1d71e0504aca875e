"""Splits by task: what happens on queries of a kind that was never seen, or seen a few times.

Shnitzer et al. 2023 (2309.15789) test each task by what the others teach, and then move a few of
its labelled queries to the training side.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EvaluationError
from knnrouter.evaluation.near import NEAR
from knnrouter.records import RecordSet

from .base import Split, TaskSplit
from .kin import Near, kinship

__all__ = ["few_shot", "leave_one_task_out"]

_MOST_SHOTS = 50
"""How many queries of a task are labelled at most (2309.15789)."""


def leave_one_task_out(
    records: RecordSet, *, near: Near = None, at_least: float = NEAR
) -> list[TaskSplit]:
    """Each task is tested once, by what the other tasks teach.

    A row that belongs with a tested one is not learnt from. Rows without a task are never tested;
    they are learnt from like any other.

    Args:
        records: `n` rows of at least two tasks.
        near: Finds near-duplicates; see `kinship`.
        at_least: From which cosine on two rows are near-duplicates.

    Returns:
        One split a task, in the order of first appearance.

    Raises:
        EvaluationError: There are fewer than two tasks, or a task leaves nothing to learn from.

    Example:
        >>> rows = [{"query": text, "task": task, "small": 1}
        ...         for text, task in (("a", "x"), ("b", "x"), ("b", "y"), ("c", "y"))]
        >>> for split in leave_one_task_out(RecordSet.from_rows(rows)):
        ...     print(split.task, split.train.tolist(), split.test.tolist())
        x [3] [0, 1]
        y [0] [2, 3]
    """
    rows_of = _rows_by_task(records)
    if len(rows_of) < 2:
        raise EvaluationError(
            f"the records name {len(rows_of)} tasks{_quoted(rows_of)}; to leave one out there must "
            "be two or more: name the task of each row, or use k_fold"
        )
    kin = kinship(records, near=near, at_least=at_least)
    splits = [
        TaskSplit(task, np.flatnonzero(~np.isin(kin, kin[test])), test)
        for task, test in rows_of.items()
    ]
    bare = [split.task for split in splits if not split.train.size]
    if bare:
        raise EvaluationError(
            f"all rows outside of the task {bare[0]!r} belong with one of its rows "
            f"({len(bare)} of {len(splits)} tasks like this), so there is nothing to learn from; "
            "merge such tasks, or use k_fold"
        )
    return splits


def few_shot(
    records: RecordSet,
    task: str,
    alpha: float,
    *,
    seed: int = 0,
    at_most: int = _MOST_SHOTS,
    near: Near = None,
    at_least: float = NEAR,
) -> Split:
    """Test a task by what the other tasks and a few of its own rows teach.

    Of the task's n rows, min(floor(alpha n), `at_most`) are drawn and learnt from; the rest is
    tested (2309.15789). A row of the task that belongs with a drawn one is on neither side, and a
    row of another task that belongs with a tested one is not learnt from. With `alpha` 0 this is
    the task's split of `leave_one_task_out`; with a larger one and the same seed, the rows that
    were drawn before stay drawn.

    Args:
        records: `n` rows.
        task: The name of the tested task.
        alpha: Which share of its rows is learnt from, in [0, 1).
        seed: Where the random order comes from.
        at_most: How many of its rows are learnt from at most.
        near: Finds near-duplicates; see `kinship`.
        at_least: From which cosine on two rows are near-duplicates.

    Raises:
        EvaluationError: There is no such task, `alpha` or `at_most` is out of range, or one of the
            sides is left without a row.

    Example:
        >>> rows = [{"query": text, "task": text[0], "small": 1} for text in ("a", "b1", "b2")]
        >>> split = few_shot(RecordSet.from_rows(rows), "b", 0.5)
        >>> len(split.train), len(split.test)
        (2, 1)
    """
    rows_of = _rows_by_task(records)
    _check_shots(task, rows_of, alpha, at_most)
    kin = kinship(records, near=near, at_least=at_least)
    own = rows_of[task]
    count = min(math.floor(alpha * len(own) + 1e-9), at_most)  # 0.29 * 100 is a bit below 29
    shots = np.random.default_rng(seed).permutation(own)[:count]
    test = own[~np.isin(kin[own], kin[shots])]
    train = np.isin(np.arange(len(records)), own, invert=True) & ~np.isin(kin, kin[test])
    train[shots] = True
    split = Split(np.flatnonzero(train), test)
    if not (split.train.size and split.test.size):
        side = "learn from" if split.test.size else "test on"
        raise EvaluationError(
            f"with {count} of the {len(own)} rows of the task {task!r} drawn there is nothing left "
            f"to {side}, since all other rows belong with them; give another alpha, or use k_fold"
        )
    return split


def _check_shots(
    task: str, rows_of: dict[str, NDArray[np.int64]], alpha: float, at_most: int
) -> None:
    wrong = []
    if task not in rows_of:
        wrong.append(f"task {task!r} is none of the records; name one{_quoted(rows_of)}")
    if not 0.0 <= alpha < 1.0:
        wrong.append(f"alpha is {alpha!r}; give the share of the task to learn from, in [0, 1)")
    if at_most < 0:
        wrong.append(f"at_most is {at_most}; give a number of rows, 0 or more")
    if wrong:
        raise EvaluationError(wrong)


def _rows_by_task(records: RecordSet) -> dict[str, NDArray[np.int64]]:
    rows: dict[str, list[int]] = {}
    for row, task in enumerate(records.tasks):
        if task is not None:
            rows.setdefault(task, []).append(row)
    return {task: np.array(each) for task, each in rows.items()}


def _quoted(tasks: dict[str, NDArray[np.int64]]) -> str:
    """The first of the names, as an end of a sentence."""
    names = [repr(task) for task in tasks]
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f" ({', '.join(names[:10])}{more})" if names else ""

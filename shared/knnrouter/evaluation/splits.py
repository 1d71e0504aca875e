"""What to learn from and what to test on; what belongs together never stands on both sides.

Rows of the same text belong together, and so do rows of one group (see `RecordSet.groups`), and all
rows that are linked by these.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from knnrouter.records import RecordSet
from knnrouter.records.sets import group_by_text

__all__ = ["Split", "draw", "k_fold"]


class Split(NamedTuple):
    """Row numbers, ascending."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def k_fold(records: RecordSet, folds: int = 5, *, seed: int = 0) -> list[Split]:
    """Each row is tested once, by what the other folds teach.

    The texts are dealt out at random to folds of as nearly equal numbers of texts as can be; texts
    of one group go together, and count as one.

    Raises:
        ValueError: `folds` is below 2, or more than there are different texts and groups.

    Example:
        >>> rows = [{"query": text, "small": 1} for text in ("a", "b", "a", "c")]
        >>> sorted(split.test.tolist() for split in k_fold(RecordSet.from_rows(rows), 3))
        [[0, 2], [1], [3]]
    """
    kin = _kin(records)
    count = int(kin.max(initial=-1)) + 1
    if not 2 <= folds <= count:
        raise ValueError(
            f"folds is {folds}, of {count} different texts or groups; give at least 2 and at most "
            f"{count}"
        )
    fold = (np.random.default_rng(seed).permutation(count) % folds)[kin]
    return [
        Split(np.flatnonzero(fold != each), np.flatnonzero(fold == each)) for each in range(folds)
    ]


def draw(records: RecordSet, rows: int, *, seed: int = 0) -> Split:
    """Learn from so many rows drawn at random, test on all others of another text and group.

    Raises:
        ValueError: `rows` is below 1, or leaves no other text and group to test on.

    Example:
        >>> rows = [{"query": text, "small": 1} for text in ("a", "a", "b", "b")]
        >>> split = draw(RecordSet.from_rows(rows), 1)
        >>> len(split.train), len(split.test)
        (1, 2)
    """
    if not 1 <= rows < len(records):
        raise ValueError(
            f"rows is {rows}, of {len(records)} in all; give at least 1 and leave some to test on"
        )
    kin = _kin(records)
    train = np.sort(np.random.default_rng(seed).permutation(len(records))[:rows])
    test = np.flatnonzero(~np.isin(kin, kin[train]))
    if not test.size:
        raise ValueError(
            f"the {rows} rows that were drawn have a text or a group in common with each of the "
            f"{len(records)}, so none is left to test on; draw fewer, or use k_fold"
        )
    return Split(train, test)


def _kin(records: RecordSet) -> NDArray[np.int64]:
    """A number for each row, the same for rows that belong together; shape (n,)."""
    _, texts = group_by_text(records.queries)
    if records.groups is None:
        return texts
    _, groups = group_by_text(records.groups)
    kin = texts
    while True:  # hand the least number on, through groups and texts in turn, until all have it
        linked = _least(_least(kin, groups), texts)
        if np.array_equal(linked, kin):
            return np.unique(kin, return_inverse=True)[1].reshape(-1)
        kin = linked


def _least(numbers: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """The least number in the group of each row; shape (n,)."""
    least = np.full(int(group.max(initial=-1)) + 1, len(numbers))
    np.minimum.at(least, group, numbers)
    return least[group]

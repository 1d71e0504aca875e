"""What to learn from and what to test on; rows of the same text never stand on both sides."""

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

    The texts are dealt out at random to folds of as nearly equal numbers of texts as can be.

    Raises:
        ValueError: `folds` is below 2, or more than there are different texts.

    Example:
        >>> rows = [{"query": text, "small": 1} for text in ("a", "b", "a", "c")]
        >>> sorted(split.test.tolist() for split in k_fold(RecordSet.from_rows(rows), 3))
        [[0, 2], [1], [3]]
    """
    first, texts = group_by_text(records.queries)
    count = len(first)
    if not 2 <= folds <= count:
        raise ValueError(
            f"folds is {folds}, of {count} different texts; give at least 2 and at most {count}"
        )
    fold_of_text = np.random.default_rng(seed).permutation(count) % folds
    fold = fold_of_text[texts]
    return [
        Split(np.flatnonzero(fold != each), np.flatnonzero(fold == each)) for each in range(folds)
    ]


def draw(records: RecordSet, rows: int, *, seed: int = 0) -> Split:
    """Learn from so many rows drawn at random, test on all others of another text.

    Raises:
        ValueError: `rows` is below 1, or leaves no other text to test on.

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
    _, texts = group_by_text(records.queries)
    train = np.sort(np.random.default_rng(seed).permutation(len(records))[:rows])
    test = np.flatnonzero(~np.isin(texts, texts[train]))
    if not test.size:
        raise ValueError(
            f"the {rows} rows that were drawn hold every text of the {len(records)}, so none is "
            "left to test on; draw fewer, or merge equal texts with drop_duplicates()"
        )
    return Split(train, test)

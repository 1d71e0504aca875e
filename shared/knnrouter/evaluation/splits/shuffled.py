"""Splits at random: folds, a share, a number of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EvaluationError
from knnrouter.evaluation.near import NEAR
from knnrouter.records import RecordSet

from .base import Split
from .kin import Near, kinship

__all__ = ["draw", "k_fold", "parted", "random_split"]


def k_fold(
    records: RecordSet,
    folds: int = 5,
    *,
    seed: int = 0,
    near: Near = None,
    at_least: float = NEAR,
) -> list[Split]:
    """Each row is tested once, by what the other folds teach.

    Rows that belong together count as one: they are dealt out at random to folds of as nearly equal
    numbers as can be.

    Args:
        records: `n` rows.
        folds: How many parts, at least 2.
        seed: Where the random order comes from.
        near: Finds near-duplicates; see `kinship`.
        at_least: From which cosine on two rows are near-duplicates.

    Raises:
        EvaluationError: `folds` is below 2, or more than there are rows that do not belong
            together.

    Example:
        >>> rows = [{"query": text, "small": 1} for text in ("a", "b", "a", "c")]
        >>> sorted(split.test.tolist() for split in k_fold(RecordSet.from_rows(rows), 3))
        [[0, 2], [1], [3]]
    """
    kin = kinship(records, near=near, at_least=at_least)
    count = int(kin.max(initial=-1)) + 1
    if not 2 <= folds <= count:
        raise EvaluationError(
            f"folds is {folds}, of {count} rows or sets of rows that belong together; "
            f"{_allowed(count)}"
        )
    fold = (np.random.default_rng(seed).permutation(count) % folds)[kin]
    return [
        Split(np.flatnonzero(fold != each), np.flatnonzero(fold == each)) for each in range(folds)
    ]


def random_split(
    records: RecordSet,
    share: float = 0.2,
    *,
    seed: int = 0,
    near: Near = None,
    at_least: float = NEAR,
) -> Split:
    """Test on a share of the rows, learn from all others.

    Rows that belong together are drawn together, in random order, until the share is reached as
    nearly as it can be. At least one row is left on each side.

    Args:
        records: `n` rows.
        share: Which share of the rows is tested, in (0, 1).
        seed: Where the random order comes from.
        near: Finds near-duplicates; see `kinship`.
        at_least: From which cosine on two rows are near-duplicates.

    Raises:
        EvaluationError: `share` is outside of (0, 1), or all rows belong together.

    Example:
        >>> rows = [{"query": text, "small": 1} for text in ("a", "a", "b", "b", "c", "c")]
        >>> split = random_split(RecordSet.from_rows(rows), 1 / 3)
        >>> len(split.train), len(split.test)
        (4, 2)
    """
    if not 0.0 < share < 1.0:
        raise EvaluationError(f"share is {share!r}; give a share above 0 and below 1, such as 0.2")
    kin = kinship(records, near=near, at_least=at_least)
    if not kin.any():
        raise EvaluationError(
            f"all {len(records)} rows belong together, so none can be tested by what the others "
            "teach; give more records"
        )
    return parted(kin, share, seed=seed)


def parted(kin: NDArray[np.int64], share: float, *, seed: int) -> Split:
    """Draw whole sets of kin, in random order, until the share is tested as nearly as it can be.

    Args:
        kin: As `kinship` gives it, of at least two sets; shape (n,).
        share: In (0, 1).
        seed: Where the random order comes from.

    Example:
        >>> split = parted(np.array([0, 0, 0, 1]), 0.5, seed=0)
        >>> sorted([len(split.train), len(split.test)])
        [1, 3]
    """
    sizes = np.bincount(kin)
    order = np.random.default_rng(seed).permutation(len(sizes))
    tested = np.cumsum(sizes[order])[:-1]
    nearest = int(np.abs(tested - share * len(kin)).argmin())
    test = np.isin(kin, order[: nearest + 1])
    return Split(np.flatnonzero(~test), np.flatnonzero(test))


def draw(
    records: RecordSet,
    rows: int,
    *,
    seed: int = 0,
    near: Near = None,
    at_least: float = NEAR,
) -> Split:
    """Learn from exactly so many rows, drawn at random; test on all that do not belong with them.

    What belongs with a drawn row and was not drawn is on neither side. To see how a router learns,
    draw more and more rows with one seed: the earlier ones stay drawn.

    Args:
        records: `n` rows.
        rows: How many rows to learn from, at least 1.
        seed: Where the random order comes from.
        near: Finds near-duplicates; see `kinship`.
        at_least: From which cosine on two rows are near-duplicates.

    Raises:
        EvaluationError: `rows` is below 1, or leaves nothing to test on.

    Example:
        >>> rows = [{"query": text, "small": 1} for text in ("a", "a", "b", "b")]
        >>> split = draw(RecordSet.from_rows(rows), 1)
        >>> len(split.train), len(split.test)
        (1, 2)
    """
    if not 1 <= rows < len(records):
        raise EvaluationError(
            f"rows is {rows}, of {len(records)} in all; give at least 1 and leave some to test on"
        )
    kin = kinship(records, near=near, at_least=at_least)
    train = np.sort(np.random.default_rng(seed).permutation(len(records))[:rows])
    test = np.flatnonzero(~np.isin(kin, kin[train]))
    if not test.size:
        raise EvaluationError(
            f"the {rows} rows that were drawn belong together with each of the {len(records)}, "
            "so none is left to test on; draw fewer, or use k_fold"
        )
    return Split(train, test)


def _allowed(count: int) -> str:
    return f"give at least 2 and at most {count}" if count > 1 else "give more records"

"""Which rows belong together, so that one of them tells what the others score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter import embedders
from knnrouter.embedders import Embedder, checked_rows
from knnrouter.errors import EvaluationError
from knnrouter.evaluation.near import NEAR, near_pairs
from knnrouter.records import RecordSet
from knnrouter.records.sets import group_by_text
from knnrouter.vectors import query_vectors

__all__ = ["Near", "kinship"]

Near: TypeAlias = str | Embedder | ArrayLike | None
"""How near-duplicates are found: the unit rows of the records, shape (n, d), or an embedder, such
as "static", that makes them. None: equal texts only."""

_Links = NDArray[np.int64]
"""Pairs of rows, shape (links, 2)."""


def kinship(records: RecordSet, *, near: Near = None, at_least: float = NEAR) -> NDArray[np.int64]:
    """A number for each row, the same for rows that belong together.

    Rows of one text, of one group, or of a cosine of `at_least` belong together, and so do all rows
    that a chain of these links.

    Args:
        records: `n` rows.
        near: Their unit rows, or what embeds them; None: near-duplicates are not looked for.
        at_least: From which cosine on two rows are near-duplicates, in (0, 1].

    Returns:
        Numbers from 0 on, in the order of first appearance; shape (n,).

    Raises:
        EvaluationError: `at_least` is outside of (0, 1], or `near` holds more or fewer rows.
        EmbedderError: `near` holds no unit rows.
        RecordsError: `near` is an embedder, and a row keeps no text.

    Example:
        >>> rows = [{"query": text, "group": group, "small": 1}
        ...         for text, group in (("a", "g"), ("b", None), ("b", "g"), ("c", "h"))]
        >>> kinship(RecordSet.from_rows(rows)).tolist()
        [0, 0, 0, 1]
    """
    links = [_of_one_name(records.queries)]
    if records.groups is not None:
        links.append(_of_one_name(records.groups))
    if near is not None:
        links.extend(_near(_rows(records, near), at_least))
    least = _least_linked(len(records), np.concatenate(links))
    return np.unique(least, return_inverse=True)[1].reshape(-1)


def _of_one_name(names: Sequence[str | None]) -> _Links:
    """Each row and the first one of the same name; rows without a name are not linked."""
    first, group = group_by_text(names)
    return np.stack([first[group], np.arange(len(names))], axis=1)


def _near(rows: NDArray[np.float32], at_least: float) -> list[_Links]:
    equal = _of_one_name([row.tobytes().hex() if row.any() else None for row in rows])
    different = np.unique(equal[:, 0])  # so that a thousand copies are no million pairs
    return [equal, different[near_pairs(rows[different], at_least=at_least)]]


def _rows(records: RecordSet, near: str | Embedder | ArrayLike) -> NDArray[np.float32]:
    if isinstance(near, str | Embedder):
        return query_vectors(records, embedders.resolve(near))
    shape = np.shape(near)
    if len(shape) != 2 or shape[0] != len(records):
        raise EvaluationError(
            f"near has shape {shape}, and there are {len(records)} records; give a unit row for "
            'each, shape (n, d), or an embedder, such as "static"'
        )
    return checked_rows(near, count=shape[0], dim=shape[1], source="near")


def _least_linked(count: int, links: _Links) -> NDArray[np.int64]:
    """The least of the rows that chains of links lead to from each row; shape (count,)."""
    least = np.arange(count)
    one, other = links.T
    while True:
        found = least.copy()
        np.minimum.at(found, one, least[other])
        np.minimum.at(found, other, least[one])
        found = found[found]  # as far again as has been come so far: long chains end soon
        if np.array_equal(found, least):
            return least
        least = found

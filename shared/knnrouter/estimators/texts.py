"""The texts that an estimator learns from: those that are routed on, as live queries are read."""

from __future__ import annotations

from knnrouter.errors import EstimatorError
from knnrouter.text import read_query

from .base import Evidence

__all__ = ["known_texts", "routing_texts"]


def routing_texts(evidence: Evidence, what: str) -> list[str]:
    """The routing text of each row, `n` of them.

    Args:
        evidence: Its records keep their texts.
        what: The kind of the estimator that needs them, for the error.

    Raises:
        EstimatorError: Some rows keep no text, such as those of condensed records.

    Example:
        >>> import numpy as np
        >>> from knnrouter.index import ExactIndex
        >>> from knnrouter.records import RecordSet
        >>> rows = np.eye(1, dtype=np.float32)
        >>> records = RecordSet.from_rows([{"query": "Why?", "m": 1}])
        >>> routing_texts(Evidence(records=records, vectors=rows, index=ExactIndex(rows)), "mine")
        ['Why?']
    """
    found = known_texts(evidence)
    if found is not None:
        return found
    queries = evidence.records.queries
    bare = [name for name, text in zip(evidence.records.ids, queries, strict=True) if text is None]
    raise EstimatorError(
        f"{len(bare):,} of {len(queries):,} rows keep no text, the first is {bare[0]!r}; "
        f"the estimator {what} learns from texts: give records with their queries, or take an "
        "estimator that needs vectors only, such as knn"
    )


def known_texts(evidence: Evidence) -> list[str] | None:
    """The routing text of each row; None where any row keeps none."""
    queries = evidence.records.queries
    known = [read_query(text).text for text in queries if text is not None]
    return known if len(known) == len(queries) else None

"""The unit row of every record: its own vector where it keeps one, else its embedded text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from knnrouter.records import RecordSet
from knnrouter.text import read_query

from .embedders import Embedder, checked_rows
from .errors import EmbedderMismatchError, RecordsError

__all__ = ["Progress", "query_vectors"]

Progress = Callable[[str, int, int], None]
"""Is told the stage ("embed", "index", "fit"), how many of its steps are done, and of how many."""

_BATCH = 1024
"""How many texts are embedded at a time."""


def query_vectors(
    records: RecordSet, embedder: Embedder, *, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Embed the queries of records as live queries are: their routing text, without boilerplate.

    Args:
        records: `n` rows with text, or with vectors of this embedder.
        embedder: Turns texts into unit rows.
        progress: Is told how far the work is.

    Returns:
        Unit rows, shape (n, d).

    Raises:
        EmbedderMismatchError: Rows without text hold vectors of another embedder.
        RecordsError: Rows hold neither text nor vectors.
        EmbedderError: The embedder returns something else than unit rows.
    """
    if records.vectors is not None and records.embedder == embedder.id:
        return records.vectors
    _check_texts(records, embedder)
    texts = [read_query(query).text for query in records.queries]
    rows = np.empty((len(texts), embedder.dim), dtype=np.float32)
    for start in range(0, len(texts), _BATCH):
        if progress is not None:
            progress("embed", start, len(texts))
        batch = texts[start : start + _BATCH]
        found = embedder.embed(batch)
        rows[start : start + _BATCH] = checked_rows(
            found, count=len(batch), dim=embedder.dim, source=embedder.id
        )
    if progress is not None:
        progress("embed", len(texts), len(texts))
    return rows


def _check_texts(records: RecordSet, embedder: Embedder) -> None:
    bare = [name for name, text in zip(records.ids, records.queries, strict=True) if text is None]
    if not bare:
        return
    rows = f"{len(bare):,} of {len(records):,} rows keep no text, the first is {bare[0]!r}"
    if records.vectors is not None:
        raise EmbedderMismatchError(
            f"{rows}, and their vectors come from {records.embedder!r}, not from "
            f"{embedder.id!r}; use the embedder that they come from, or records with their queries"
        )
    raise RecordsError(
        f"{rows}, and they hold no vectors either, so nothing can be near them; give records with "
        "their queries, or leave these rows out"
    )

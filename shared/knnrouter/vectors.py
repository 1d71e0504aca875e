"""Unit rows, of records and of queries: the vector where it is known, else the embedded text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from knnrouter.records import RecordSet
from knnrouter.text import read_query

from .embedders import Embedder, checked_rows
from .errors import EmbedderError, EmbedderMismatchError, RecordsError

__all__ = ["Progress", "Row", "query_vectors", "rows_of"]

Progress = Callable[[str, int, int], None]
"""Is told the stage ("embed", "index", "fit"), how many of its steps are done, and of how many."""

Row: TypeAlias = Sequence[float] | NDArray[np.floating]
"""What an embedder has for one text, shape (d,)."""

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


def rows_of(
    texts: Sequence[str], embedder: Embedder, vectors: Sequence[Row | None] = ()
) -> NDArray[np.float32]:
    """The unit rows of queries: those that are known, and the others embedded in one batch.

    Args:
        texts: `n` texts.
        embedder: Turns texts into unit rows.
        vectors: For each text its unit row, or None; nothing where none is known.

    Returns:
        Unit rows, shape (n, d).

    Raises:
        EmbedderError: A vector is no row of `d` finite numbers, of norm 1 or 0.

    Example:
        >>> from knnrouter.embedders import FunctionEmbedder
        >>> lengths = FunctionEmbedder(lambda texts: [[len(text), 0] for text in texts], 2, "len-2")
        >>> rows_of(["abc", "Why?"], lengths, [None, [0.0, 1.0]])
        array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    known = {place: row for place, row in enumerate(vectors) if row is not None}
    if not known:
        return embedder.embed(texts)
    rows = np.empty((len(texts), embedder.dim), np.float32)
    for place, row in known.items():
        rows[place] = _unit_row(row, embedder, f"vectors[{place}]")
    left = [place for place in range(len(texts)) if place not in known]
    if left:
        rows[left] = embedder.embed([texts[place] for place in left])
    return rows


def _unit_row(row: Row, embedder: Embedder, source: str) -> NDArray[np.float32]:
    found = np.asarray(row)
    if found.shape != (embedder.dim,):
        raise EmbedderError(
            f"{source} has shape {found.shape}; it must be ({embedder.dim},), a row of "
            f"{embedder.id!r}: give what that embedder has for the query, or leave it out"
        )
    (unit,) = checked_rows(found[None], count=1, dim=embedder.dim, source=source)
    return np.asarray(unit)


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

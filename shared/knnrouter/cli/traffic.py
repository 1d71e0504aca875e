"""A file of queries, with outcomes or without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from knnrouter import RecordSet, Router
from knnrouter.ingest.queries import read_queries
from knnrouter.ingest.sources import Source

from .reading import OnBadRow, read, tell_notes

__all__ = ["read_traffic"]


def read_traffic(
    file: Path,
    format: str,
    routers: Sequence[Router],
    *,
    on_bad_row: OnBadRow,
    encoding: str,
    scale: str | None,
    threshold: float | None,
    ignore: list[str] | None,
) -> RecordSet | list[str]:
    """The records of a file; or its queries, where it holds no outcome of the routers' models.

    Args:
        file: Benchmark results; or a `.txt`, a query a line, a `.jsonl` or `.csv` with `query`.
        format: One of `knnrouter formats`; other than "auto", the file holds outcomes.
        routers: Whose models the columns may be named after.
        on_bad_row: As for `reading.read`, and so are the others.
        encoding: Of text files.
        scale: The scores' range in the file.
        threshold: Scores above it become 1.
        ignore: Columns to leave out.

    Raises:
        RecordsError: The file, a column or a row cannot be used.
    """
    if format == "auto" and _only_queries(file, encoding, routers):
        return read_queries(file, encoding=encoding)
    records = read(
        file,
        format,
        on_bad_row=on_bad_row,
        encoding=encoding,
        scale=scale,
        threshold=threshold,
        ignore=ignore,
    )
    tell_notes(records)
    return records


def _only_queries(file: Path, encoding: str, routers: Sequence[Router]) -> bool:
    """Whether a file holds queries alone: a `.txt`, or a `query` column and none of a model."""
    kind = file.suffix.lower()
    if kind == ".txt":
        return True
    if kind not in (".jsonl", ".csv") or not file.is_file():
        return False
    columns = set(Source(file, encoding).table.columns)
    specs = [spec for router in routers for spec in router.pool.models]
    models = {name for spec in specs for name in (spec.name, spec.model, *spec.aliases)}
    return "query" in columns and not columns & models and not {"model", "score"} <= columns

"""A file of queries, with outcomes or without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from knnrouter import RecordSet, Router
from knnrouter.ingest.queries import read_queries
from knnrouter.ingest.sources import Source

from .reading import Reading, tell_notes

__all__ = ["read_traffic"]


def read_traffic(file: Path, reading: Reading, routers: Sequence[Router]) -> RecordSet | list[str]:
    """The records of a file; or its queries, where it holds no outcome of the routers' models.

    Args:
        file: Benchmark results; or a `.txt`, a query a line, a `.jsonl` or `.csv` with `query`.
        reading: How it is read; with a format other than "auto", it holds outcomes.
        routers: Whose models the columns may be named after.

    Raises:
        RecordsError: The file, a column or a row cannot be used.
    """
    if reading.format == "auto" and _only_queries(file, reading.encoding, routers):
        return read_queries(file, encoding=reading.encoding)
    records = reading.records(file)
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

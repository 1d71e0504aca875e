"""Records that `RecordSet.to_parquet` wrote."""

from __future__ import annotations

from knnrouter.errors import RecordsError
from knnrouter.records import RecordSet
from knnrouter.records.parquet import is_saved, read_parquet

from .cells import Scoring
from .rows import ReadOptions
from .sources import Format, Source

__all__ = ["SAVED"]


def _read(source: Source, options: ReadOptions) -> RecordSet:
    if options.scoring != Scoring() or options.ignore:
        raise RecordsError(
            f"{source.path}: was written by RecordSet.to_parquet, its scores are in [0, 1] "
            "already; read it without `scale`, `threshold` and `ignore`"
        )
    return read_parquet(source.path)


SAVED = Format(
    name="records",
    looks_like="a Parquet file written by RecordSet.to_parquet",
    fields="all fields of a RecordSet",
    kinds=("Parquet",),
    matches=lambda source: is_saved(source.path),
    read=_read,
)

"""A RecordSet to one Parquet file and back, exactly: NaN, vectors, prices and notes included.

The file has a row for each record. Matrices are columns of fixed-size lists, one number a model;
what belongs to no row is JSON in the file's metadata, under `knnrouter.records`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from knnrouter.errors import RecordsError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from knnrouter.records.record_set import RecordSet

__all__ = ["is_saved", "read_parquet", "to_table", "write_parquet"]

_METADATA_KEY = b"knnrouter.records"
_FORMAT_VERSION = 1
_SEQUENCES = ("ids", "queries", "tasks", "groups", "timestamps")
_MATRICES = ("scores", "costs", "input_tokens", "output_tokens", "latency_ms", "vectors")


def write_parquet(records: RecordSet, path: Path) -> None:
    """Write all fields to one file; an existing one is replaced as a whole or not at all."""
    import pyarrow.parquet as pq

    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        pq.write_table(to_table(records), unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def to_table(records: RecordSet, *, leave_out: Collection[str] = ()) -> pa.Table:
    """All fields as a table, but for the matrices that are kept elsewhere."""
    import pyarrow as pa

    columns: dict[str, Any] = {"weights": pa.array(records.weights)}
    for name in _SEQUENCES:
        value = getattr(records, name)
        if value is not None:
            columns[name] = pa.array(value, type=pa.string())
    for name in _MATRICES:
        matrix = getattr(records, name)
        if matrix is not None and name not in leave_out:
            flat = pa.array(matrix.ravel())
            columns[name] = pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])
    return pa.table(columns).replace_schema_metadata({_METADATA_KEY: _header(records)})


def _header(records: RecordSet) -> str:
    header = {
        "version": _FORMAT_VERSION,
        "models": records.models,
        "embedder": records.embedder,
        "notes": records.notes,
        "prices": {model: asdict(price) for model, price in records.prices.items()},
        "preferences": [asdict(pair) for pair in records.preferences],
    }
    return json.dumps(header)


def is_saved(path: Path) -> bool:
    """Whether a Parquet file was written by `write_parquet`; False if it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return _METADATA_KEY in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError):
        return False


def read_parquet(path: Path, *, beside: Mapping[str, NDArray[Any]] | None = None) -> RecordSet:
    """Read what `write_parquet` wrote.

    Args:
        path: The file.
        beside: The matrices that `to_table` left out. Vectors are used only if the records had
            some of their own.

    Raises:
        RecordsError: If there is no such file, it is damaged, or it is something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise RecordsError(f"{path}: no such file; check the path")
    try:
        with pq.ParquetFile(path) as file:  # `read_table` and `to_numpy` would import pandas
            return _to_records(file.read(), path, beside or {})
    except RecordsError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise RecordsError(
            f"{path}: not a whole Parquet file ({error}); write or copy it again"
        ) from error


def _to_records(table: pa.Table, path: Path, beside: Mapping[str, NDArray[Any]]) -> RecordSet:
    from knnrouter.records.record_set import Preference, Price, RecordSet

    header = json.loads((table.schema.metadata or {}).get(_METADATA_KEY, b"{}"))
    version = header.get("version")
    if version != _FORMAT_VERSION:
        was = "was not written by it" if version is None else f"has format version {version}"
        raise RecordsError(
            f"{path}: RecordSet.from_parquet reads files that RecordSet.to_parquet of this version "
            f"wrote, and this one {was}; read other tables with `read_records`"
        )
    columns: dict[str, Any] = dict.fromkeys((*_SEQUENCES, *_MATRICES))
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        columns[name] = column.to_pylist() if name in _SEQUENCES else _to_numpy(column)
    columns |= {name: matrix for name, matrix in beside.items() if _is_stated(name, header)}
    return RecordSet(
        **columns,
        models=header["models"],
        embedder=header["embedder"],
        notes=header["notes"],
        prices={model: Price(**price) for model, price in header["prices"].items()},
        preferences=tuple(Preference(**pair) for pair in header["preferences"]),
    )


def _is_stated(name: str, header: Mapping[str, Any]) -> bool:
    return name != "vectors" or header["embedder"] is not None


def _to_numpy(column: Any) -> Any:  # noqa: ANN401  # pyarrow ships no types
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):  # combine_chunks gives one back for no rows
        column = pa.concat_arrays(column.chunks) if column.chunks else pa.array([], column.type)
    if not pa.types.is_fixed_size_list(column.type):
        return _numbers(column)
    return _numbers(column.values).reshape(-1, column.type.list_size)


def _numbers(column: Any) -> NDArray[Any]:  # noqa: ANN401  # pyarrow ships no types
    import pyarrow as pa

    dtype = np.dtype({pa.float32(): np.float32, pa.float64(): np.float64}[column.type])
    if column.null_count:
        raise ValueError(f"{column.null_count} numbers are null; NaN is written instead")
    if len(column) == 0:
        return np.empty(0, dtype)
    offset = column.offset * dtype.itemsize
    return np.frombuffer(column.buffers()[1], dtype, count=len(column), offset=offset)

"""Files to rows of named values, with the place of each row; what is unreadable says why."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from knnrouter.errors import RecordsError

from .wording import shown

__all__ = ["FileRow", "Table", "read_csv", "read_json", "read_jsonl", "read_parquet", "read_text"]

_CSV_LIMIT_LOCK = threading.Lock()
_OTHER_SEPARATORS = {"\t": "tabs", ";": "semicolons"}
_ENDLESS_NUMBER = "not JSON that can be read: a number has thousands of digits; correct it"


class FileRow(NamedTuple):
    """One row of a file."""

    place: str
    """`path:line`, or the path and the number of the row or item, counted from 1."""
    number: int
    """The number of the row in its file, from 1."""
    values: Mapping[str, object]
    """Its values by column."""
    problem: str = ""
    """Why it could not be read; then `values` is empty."""


class _Repeating(dict[str, Any]):
    """A JSON object in which, at any depth of objects, a key occurs more than once."""

    key: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """The rows of a file and the names of its columns."""

    path: Path
    """The file."""
    columns: tuple[str, ...]
    """Names in the order of the file, or of first appearance."""
    rows: tuple[FileRow, ...]
    """All rows in order, also those that could not be read."""


def read_text(path: Path, encoding: str) -> str:
    """Read a text file, without its byte order mark.

    Raises:
        RecordsError: If there is no such file, it is empty, or its bytes are of another encoding.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordsError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RecordsError(
            f"{path}:{line}: byte 0x{data[error.start]:02x} is not {encoding}; name the encoding "
            "of the file with `encoding=` (`--encoding` on the command line), such as latin-1, "
            "or write the file as UTF-8"
        ) from error
    except LookupError as error:
        raise RecordsError(
            f"{encoding!r} is not an encoding; `encoding=` (`--encoding` on the command line) "
            "takes names such as utf-8, latin-1, utf-16"
        ) from error
    if not text.strip():
        raise RecordsError(f"{path}: the file is empty; give at least one row")
    return text


def read_csv(path: Path, encoding: str) -> Table:
    """Read a comma-separated file with a header; lines may end in LF or CRLF.

    A row with another number of fields than the header is a bad row.

    Raises:
        RecordsError: If the file cannot be read, its header is separated by something else, a
            quote is never closed, or columns repeat.
    """
    text = read_text(path, encoding)
    _refuse_other_separator(path, text)
    with _long_fields_allowed(len(text)):
        lines = list(_csv_lines(path, text))
    columns = tuple(name.strip() for name in lines[0][1])
    _refuse_repeated(path, columns)
    rows = []
    for number, (line, fields) in enumerate(lines[1:], start=1):
        place = f"{path}:{line}"
        if len(fields) == len(columns):
            values = dict(zip(columns, fields, strict=True))
            rows.append(FileRow(place, number, values))
        else:
            problem = (
                f"the row has {len(fields)} fields, the header {len(columns)}; complete the row, "
                "and quote fields that hold commas"
            )
            rows.append(FileRow(place, number, {}, problem))
    return Table(path=path, columns=columns, rows=tuple(rows))


def _refuse_other_separator(path: Path, text: str) -> None:
    """Refuse a header of one cell with semicolons or tabs in it: one column is never a table."""
    start = len(text) - len(text.lstrip("\r\n"))
    header = text[start:].split("\n", 1)[0].strip()
    found = [name for mark, name in _OTHER_SEPARATORS.items() if mark in header]
    if found and "," not in header:
        raise RecordsError(
            f"{path}:{text.count(chr(10), 0, start) + 1}: the columns of the header "
            f"{shown(header)} are separated by {found[0]}; a CSV file separates them by commas: "
            "write it again with commas, and quote fields that hold commas"
        )


def _csv_lines(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the line on which each row starts, and its fields; blank lines are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    try:
        for fields in reader:
            if fields:
                yield start, fields
            start = reader.line_num + 1
    except csv.Error as error:
        raise RecordsError(
            f"{path}:{start}: the row that starts here is not CSV ({error}); the file may be cut "
            "off, or a quote inside a quoted field not doubled: write the file again"
        ) from error


@contextmanager
def _long_fields_allowed(characters: int) -> Iterator[None]:
    # The csv module refuses fields above 131,072 characters, with one setting for the process.
    with _CSV_LIMIT_LOCK:
        before = csv.field_size_limit()
        csv.field_size_limit(max(before, characters))
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _refuse_repeated(path: Path, columns: tuple[str, ...]) -> None:
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise RecordsError(
            f"{path}:1: columns occur more than once: {', '.join(map(repr, repeated))}; "
            "give each column its own name"
        )


def read_jsonl(path: Path, encoding: str) -> Table:
    """Read a file with one JSON object a line; blank lines are passed over.

    A line that is not a JSON object, or has a key twice, is a bad row.

    Raises:
        RecordsError: If the file cannot be read.
    """
    rows: list[FileRow] = []
    for line, text in enumerate(read_text(path, encoding).split("\n"), start=1):
        if text.strip():
            rows.append(_json_row(f"{path}:{line}", len(rows) + 1, text))
    columns = dict.fromkeys(name for row in rows for name in row.values)
    return Table(path=path, columns=tuple(columns), rows=tuple(rows))


def _json_row(place: str, number: int, text: str) -> FileRow:
    try:
        value = json.loads(text, object_pairs_hook=_object_of)
    except (json.JSONDecodeError, RecursionError) as error:
        return FileRow(
            place, number, {}, f"not JSON ({error}); write one whole JSON object on each line"
        )
    except ValueError:  # Python reads no integer of more than 4,300 digits
        return FileRow(place, number, {}, _ENDLESS_NUMBER)
    return _object_row(place, number, value)


def _object_row(place: str, number: int, value: Any) -> FileRow:  # noqa: ANN401  # any JSON
    if isinstance(value, _Repeating):
        return FileRow(place, number, {}, _repeated_key(value))
    if isinstance(value, dict):
        return FileRow(place, number, value)
    problem = f"a JSON {type(value).__name__} where an object belongs; write {{column: value, …}}"
    return FileRow(place, number, {}, problem)


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a JSON object; of keys that occur more than once, `dict` would keep the last."""
    values = dict(pairs)
    keys = [value.key for _, value in pairs if isinstance(value, _Repeating)]
    if len(values) < len(pairs):
        keys = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if not keys:
        return values
    repeating = _Repeating(values)
    repeating.key = keys[0]
    return repeating


def _repeated_key(value: _Repeating) -> str:
    return (
        f"key {shown(value.key)} occurs more than once in one JSON object; only one value can "
        "count: keep the right one"
    )


def read_json(path: Path, encoding: str) -> Table:
    """Read a file that holds one JSON list of objects.

    An item that is not an object, or has a key twice, is a bad row.

    Raises:
        RecordsError: If the file cannot be read, or holds something else.
    """
    items = load_json(path, encoding)
    if not isinstance(items, list):
        raise RecordsError(
            f"{path}: holds a JSON {type(items).__name__}; a list of objects belongs here"
        )
    if not items:
        raise RecordsError(f"{path}: the list is empty; give at least one row")
    rows = tuple(
        _object_row(f"{path}, item {number}", number, item)
        for number, item in enumerate(items, start=1)
    )
    columns = dict.fromkeys(name for row in rows for name in row.values)
    return Table(path=path, columns=tuple(columns), rows=rows)


def load_json(path: Path, encoding: str) -> Any:  # noqa: ANN401  # any JSON
    """Read a JSON file.

    Raises:
        RecordsError: If the file cannot be read or is not whole, or if it is an object in which a
            key occurs more than once.
    """
    text = read_text(path, encoding)
    try:
        value = json.loads(text, object_pairs_hook=_object_of)
    except json.JSONDecodeError as error:
        raise RecordsError(
            f"{path}:{error.lineno}:{error.colno}: not JSON ({error.msg}); the file may be cut "
            "off: write or copy it again"
        ) from error
    except RecursionError as error:
        raise RecordsError(
            f"{path}: nested too deeply; a list of flat objects belongs here"
        ) from error
    except ValueError as error:
        raise RecordsError(f"{path}: {_ENDLESS_NUMBER}") from error
    if isinstance(value, _Repeating):
        raise RecordsError(f"{path}: {_repeated_key(value)}")
    return value


def read_parquet(path: Path) -> Table:
    """Read a Parquet file.

    Raises:
        RecordsError: If it is not whole, or columns repeat.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        _refuse_repeated(path, tuple(pq.read_schema(path).names))
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise RecordsError(
            f"{path}: not a whole Parquet file ({error}); the file may be cut off: "
            "write or copy it again"
        ) from error
    rows = tuple(
        FileRow(f"{path}, row {number}", number, values)
        for number, values in enumerate(table.to_pylist(), start=1)
    )
    return Table(path=path, columns=tuple(table.column_names), rows=rows)

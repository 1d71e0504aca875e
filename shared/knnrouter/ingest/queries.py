"""Queries without outcomes: what is asked, one text each."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from knnrouter.errors import RecordsError

from .cells import CellError, as_query
from .files import FileRow, Table, read_csv, read_jsonl, read_text
from .wording import shown

__all__ = ["read_queries"]

_COLUMN = "query"
_TABLES = {".jsonl": read_jsonl, ".csv": read_csv}


def read_queries(path: str | Path, *, encoding: str = "utf-8") -> list[str]:
    r"""Read the queries of a text file, a query a line, or the `query` column of a table.

    Args:
        path: A `.txt`, whose blank lines are passed over; a `.jsonl` of objects with a `query`; or
            a `.csv` with a column `query`. Other columns are not looked at.
        encoding: Of the file; a byte order mark is dropped.

    Raises:
        RecordsError: The file is of another kind or cannot be read, has no such column, or a query
            is blank or no text; all such rows, with file and line.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "monday.txt")
        ...     _ = file.write_text("What is 2 + 2?\n\nWhy is the sky blue?\n")
        ...     read_queries(file)
        ['What is 2 + 2?', 'Why is the sky blue?']
    """
    file = Path(path)
    kind = file.suffix.lower()
    if kind == ".txt":
        return [line for line in _lines(read_text(file, encoding)) if line.strip()]
    read = _TABLES.get(kind)
    if read is None:
        raise RecordsError(
            f"{file}: queries stand in a .txt, a query a line, or in the column `{_COLUMN}` of a "
            ".jsonl or .csv; name such a file"
        )
    table = read(file, encoding)
    problems = list(_problems(table))
    if problems:
        raise RecordsError(problems)
    return [str(row.values[_COLUMN]) for row in table.rows]


def _lines(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        yield line.removesuffix("\r")


def _problems(table: Table) -> Iterator[str]:
    if not table.rows:
        yield f"{table.path}: there is a header and no row; give at least one query"
    elif table.columns and _COLUMN not in table.columns:
        near = difflib.get_close_matches(_COLUMN, table.columns, n=1)
        advice = f"; did you mean {near[0]!r}?" if near else ""
        yield (
            f"{table.path}: there is no column `{_COLUMN}`; the columns are "
            f"{', '.join(map(shown, table.columns))}: rename the one that holds the queries{advice}"
        )
    else:
        for row in table.rows:
            problem = row.problem or _problem(row)
            if problem:
                yield f"{row.place}: {problem}"


def _problem(row: FileRow) -> str:
    try:
        as_query(row.values.get(_COLUMN))
    except CellError as error:
        return str(error)
    return ""

"""Benchmark files of any known format to a RecordSet; one file a format."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from knnrouter.errors import RecordsError
from knnrouter.records import RecordSet

from .cells import Scoring
from .llmrouter import LLMROUTER
from .mt_bench import MT_BENCH
from .preferences import PREFERENCES
from .routellm import ROUTELLM
from .routerbench import ROUTERBENCH
from .routerdc import ROUTERDC
from .rows import ReadOptions
from .saved import SAVED
from .sources import Format, Source
from .table import TABLE

__all__ = ["Format", "formats", "read_records"]


def formats() -> tuple[Format, ...]:
    """List the formats that `read_records` understands, in the order in which they are tried.

    Example:
        >>> [each.name for each in formats()][:4]
        ['records', 'llmrouter', 'routerdc', 'routerbench']
        >>> [each.name for each in formats()][4:]
        ['mt_bench', 'preferences', 'routellm', 'table']
    """
    return (SAVED, LLMROUTER, ROUTERDC, ROUTERBENCH, MT_BENCH, PREFERENCES, ROUTELLM, TABLE)


def read_records(
    path: str | Path,
    format: str = "auto",
    *,
    on_bad_row: Literal["error", "skip"] = "error",
    encoding: str = "utf-8",
    scale: tuple[float, float] | None = None,
    threshold: float | None = None,
    ignore: Sequence[str] = (),
) -> RecordSet:
    r"""Read benchmark outcomes from a file or a folder.

    Empty cells, `nan`, `na`, `none` and `null` are "not measured"; scores of true and false are
    1 and 0. Rows that repeat a text are counted in `notes` and kept; `drop_duplicates()` merges
    them.

    Args:
        path: A file or a folder.
        format: The name of one of `formats()`, or `auto`: recognize it by its content, and say so
            in the first of the `notes`.
        on_bad_row: `error` reports all bad rows at once; `skip` leaves them out, and `notes` count
            them. Faults of the file as a whole are always errors.
        encoding: Of text files; a byte order mark is dropped.
        scale: `(low, high)` of the scores in the file; mapped onto [0, 1].
        threshold: Scores above it (strictly) become 1, the others 0.
        ignore: Columns (in JSON: models) to leave out; one that is not there is an error.

    Returns:
        A row for each query, with `notes` on what was met.

    Raises:
        RecordsError: If the path, the format, a column or a row cannot be used. The message has
            the first 20 problems, with file and line, and their number; `problems` has all.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "mine.csv")
        ...     _ = file.write_text("query,small,large\n2 + 2?,1,1\nProve it.,0,1\n")
        ...     records = read_records(file)
        >>> records, records.notes
        (RecordSet(2 rows, 2 models, 1 task), ('recognized as: table (CSV)',))
    """
    options = ReadOptions(
        on_bad_row=on_bad_row,
        scoring=Scoring(scale=scale, threshold=threshold),
        ignore=frozenset(ignore),
    )
    known = {each.name: each for each in formats()}
    if format != "auto" and format not in known:
        raise RecordsError(_unknown_format(format, known))
    source = Source(Path(path), encoding)
    if format == "auto":
        return _read_recognized(source, options)
    chosen = known[format]
    if source.kind not in chosen.kinds:
        raise RecordsError(
            f"{source.path}: is {_article(source.kind)}, but format {format!r} is "
            f"{' or '.join(map(_article, chosen.kinds))}; name another path, or use format='auto'"
        )
    return chosen.read(source, options)


def _read_recognized(source: Source, options: ReadOptions) -> RecordSet:
    for each in formats():
        if source.kind in each.kinds and each.matches(source):
            records = each.read(source, options)
            note = f"recognized as: {each.name} ({source.kind})"
            notes = (note, *(other for other in records.notes if other != note))
            return RecordSet(**records.as_dict() | {"notes": notes})
    known = "; ".join(each.looks_like for each in formats() if "folder" in each.kinds)
    raise RecordsError(
        f"{source.path}: the folder holds no benchmark format that is known; known are: {known}; "
        "name a file, or a folder of one of these"
    )


def _unknown_format(name: str, known: dict[str, Format]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "or leave it to 'auto'"
    return f"format {name!r} is unknown; known are {', '.join(known)}; {hint}"


def _article(kind: str) -> str:
    return "a folder" if kind == "folder" else f"a {kind} file"

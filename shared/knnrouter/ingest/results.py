"""One model's outcomes on known queries: rows with `score`, by `id`, by `query`, or by both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from knnrouter.errors import RecordsError
from knnrouter.records import RecordSet

from . import read_records
from .cells import CellError, Scoring, as_name
from .files import FileRow, Table
from .ignoring import ignore_faults
from .rows import AMOUNTS, NAMES, Cell, Evidence, ReadOptions, Row, build
from .sources import Source

__all__ = ["read_results"]


def read_results(
    path: str | Path,
    model: str,
    texts: Mapping[str, str | None],
    *,
    format: str = "auto",
    on_bad_row: Literal["error", "skip"] = "error",
    encoding: str = "utf-8",
    scale: tuple[float, float] | None = None,
    threshold: float | None = None,
    ignore: Sequence[str] = (),
) -> RecordSet:
    r"""Read the outcomes of one model.

    Args:
        path: A table whose rows have `id` or `query`, or both, and `score`, or a column named after
            the model; where known, `cost`, `input_tokens`, `output_tokens` and `latency_ms`. Or
            anything that `read_records` takes, of which only this model counts.
        model: Whose outcomes they are.
        texts: The text of each query that is known, by id; None where it is not kept.
        format: As for `read_records`; with another than "auto" that one reads the path.
        on_bad_row: As for `read_records`, and so are the others.
        encoding: Of text files.
        scale: `(low, high)` of the scores.
        threshold: Scores above it become 1.
        ignore: Columns to leave out.

    Returns:
        A row for each outcome; its text is None where neither the row nor `texts` has one.

    Raises:
        RecordsError: The path, columns or rows cannot be used; all that is wrong.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "new.csv")
        ...     _ = file.write_text("id,score\nq1,1\nq2,0.5\n")
        ...     found = read_results(file, "new", {"q1": "2 + 2?", "q2": None})
        >>> found.models, found.queries, found.scores.tolist()
        (('new',), ('2 + 2?', None), [[1.0], [0.5]])
    """
    source = Source(Path(path), encoding)
    if format == "auto" and source.kind != "folder":
        _check_whose(str(path), set(source.table.columns) - set(ignore))
    if format != "auto" or source.kind == "folder" or not _is_bare(source.table, model, ignore):
        return read_records(
            path,
            format,
            on_bad_row=on_bad_row,
            encoding=encoding,
            scale=scale,
            threshold=threshold,
            ignore=ignore,
        )
    table, left_out = source.table, frozenset(ignore)
    scores = "score" if "score" in table.columns else model
    cells = _cells(scores, model)
    faults = [*ignore_faults(str(path), left_out, table.columns)]
    faults += [
        f"{path}: column {name!r} is none of {', '.join(cells)}; rename it, or leave it out with "
        f"ignore=[{name!r}]"
        for name in table.columns
        if name not in cells and name not in left_out
    ]
    bare: set[str] = set()
    kept = {name: cell for name, cell in cells.items() if name not in left_out}
    rows = [_row(row, kept, texts, bare, stem=source.path.stem) for row in table.rows]
    options = ReadOptions(
        on_bad_row=on_bad_row, scoring=Scoring(scale=scale, threshold=threshold), ignore=left_out
    )
    evidence = Evidence(source=str(path), rows=rows, models=(model,), faults=tuple(faults))
    found = build(evidence, options)
    queries = [
        None if name in bare else query
        for name, query in zip(found.ids, found.queries, strict=True)
    ]
    return RecordSet(**found.as_dict() | {"queries": queries, "notes": ()})


def _check_whose(path: str, columns: set[str]) -> None:
    """Check that rows by id alone are those of one model."""
    if {"id", "model", "score"} <= columns and "query" not in columns:
        raise RecordsError(
            f"{path}: there is a column `model` and none called `query`; rows with an `id` alone "
            "are of one model: leave its name out (ignore=['model'], `--ignore model` on the "
            "command line), or give each row its `query`"
        )


def _is_bare(table: Table, model: str, ignore: Sequence[str]) -> bool:
    """Whether a table holds one model's outcomes only, without saying whose, or by id only."""
    columns = set(table.columns) - set(ignore)
    if "model" in columns:
        return False
    return "score" in columns or ("query" not in columns and model in columns)


def _cells(scores: str, model: str) -> dict[str, Cell]:
    """What each column is that such a table may have."""
    return {
        "query": Cell("query"),
        **{name: Cell(name) for name in NAMES},
        scores: Cell("score", model),
        **{name: Cell(name, model) for name in AMOUNTS},
        **{f"{model}|{name}": Cell(name, model) for name in AMOUNTS},
    }


def _row(
    row: FileRow,
    cells: Mapping[str, Cell],
    texts: Mapping[str, str | None],
    bare: set[str],
    *,
    stem: str,
) -> Row:
    """One row, with the text of its id where it has none; `bare` collects ids that have none."""
    default_id = f"{stem}-{row.number}"
    values = {cells[name]: value for name, value in row.values.items() if name in cells}
    problem = row.problem
    if not problem and values.get(Cell("query")) is None:
        try:
            name = as_name(values.get(Cell("id")))
        except CellError as error:
            return Row(row.place, default_id, {}, f"id: {error}")
        if name is None:
            problem = "it has neither `id` nor `query`; give one of them, as it was proposed"
        else:
            text = texts.get(name)
            if text is None:
                bare.add(name)
            values[Cell("query")] = name if text is None else text
    return Row(row.place, default_id, {} if problem else values, problem)

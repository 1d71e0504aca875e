"""Generic tables, wide or long, from JSONL, CSV, Parquet, a JSON list, or rows in memory.

A table with the columns `query`, `model` and `score` is long; any other one is wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from knnrouter.errors import RecordsError
from knnrouter.records import RecordSet

from .cells import CellError, Scoring, as_model
from .files import FileRow
from .ignoring import ignore_faults
from .rows import AMOUNTS, NAMES, Cell, Evidence, ReadOptions, Row, build
from .sources import Format, Source
from .wide import Layout, model_name_faults, rows_of, text_column_faults
from .wording import shown

__all__ = ["TABLE", "records_from_rows"]

_LONG_ONLY = ("model", "score", *AMOUNTS)
_LONG = ("query", *NAMES, *_LONG_ONLY)


def records_from_rows(
    rows: Iterable[Mapping[str, object]],
    *,
    ignore: Sequence[str],
    scale: tuple[float, float] | None,
    threshold: float | None,
) -> RecordSet:
    """Make records of rows in memory; see `RecordSet.from_rows`."""
    options = ReadOptions(
        scoring=Scoring(scale=scale, threshold=threshold), ignore=frozenset(ignore)
    )
    kept = tuple(_row_in_memory(number, row) for number, row in enumerate(rows, start=1))
    columns = tuple(dict.fromkeys(name for row in kept for name in row.values))
    return _build_table(kept, columns, source="rows", stem="row", options=options)


def _row_in_memory(number: int, row: object) -> FileRow:
    if isinstance(row, Mapping) and all(isinstance(name, str) for name in row):
        return FileRow(f"row {number}", number, row)
    problem = f"{shown(row)} is not a mapping from columns to values; give dicts with text keys"
    return FileRow(f"row {number}", number, {}, problem)


def _read(source: Source, options: ReadOptions) -> RecordSet:
    path, table = source.path, source.table
    return _build_table(
        table.rows, table.columns, source=str(path), stem=path.stem, options=options
    )


def _build_table(
    rows: Sequence[FileRow],
    columns: Sequence[str],
    *,
    source: str,
    stem: str,
    options: ReadOptions,
) -> RecordSet:
    unknown = _unknown_ignored(source, columns, options.ignore)
    columns = [name for name in columns if not _is_ignored(name, options.ignore)]
    if columns and "query" not in columns:
        no_query = (
            f"{source}: there is no column `query`; the columns are {', '.join(columns)}: rename "
            "the one with the text that the models answered to `query`; a summary that has no row "
            "for each query cannot be used"
        )
        raise RecordsError([*unknown, no_query])
    shape = _long if {"model", "score"} <= set(columns) else _wide
    evidence = shape(rows, columns, source=source, stem=stem)
    return build(replace(evidence, faults=(*unknown, *evidence.faults)), options)


def _unknown_ignored(source: str, columns: Sequence[str], ignore: frozenset[str]) -> list[str]:
    if not columns:  # no row, no column: a fault of its own
        return []
    of_models = {name.rpartition("|")[0] for name in columns}
    return list(ignore_faults(source, ignore - of_models, columns))


def _is_ignored(column: str, ignore: frozenset[str]) -> bool:
    """Whether a column is to be left out, or is about a model that is."""
    return column in ignore or column.rpartition("|")[0] in ignore - {""}


def _wide(rows: Sequence[FileRow], columns: Sequence[str], *, source: str, stem: str) -> Evidence:
    layout, faults = _wide_layout(columns)
    text_columns = text_column_faults(rows, layout)
    faults = [f"{source}: {fault}" for fault in faults]
    faults += [*model_name_faults(source, layout), *text_columns.values()]
    layout = layout.without(tuple(text_columns))
    if columns and not faults and not layout.models:
        faults = [f"{source}: no model: the table has no column of scores beside {list(columns)}"]
    return Evidence(
        source=source,
        rows=rows_of(rows, layout, stem=stem),
        models=layout.models,
        faults=tuple(faults),
    )


def _wide_layout(columns: Sequence[str]) -> tuple[Layout, list[str]]:
    cells: dict[str, Cell] = {}
    faults = []
    for name in columns:
        model, bar, amount = name.rpartition("|")
        if name in ("query", *NAMES):
            cells[name] = Cell(name)
        elif bar and amount in AMOUNTS and model in columns:
            cells[name] = Cell(amount, model)
        elif fault := _column_fault(name):
            faults.append(fault)
        else:
            cells[name] = Cell("score", name)
    return Layout(cells=cells), faults


def _column_fault(name: str) -> str | None:
    model, bar, amount = name.rpartition("|")
    known = ", ".join(AMOUNTS)
    advice = f"or leave it out with ignore=[{name!r}]"
    if not name:
        return f"a column has no name; give it one, {advice}"
    if bar and amount in AMOUNTS:
        return (
            f"column {name!r} has no column {model!r} with the scores beside it; add it, {advice}"
        )
    if bar:
        return f"column {name!r}: {amount!r} is none of {known}; rename it, {advice}"
    if name in _LONG_ONLY:
        return (
            f"column {name!r} belongs to a long table, which has `query`, `model` and `score`; "
            f"complete those, or in a wide table name the columns `<model>` and `<model>|cost`, "
            f"{advice}"
        )
    return None


def _long(rows: Sequence[FileRow], columns: Sequence[str], *, source: str, stem: str) -> Evidence:
    faults = [
        f"{source}: column {name!r} is none of {', '.join(_LONG)}; rename it, or leave it out "
        f"with ignore=[{name!r}]"
        for name in columns
        if name not in _LONG
    ]
    return Evidence(source=source, rows=_long_rows(rows, stem), faults=tuple(faults), join=True)


def _long_rows(rows: Sequence[FileRow], stem: str) -> Iterator[Row]:
    for row in rows:
        default_id = f"{stem}-{row.number}"
        try:
            cells, problem = _long_cells(row.values), row.problem
        except CellError as error:
            cells, problem = {}, row.problem or f"model: {error}"
        yield Row(row.place, default_id, cells, problem)


def _long_cells(values: Mapping[str, object]) -> dict[Cell, object]:
    model = as_model(values.get("model"))
    if model is None:
        raise CellError("it is absent or empty; every row of a long table names one model")
    cells = {Cell(name): values[name] for name in ("query", *NAMES) if name in values}
    cells |= {Cell(name, model): values[name] for name in AMOUNTS if name in values}
    return {**cells, Cell("score", model): values.get("score")}


TABLE = Format(
    name="table",
    looks_like="a JSONL, CSV or Parquet file, or a JSON list, with a column `query`",
    fields=(
        "wide: query, one column a model; optional id, task, group, timestamp, <model>|cost, "
        "<model>|input_tokens, <model>|output_tokens, <model>|latency_ms. "
        "long: query, model, score; optional id, task, group, timestamp, cost, input_tokens, "
        "output_tokens, latency_ms"
    ),
    kinds=("JSONL", "CSV", "Parquet", "JSON"),
    matches=lambda source: True,
    read=_read,
)

"""RouteLLM csv: a column `prompt` and a truth value for each model; a file, or a folder of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from knnrouter.errors import RecordsError
from knnrouter.records import RecordSet

from .files import Table
from .ignoring import ignore_faults
from .rows import Cell, Evidence, ReadOptions, Row, build
from .sources import Format, Source
from .wide import Layout, model_name_faults, rows_of, text_column_faults

__all__ = ["ROUTELLM"]

_RESPONSE = "_response"


def _matches(source: Source) -> bool:
    if source.kind == "folder":
        files = source.beside("*.csv")
        return bool(files) and _matches(Source(files[0], source.encoding))
    columns = source.table.columns
    return "prompt" in columns and "query" not in columns


def _read(source: Source, options: ReadOptions) -> RecordSet:
    tables = _tables(source)
    missing = [
        f"{table.path}: there is no column `prompt`; the columns are {', '.join(table.columns)}"
        for table in tables
        if "prompt" not in table.columns
    ]
    if missing:
        raise RecordsError(missing)
    layouts = [_layout(table, options.ignore) for table in tables]
    columns = [name for table in tables for name in table.columns]
    faults = list(ignore_faults(str(source.path), options.ignore, columns))
    for number, (table, layout) in enumerate(zip(tables, layouts, strict=True)):
        text_columns = text_column_faults(table.rows, layout)
        faults += [*model_name_faults(str(table.path), layout), *text_columns.values()]
        layouts[number] = layout.without(tuple(text_columns))
    evidence = Evidence(source=str(source.path), rows=_rows(tables, layouts), faults=tuple(faults))
    return build(evidence, options)


def _tables(source: Source) -> list[Table]:
    if source.kind != "folder":
        return [source.table]
    files = source.beside("*.csv")
    if not files:
        raise RecordsError(f"{source.path}: there is no *.csv in the folder; name another one")
    return [Source(path, source.encoding).table for path in files]


def _layout(table: Table, ignore: frozenset[str]) -> Layout:
    cells = {"prompt": Cell("query")}
    for name in table.columns:
        answers = name.endswith(_RESPONSE) and name.removesuffix(_RESPONSE) in table.columns
        if name != "prompt" and name not in ignore and not answers:
            cells[name] = Cell("score", name)
    return Layout(cells=cells)


def _rows(tables: Sequence[Table], layouts: Sequence[Layout]) -> Iterator[Row]:
    for table, layout in zip(tables, layouts, strict=True):
        stem = table.path.stem
        task = stem.removeprefix("mmlu_").removesuffix("_responses")
        for row in rows_of(table.rows, layout, stem=stem):
            yield row._replace(cells={**row.cells, Cell("task"): task})


ROUTELLM = Format(
    name="routellm",
    looks_like="a RouteLLM csv file, or a folder of them, with a column `prompt`",
    fields=(
        "prompt, one column of true/false (or numbers in [0, 1]) a model; <model>_response is "
        "left out; the task is the name of the file without mmlu_ before and _responses after it"
    ),
    kinds=("CSV", "folder"),
    matches=_matches,
    read=_read,
)

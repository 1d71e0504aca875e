"""RouterBench wide csv: for each model a score, its answer, and its cost in USD."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

from knnrouter.errors import RecordsError
from knnrouter.records import RecordSet

from .ignoring import ignore_faults
from .rows import Cell, Evidence, ReadOptions, Row, build
from .sources import Format, Source
from .wide import Layout, model_name_faults, rows_of, text_column_faults
from .wording import counted

__all__ = ["ROUTERBENCH"]

_COST = "|total_cost"
_NAMED = {"sample_id": Cell("id"), "prompt": Cell("query"), "eval_name": Cell("task")}


def _matches(source: Source) -> bool:
    columns = source.table.columns
    return "prompt" in columns and any(name.endswith(_COST) for name in columns)


def _read(source: Source, options: ReadOptions) -> RecordSet:
    table = source.table
    if "prompt" not in table.columns:
        raise RecordsError(
            f"{source.path}: there is no column `prompt`; the columns are "
            f"{', '.join(table.columns)}"
        )
    layout = _layout(table.columns, options.ignore)
    text_columns = text_column_faults(table.rows, layout)
    rows = list(rows_of(table.rows, layout.without(tuple(text_columns)), stem=source.path.stem))
    repeated = len(rows) - len({_id_of(row) or row.default_id for row in rows})
    evidence = Evidence(
        source=str(source.path),
        rows=_with_plain_prompts(_with_distinct_ids(rows)),
        models=layout.models,
        faults=(
            *ignore_faults(str(source.path), options.ignore, table.columns),
            *model_name_faults(str(source.path), layout),
            *text_columns.values(),
        ),
        notes=(f"{counted(repeated, 'repeated id')}, told apart as #2, #3, …",) if repeated else (),
    )
    return build(evidence, options)


def _layout(columns: Sequence[str], ignore: frozenset[str]) -> Layout:
    cells = {name: cell for name, cell in _NAMED.items() if name in columns}
    for name in columns:
        if f"{name}{_COST}" in columns and name not in ignore:
            cells[name] = Cell("score", name)
            cells[f"{name}{_COST}"] = Cell("cost", name)
    return Layout(cells=cells)


def _with_distinct_ids(rows: Sequence[Row]) -> Iterator[Row]:
    seen: Counter[str] = Counter()
    for row in rows:
        stated = _id_of(row)
        seen[stated] += 1
        again = stated and seen[stated] > 1
        name = f"{stated}#{seen[stated]}"
        yield row._replace(cells={**row.cells, Cell("id"): name}) if again else row


def _id_of(row: Row) -> str:
    stated = row.cells.get(Cell("id"))
    return "" if stated is None else str(stated)


def _with_plain_prompts(rows: Iterator[Row]) -> list[Row]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a raw text with a stray backslash is no fault
        return [
            row._replace(cells={**row.cells, Cell("query"): _plain(row.cells.get(Cell("query")))})
            if Cell("query") in row.cells
            else row
            for row in rows
        ]


def _plain(prompt: object) -> object:
    """Join the turns of a stringified list by newlines; anything else stays as it is."""
    if not isinstance(prompt, str) or not prompt.startswith("["):
        return prompt
    try:
        turns = ast.literal_eval(prompt)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return prompt
    if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
        return prompt
    return "\n".join(turns)


ROUTERBENCH = Format(
    name="routerbench",
    looks_like="a RouterBench csv, with columns `prompt` and `<model>|total_cost`",
    fields=(
        "sample_id, prompt (a stringified list of turns), eval_name, and for each model <model> "
        "(score in [0, 1]) and <model>|total_cost (USD); <model>|model_response and others are "
        "left out"
    ),
    kinds=("CSV", "Parquet"),
    matches=_matches,
    read=_read,
)

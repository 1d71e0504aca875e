"""ulab LLMRouter json: scored questions, joined with task names and prices found beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from knnrouter.errors import RecordsError
from knnrouter.records import Price, RecordSet

from .cells import CellError, as_amount, as_name
from .files import FileRow, Table, load_json, read_json, read_jsonl
from .rows import Evidence, ReadOptions, Row, build
from .scored import ignored_model_faults, scored_rows
from .sources import Format, Source
from .wording import counted

__all__ = ["LLMROUTER"]

_PRICES = "llm_candidates.json"


def _matches(source: Source) -> bool:
    if source.kind == "folder":
        return bool(source.beside("routing_*.json"))
    scored = {"question", "scores"} <= set(source.table.columns)
    return scored and bool(source.beside(_PRICES) or source.beside("query_*.jsonl"))


def _read(source: Source, options: ReadOptions) -> RecordSet:
    path = _routing_file(source)
    table = read_json(path, source.encoding) if source.kind == "folder" else source.table
    tasks = _read_tasks(path, source.encoding)
    prices, price_faults = _read_prices(path.with_name(_PRICES), source.encoding)
    rows = list(scored_rows(table, task_of=tasks.by_query.get, ignore=options.ignore))
    models = _models_of(rows, prices)
    return build(
        Evidence(
            source=str(path),
            rows=[*tasks.bad_rows, *rows],
            models=models,
            faults=(*price_faults, *ignored_model_faults(table, options.ignore)),
            prices={model: prices[model] for model in models if model in prices},
            notes=(*_task_notes(tasks, table), *_price_notes(models, prices)),
        ),
        options,
    )


def _routing_file(source: Source) -> Path:
    if source.kind != "folder":
        return source.path
    found = source.beside("routing_*.json")
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise RecordsError(
            f"{source.path}: a folder of ulab LLMRouter holds one routing_*.json, and this one "
            f"holds {names}; name the file"
        )
    return found[0]


@dataclass(frozen=True, kw_only=True)
class _Tasks:
    """The task names of queries."""

    by_query: Mapping[str, str | None]
    """The first task that the file names for a text."""
    ambiguous: int
    """How many texts it names several tasks for."""
    rows: int
    """How many rows it has; 0 if there is no file."""
    bad_rows: tuple[Row, ...]
    """Those that could not be read."""


def _read_tasks(routing: Path, encoding: str) -> _Tasks:
    path = routing.with_name(routing.name.replace("routing", "query", 1)).with_suffix(".jsonl")
    if not path.is_file():
        return _Tasks(by_query={}, ambiguous=0, rows=0, bad_rows=())
    rows = read_jsonl(path, encoding).rows
    bad = tuple(Row(row.place, "", {}, problem) for row in rows if (problem := _task_problem(row)))
    tasks: dict[str, dict[str | None, None]] = {}
    for row in rows:
        query = row.values.get("query")
        if isinstance(query, str) and not _task_problem(row):
            tasks.setdefault(query, {})[as_name(row.values.get("task_name"))] = None
    return _Tasks(
        by_query={query: next(iter(names)) for query, names in tasks.items()},
        ambiguous=sum(len(names) > 1 for names in tasks.values()),
        rows=len(rows),
        bad_rows=bad,
    )


def _task_problem(row: FileRow) -> str:
    if row.problem:
        return row.problem
    if not isinstance(row.values.get("query"), str):
        return "query: it is absent or not text; each row needs `query` and `task_name`"
    try:
        as_name(row.values.get("task_name"))
    except CellError as error:
        return f"task_name: {error}"
    return ""


def _task_notes(tasks: _Tasks, table: Table) -> Iterator[str]:
    if not tasks.rows:
        yield "no query_*.jsonl lies beside the file: tasks are unknown"
        return
    # Both files may hold a text several times: each row of scores uses up one row of the queries.
    questions = [str(row.values.get("question")) for row in table.rows]
    matched = sum(question in tasks.by_query for question in questions)
    if tasks.rows > matched:
        yield f"{tasks.rows - matched:,} of {tasks.rows:,} query rows without scores of their own"
    if matched < len(questions):
        yield f"{counted(len(questions) - matched, 'scored question')} without a task name"
    if tasks.ambiguous:
        yield f"{counted(tasks.ambiguous, 'text')} with several tasks; the first one is taken"


def _read_prices(path: Path, encoding: str) -> tuple[dict[str, Price], list[str]]:
    if not path.is_file():
        return {}, []
    candidates = load_json(path, encoding)
    if not isinstance(candidates, dict):
        return {}, [
            f"{path}: holds a JSON {type(candidates).__name__}; {{model: prices}} belongs here"
        ]
    prices: dict[str, Price] = {}
    faults = []
    for model, stated in candidates.items():
        try:
            price = _price(stated)
        except CellError as error:
            faults.append(f"{path}: price of {model!r}: {error}")
        else:
            prices |= {} if price is None else {model: price}
    return prices, faults


def _price(stated: object) -> Price | None:
    """Read one model's prices; None if one of the two is not stated."""
    if not isinstance(stated, dict):
        raise CellError("it is not an object; give {input_price: …, output_price: …}")
    per_input, per_output = (as_amount(stated.get(key)) for key in ("input_price", "output_price"))
    if math.isnan(per_input) or math.isnan(per_output):
        return None
    return Price(per_input, per_output)


def _models_of(rows: list[Row], prices: Mapping[str, Price]) -> tuple[str, ...]:
    """All models, those with a price first: each row of scores has an order of its own."""
    scored = dict.fromkeys(cell.model for row in rows for cell in row.cells if cell.model)
    return tuple(dict.fromkeys([*(model for model in prices if model in scored), *scored]))


def _price_notes(models: tuple[str, ...], prices: Mapping[str, Price]) -> Iterator[str]:
    unpriced = [model for model in models if model not in prices]
    if unpriced:
        yield f"no price is stated for {', '.join(unpriced)}"
    if prices:
        yield "the files hold no token counts: costs are not measured, prices are kept"


LLMROUTER = Format(
    name="llmrouter",
    looks_like=(
        "ulab LLMRouter: routing_*.json, or the folder with it, query_*.jsonl and "
        "llm_candidates.json"
    ),
    fields=(
        "routing_*.json: question, scores: {model: number in [0, 1]}. query_*.jsonl: query, "
        "task_name. llm_candidates.json: {model: {input_price, output_price}}, USD per million "
        "tokens"
    ),
    kinds=("JSON", "folder"),
    matches=_matches,
    read=_read,
)

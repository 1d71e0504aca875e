"""Rows of any format to a RecordSet: parse, join, check, assemble.

Each format turns its rows into `Row`s, whose cells are named by `Cell`: what it is, and of which
model. From here on all formats go the same way. Every bad row is found before anything is raised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from knnrouter.errors import RecordsError
from knnrouter.records import FloatMatrix, Price, RecordSet

from .cells import CellError, Scoring, as_amount, as_name, as_query
from .wording import counted

__all__ = ["AMOUNTS", "NAMES", "Cell", "Evidence", "ReadOptions", "Row", "build"]

NAMES = ("id", "task", "group", "timestamp")
"""What a row may say about its query, beside the text."""

AMOUNTS = ("cost", "input_tokens", "output_tokens", "latency_ms")
"""What a row may say about a model, beside its score."""


class Cell(NamedTuple):
    """What a value of a row is."""

    field: str
    """`query`, `score`, or one of `NAMES` and `AMOUNTS`."""
    model: str = ""
    """Whose score or amount it is."""


class Row(NamedTuple):
    """One row of a source, its values not yet checked."""

    place: str
    """Where it stands, for messages: `data.csv:12`."""
    default_id: str
    """The id of the record, unless the row has one."""
    cells: Mapping[Cell, object]
    """Its values by what they are."""
    problem: str = ""
    """Why it could not be read at all; then `cells` is empty."""


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What the caller asked for.

    Raises:
        RecordsError: If `on_bad_row` is unknown.
    """

    on_bad_row: Literal["error", "skip"] = "error"
    """Whether a bad row is an error, or left out and counted in `notes`."""
    scoring: Scoring = field(default_factory=Scoring)
    """How scores become qualities in [0, 1]."""
    ignore: frozenset[str] = frozenset()
    """Columns to leave out."""

    def __post_init__(self) -> None:
        if self.on_bad_row not in ("error", "skip"):
            raise RecordsError(
                f"on_bad_row is {self.on_bad_row!r}; it can be 'error' (report all bad rows) "
                "or 'skip' (leave them out and count them in the notes)"
            )


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a format found in its files."""

    source: str
    """Its path, for messages."""
    rows: Iterable[Row]
    """All rows, good and bad, in order."""
    models: tuple[str, ...] = ()
    """Models in the order of the columns; models of rows that are not named here follow."""
    faults: tuple[str, ...] = ()
    """What is wrong with the source as a whole; never skipped."""
    join: bool = False
    """Whether rows of one query are to be joined (a long table)."""
    prices: Mapping[str, Price] = field(default_factory=dict)
    """Prices that the source states."""
    notes: tuple[str, ...] = ()
    """What the reader of the records should know."""


@dataclass(kw_only=True)
class _Outcome:
    """One row, checked."""

    place: str
    default_id: str
    query: str
    names: dict[str, str | None]
    values: dict[str, dict[str, float]]  # field -> model -> number

    @property
    def id(self) -> str:
        return self.names["id"] or self.default_id


class _Tally:
    """Bad rows, in the order in which they were met, and what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.rows = 0

    def add(self, place: str, problems: Iterable[str]) -> None:
        self.rows += 1
        self.problems += [f"{place}: {problem}" for problem in problems]


def build(evidence: Evidence, options: ReadOptions) -> RecordSet:
    """Make records of what a format found.

    Args:
        evidence: Rows, with their places.
        options: How to read scores, and what to do with bad rows.

    Returns:
        A record for each row (for each query, where rows are joined), in order of appearance.
        `notes` count bad rows skipped, repeated texts and pairs, and cells without a score.

    Raises:
        RecordsError: All faults of the source and of its rows at once.
    """
    tally = _Tally()
    parsed = list(_parse_all(evidence.rows, options.scoring, tally))
    outcomes, repeated = _join(parsed, tally) if evidence.join else (_distinct(parsed, tally), 0)
    faults = list(evidence.faults)
    if options.on_bad_row == "error":
        faults += tally.problems
    if not faults and not outcomes:
        faults = [f"{evidence.source}: no usable row; give at least one", *tally.problems]
    if faults:
        raise RecordsError(faults)
    notes = [*evidence.notes, *_skip_notes(tally)]
    if repeated:
        notes.append(f"{counted(repeated, 'repeated (query, model) pair')}, kept as rows apart")
    return _assemble(outcomes, evidence, notes)


def _parse_all(rows: Iterable[Row], scoring: Scoring, tally: _Tally) -> Iterable[_Outcome]:
    for row in rows:
        if row.problem:
            tally.add(row.place, [row.problem])
            continue
        outcome, problems = _parse(row, scoring)
        if problems:
            tally.add(row.place, problems)
        else:
            yield outcome


def _parse(row: Row, scoring: Scoring) -> tuple[_Outcome, list[str]]:
    outcome = _Outcome(
        place=row.place,
        default_id=row.default_id,
        query="",
        names=dict.fromkeys(NAMES),
        values={},
    )
    problems = []
    if Cell("query") not in row.cells:
        problems.append("`query` is absent; every row needs the text that the models answered")
    for cell, value in row.cells.items():
        try:
            _store(outcome, cell, value, scoring)
        except CellError as error:
            of = f" of {cell.model!r}" if cell.model else ""
            problems.append(f"{cell.field}{of}: {error}")
    return outcome, problems


def _store(outcome: _Outcome, cell: Cell, value: object, scoring: Scoring) -> None:
    if cell.field == "query":
        outcome.query = as_query(value)
    elif cell.field in outcome.names:
        outcome.names[cell.field] = as_name(value)
    else:
        read: Callable[[object], float] = scoring.read if cell.field == "score" else as_amount
        outcome.values.setdefault(cell.field, {})[cell.model] = read(value)


def _distinct(outcomes: Iterable[_Outcome], tally: _Tally) -> list[_Outcome]:
    """Keep the rows whose stated id is not taken yet; a repeated one is a fault of its row."""
    taken: dict[str, str] = {}
    kept = []
    for outcome in outcomes:
        stated = outcome.names["id"]
        if stated is not None and stated in taken:
            tally.add(
                outcome.place,
                [f"id {stated!r} is already the id of {taken[stated]}; give each row its own"],
            )
            continue
        if stated is not None:
            taken[stated] = outcome.place
        kept.append(outcome)
    return kept


def _join(outcomes: Iterable[_Outcome], tally: _Tally) -> tuple[list[_Outcome], int]:
    """Join the rows of one id, else of one task and text; count repeated pairs without id.

    The second score of a model on a query without id goes into a second record of that query.
    """
    joined: dict[tuple[object, ...], _Outcome] = {}
    seen: Counter[tuple[object, ...]] = Counter()
    repeated = 0
    for outcome in outcomes:
        (model,) = outcome.values["score"]
        stated = outcome.names["id"]
        if stated is None:
            text = (outcome.names["task"], outcome.query)
            first = joined.setdefault((*text, seen[*text, model]), outcome)
            repeated += seen[*text, model] > 0
            seen[*text, model] += 1
        else:
            first = joined.setdefault((stated,), outcome)
            if problem := _clash(first, outcome, model):
                tally.add(outcome.place, [problem])
                continue
        if first is not outcome:
            _merge(first, outcome)
    return list(joined.values()), repeated


def _clash(first: _Outcome, outcome: _Outcome, model: str) -> str | None:
    if first is outcome:
        return None
    if first.query != outcome.query:
        return (
            f"id {outcome.id!r} has another query at {first.place}; "
            "rows of one id must have one query: give each query its own id"
        )
    if model in first.values["score"]:
        return (
            f"id {outcome.id!r} and model {model!r} occur a second time (id first at "
            f"{first.place}); give each attempt its own id, or leave the ids out"
        )
    return None


def _merge(first: _Outcome, other: _Outcome) -> None:
    for name, value in other.names.items():
        first.names[name] = first.names[name] or value
    for column, values in other.values.items():
        first.values.setdefault(column, {}).update(values)


def _skip_notes(tally: _Tally) -> list[str]:
    if not tally.rows:
        return []
    return [f"{counted(tally.rows, 'bad row')} skipped; the first: {tally.problems[0]}"]


def _assemble(outcomes: list[_Outcome], evidence: Evidence, notes: list[str]) -> RecordSet:
    measured = (model for outcome in outcomes for model in outcome.values.get("score", {}))
    models = tuple(dict.fromkeys((*evidence.models, *measured)))
    matrices = {name: _matrix(outcomes, name, models) for name in ("score", *AMOUNTS)}
    names: dict[str, Any] = {
        name: tuple(outcome.names[name] for outcome in outcomes) for name in NAMES
    }
    queries = tuple(outcome.query for outcome in outcomes)
    try:
        return RecordSet(
            ids=tuple(outcome.id for outcome in outcomes),
            queries=queries,
            tasks=names["task"],
            models=models,
            scores=_or_nan(matrices["score"], outcomes, models).astype(np.float32),
            costs=_or_nan(matrices["cost"], outcomes, models),
            input_tokens=matrices["input_tokens"],
            output_tokens=matrices["output_tokens"],
            latency_ms=matrices["latency_ms"],
            groups=names["group"] if any(names["group"]) else None,
            timestamps=names["timestamp"] if any(names["timestamp"]) else None,
            prices=evidence.prices,
            notes=(*notes, *_general_notes(queries, models, matrices["score"])),
        )
    except RecordsError as error:
        raise RecordsError([f"{evidence.source}: {fault}" for fault in error.problems]) from error


def _matrix(outcomes: list[_Outcome], name: str, models: tuple[str, ...]) -> FloatMatrix | None:
    """One kind of value, shape (n, m); None if no row states any."""
    column = {model: number for number, model in enumerate(models)}
    if not any(name in outcome.values for outcome in outcomes):
        return None
    matrix = np.full((len(outcomes), len(models)), np.nan)
    for row, outcome in enumerate(outcomes):
        for model, value in outcome.values.get(name, {}).items():
            matrix[row, column[model]] = value
    return matrix


def _or_nan(
    matrix: FloatMatrix | None, outcomes: list[_Outcome], models: tuple[str, ...]
) -> FloatMatrix:
    return np.full((len(outcomes), len(models)), np.nan) if matrix is None else matrix


def _general_notes(
    queries: tuple[str, ...], models: tuple[str, ...], scores: FloatMatrix | None
) -> Iterable[str]:
    repeats = len(queries) - len(set(queries))
    if repeats:
        yield f"{counted(repeats, 'row')} with the text of an earlier row (see drop_duplicates)"
    if scores is not None and np.isnan(scores).any():
        missing, all_scores = int(np.isnan(scores).sum()), scores.size
        share = missing / all_scores
        yield f"{missing:,} of {all_scores:,} scores not measured ({share:.1%})"
    if len(models) == 1:
        yield f"there is only one model, {models[0]!r}; a router has nothing to choose from"
